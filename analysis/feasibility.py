"""Will this model run on this board? One of four words, and the sentence that defends it.

The budget is what the board itself says is available when idle, less a reserve: not its nominal memory, of which
carve-outs, a desktop and services take their part before any model comes. The prediction's interval is held against it:

    FITS   the high end is below 0.85 of the budget
    TIGHT  the high end is within the budget
    RISK   the budget lies inside the interval: one run will tell
    NO     even the low end is over, or memory is not what stops it: a dtype of another chip, a runtime too old

Borderline is what one guarded run can decide: RISK, and the NO whose low end would fit if it took the reserve too.

That no file of the model is there is another question, and no part of this one.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass

from analysis.architecture import Architecture
from analysis.constants import CONTEXT_LIMIT, CONTEXT_STEP, FITS_SHARE, GIB, RESERVE_BYTES
from analysis.memory_model import MemoryEstimate, largest_context, predict_memory
from analysis.quantization import dtype_of
from analysis.release import release_of


class Verdict(enum.StrEnum):
    """The reports' "can run" is FITS or TIGHT."""

    FITS = "FITS"  # with room to spare
    TIGHT = "TIGHT"  # within the budget, and little else should run beside it
    RISK = "RISK"  # not decided by what is known
    NO = "NO"  # and trying costs an out-of-memory kill, or a model that does not load


@dataclass(frozen=True)
class Feasibility:
    """A verdict for one model, context and board."""

    verdict: Verdict
    reason: str  # one sentence with numbers and units; without the model's and the board's name
    largest_context: int  # tokens at which it still is FITS or TIGHT; 0 where there is none
    memory: MemoryEstimate | None  # None when the dtype is none that memory could be computed for
    budget_bytes: float
    borderline: bool = False  # a run under a tripwire may tell; without one it may take the board with it


def feasibility(
    arch: Architecture,
    dtype: str,
    context: int,
    mem_available_bytes: float,
    runtime: str | None = None,
    *,
    first_runtime: str | None = None,
    embed_flash: bool | None = None,
    context_limit: int = CONTEXT_LIMIT,
    reserve_bytes: float = RESERVE_BYTES,
) -> Feasibility:
    """The verdict on a board with so many bytes available when idle and this runtime (None: not known).

    ``first_runtime`` is the first release that runs the model; ``context_limit`` the most that its artifact takes.
    """
    budget = max(0.0, mem_available_bytes - reserve_bytes)
    kept = dtype_of(dtype)
    if kept is None:
        return Feasibility(Verdict.NO, f"{dtype} is no dtype that RKLLM is known to have", 0, None, budget)
    memory = predict_memory(arch, dtype, context, runtime, embed_flash=embed_flash)
    if not kept.on_rk3588:
        why = f"RK3588 can not run {kept.name}: it takes W8A8 and its groups (4-bit weights are for RK3576)"
        return Feasibility(Verdict.NO, why, 0, memory, budget)
    has, needs = release_of(runtime), release_of(first_runtime)
    if has is not None and needs is not None and has < needs:
        why = f"runtime {runtime} is too old: the model needs {first_runtime} or later"
        return Feasibility(Verdict.NO, why, 0, memory, budget)
    most = largest_context(arch, dtype, budget, runtime, embed_flash=embed_flash, limit=context_limit)
    verdict = verdict_of(memory, budget)
    reason = _reason(verdict, memory, context, budget, reserve_bytes, most)
    may_fit = verdict in (Verdict.RISK, Verdict.NO) and memory.low <= mem_available_bytes
    return Feasibility(verdict, reason, most, memory, budget, borderline=may_fit)


def verdict_of(memory: MemoryEstimate, budget_bytes: float) -> Verdict:
    """The four words, from the interval and the budget alone."""
    if memory.high < FITS_SHARE * budget_bytes:
        return Verdict.FITS
    if memory.high <= budget_bytes:
        return Verdict.TIGHT
    return Verdict.RISK if memory.low <= budget_bytes else Verdict.NO


def _reason(verdict: Verdict, memory: MemoryEstimate, context: int, budget: float, reserve: float, most: int) -> str:
    need = f"needs {_gib(memory.total)} GiB ({_gib(memory.low)} to {_gib(memory.high)}) at {context} tokens of context"
    have = f"{_gib(budget)} GiB are there (available when idle, less {_gib(reserve)} in reserve)"
    if verdict is Verdict.FITS:
        return f"{need}, {have}"
    if verdict is Verdict.TIGHT:
        return f"{need}, {have}: it fits, with little to spare"
    smaller = f"; up to {most} tokens fit" if CONTEXT_STEP <= most < context else ""
    if verdict is Verdict.RISK:
        return f"{need}, {have}: only a run can tell{smaller}"
    return f"{need}, {have}: too large even at the low end{smaller}"


def _gib(number: float) -> str:
    return f"{number / GIB:.2f}"
