"""At which clock was the work done? A run also loads, waits and ends, and governors take the clock down meanwhile.

Two witnesses. The kernel's residency counts every millisecond between the first and the last look, so what was not work
has to come off it: the time that prompt and answer took is in the log, the rest is taken off the lowest clocks first,
which is where an on-demand governor spends it. A pinned clock rests at its top, so of it the highest comes off first.
Samples while the NPU was busy are the other witness: few, but of the work itself.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import BinaryIO

FEWEST_SAMPLES = 3  # while the NPU was busy; fewer are an accident of when the sampler looked
_LIMIT_BYTES = 64 * 2**20
_LINE_BYTES = 8192
_NUMBER = re.compile(rb"[0-9]{1,15}")


@dataclass(frozen=True)
class BusySamples:
    """Means over the samples in which the NPU worked; by column, such as ``dmc_hz``."""

    samples: int = 0
    mean_hz: Mapping[str, float] = field(default_factory=dict)


def mean_of_work(
    residency_ms: Mapping[int, float], work_s: float | None, *, rests_at_top: bool = False
) -> float | None:
    """Mean clock of the ``work_s`` seconds that were work; of everything where nobody knows how long that was."""
    total = sum(residency_ms.values())
    if total <= 0:
        return None
    idle = 0.0 if work_s is None else max(0.0, total - work_s * 1000)
    kept: list[tuple[int, float]] = []
    for hz, ms in sorted(residency_ms.items(), reverse=rests_at_top):
        off = min(ms, idle)
        idle -= off
        if ms > off:
            kept.append((hz, ms - off))
    if not kept:
        return float(min(residency_ms) if rests_at_top else max(residency_ms))
    return sum(hz * ms for hz, ms in kept) / sum(ms for _, ms in kept)


def read_busy(file: BinaryIO) -> BusySamples:
    """The clock columns of ``telemetry.csv`` where the NPU was busy, in one pass."""
    header = file.readline(_LINE_BYTES).rstrip(b"\r\n").decode("ascii", "replace").split(",")
    if "npu_load" not in header:
        return BusySamples()
    load_at = header.index("npu_load")
    columns = {name: at for at, name in enumerate(header) if name.endswith("_hz")}
    sums: dict[str, list[float]] = {name: [0.0, 0.0] for name in columns}
    samples, left = 0, _LIMIT_BYTES
    while left > 0 and (line := file.readline(_LINE_BYTES)):
        left -= len(line)
        fields = line.rstrip(b"\r\n").split(b",")
        if len(fields) != len(header) or not line.endswith(b"\n") or not re.search(rb"[1-9]", fields[load_at]):
            continue
        samples += 1
        for name, at in columns.items():
            if _NUMBER.fullmatch(fields[at]):
                sums[name][0] += int(fields[at])
                sums[name][1] += 1
    means = {name: total / count for name, (total, count) in sums.items() if count}
    return BusySamples(samples, means)
