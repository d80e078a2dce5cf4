"""Two listeners for people: a table that moves on a terminal, a line per change where nothing can move.

Both write to stderr, so that stdout stays the result. ``headline`` says in a few words what an ended run gave; the
caller brings it, because reading logs for meaning is not this package's business.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from rich.console import Console
from rich.live import Live
from rich.markup import escape
from rich.table import Table

from fleet.errors import FleetError
from fleet.listener import Position

Headline = Callable[[Path], str]
PACE_S = 10.0  # long enough to be calm, short enough to follow a link that gets worse
BAR = 6  # characters


class PlainLines:
    """One line for each change; for pipes, CI and ``NO_COLOR`` people with long memories."""

    def __init__(self, console: Console, headline: Headline) -> None:
        self._console = console
        self._headline = headline

    def board_moved(self, board: str, phase: str, detail: str = "") -> None:
        self._say(board, f"{phase} {detail}".strip())

    def push_moved(self, board: str, file: str, there_bytes: int, total_bytes: int, resumed_bytes: int = 0) -> None:
        if there_bytes == total_bytes:
            resumed = f", {resumed_bytes / 2**20:.1f} MiB of it were there" if resumed_bytes else ""
            self._say(board, f"pushed {file}, {total_bytes / 2**20:.1f} MiB{resumed}")

    def run_started(self, board: str, at: Position) -> None:
        self._say(board, f"run {at.k} of {at.n}: {at.cell} {'warm-up ' if at.warmup else ''}started ({at.run})")

    def run_moved(self, board: str, at: Position, log_bytes: int) -> None:
        pass

    def run_ended(self, board: str, at: Position, folder: Path) -> None:
        self._say(board, f"run {at.k} of {at.n}: {at.cell} {self._headline(folder)}")

    def board_ended(self, board: str, error: FleetError | None) -> None:
        self._say(board, f"stopped: {error.what}" if error else "done")

    def _say(self, board: str, what: str) -> None:
        self._console.print(f"{board}: {what}", markup=False, highlight=False, soft_wrap=True)


class Pace:
    """How fast a file goes out now: what was sent in the last few seconds, and nothing that had been there before."""

    def __init__(self, file: str, resumed_bytes: int) -> None:
        self.file = file
        self.resumed_bytes = resumed_bytes
        self._seen: deque[tuple[float, int]] = deque()

    def move(self, now_s: float, there_bytes: int) -> None:
        """Note it. What is sent again because it arrived wrong is no step forward."""
        if self._seen and there_bytes < self._seen[-1][1]:
            self._seen.clear()
        self._seen.append((now_s, there_bytes))
        while len(self._seen) > 2 and now_s - self._seen[0][0] > PACE_S:
            self._seen.popleft()

    def told(self, total_bytes: int) -> str:
        """``83 MB/s 12 s left``; empty until two moments are known."""
        if len(self._seen) < 2:
            return ""
        (then_s, then), (now_s, now) = self._seen[0], self._seen[-1]
        if now_s <= then_s or now <= then:
            return ""
        rate = (now - then) / (now_s - then_s)
        shown = f"{rate / 1e6:.0f}" if rate >= 1e7 else f"{rate / 1e6:.1f}"
        return f"{shown} MB/s {_clock((total_bytes - now) / rate)} left"


@dataclass(frozen=True)
class _Row:
    phase: str = "waiting"
    cell: str = ""
    progress: str = ""
    since_s: float | None = None
    last: str = ""
    pace: Pace | None = None  # of the push that is going on


class LiveTable:
    """Board, cell, phase, run k of n, elapsed, last result; four times a second. Use as a context manager."""

    def __init__(
        self,
        console: Console,
        headline: Headline,
        boards: list[str],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._console = console
        self._headline = headline
        self._clock = clock
        self._rows = {board: _Row() for board in boards}
        self._live = Live(console=console, refresh_per_second=4, transient=True, get_renderable=self._table)

    def __enter__(self) -> LiveTable:
        self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._live.stop()

    def board_moved(self, board: str, phase: str, detail: str = "") -> None:
        self._set(board, phase=f"{phase} {detail}".strip(), since_s=self._clock(), pace=None)

    def push_moved(self, board: str, file: str, there_bytes: int, total_bytes: int, resumed_bytes: int = 0) -> None:
        pace = self._rows[board].pace
        if pace is None or pace.file != file or pace.resumed_bytes != resumed_bytes:
            pace = Pace(file, resumed_bytes)
        pace.move(self._clock(), there_bytes)
        percent = 100 * there_bytes // max(1, total_bytes)
        phase = f"{_bar(percent)} {pace.told(total_bytes)}".rstrip()
        self._set(board, phase=phase, cell=file, progress=f"{percent} %", pace=pace)

    def run_started(self, board: str, at: Position) -> None:
        phase = "warm-up" if at.warmup else "run"
        self._set(board, phase=phase, cell=at.cell, progress=f"{at.k} of {at.n}", since_s=self._clock())

    def run_moved(self, board: str, at: Position, log_bytes: int) -> None:
        phase = "warm-up" if at.warmup else "run"
        self._set(board, phase=f"{phase}, {log_bytes} bytes of log")

    def run_ended(self, board: str, at: Position, folder: Path) -> None:
        self._set(board, phase="collected", last=self._headline(folder))

    def board_ended(self, board: str, error: FleetError | None) -> None:
        self._set(board, phase=f"stopped: {error.what}" if error else "done", since_s=None)

    def _set(self, board: str, **changes: object) -> None:
        self._rows[board] = replace(self._rows[board], **changes)  # type: ignore[arg-type]

    def _widths(self) -> dict[str, int]:
        """Columns that stay legible on any screen; the phase gives way, and what is left is the last result's."""
        board = min(24, max(5, *map(len, self._rows)))
        cell = min(28, max(4, *(len(row.cell) for row in self._rows.values())))
        run, elapsed, gaps = 8, 7, 6
        phase = max(8, min(28, self._console.width - board - cell - run - elapsed - gaps))
        return {"board": board, "cell": cell, "phase": phase, "run": run, "elapsed": elapsed}

    def _table(self) -> Table:
        table = Table(box=None, pad_edge=False, expand=True, padding=(0, 1, 0, 0))
        for heading, width in self._widths().items():
            table.add_column(heading, no_wrap=True, width=width, overflow="ellipsis")
        table.add_column("last result", no_wrap=True, ratio=1, overflow="ellipsis")
        for board, row in self._rows.items():
            elapsed = "" if row.since_s is None else f"{self._clock() - row.since_s:.0f} s"
            table.add_row(board, row.cell, escape(row.phase), row.progress, elapsed, escape(row.last))
        return table


def _bar(percent: int) -> str:
    full = BAR * percent // 100
    return "━" * full + "╌" * (BAR - full)


def _clock(seconds: float) -> str:
    """A time that is left, as short as a column wants it."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"
