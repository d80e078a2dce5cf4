"""Gates before each run: may it start on the board as it is now, or does it wait, and for what.

Pure: limits, the board's facts and the set point in, sentences out. An open gate has none. Who waits shows them;
who waited long enough starts all the same, and writes them into the run's spec, which taints it: a number with a
reason beside it says more than a hole in a table.

The set point is the hottest sensor when the campaign's first run began on the board, unless the suite has one. Only
too hot is a reason to wait. A board does not get warmer by waiting, and below its trip points a cooler one does not
run at other clocks; how cold it was is written down. What the facts do not say closes no gate: it will not be said by
waiting either. Clocks are pinned by the run itself; here it is only asked whether heat holds one down.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from fleet import defaults
from fleet.checks.check import Subject, gib, number
from fleet.config.inventory import BoardEntry


@dataclass(frozen=True)
class Limits:
    """What a board has to keep to before a run. ``temperature_c`` None: as when the campaign's first run began."""

    temperature_c: float | None = None
    tolerance_k: float = defaults.GATE_TOLERANCE_K
    wait_s: float = defaults.GATE_WAIT_S
    load_cores: float = defaults.BUSY_FAIL_CORES
    free_mib: int = defaults.GATE_FREE_MIB
    swap_pages: int = defaults.GATE_SWAP_PAGES

    def to_json(self) -> dict[str, float | int | None]:
        return asdict(self)


@dataclass(frozen=True)
class Seen:
    """What one look found. ``waits``: a sentence for each gate that is closed. ``known``: the run was begun before."""

    known: bool
    temperature_c: float | None
    load_cores: float | None
    available_bytes: float | None
    swapped_pages: float | None
    waits: tuple[str, ...] = ()


def look(
    limits: Limits, facts: Mapping[str, Any], set_point_c: float | None, entry: BoardEntry, *, campaign: str
) -> Seen:
    """Judge a board by the facts of ``facts.sh --gate``. Raises nothing, whatever they hold."""
    board = Subject(entry, facts, campaign=campaign)
    zones = [number(zone.get("temp_mc")) for zone in board.rows("thermal.zones")]
    hottest = max((mc for mc in zones if mc is not None), default=None)
    celsius = None if hottest is None else hottest / 1000
    cores, pages = board.number("gate.cores"), board.number("gate.swapped_pages")
    available = board.number("memory.available_bytes")
    waits = []
    if celsius is not None and set_point_c is not None and celsius > set_point_c + limits.tolerance_k:
        waits.append(
            f"{celsius:.1f} °C, {celsius - set_point_c:.1f} K above the set point of {set_point_c:.1f} °C"
            f" (starts at {set_point_c + limits.tolerance_k:.1f})"
        )
    if held := [str(one.get("type")) for one in board.rows("thermal.cooling") if _holds(one)]:
        waits.append(f"clocks held down against heat: {', '.join(held)}")
    if cores is not None and cores > limits.load_cores:
        waits.append(f"others use {cores:.1f} cores (starts at {limits.load_cores:g})")
    if available is not None and available < limits.free_mib * 2**20:
        waits.append(f"{gib(available)} of memory available (starts at {gib(limits.free_mib * 2**20)})")
    if pages is not None and pages > limits.swap_pages:
        waits.append(f"{pages:.0f} pages of swap moved in a moment (starts at {limits.swap_pages})")
    users = [user for user in board.rows("npu_users") if not board.is_ours(user.get("run"))]
    if users:
        waits.append(f"the NPU is used by {', '.join(_name(user) for user in users)}")
    known = board.get("gate.known") is True
    return Seen(known, celsius, cores, available, pages, tuple(waits))


def _holds(device: Mapping[str, Any]) -> bool:
    kind = str(device.get("type"))
    return (number(device.get("cur_state")) or 0) > 0 and any(word in kind for word in defaults.COOLERS)


def _name(user: Mapping[str, Any]) -> str:
    return f"{user.get('comm')} ({user.get('pid')})"
