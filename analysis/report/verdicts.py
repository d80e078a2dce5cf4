"""One line a model and board for who reads no more: does it run, how fast, what that rests on, what to be wary of."""

from __future__ import annotations

from collections.abc import Iterable

from analysis.cells import outcome_summary
from analysis.feasibility import Verdict
from analysis.report.choose import OBSERVED, values
from analysis.report.given import Given
from analysis.report.model import Doubt, FeasibilityRow, Origin, Value, VerdictRow
from analysis.report.words import Words


def verdict_rows(
    given: Given, feasible: Iterable[FeasibilityRow], doubts: tuple[Doubt, ...], say: Words
) -> tuple[VerdictRow, ...]:
    """In the order of the feasibility rows."""
    return tuple(_row(given, row, doubts, say) for row in feasible)


def _row(given: Given, row: FeasibilityRow, doubts: tuple[Doubt, ...], say: Words) -> VerdictRow:
    entry = given.model(row.model)
    speed, cores = _fastest(given, row.model, row.board)
    runs = [run for run in given.runs if run.model == row.model and row.board in (None, run.board)]
    flags = []
    if row.verdict is Verdict.RISK:
        flags.append(say("预测无法定论", "not decided by prediction"))
    if row.ooms:
        flags.append(say(f"{row.ooms} 次内存不足", f"out of memory in {row.ooms} run{'s' * (row.ooms > 1)}"))
    if any(one.reference.model == row.title for one in doubts):
        flags.append(say("公开数据存疑", "doubtful published numbers"))
    if speed is not None and speed.origin is Origin.SIMULATED:
        flags.append(say("仅有仿真数据", "simulated numbers only"))
    elif speed is not None and speed.basis not in OBSERVED:
        flags.append(say("未实测", "not measured"))
    return VerdictRow(
        model=row.model,
        title=row.title,
        kind=entry.kind if entry else "",
        board=row.board,
        verdict=row.verdict,
        by=row.by,
        speed=speed,
        cores=cores,
        outcomes=outcome_summary(runs) if runs else "",
        flags=tuple(flags),
    )


def _fastest(given: Given, model: str, board: str | None) -> tuple[Value | None, int | None]:
    for cores in (3, 2, 1):
        found = values(given, model, cores, "generate_tps", board)
        if found:
            return found[0], cores
    return None, None
