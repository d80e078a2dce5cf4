"""A night's number for one series: the median of its valid repeats, at least three, and not too far apart.

The night is what is repeated, not the run: one evening's runs share its heat and its boot, so fourteen nights of five
repeats are fourteen samples (MEASURING 2.2). A campaign is a night. A campaign whose name ends in ``-again`` holds the
cells of that night that were measured a second time, after cooling down.
"""

from __future__ import annotations

import statistics
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from analysis.environment import Environment
from analysis.repeats import variation
from analysis.runs import Run
from analysis.tolerance import COMPARED

LEAST_REPEATS = 3  # valid, of five: the median of two is their mean, and one bad run moves it
WIDE = 0.03  # coefficient of variation above which a night's number is doubtful, and said to be
TOO_WIDE = 0.10  # and above which it is none: the repeats are not of one thing
AGAIN = "-again"


@dataclass(frozen=True, order=True)
class Series:
    """What one line of a chart is of. ``cell`` is model, cores and workload in words, the same on every board."""

    cell: str
    metric: str
    origin: str
    board: str


@dataclass(frozen=True)
class NightValue:
    """One night of one series; stored units. ``value`` is None where ``why`` says that there is none."""

    night: str
    value: float | None
    repeats: tuple[float, ...]  # the valid ones
    conditions: Mapping[str, str]
    environment: Environment = ()
    why: str = ""
    doubt: str = ""
    again: tuple[float, ...] = ()  # the valid repeats of the second measurement; empty where there was none

    @property
    def again_value(self) -> float | None:
        """The median of the second measurement."""
        return statistics.median(self.again) if self.again else None


@dataclass(frozen=True)
class Night:
    """One night: its name, in the order of time, and its series."""

    name: str
    values: Mapping[Series, NightValue]


def again_name(campaign: str) -> str:
    """The campaign that the second measurement of a night's cells belongs in."""
    return campaign + AGAIN


def read_nights(runs: Iterable[Run]) -> tuple[Night, ...]:
    """The nights of these runs, the oldest first. Runs of other purposes than the nightly's are for the caller to leave
    out: every campaign that is here is a night."""
    began: dict[str, str] = {}
    groups: defaultdict[str, defaultdict[tuple[str, str, str], list[Run]]] = defaultdict(lambda: defaultdict(list))
    for run in sorted(runs, key=lambda run: run.key):
        name = run.campaign.removesuffix(AGAIN)
        began[name] = min(began.get(name, "9"), run.created_utc or "9")
        if not run.warmup:
            groups[name][(run.board, cell_of(run), run.origin)].append(run)
    ordered = sorted(began, key=lambda name: (began[name], name))
    split = {key for of_night in groups.values() for key, some in of_night.items() if len(set(map(_profile, some))) > 1}
    return tuple(Night(name, _values(name, _by_profile(groups[name], split))) for name in ordered)


def cell_of(run: Run) -> str:
    """A cell in words: model, cores, workload; two boards that were asked the same have the same."""
    cores = "" if run.npu_cores is None else f"{run.npu_cores} cores" if run.npu_cores != 1 else "1 core"
    vision = "" if run.vision_cores is None else f"encoder on {run.vision_cores}"
    return ", ".join(part for part in (run.model or "unknown model", cores, vision, run.workload.sentence) if part)


def night_value(
    name: str,
    repeats: Sequence[float],
    *,
    of: int,
    conditions: Mapping[str, str],
    environment: Environment = (),
    again: Sequence[float] = (),
) -> NightValue:
    """From valid repeats, of the number that there were. ``again``: those of the second measurement."""
    spread = variation(repeats)
    why = doubt = ""
    if len(repeats) < LEAST_REPEATS:
        why = f"{len(repeats)} of {of} repeats are valid, {LEAST_REPEATS} are needed"
    elif spread > TOO_WIDE:
        why = f"repeats vary by {spread:.1%}, {TOO_WIDE:.0%} at most"
    elif spread > WIDE:
        doubt = f"repeats vary by {spread:.1%}"
    value = None if why else statistics.median(repeats)
    second = tuple(again) if len(again) >= LEAST_REPEATS and variation(again) <= TOO_WIDE else ()
    return NightValue(name, value, tuple(repeats), dict(conditions), environment, why, doubt, second)


def _profile(run: Run) -> str:
    return dict(run.conditions).get("clocks", "unknown").partition(";")[0]


def _by_profile(
    groups: Mapping[tuple[str, str, str], Sequence[Run]], split: Collection[tuple[str, str, str]]
) -> dict[tuple[str, str, str], list[Run]]:
    """A cell that one night measured under two clock profiles is two cells on every night. Where a night has one
    profile and a later night another, it stays one, and the change begins a segment."""
    found: defaultdict[tuple[str, str, str], list[Run]] = defaultdict(list)
    for (board, cell, origin), runs in groups.items():
        for run in runs:
            suffix = f", clocks {_profile(run)}" if (board, cell, origin) in split else ""
            found[(board, cell + suffix, origin)].append(run)
    return found


def _values(name: str, groups: Mapping[tuple[str, str, str], Sequence[Run]]) -> dict[Series, NightValue]:
    found: dict[Series, NightValue] = {}
    for (board, cell, origin), runs in groups.items():
        first = _alike([run for run in runs if not run.campaign.endswith(AGAIN)] or runs)
        fields = dict(first[-1].conditions)
        again = [run for run in runs if run.campaign.endswith(AGAIN) and run.condition == first[-1].condition]
        # A metric that no valid run has tonight still has its place where the cell failed: that is news, too.
        for metric in COMPARED:
            if not any(run.metric(metric.name) is not None for run in first) and any(run.counts for run in first):
                continue
            repeats, second = (_valid(some, metric.name) for some in (first, again))
            found[Series(cell, metric.name, origin, board)] = night_value(
                name,
                repeats,
                of=len(first),
                conditions=fields,
                environment=first[-1].environment,
                again=second,
            )
    return found


def _alike(runs: Sequence[Run]) -> list[Run]:
    """The runs of the condition that has most valid ones, the later of two: a night can change its runtime half-way."""
    by_condition: defaultdict[str | None, list[Run]] = defaultdict(list)
    for run in runs:
        by_condition[run.condition].append(run)
    return max(by_condition.values(), key=lambda some: (sum(run.counts for run in some), some[-1].key))


def _valid(runs: Iterable[Run], metric: str) -> list[float]:
    return [value for run in runs if run.counts and (value := run.believed(metric)) is not None]
