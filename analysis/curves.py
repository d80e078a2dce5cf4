"""``telemetry.csv`` as curves to draw: few points, none of which hides what the board was watched for.

A run of hours has thousands of samples and a drawing a few hundred dots. Samples that are next to each other become one
point: of a temperature and of what the program holds their highest, of what is still available and of a clock their
lowest, of a load their mean. A moment of heat, of want or of throttling is in the drawing, however long the run was.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import groupby
from statistics import fmean
from typing import BinaryIO

from analysis.metrics import GIB
from analysis.telemetry import samples_of

POINTS = 120  # of a curve 440 pixels wide
ZONES = 3  # temperatures that are drawn; a board has up to ten that hardly differ
CLOCKS = ("npu", "dmc", "cpu4")  # cpu4 leads the first pair of big cores
CORES = 3

_NUMBER = re.compile(rb"-?[0-9]{1,15}(?:\.[0-9]{1,6})?")
Number = float | None


@dataclass(frozen=True)
class Curve:
    """One line; None where nothing was read."""

    name: str
    values: tuple[Number, ...]


@dataclass(frozen=True)
class Chart:
    """Lines of one unit. ``about`` is temperature, memory, load or clocks."""

    about: str
    unit: str
    curves: tuple[Curve, ...]


@dataclass(frozen=True)
class Drawing:
    """All charts of a run over the seconds since its first sample."""

    seconds: tuple[float, ...]
    charts: tuple[Chart, ...]


_Samples = list[dict[str, bytes]]
_Pick = Callable[[Iterable[float]], float]


def drawing_of(stream: BinaryIO, points: int = POINTS) -> Drawing | None:
    """The curves of a file; None where no sample has its time."""
    samples = [(at, sample) for sample in samples_of(stream) if (at := _float(sample.get("uptime_s"))) is not None]
    if not samples:
        return None
    samples.sort(key=lambda one: one[0])  # uptime only grows: what is out of order was written by something broken
    numbered = enumerate(samples)
    spread = max(len(samples), points)
    buckets = [[one for _, one in group] for _, group in groupby(numbered, lambda one: one[0] * points // spread)]
    parts = [[sample for _, sample in bucket] for bucket in buckets]
    began = samples[0][0]
    charts = (_temperatures(parts), _memory(parts), _load(parts), _clocks(parts))
    seconds = tuple(round(bucket[0][0] - began, 2) for bucket in buckets)
    return Drawing(seconds, tuple(chart for chart in charts if chart.curves))


def _temperatures(parts: list[_Samples]) -> Chart:
    zones = dict.fromkeys(name for part in parts for sample in part for name in sample if name.endswith("_mc"))
    found = [_curve(parts, name, name.removesuffix("_mc"), max, 1000) for name in zones]
    drawn = [one for one in found if one is not None]
    # The NPU's own, and the hottest of the others.
    drawn.sort(key=lambda one: (one.name != "npu", -max(value for value in one.values if value is not None)))
    return Chart("temperature", "°C", tuple(drawn[:ZONES]))


def _memory(parts: list[_Samples]) -> Chart:
    available = _curve(parts, "memavail_bytes", "available", min, GIB)
    held = _curve(parts, "rss_bytes", "rss", max, GIB)
    return Chart("memory", "GiB", tuple(one for one in (available, held) if one is not None))


def _load(parts: list[_Samples]) -> Chart:
    cores = []
    for core in range(CORES):
        values = tuple(
            _of(part, lambda sample, core=core: _core_load(sample, core), fmean, 1)  # type: ignore[misc]
            for part in parts
        )
        if any(value is not None for value in values):
            cores.append(Curve(f"NPU {core}", values))
    return Chart("load", "%", tuple(cores))


def _clocks(parts: list[_Samples]) -> Chart:
    found = (_curve(parts, f"{name}_hz", name, min, 10**9) for name in CLOCKS)
    return Chart("clocks", "GHz", tuple(one for one in found if one is not None))


def _curve(parts: list[_Samples], column: str, name: str, pick: _Pick, scale: float) -> Curve | None:
    values = tuple(_of(part, lambda sample: _float(sample.get(column)), pick, scale) for part in parts)
    return Curve(name, values) if any(value is not None for value in values) else None


def _of(part: _Samples, read: Callable[[dict[str, bytes]], Number], pick: _Pick, scale: float) -> Number:
    seen = [value for sample in part if (value := read(sample)) is not None]
    return round(pick(seen) / scale, 3) if seen else None


def _core_load(sample: dict[str, bytes], core: int) -> Number:
    loads = sample.get("npu_load", b"").split(b"/")
    return _float(loads[core]) if core < len(loads) else None


def _float(field: bytes | None) -> Number:
    """Only digits, a point and a sign, and not more than a number has of them."""
    return float(field) if field and _NUMBER.fullmatch(field) else None
