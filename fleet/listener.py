"""Who hears what a campaign does. A listener only shows; one that raises is dropped, the campaign goes on.

The runner knows nothing of screens: the live table, the plain lines and whatever comes later are all listeners.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from fleet.errors import FleetError

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Position:
    """Which run of a board's list this is: run ``k`` of ``n``."""

    k: int
    n: int
    cell: str
    campaign: str
    run: str
    warmup: bool


class Listener(Protocol):
    """Six events; ``board`` is the inventory's name. Called from several threads, one at a time."""

    def board_moved(self, board: str, phase: str, detail: str = "") -> None:
        """The board entered a phase: connect, prepare, push, …"""

    def push_moved(self, board: str, file: str, there_bytes: int, total_bytes: int, resumed_bytes: int = 0) -> None:
        """So much of a file is there or on its way; ``resumed_bytes`` of it had come with an earlier push."""

    def run_started(self, board: str, at: Position) -> None:
        """A run is on the board now."""

    def run_moved(self, board: str, at: Position, log_bytes: int) -> None:
        """More of its log is here."""

    def run_ended(self, board: str, at: Position, folder: Path) -> None:
        """Its evidence is complete in ``folder``."""

    def board_ended(self, board: str, error: FleetError | None) -> None:
        """Nothing more comes from this board; ``error`` says why when that is not because all is done."""


class Listeners:
    """Passes every event to each listener, one event at a time; drops a listener that raises."""

    def __init__(self, listeners: Sequence[Listener]) -> None:
        self._listeners = list(listeners)
        self._lock = threading.Lock()

    def board_moved(self, board: str, phase: str, detail: str = "") -> None:
        self._tell("board_moved", board, phase, detail)

    def push_moved(self, board: str, file: str, there_bytes: int, total_bytes: int, resumed_bytes: int = 0) -> None:
        self._tell("push_moved", board, file, there_bytes, total_bytes, resumed_bytes)

    def run_started(self, board: str, at: Position) -> None:
        self._tell("run_started", board, at)

    def run_moved(self, board: str, at: Position, log_bytes: int) -> None:
        self._tell("run_moved", board, at, log_bytes)

    def run_ended(self, board: str, at: Position, folder: Path) -> None:
        self._tell("run_ended", board, at, folder)

    def board_ended(self, board: str, error: FleetError | None) -> None:
        self._tell("board_ended", board, error)

    def _tell(self, event: str, *args: object) -> None:
        with self._lock:
            for listener in tuple(self._listeners):
                try:
                    getattr(listener, event)(*args)
                except Exception:  # whatever a screen does, it must not end a campaign
                    log.exception("listener dropped after %s", event)
                    self._listeners.remove(listener)
