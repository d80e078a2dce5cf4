"""What a run had when memory ran out: the tripwire's word where it was what stopped it, else what the samples saw.

The tripwire stops the program before it looks, so what it read is exact. The samples are a second apart, and a model
that is being loaded grows by a GiB in that time: theirs is a lower bound.
"""

from __future__ import annotations

from dataclasses import dataclass

from analysis.evidence import Record
from analysis.metrics import GIB
from analysis.telemetry import Highest

LEAST_BYTES = GIB // 100  # below it nobody saw the program itself, only what starts it


@dataclass(frozen=True)
class Tripped:
    """``tripwire`` of ``end.json``: what the board had left when it killed the program, and what that had taken."""

    available_bytes: int
    highest_bytes: int | None
    uptime_s: float | None
    limit_bytes: int | None  # below which it strikes


def tripped(start: Record, end: Record) -> Tripped | None:
    """None where no tripwire ended this run, or its record is broken."""
    available = end.whole("tripwire.available_bytes")
    if available is None:
        return None
    limit = start.whole("tripwire_bytes")
    return Tripped(available, end.whole("tripwire.highest_bytes"), end.number("tripwire.uptime_s"), limit)


def memory_at_the_end(seen: Highest | None, struck: Tripped | None, began_s: float | None) -> str | None:
    """The sentence for a person; ``began_s`` is the uptime at the start. None where nobody saw anything."""
    if struck is not None:
        limit = f", and the tripwire is at {_gib(struck.limit_bytes)}" if struck.limit_bytes else ""
        parts = [f"the board had {_gib(struck.available_bytes)} available{_when(struck.uptime_s, began_s)}{limit}"]
        highest = max(struck.highest_bytes or 0, seen.resident_bytes if seen else 0)
        told = [f"the program had {_gib(highest)} at its highest"] if highest >= LEAST_BYTES else []
        return "; ".join([*parts, *told])
    if seen is None:
        return None
    left = f", when the board had {_gib(seen.available_bytes)} available" if seen.available_bytes is not None else ""
    return f"the program was seen with {_gib(seen.resident_bytes)} at its highest{_when(seen.uptime_s, began_s)}{left}"


def _when(uptime_s: float | None, began_s: float | None) -> str:
    if uptime_s is None or began_s is None or uptime_s < began_s:
        return ""
    return f" after {uptime_s - began_s:.1f} s"


def _gib(size_bytes: int) -> str:
    return f"{size_bytes / GIB:.2f} GiB"
