"""Feasibility for the class of boards and for each board with facts: what is predicted, what was seen, and the verdict.

A real board's own measurement (three valid runs or more, at this context) takes the prediction's place: its interval
is the value with the spread of the runs to either side. What a virtual board measured is listed and decides nothing.
"""

from __future__ import annotations

from dataclasses import replace

from analysis.architecture import Architecture
from analysis.claims import Basis
from analysis.feasibility import Feasibility, Verdict, feasibility, verdict_of
from analysis.interval import Interval
from analysis.metrics import GIB
from analysis.outcome import Outcome
from analysis.report.choose import values
from analysis.report.given import MEMORY, Given, ModelEntry
from analysis.report.model import FeasibilityRow, Origin, Value
from analysis.report.words import Words


def feasibility_rows(given: Given, say: Words) -> tuple[FeasibilityRow, ...]:
    """Every model of the catalogue on the class of boards, then on each board that said what it has."""
    target = given.board_class
    boards: list[tuple[str | None, float, str]] = [(None, target.available_bytes, target.runtime)]
    boards += [
        (board.name, float(board.available_bytes), board.runtime or target.runtime)
        for board in given.boards
        if board.available_bytes
    ]
    return tuple(_row(given, say, model, *board) for board in boards for model in given.models)


def _row(
    given: Given, say: Words, model: ModelEntry, board: str | None, available: float, runtime: str
) -> FeasibilityRow:
    target = given.board_class
    shown = tuple(
        value
        for value in values(given, model.name, target.npu_cores, MEMORY, board)
        if value.origin in (Origin.MEASURED, Origin.MANUAL, Origin.SIMULATED) and value.n
    )
    ooms = _ooms(given, model, board)
    if model.architecture is None:
        why = say("目录中没有其结构参数，无法计算", "its architecture is not in the catalogue: nothing can be computed")
        return FeasibilityRow(
            model.name, model.title, board, model.dtype, target.context, None, Origin.PREDICTED, None, {}, shown,
            None, None, 0, None, why, ooms, model.support,
        )  # fmt: skip
    judged = feasibility(
        model.architecture,
        model.dtype,
        target.context,
        available,
        runtime,
        first_runtime=model.since,
        reserve_bytes=target.reserve_bytes,
    )
    memory = judged.memory
    limit = _limit(judged, say, model, runtime)
    verdict, by = judged.verdict, Origin.PREDICTED
    high = None if memory is None else memory.high
    ground = _measured(shown, target.context)
    if ground is not None and memory is not None and limit is None:
        spread = (ground.high or ground.value) - (ground.low or ground.value)
        high = ground.value + spread
        seen = replace(memory, total=ground.value, low=max(0.0, ground.value - spread), high=high)
        verdict, by = verdict_of(seen, judged.budget_bytes), Origin.MEASURED
    return FeasibilityRow(
        model=model.name,
        title=model.title,
        board=board,
        dtype=model.dtype,
        context=target.context,
        verdict=verdict,
        by=by,
        predicted=None if memory is None else Interval(memory.total, memory.low, memory.high),
        parts={} if memory is None else dict(memory.parts),
        measured=shown,
        budget_bytes=judged.budget_bytes,
        headroom_bytes=None if high is None else judged.budget_bytes - high,
        largest_context=judged.largest_context,
        limit=limit,
        reason=limit or _reason(say, verdict, by, ground, judged, target.context),
        ooms=ooms,
        support=model.support,
    )


def _measured(shown: tuple[Value, ...], context: int) -> Value | None:
    """What a real board measured at this context, often enough to decide."""
    good = (one for one in shown if one.origin is Origin.MEASURED and one.basis is Basis.MEASURED)
    return next((one for one in good if one.context in (None, context)), None)


def _ooms(given: Given, model: ModelEntry, board: str | None) -> int:
    mine = (run for run in given.runs if run.model == model.name and not run.simulated)
    return sum(run.outcome is Outcome.OOM and board in (None, run.board) for run in mine)


def _limit(judged: Feasibility, say: Words, model: ModelEntry, runtime: str) -> str | None:
    """What stops it when memory is not asked."""
    if judged.verdict is not Verdict.NO or judged.memory is None:
        return None
    if judged.reason.startswith("runtime "):
        return say(
            f"Runtime {runtime} 太旧：该模型需要 {model.since} 或更新版本",
            f"runtime {runtime} is too old: the model needs {model.since} or later",
        )
    if judged.reason.startswith("RK3588 can not run"):
        return say(
            f"RK3588 不支持 {model.dtype}（只支持 W8A8 及其分组量化）",
            f"RK3588 can not run {model.dtype}: it takes W8A8 and its groups",
        )
    return None


def _reason(say: Words, verdict: Verdict, by: Origin, ground: Value | None, judged: Feasibility, context: int) -> str:
    memory = judged.memory
    if memory is None:
        return judged.reason
    budget = f"{judged.budget_bytes / GIB:.2f} GiB"
    if by is Origin.MEASURED and ground is not None:
        need = say(f"实测 {ground.value / GIB:.2f} GiB", f"measured {ground.value / GIB:.2f} GiB")
    else:
        span = (memory.total / GIB, memory.low / GIB, memory.high / GIB)
        need = say(
            "预测需 {:.2f} GiB（{:.2f}–{:.2f}）".format(*span), "needs {:.2f} GiB ({:.2f} to {:.2f})".format(*span)
        )
    have = say(f"上下文 {context}，预算 {budget}", f"at {context} tokens of context, {budget} are there")
    end = {
        Verdict.FITS: "",
        Verdict.TIGHT: say("：放得下，余量很小", ": it fits, with little to spare"),
        Verdict.RISK: say("：预算落在区间内，只有实跑才知道", ": only a run can tell"),
        Verdict.NO: say("：下限也超出预算", ": too large even at the low end"),
    }[verdict]
    most = judged.largest_context
    smaller = say(f"；上下文 {most} 以内放得下", f"; up to {most} tokens fit") if 0 < most < context else ""
    return f"{need}{say('，', ', ')}{have}{end}{smaller}"


def fits(row: FeasibilityRow) -> bool:
    """The reports' "can run"."""
    return row.verdict in (Verdict.FITS, Verdict.TIGHT)


def needs_available(architecture: Architecture, dtype: str, context: int, runtime: str, reserve: float) -> float:
    """Bytes that a board must have available when idle for the model to run with little to spare."""
    judged = feasibility(architecture, dtype, context, 0.0, runtime)
    return (judged.memory.high if judged.memory else 0.0) + reserve
