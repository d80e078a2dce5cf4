"""Two sides of evidence, cell by cell: by how much B differs from A, how sure that is, and when it may not be said.

Cells are paired by what was asked of which board. A pair is compared when all conditions are alike but for the fields
that were named: those that the two sides are chosen by, and ``across``. Every other difference is a refusal that names
the fields. The origin of numbers is never one of them: measured and simulated share no statistic.

The verdict is on B. ``same``: the whole interval is within the band of what matters (``analysis.tolerance``). Better or
worse: the whole interval is beyond 1, or, where a side has fewer than five nights, beyond the band, because the night
itself then counts for nothing in the interval. All else is ``can not tell``.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from analysis.conditions import differing
from analysis.environment import changes
from analysis.errors import CannotCompare
from analysis.metrics import BY_NAME
from analysis.ratio import LEAST_RUNS, Ratio, ratio_of_medians
from analysis.runs import Run
from analysis.sides import Side
from analysis.tolerance import COMPARED, band, words, worse_by

# With the board, what makes two runs the same cell; every other condition has to be alike and is no name of a cell.
CELL = ("model", "cores", "vision-cores", "prompt", "new-tokens", "context", "image")


class Verdict(StrEnum):
    """What may be said of B against A."""

    BETTER = "better"
    WORSE = "worse"
    SAME = "same"
    CAN_NOT_TELL = "can not tell"
    NOT_COMPARABLE = "not comparable"


@dataclass(frozen=True)
class Comparison:
    """One cell and metric. Of what can not be compared there is one row for the cell, without metric and ratio."""

    board: str
    model: str | None
    npu_cores: str
    workload: str
    origin: str
    metric: str | None
    ratio: Ratio | None
    runs: tuple[int, int]
    nights: tuple[int, int]
    verdict: Verdict
    why: str
    across: tuple[str, ...] = ()  # conditions that differ because somebody wanted them to: `runtime 1.2.1 → 1.2.3`
    differing: tuple[str, ...] = ()  # fields that forbid it
    environment: tuple[str, ...] = ()  # what else changed on the board, and is no condition

    @property
    def word(self) -> str:
        """The verdict in the words of the metric: faster, slower, smaller, bigger."""
        if self.metric is None or self.verdict not in (Verdict.BETTER, Verdict.WORSE):
            return str(self.verdict)
        return words(self.metric)[self.verdict is Verdict.BETTER]


def compare(a: Side, b: Side, across: Collection[str] = ()) -> tuple[Comparison, ...]:
    """Every cell that either side has. Raises CannotCompare for sides that share runs and for ``across`` the origin."""
    if shared := {run.key for run in a.runs} & {run.key for run in b.runs}:
        raise CannotCompare(f"{len(shared)} runs are on both sides", hint="name sides that have no run in common")
    named = (a.named | b.named) - {"campaign"}
    allowed = {name.replace("_", "-") for name in across} | (named - {"board"})
    if "origin" in allowed:
        raise CannotCompare("measured, simulated and manual numbers are never compared with each other")
    if unknown := allowed - {"board", *_known((*a.runs, *b.runs))}:
        known = ", ".join(sorted(_known((*a.runs, *b.runs)) - {"origin"} | {"board"}))
        raise CannotCompare(f"--across: {', '.join(sorted(unknown))} is no condition", hint=f"one of {known}")
    free = allowed | ({"board"} if "board" in a.named & b.named else set())
    cells_a, cells_b = _cells(a.runs, free), _cells(b.runs, free)
    rows: list[Comparison] = []
    for cell in sorted({*cells_a, *cells_b}):
        rows += _of_cell(cells_a.get(cell, []), cells_b.get(cell, []), free)
    return tuple(rows)


def judge_ratio(metric: str, ratio: Ratio | None) -> tuple[Verdict, str]:
    """The verdict on one ratio, and why where there is none."""
    if ratio is None:
        return Verdict.CAN_NOT_TELL, "no value on one side"
    if ratio.low is None or ratio.high is None:
        return Verdict.CAN_NOT_TELL, f"fewer than {LEAST_RUNS} runs on a side"
    margin = band(metric, ratio.median_a)
    if ratio.is_within(margin):
        return Verdict.SAME, ""
    needed = 0.0 if ratio.between_nights else margin
    if ratio.low > 1 + needed or ratio.high < 1 - needed:
        return (Verdict.WORSE if worse_by(metric, ratio.value, 1.0) > 0 else Verdict.BETTER), ""
    if needed and (ratio.low > 1 or ratio.high < 1):
        return Verdict.CAN_NOT_TELL, f"not clear of ±{margin:.1%}, which nights alone can make"
    return Verdict.CAN_NOT_TELL, f"the interval is neither within ±{margin:.1%} nor beyond it"


def _known(runs: Iterable[Run]) -> set[str]:
    return {name for run in runs for name, _ in run.conditions}


def _cells(runs: Sequence[Run], free: Collection[str]) -> dict[tuple[str, ...], list[list[Run]]]:
    """Runs by cell, and within a cell by board and condition."""
    found: defaultdict[tuple[str, ...], defaultdict[tuple[str, str], list[Run]]] = defaultdict(
        lambda: defaultdict(list)
    )
    for run in sorted(runs, key=lambda run: run.key):
        fields = {"board": run.board} | _conditions(run)
        cell = tuple("" if name in free else fields.get(name, "") for name in ("board", *CELL))
        found[cell][(run.board, run.condition or "")].append(run)
    return {cell: list(groups.values()) for cell, groups in found.items()}


def _of_cell(some_a: list[list[Run]], some_b: list[list[Run]], free: Collection[str]) -> Iterator[Comparison]:
    """Every pair of groups that may be compared; a group that has none is refused against the one nearest to it."""
    matched: set[int] = set()
    refused: list[tuple[list[Run], list[Run], list[str]]] = []
    for runs_a in some_a:
        pairs = [(runs_b, _forbidding(runs_a[0], runs_b[0], free)) for runs_b in some_b]
        for runs_b, forbidding in pairs:
            if not forbidding:
                matched |= {id(runs_a), id(runs_b)}
                yield from _compared(runs_a, runs_b)
        refused += [(runs_a, runs_b, forbidding) for runs_b, forbidding in pairs if forbidding]
    for runs_a, runs_b, forbidding in sorted(refused, key=lambda pair: len(pair[2])):
        if id(runs_a) not in matched or id(runs_b) not in matched:
            matched |= {id(runs_a), id(runs_b)}
            yield _refused(runs_a, runs_b, forbidding)
    for letter, some in (("A", some_a), ("B", some_b)):
        for runs in some:
            if id(runs) not in matched:
                row = _row(runs, runs, None, None, Verdict.NOT_COMPARABLE, f"only {letter} has this cell")
                a, b = int(letter == "A"), int(letter == "B")
                n, nights = row.runs[0], row.nights[0]
                yield replace(row, runs=(n * a, n * b), nights=(nights * a, nights * b))


def _forbidding(a: Run, b: Run, free: Collection[str]) -> list[str]:
    return [name for name in differing(_conditions(a), _conditions(b)) if name not in free]


def _compared(runs_a: list[Run], runs_b: list[Run]) -> Iterator[Comparison]:
    for metric in COMPARED:
        ratio = ratio_of_medians(_nights(runs_a, metric.name), _nights(runs_b, metric.name))
        if ratio is None and not any(run.metric(metric.name) is not None for run in (*runs_a, *runs_b)):
            continue
        verdict, why = judge_ratio(metric.name, ratio)
        if ratio is None and (doubts := _doubts((*runs_a, *runs_b), metric.name)):
            why = f"quarantined: {doubts[0]}"
        yield _row(runs_a, runs_b, metric.name, ratio, verdict, why)


def _doubts(runs: Iterable[Run], metric: str) -> list[str]:
    """Why numbers of this metric are in no statistic."""
    return sorted({reason for run in runs for name, reason in run.quarantined if name == metric})


def _refused(runs_a: list[Run], runs_b: list[Run], forbidding: list[str]) -> Comparison:
    unlike = differing(_conditions(runs_a[0]), _conditions(runs_b[0]))
    why = "; ".join(f"{name} {unlike[name][0]} / {unlike[name][1]}" for name in forbidding)
    return _row(runs_a, runs_b, None, None, Verdict.NOT_COMPARABLE, why, tuple(forbidding))


def _row(
    runs_a: list[Run],
    runs_b: list[Run],
    metric: str | None,
    ratio: Ratio | None,
    verdict: Verdict,
    why: str,
    forbidding: tuple[str, ...] = (),
) -> Comparison:
    a, b = runs_a[0], runs_b[0]
    fields_a, fields_b = _conditions(a), _conditions(b)
    wanted = [
        f"{name} {was} → {now}" for name, (was, now) in differing(fields_a, fields_b).items() if name not in forbidding
    ]
    return Comparison(
        board=_both(a.board, b.board),
        model=a.model,
        npu_cores=_both(fields_a.get("cores", ""), fields_b.get("cores", "")),
        workload=a.workload.sentence,
        origin=_both(a.origin, b.origin),
        metric=metric,
        ratio=ratio,
        runs=(_number(runs_a, metric), _number(runs_b, metric)),
        nights=(len(_nights(runs_a, metric)), len(_nights(runs_b, metric))),
        verdict=verdict,
        why=why,
        across=tuple(wanted),
        differing=forbidding,
        environment=changes(runs_a[-1].environment, runs_b[-1].environment),
    )


def _conditions(run: Run) -> dict[str, str]:
    return dict(run.conditions)


def _nights(runs: Sequence[Run], metric: str | None) -> list[list[float]]:
    """The values of each campaign: a fresh start of everything, which is what a night is."""
    nights: defaultdict[str, list[float]] = defaultdict(list)
    for run in runs:
        value = run.believed(metric) if metric else 0.0
        if value is not None:
            nights[run.campaign].append(value)
    return list(nights.values())


def _number(runs: Sequence[Run], metric: str | None) -> int:
    return sum(map(len, _nights(runs, metric)))


def _both(a: str, b: str) -> str:
    return a if a == b else f"{a} → {b}"


def rows_of(comparisons: Iterable[Comparison]) -> list[dict[str, str | int | float | None]]:
    """For a listing, in shown units; ``interval`` is of the ratio."""
    return [_listed(one) for one in comparisons]


def _listed(one: Comparison) -> dict[str, str | int | float | None]:
    metric, ratio = BY_NAME[one.metric] if one.metric else None, one.ratio
    interval = ratio is not None and ratio.low is not None and ratio.high is not None
    return {
        "board": one.board,
        "model": one.model,
        "cores": one.npu_cores,
        "workload": one.workload,
        "origin": one.origin,
        "metric": metric.heading if metric else None,
        "A": metric.shown(ratio.median_a) if metric and ratio else None,
        "B": metric.shown(ratio.median_b) if metric and ratio else None,
        "n": f"{one.runs[0]}/{one.runs[1]}",
        "nights": f"{one.nights[0]}/{one.nights[1]}",
        "B/A": round(ratio.value, 3) if ratio else None,
        "low": round(ratio.low, 3) if ratio and interval and ratio.low is not None else None,
        "high": round(ratio.high, 3) if ratio and interval and ratio.high is not None else None,
        "sure": f"{ratio.coverage:.0%}" if ratio and ratio.coverage is not None else None,
        "verdict": one.word,
        "why": one.why or None,
        "across": "; ".join(one.across) or None,
        "also changed": "; ".join(one.environment) or None,
    }
