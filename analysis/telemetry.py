"""``telemetry.csv`` in one pass: memory at its least, heat at its most, what was swapped, how busy the NPU was.

The columns are known by their names, those that every board has and those whose ending says what they are (``_mc`` a
temperature, ``_state`` a cooling device), so files of older samplers read as well. A line counts only when it is
whole: ended, with as many fields as the header, without a NUL. A field that is no number is unknown. Memory does not
grow with the file.

The sampler looks once a second or so: a peak between two samples is not in it. VmHWM is kept by the kernel and misses
none but the last moment's; the least MemAvailable may be higher than what it really came to.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import BinaryIO

FILE_LIMIT_BYTES = 64 * 2**20  # a day of ten samples a second is 200 MiB, and no run takes a day
LINE_LIMIT_BYTES = 8192  # a line of a board with 40 zones is 600
HOT_MC = 85_000  # where the vendor's kernels begin to take the clocks down
_NUMBER = re.compile(rb"-?[0-9]{1,15}")
_UPTIME = re.compile(rb"[0-9]{1,12}(?:\.[0-9]{1,6})?")
_FAN = re.compile("fan", re.IGNORECASE)  # a cooling device, too, and one that costs no speed


@dataclass(frozen=True)
class Highest:
    """The program's memory at its highest, as far as the samples saw it."""

    resident_bytes: int
    available_bytes: int | None  # on the board at that moment
    uptime_s: float | None


@dataclass(frozen=True)
class Telemetry:
    """What the samples of one run show. None, and a name that is not there, is "nobody saw it"."""

    samples: int = 0
    available_first_bytes: int | None = None
    available_least_bytes: int | None = None
    vmhwm_bytes: int | None = None
    highest: Highest | None = None
    start_mc: dict[str, int] = field(default_factory=dict)  # by zone
    max_mc: dict[str, int] = field(default_factory=dict)
    cooling: dict[str, int] = field(default_factory=dict)  # the highest state of each device, where it was above 0
    swapped_in_pages: int | None = None  # on the whole board, between the first and the last sample that say it
    swapped_out_pages: int | None = None
    npu_busy: tuple[float, ...] = ()  # for each core, the share of samples in which it did anything

    @property
    def hottest_mc(self) -> int | None:
        """The highest temperature of all zones."""
        return max(self.max_mc.values(), default=None)

    @property
    def refutes(self) -> tuple[str, ...]:
        """A sentence for each thing that made these conditions none to compare."""
        found = []
        moved = {"in": self.swapped_in_pages or 0, "out": self.swapped_out_pages or 0}
        if any(pages > 0 for pages in moved.values()):
            said = " and ".join(f"{pages} pages {way}" for way, pages in moved.items() if pages > 0)
            found.append(f"the board swapped {said} while the run was on: its memory was too small for all it did")
        if self.cooling:
            said = ", ".join(f"{name} at state {state}" for name, state in sorted(self.cooling.items()))
            found.append(f"the board was throttled against heat: {said}")
        hot = {zone: mc for zone, mc in self.max_mc.items() if mc > HOT_MC}
        if hot:
            zone = max(hot, key=lambda name: (hot[name], name))
            limit = f"the limit is {HOT_MC / 1000:.0f} °C"
            found.append(f"the board got too hot: {zone} at {hot[zone] / 1000:.1f} °C, {limit}")
        return tuple(found)


class _Ends:
    """The first and the last number of a counter."""

    def __init__(self) -> None:
        self.first: int | None = None
        self.last: int | None = None

    def see(self, value: int) -> None:
        self.first = value if self.first is None else self.first
        self.last = value

    @property
    def moved(self) -> int | None:
        return None if self.first is None or self.last is None else max(0, self.last - self.first)


def read_telemetry(stream: BinaryIO) -> Telemetry:
    """What the file shows; any bytes will do, and those beyond ``FILE_LIMIT_BYTES`` are not read."""
    lines = _lines(stream)
    header = next(lines, b"").decode("ascii", errors="replace").split(",")
    at = {name: index for index, name in reversed(list(enumerate(header)))}
    zones = {name.removesuffix("_mc"): index for name, index in at.items() if name.endswith("_mc")}
    devices = {
        name.removesuffix("_state"): index
        for name, index in at.items()
        if name.endswith("_state") and not _FAN.search(name)
    }
    samples = 0
    available: list[int] = []  # the first and the least
    hwm: list[int] = []
    highest: Highest | None = None
    watched = 0  # samples in which the program was there
    start_mc: dict[str, int] = {}
    max_mc: dict[str, int] = {}
    cooling: dict[str, int] = {}
    swapped_in, swapped_out = _Ends(), _Ends()
    busy: list[list[int]] = []  # for each core, samples in which it worked, and all of them
    for line in lines:
        fields = line.split(b",")
        if len(fields) != len(header):
            continue
        samples += 1
        if (value := _number(fields, at.get("memavail_bytes"))) is not None and value > 0:
            available = [available[0], min(available[1], value)] if available else [value, value]
        if (value := _number(fields, at.get("vmhwm_bytes"))) is not None and value > 0:
            hwm = [max([*hwm, value])]
        watched += _is_watched(fields, at)
        highest = _higher(highest, fields, at)
        for zone, index in zones.items():
            if (value := _number(fields, index)) is not None:
                start_mc.setdefault(zone, value)
                max_mc[zone] = max(max_mc.get(zone, value), value)
        for device, index in devices.items():
            if (value := _number(fields, index)) is not None and value > 0:
                cooling[device] = max(cooling.get(device, 0), value)
        for counter, name in ((swapped_in, "pswpin_pages"), (swapped_out, "pswpout_pages")):
            if (value := _number(fields, at.get(name))) is not None and value >= 0:
                counter.see(value)
        _see_load(busy, fields, at.get("npu_load"))
    return Telemetry(
        samples=samples,
        # One sample alone is of the moment before the model was loaded, so it tells of no peak.
        available_first_bytes=available[0] if available else None,
        available_least_bytes=available[1] if available and watched > 1 else None,
        vmhwm_bytes=hwm[0] if hwm and watched > 1 else None,
        highest=highest,
        start_mc=start_mc,
        max_mc=max_mc,
        cooling=cooling,
        swapped_in_pages=swapped_in.moved,
        swapped_out_pages=swapped_out.moved,
        npu_busy=tuple(worked / seen for worked, seen in busy),
    )


def samples_of(stream: BinaryIO) -> Iterator[dict[str, bytes]]:
    """Each whole sample's fields by the names of their columns, and nothing about what is in them."""
    lines = _lines(stream)
    header = next(lines, b"").decode("ascii", errors="replace").split(",")
    for line in lines:
        fields = line.split(b",")
        if len(fields) == len(header):
            yield dict(zip(header, fields, strict=True))


def _lines(stream: BinaryIO) -> Iterator[bytes]:
    """Whole lines; of one that is too long nothing, and nothing of one that was cut."""
    left, skipping = FILE_LIMIT_BYTES, False
    while left > 0 and (piece := stream.readline(min(left, LINE_LIMIT_BYTES))):
        left -= len(piece)
        whole = piece.endswith(b"\n")
        if whole and not skipping and b"\0" not in piece:
            yield piece[:-1].removesuffix(b"\r")
        skipping = not whole


def _number(fields: list[bytes], index: int | None) -> int | None:
    if index is None or not _NUMBER.fullmatch(fields[index]):
        return None
    return int(fields[index])


def _higher(known: Highest | None, fields: list[bytes], at: dict[str, int]) -> Highest | None:
    """This sample, when the program never had as much before."""
    resident = max(_number(fields, at.get(name)) or 0 for name in ("rss_bytes", "vmhwm_bytes"))
    if resident <= (known.resident_bytes if known else 0):
        return known
    uptime = fields[at["uptime_s"]] if "uptime_s" in at else b""
    uptime_s = float(uptime) if _UPTIME.fullmatch(uptime) else None
    return Highest(resident, _number(fields, at.get("memavail_bytes")), uptime_s)


def _is_watched(fields: list[bytes], at: dict[str, int]) -> bool:
    return any((_number(fields, at.get(name)) or 0) > 0 for name in ("rss_bytes", "vmhwm_bytes"))


def _see_load(busy: list[list[int]], fields: list[bytes], index: int | None) -> None:
    """``12/0/0``: the per cent of each core. A board has as many cores as its first sample says."""
    if index is None:
        return
    loads = fields[index].split(b"/")
    if len(loads) > 8 or not all(_NUMBER.fullmatch(load) for load in loads):
        return
    if not busy:
        busy += [[0, 0] for _ in loads]
    if len(loads) == len(busy):
        for core, load in zip(busy, loads, strict=True):
            core[0] += int(load) > 0
            core[1] += 1
