"""The memory of one demo: taken at an even pace while a file is read, and the kernel's answer when there is no more.

Two things are counted, as on real boards. ``taken`` is what the whole board has less, the driver's buffers and all of
the context included; of that the process itself shows only what it has touched, and VmHWM is the most of it.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Protocol

from virtual.kernel_log import oom_lines

if TYPE_CHECKING:
    from virtual.boot import Boot

LOOK_S = 0.05  # wall time between two steps of a load: who watches ten times a second sees the memory go
FEWEST_STEPS, MOST_STEPS = 10, 400


class Process(Protocol):
    """What of the demo's process is needed here."""

    async def sleep(self, seconds: float) -> None: ...
    async def never(self) -> None: ...


class DemoMemory:
    """Owned by one conversation; ``peak_bytes`` is VmHWM."""

    def __init__(self, board: Boot, process: Process, pid: int, program: str, run: int) -> None:
        self._board = board
        self._process = process
        self._pid = pid
        self._program = program
        self._run = run
        self._model_bytes = 0.0  # shown, of the language model
        self._beside_bytes = 0.0  # shown, of the encoder
        self.peak_bytes = 0.0

    def show(self, model_bytes: float | None = None) -> None:
        """What the language model has touched now; None leaves it where it is."""
        self._model_bytes = self._model_bytes if model_bytes is None else model_bytes
        shown = self._model_bytes + self._beside_bytes
        self.peak_bytes = max(self.peak_bytes, shown)
        self._board.npu.show_memory(self._pid, shown, self.peak_bytes)

    async def take(
        self, took_s: float, wanted: float, shown: float, *, beside: bool = False, dies_halfway: bool = False
    ) -> None:
        """Grow by ``wanted`` bytes in so much wall time, ``shown`` of them in the process; ends with the process where
        the board has not as much. ``beside``: for the encoder."""
        taken, held = self._board.machine.taken_bytes, self._board.machine.taken_bytes.get(self._pid, 0.0)
        steps = min(max(FEWEST_STEPS, math.ceil(took_s / LOOK_S)), MOST_STEPS)
        had = self._beside_bytes if beside else self._model_bytes
        for step in range(1, steps + 1):
            await self._process.sleep(took_s / steps)
            room = self._board.machine.available_bytes + taken.get(self._pid, 0.0)
            wish = held + wanted * step / steps
            taken[self._pid] = min(wish, room)  # nobody gets what is not there
            now = had + shown * (taken[self._pid] - held) / wanted
            if beside:
                self._beside_bytes = now
            self.show(None if beside else now)
            self._board.pages.show_memory()
            if wish > room or (dies_halfway and step == steps // 2):
                await self.kill(forced=dies_halfway)

    async def kill(self, *, forced: bool) -> None:
        """The kernel's answer; ``forced``: to a fault that was asked for."""
        board, pid = self._board, self._pid
        if forced:
            board.truth.record("fault", fault="oom", pid=pid, run=self._run)
        else:
            board.truth.record("out_of_memory", pid=pid, run=self._run, resident_bytes=int(self.peak_bytes))
        offered = board.oom_score_adj(pid)
        for line in oom_lines(pid, self.peak_bytes, board.machine, self._program, offered):
            board.pages.log(board.uptime_s(), line, level=3)
        board.enclosure.run(["kill", "-KILL", str(pid)])
        await self._process.never()
