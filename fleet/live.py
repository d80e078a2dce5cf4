"""Two listeners for people: a table that moves on a terminal, a line per change where nothing can move.

Both write to stderr, so that stdout stays the result. ``headline`` says in a few words what an ended run gave; the
caller brings it, because reading logs for meaning is not this package's business.
"""

from __future__ import annotations

import time
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


class PlainLines:
    """One line for each change; for pipes, CI and ``NO_COLOR`` people with long memories."""

    def __init__(self, console: Console, headline: Headline) -> None:
        self._console = console
        self._headline = headline

    def board_moved(self, board: str, phase: str, detail: str = "") -> None:
        self._say(board, f"{phase} {detail}".strip())

    def push_moved(self, board: str, file: str, sent_bytes: int, total_bytes: int) -> None:
        if sent_bytes == total_bytes:
            self._say(board, f"pushed {file}, {total_bytes / 2**20:.1f} MiB")

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


@dataclass(frozen=True)
class _Row:
    phase: str = "waiting"
    cell: str = ""
    progress: str = ""
    since_s: float | None = None
    last: str = ""


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
        self._set(board, phase=f"{phase} {detail}".strip(), since_s=self._clock())

    def push_moved(self, board: str, file: str, sent_bytes: int, total_bytes: int) -> None:
        percent = 100 * sent_bytes // max(1, total_bytes)
        self._set(board, phase=f"push {file} {percent} %")

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
