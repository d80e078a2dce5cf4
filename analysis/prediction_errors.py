"""How wrong the predictions are: each held against every published number that it can be made for.

An error is predicted / published - 1. What a publication leaves open is not filled in: without a context or token
counts there is no memory. A suspect row is left out. Without token counts speed is for the vendor's 128 and 64.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from statistics import fmean

from analysis.architecture import Architecture
from analysis.interval import Interval
from analysis.memory_model import predict_memory
from analysis.references import Reference
from analysis.speed_model import Clocks, predict_speed

VENDOR_PROMPT, VENDOR_NEW = 128, 64  # tokens


@dataclass(frozen=True)
class Compared:
    """One published number beside its prediction, in the same unit."""

    reference: Reference
    metric: str  # memory_bytes, generate_tps, ttft_ms, encode_ms
    seen: float
    predicted: Interval

    @property
    def error(self) -> float:
        """0.02 is a prediction that is 2 % too high."""
        return self.predicted.value / self.seen - 1


@dataclass(frozen=True)
class Errors:
    """Of many: how wrong in the mean, at worst, and how often the published number lay in the interval."""

    n: int
    mean: float  # of the absolute values
    worst: float  # with its sign
    inside: int


def compare(references: Iterable[Reference], architectures: Mapping[str, Architecture]) -> Iterator[Compared]:
    """Every number that can be predicted, in the order given."""
    for one in references:
        arch = architectures.get(one.model)
        if arch is None or one.suspect or one.dtype is None:
            continue
        context = _context(one)
        if one.memory_bytes is not None and context is not None:
            need = predict_memory(arch, one.dtype, context, one.runtime)
            yield Compared(one, "memory_bytes", one.memory_bytes, Interval(need.total, need.low, need.high))
        speed = predict_speed(
            arch,
            one.dtype,
            one.npu_cores,
            one.runtime,
            prompt_tokens=one.prompt_tokens or VENDOR_PROMPT,
            new_tokens=one.new_tokens or VENDOR_NEW,
            clocks=Clocks.PINNED if one.clocks == "pinned" else Clocks.UNKNOWN,
        )
        if one.generate_tps is not None:
            yield Compared(one, "generate_tps", one.generate_tps, speed.generate_tps)
        if one.ttft_ms is not None and one.prompt_tokens is not None:
            yield Compared(one, "ttft_ms", one.ttft_ms, speed.ttft_ms)
        if one.encode_ms is not None and speed.encode_ms is not None:
            yield Compared(one, "encode_ms", one.encode_ms, speed.encode_ms)


def errors_of(compared: Iterable[Compared]) -> Errors:
    """The errors of these together; at least one."""
    these = list(compared)
    return Errors(
        n=len(these),
        mean=fmean(abs(one.error) for one in these),
        worst=max((one.error for one in these), key=abs),
        inside=sum(one.predicted.holds(one.seen) for one in these),
    )


def _context(one: Reference) -> int | None:
    """Tokens whose cache counts: the context that was set, else those that one run touched."""
    if one.context is not None:
        return one.context
    if one.prompt_tokens is None or one.new_tokens is None:
        return None
    return one.prompt_tokens + one.new_tokens
