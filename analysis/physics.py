"""Numbers that can not be: each one, measured or published, is held against what an RK3588 is able to do.

    generate   every token reads the weights it passes, the head, and the K and V before it; more bytes a second than
               the memory's peak (64 bits wide, twice a clock) is impossible. Where nobody says which memory a board
               has, the fastest that an RK3588 is sold with counts: a gate that guesses would throw away good numbers
    memory     of the machine: more than 25 % off the memory model at that context. Of the process (VmHWM), which sees
               only pages that were touched: 25 % above the same, or 25 % below it without any context, or less than
               the weights alone
    prefill    2 x weights x tokens / time above the NPU's 6 TOPS is impossible; above 2 TOPS, which no prefill has come
               near (the vendor's are 0.5 to 1.1), a prompt cache answered or the tokens were counted wrongly

What fails is quarantined: shown with its reason, and in no statistic. What passes may still be wrong: the load time
that is printed as an image's time is one that an encoder could reach.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from analysis.architecture import Architecture
from analysis.constants import (
    CLOCK_SLACK,
    FASTEST_DRAM_HZ,
    GIB,
    MEMORY_OFF,
    NPU_OPS_PER_S,
    SUSPECT_OPS_PER_S,
    WEIGHTS_SLACK,
)
from analysis.memory_model import predict_memory
from analysis.quantization import dtype_of
from analysis.references import Reference
from analysis.roofline import bytes_per_token, peak_bytes_per_s
from analysis.runs import Run

W8A8 = "w8a8"  # where nobody says: RK3588 takes nothing else but its groups
MACHINE, PROCESS = "machine", "process"


@dataclass(frozen=True)
class Impossible:
    """One number that is quarantined, and why in words."""

    metric: str
    reason: str


def gated(runs: Iterable[Run], architectures: Mapping[str, Architecture]) -> tuple[Run, ...]:
    """The same runs, each with what of it is quarantined. Architectures by model name or title; without, no gate."""
    return tuple(_gated(run, architectures) for run in runs)


def check_run(run: Run, arch: Architecture) -> tuple[Impossible, ...]:
    """What of a run's numbers can not be."""
    dtype = run.dtype if run.dtype and dtype_of(run.dtype) else W8A8
    depth = (run.prefill_tokens or 0) + (run.generate_tokens or 0) / 2
    context = run.workload.max_context_len
    found = [
        *_generate("generate_tps", run.generate_tps, arch, dtype, depth, run.dram_top_hz),
        *_prefill(("prefill_tps", "ttft_ms", "vision_ttft_ms"), run.prefill_tps, arch),
    ]
    for metric, of in (
        ("memory_available_drop_bytes", MACHINE),
        ("memory_vmhwm_bytes", PROCESS),
        ("memory_rkllm_bytes", PROCESS),
    ):
        found += _memory(metric, run.metric(metric), of, arch, dtype, context, run.runtime)
    return tuple(one for one in found if run.metric(one.metric) is not None)


def check_reference(one: Reference, arch: Architecture) -> tuple[Impossible, ...]:
    """What of a published row can not be."""
    dtype = one.dtype if one.dtype and dtype_of(one.dtype) else W8A8
    depth = (one.prompt_tokens or 0) + (one.new_tokens or 0) / 2
    touched = (one.prompt_tokens or 0) + (one.new_tokens or 0)
    prefill_tps = one.prompt_tokens * 1000 / one.ttft_ms if one.prompt_tokens and one.ttft_ms else None
    return (
        *_generate("generate_tps", one.generate_tps, arch, dtype, depth, None),
        *_prefill(("ttft_ms",), prefill_tps, arch),
        *_memory(
            "memory_bytes",
            one.memory_bytes,
            one.memory_of or PROCESS,
            arch,
            dtype,
            one.context or touched or None,
            one.runtime,
        ),
    )


def _gated(run: Run, architectures: Mapping[str, Architecture]) -> Run:
    arch = architectures.get(run.model or "") or architectures.get(run.model_title or "")
    found = check_run(run, arch) if arch is not None else ()
    quarantined = tuple((one.metric, one.reason) for one in found)
    return run if quarantined == run.quarantined else replace(run, quarantined=quarantined)


def _generate(
    metric: str, tps: float | None, arch: Architecture, dtype: str, depth: float, dram_hz: int | None
) -> Iterator[Impossible]:
    if tps is None:
        return
    token = bytes_per_token(arch, dtype, depth)
    peak = peak_bytes_per_s(dram_hz or FASTEST_DRAM_HZ)
    if token * tps > peak * CLOCK_SLACK:
        whose = "this board's memory" if dram_hz else "the fastest memory of any RK3588"
        yield Impossible(
            metric,
            f"{tps:.2f} tok/s would read {token * tps / 1e9:.1f} GB/s ({token / 1e9:.2f} GB a token); {whose} has "
            f"{peak / 1e9:.1f} GB/s",
        )


def _prefill(metrics: Iterable[str], tps: float | None, arch: Architecture) -> Iterator[Impossible]:
    if tps is None:
        return
    ops = 2 * arch.active_body_weights * tps
    if ops <= SUSPECT_OPS_PER_S:
        return
    said = f"{tps:.0f} tok/s of prefill would be {ops / 1e12:.1f} TOPS"
    if ops > NPU_OPS_PER_S:
        reason = f"{said}; the NPU has {NPU_OPS_PER_S / 1e12:.0f}: a prompt cache answered, or tokens were miscounted"
    else:
        reason = f"{said}, and none above {SUSPECT_OPS_PER_S / 1e12:.0f} was ever real: a prompt cache seems to answer"
    yield from (Impossible(metric, reason) for metric in metrics)


def _memory(
    metric: str,
    seen: float | None,
    of: str,
    arch: Architecture,
    dtype: str,
    context: int | None,
    runtime: str | None,
) -> Iterator[Impossible]:
    if seen is None:
        return
    whole = None if context is None else predict_memory(arch, dtype, context, runtime)
    if whole is not None and seen > whole.total * (1 + MEMORY_OFF):
        yield Impossible(
            metric,
            f"{_gib(seen)} is {seen / whole.total - 1:.0%} above the {_gib(whole.total)} that weights, cache at "
            f"{context} tokens and runtime add up to",
        )
    elif whole is not None and of == MACHINE and seen < whole.total * (1 - MEMORY_OFF):
        yield Impossible(
            metric,
            f"{_gib(seen)} is {1 - seen / whole.total:.0%} below the {_gib(whole.total)} that weights, cache at "
            f"{context} tokens and runtime add up to",
        )
    else:
        empty = predict_memory(arch, dtype, 0, runtime)
        weights = empty.parts["layers"] + empty.parts["head"]
        if seen < weights * WEIGHTS_SLACK:
            yield Impossible(metric, f"{_gib(seen)} is less than the weights alone, {_gib(weights)}")
        elif seen < empty.total * (1 - MEMORY_OFF):
            yield Impossible(
                metric,
                f"{_gib(seen)} is {1 - seen / empty.total:.0%} below the {_gib(empty.total)} of the model without any "
                "context",
            )


def _gib(number: float) -> str:
    return f"{number / GIB:.2f} GiB"
