"""Faults that strike at any moment: fired from outside (``python -m virtual fault``) or by the board in a demo's life.

Each either begins before ``fire`` returns, and the ground truth has a line ``fault`` from before its first effect, or
is refused with a reason and nothing has happened. What ends by itself, or is taken back, leaves a line ``fault_over``.

    what goes down     reboot  power_loss                 the boot
    what gets stuck    freeze                             the boot and the wire
    the network        unreachable  slow  cut  drop       the wire
    the data           corrupt  disk_full                 the memory, the disk
"""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from virtual.boot import Boot
from virtual.config import MOMENTS
from virtual.control import Refused
from virtual.corruption import Corruption, Way
from virtual.wire import Wire

if TYPE_CHECKING:
    from virtual.board import Board

FREEZE_S = 3.0
UNREACHABLE_S = 3.0
SLOW_RATE = 20_000.0
CUT_BYTES = 4096
LONGEST_S = 86_400.0


@dataclasses.dataclass(frozen=True)
class Wish:
    """The parameters of a fault; what is None is as the board's config or the constants above have it."""

    away_s: float | None = None
    for_ever: bool = False  # away until somebody switches it on
    count: int | None = None
    rate: float | None = None
    for_s: float | None = None
    seed: int = 0
    way: Way = "out"
    off: bool = False

    def __post_init__(self) -> None:
        for name in ("away_s", "count", "rate", "for_s"):
            value = getattr(self, name)
            if value is not None and not 0 <= value < 1e12:
                raise Refused(f"{name.removesuffix('_s')}: {value!r} is not a number from 0")
        if self.rate is not None and self.rate < 1:
            raise Refused("a rate below one byte a second is no rate")
        if max(self.for_s or 0, self.away_s or 0) > LONGEST_S:
            raise Refused("for more than a day: a board forgets that")


class Faults:
    """All that can befall one board, and what of it is going on."""

    def __init__(self, board: Board) -> None:
        self._board = board
        self._ends: dict[str, asyncio.TimerHandle] = {}  # of the faults that last a while
        self._struck = 0
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def going_on(self) -> list[str]:
        return sorted(self._ends)

    async def fire(self, fault: str, wish: Wish, **why: Any) -> dict[str, Any]:
        """Begin a fault, or end it (``wish.off``). Raises Refused."""
        if fault not in MOMENTS:
            raise Refused(f"there is no fault {fault!r}; there are {', '.join(MOMENTS)}")
        begin: Callable[..., Awaitable[dict[str, Any]]] = getattr(self, f"_{fault}")
        return {"fault": fault, **await begin(wish, why)}

    def strike(self, pid: int, run: int) -> None:
        """A demo is in the middle of its answer: the time of the faults that the board was configured with."""
        config = self._board.config
        if "drop_connection" in config.faults:
            self._board.truth.record("fault", fault="drop_connection", pid=pid, run=run)
            self._board.drop_connections()
        wanted = [fault for fault in MOMENTS if fault in config.strikes]
        if wanted and self._struck < config.fault_times:
            self._struck += 1
            task = asyncio.get_running_loop().create_task(self._strike(wanted, pid, run))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    def power_went(self) -> None:
        """What is frozen is not frozen any more."""
        if "freeze" in self._ends:
            self._over("freeze")
        self._wire.let_go("freeze")

    def close(self) -> None:
        for timer in self._ends.values():
            timer.cancel()
        self._ends.clear()

    # --- what goes down -----------------------------------------------------------------------------------------

    async def _reboot(self, wish: Wish, why: dict[str, Any]) -> dict[str, Any]:
        self._only_begins("reboot", wish)
        if self._boot().frozen:
            raise Refused("it is frozen: nothing on it can shut it down; power_loss can")
        away_s = self._away(wish)
        self._begins("reboot", why, away_s=away_s)
        self._board.reboot(away_s)
        return {"away_s": away_s}

    async def _power_loss(self, wish: Wish, why: dict[str, Any]) -> dict[str, Any]:
        self._only_begins("power_loss", wish)
        self._boot()
        away_s = self._away(wish)
        self._begins("power_loss", why, away_s=away_s)
        await self._board.lose_power("power_loss", away_s)
        return {"away_s": away_s}

    # --- what gets stuck ----------------------------------------------------------------------------------------

    async def _freeze(self, wish: Wish, why: dict[str, Any]) -> dict[str, Any]:
        if wish.off:
            if self._board.boot is not None:
                self._thaw(self._board.boot)
            return {"off": True}
        boot = self._boot()
        if boot.frozen:
            raise Refused("it is frozen already")
        for_s = FREEZE_S if wish.for_s is None else wish.for_s
        self._begins("freeze", why, for_s=for_s)
        self._wire.hold("freeze")
        boot.freeze()
        self._ends_after("freeze", for_s, lambda: self._thaw(boot))
        return {"for_s": for_s}

    def _thaw(self, boot: Boot) -> None:
        if boot.frozen and boot is self._board.boot:
            boot.thaw()
            self._wire.let_go("freeze")
            self._over("freeze")

    # --- the network --------------------------------------------------------------------------------------------

    async def _unreachable(self, wish: Wish, why: dict[str, Any]) -> dict[str, Any]:
        """As by a cable that is pulled: nobody new gets in, and connections that stand hear nothing meanwhile."""
        if wish.off:
            self._reachable()
            return {"off": True}
        for_s = UNREACHABLE_S if wish.for_s is None else wish.for_s
        self._begins("unreachable", why, for_s=for_s)
        self._wire.hold("unreachable")
        self._board.bar("unreachable")
        self._ends_after("unreachable", for_s, self._reachable)
        return {"for_s": for_s}

    def _reachable(self) -> None:
        self._wire.let_go("unreachable")
        self._board.unbar("unreachable")
        self._over("unreachable")

    async def _slow(self, wish: Wish, why: dict[str, Any]) -> dict[str, Any]:
        if wish.off:
            self._fast()
            return {"off": True}
        rate = SLOW_RATE if wish.rate is None else wish.rate
        self._begins("slow", why, rate=rate, for_s=wish.for_s)
        self._wire.limit(rate)
        self._ends_after("slow", LONGEST_S if wish.for_s is None else wish.for_s, self._fast)
        return {"rate": rate, "for_s": wish.for_s}

    def _fast(self) -> None:
        self._wire.limit(None)
        self._over("slow")

    async def _cut(self, wish: Wish, why: dict[str, Any]) -> dict[str, Any]:
        if wish.off:
            self._wire.cut_after(None)
            self._over("cut")
            return {"off": True}
        self._boot()
        count = CUT_BYTES if wish.count is None else wish.count
        self._begins("cut", why, count=count)
        self._ends_after("cut", LONGEST_S, lambda: self._wire.cut_after(None))
        self._wire.cut_after(count, lambda: self._over("cut"))
        return {"count": count}

    async def _drop(self, wish: Wish, why: dict[str, Any]) -> dict[str, Any]:
        self._only_begins("drop", wish)
        self._boot()
        dropped = self._wire.connections
        self._begins("drop", why, connections=dropped)
        self._wire.reset()
        return {"connections": dropped}

    # --- the data -----------------------------------------------------------------------------------------------

    async def _corrupt(self, wish: Wish, why: dict[str, Any]) -> dict[str, Any]:
        """The ground truth says ``corrupted`` when the byte has gone by."""
        if wish.off:
            self._board.server.corruption = None
            return {"off": True}
        self._boot()
        skip = wish.count or 0
        self._begins("corrupt", why, count=skip, seed=wish.seed, way=wish.way)
        self._board.server.corruption = Corruption(wish.way, skip, wish.seed)
        return {"count": skip, "seed": wish.seed, "way": wish.way}

    async def _disk_full(self, wish: Wish, why: dict[str, Any]) -> dict[str, Any]:
        disk = self._board.disk
        if disk is None:
            raise Refused("its disk is as large as this machine's: give it a `disk_mib`, then it can be full")
        if wish.off:
            disk.free()
            self._over("disk_full")
            return {"off": True}
        self._begins("disk_full", why)
        filled = disk.fill()
        self._board.record_disk("disk_full")
        self._ends_after("disk_full", LONGEST_S if wish.for_s is None else wish.for_s, self._has_room)
        return {"bytes_taken": filled, "for_s": wish.for_s}

    def _has_room(self) -> None:
        if self._board.disk is not None:
            self._board.disk.free()
        self._over("disk_full")

    # --- small things -------------------------------------------------------------------------------------------

    @property
    def _wire(self) -> Wire:
        return self._board.server.wire

    def _boot(self) -> Boot:
        """The boot that the fault is to strike."""
        boot = self._board.boot
        if boot is None or self._board.going_down:
            raise Refused("it is going down" if boot is not None else "it is switched off")
        return boot

    def _away(self, wish: Wish) -> float | None:
        if wish.for_ever:
            return None
        return self._board.config.away_s if wish.away_s is None else wish.away_s

    def _only_begins(self, fault: str, wish: Wish) -> None:
        if wish.off:
            raise Refused(f"{fault} can not be taken back")

    def _begins(self, fault: str, why: dict[str, Any], **what: Any) -> None:
        self._board.truth.record("fault", fault=fault, **what, **why)

    def _ends_after(self, fault: str, seconds: float, end: Callable[[], None]) -> None:
        if fault in self._ends:
            self._ends[fault].cancel()
        self._ends[fault] = asyncio.get_running_loop().call_later(seconds, end)

    def _over(self, fault: str) -> None:
        timer = self._ends.pop(fault, None)
        if timer is not None:
            timer.cancel()
            self._board.truth.record("fault_over", fault=fault)

    async def _strike(self, faults: list[str], pid: int, run: int) -> None:
        for fault in faults:
            try:
                await self.fire(fault, Wish(), pid=pid, run=run)
            except Refused as error:
                self._board.truth.record("fault_refused", fault=fault, why=str(error), pid=pid, run=run)
