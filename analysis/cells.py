"""A cell is one number's place in a table: board x model x NPU cores x workload x clocks x origin, over its runs.

Of a vision model the cores of the encoder count too, and the image is part of the workload. The clocks are the profile
that was asked for: what a board could not pin of it is a condition of its runs.

Pure: runs in, cells out, and the order of the runs changes nothing. Medians are of the ok runs that are no warm-up;
every other run still shows, in the cell's outcome and among its reasons. A number that physics does not allow is in no
statistic, and shows as a doubt.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from analysis.metrics import METRICS
from analysis.order_statistics import Stat, stat_of
from analysis.outcome import Outcome
from analysis.runs import SIMULATED, Run, Workload
from analysis.witnesses import disagreement

_ORDER = {outcome: place for place, outcome in enumerate(Outcome)}


@dataclass(frozen=True)
class Reason:
    """Why ``count`` runs of a cell are not ok."""

    outcome: Outcome
    reason: str
    advice: str | None
    count: int


@dataclass(frozen=True)
class Doubt:
    """Why a number of ``count`` runs is quarantined."""

    metric: str
    reason: str
    count: int


@dataclass(frozen=True)
class Cell:
    """One row of the table. ``n`` runs are behind the medians; a metric without a value is not in ``stats``.

    ``forced``: checks that the board had failed before some of these runs, and it was measured all the same.
    """

    board: str
    model: str | None
    npu_cores: int | None
    vision_cores: int | None
    workload: Workload
    origin: str
    outcome: str
    n: int
    stats: tuple[tuple[str, Stat], ...]
    reasons: tuple[Reason, ...]
    model_title: str | None
    runtimes: tuple[str, ...]
    drivers: tuple[str, ...]
    artifacts: tuple[str, ...]
    encoders: tuple[str, ...]
    campaigns: tuple[str, ...]
    clock_profile: str | None = None
    forced: tuple[str, ...] = ()
    clocks: tuple[str, ...] = ()  # what became of the profile; two in one cell are a warning
    doubts: tuple[Doubt, ...] = ()

    @property
    def simulated(self) -> bool:
        """Were the numbers made by a virtual board."""
        return self.origin == SIMULATED

    def stat(self, name: str) -> Stat | None:
        """The statistic of one metric of the registry, None when no run has it."""
        return dict(self.stats).get(name)

    def median(self, name: str) -> float | None:
        """The median of one metric, None when no run has it."""
        stat = self.stat(name)
        return None if stat is None else stat.median

    @property
    def memory_note(self) -> str | None:
        """Where the three witnesses of memory disagree; their medians."""
        return disagreement(
            self.median("memory_rkllm_bytes"),
            self.median("memory_vmhwm_bytes"),
            self.median("memory_available_drop_bytes"),
        )


_Key = tuple[str, str | None, int | None, int | None, Workload, str, str | None]


def cells(runs: Iterable[Run]) -> tuple[Cell, ...]:
    """The cells of these runs, by board, model, cores, workload, origin and clocks."""
    groups: defaultdict[_Key, list[Run]] = defaultdict(list)
    for run in runs:
        place = (run.board, run.model, run.npu_cores, run.vision_cores, run.workload, run.origin, run.clock_profile)
        groups[place].append(run)
    return tuple(_cell(key, groups[key]) for key in sorted(groups, key=_sortable))


def outcome_summary(runs: Iterable[Run]) -> str:
    """``ok``, or ``2 ok, 1 timeout``. A warm-up that went well is no news; one that did not is."""
    runs = list(runs)
    counted = Counter(run.outcome for run in runs if run.counts or run.outcome is not Outcome.OK)
    if not counted:
        return "only warm-up" if runs else "no runs"
    if len(counted) == 1:
        return str(next(iter(counted)))
    return ", ".join(f"{counted[outcome]} {outcome}" for outcome in sorted(counted, key=_ORDER.__getitem__))


def _cell(key: _Key, runs: list[Run]) -> Cell:
    board, model, npu_cores, vision_cores, workload, origin, clock_profile = key
    valid = [run for run in runs if run.counts]
    # What the medians are of; where there are none, what the failures are of.
    behind = valid or runs
    return Cell(
        board=board,
        model=model,
        npu_cores=npu_cores,
        vision_cores=vision_cores,
        workload=workload,
        origin=origin,
        clock_profile=clock_profile,
        outcome=outcome_summary(runs),
        n=len(valid),
        stats=_stats(valid),
        reasons=_reasons(runs),
        model_title=min((run.model_title for run in runs if run.model_title), default=None),
        runtimes=_distinct(run.runtime for run in behind),
        drivers=_distinct(run.driver for run in behind),
        artifacts=_distinct(run.artifact_sha256 for run in behind),
        encoders=_distinct(run.encoder_sha256 for run in behind),
        campaigns=_distinct(run.campaign for run in behind),
        forced=_distinct(check for run in behind for check in run.forced),
        clocks=_distinct(run.clocks for run in valid),
        doubts=_doubts(valid),
    )


def _stats(runs: list[Run]) -> tuple[tuple[str, Stat], ...]:
    found = ((metric.name, stat_of(run.believed(metric.name) for run in runs)) for metric in METRICS)
    return tuple((name, stat) for name, stat in found if stat is not None)


def _doubts(runs: list[Run]) -> tuple[Doubt, ...]:
    counted = Counter(doubt for run in runs for doubt in run.quarantined)
    return tuple(Doubt(metric, reason, count) for (metric, reason), count in sorted(counted.items()))


def _reasons(runs: list[Run]) -> tuple[Reason, ...]:
    bad = (run for run in runs if run.outcome is not Outcome.OK)
    counted = Counter((run.outcome, run.reason or "", run.advice) for run in bad)
    found = (Reason(outcome, reason, advice, count) for (outcome, reason, advice), count in counted.items())
    return tuple(sorted(found, key=lambda r: (_ORDER[r.outcome], r.reason, r.advice or "")))


def _distinct(values: Iterable[str | None]) -> tuple[str, ...]:
    return tuple(sorted({value for value in values if value}))


def _sortable(key: _Key) -> tuple[object, ...]:
    """None sorts before every value of its column."""
    board, model, npu_cores, vision_cores, workload, origin, clock_profile = key
    asked = (
        workload.prompt_set,
        workload.prompt_set_sha256,
        workload.prompt_id,
        workload.prompt_chars,
        workload.max_new_tokens,
        workload.max_context_len,
        workload.image,
        workload.image_sha256,
    )
    parts = (model, npu_cores, vision_cores, *asked, clock_profile)
    return (board, *((part is not None, part) for part in parts), origin)
