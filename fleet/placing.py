"""The files of one board's runs, each brought once while the board is connected.

What is wrong with one file is remembered and costs the runs that need it; a connection that drops costs the board.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from pathlib import Path

from fleet import defaults, plan
from fleet.config.images import Image
from fleet.config.inventory import BoardEntry
from fleet.deadline import Deadline
from fleet.errors import (
    BoardError,
    ConfigError,
    ConnectionDropped,
    DeadlinePassed,
    FleetError,
    Interrupted,
    LeaseHeld,
    NoFile,
)
from fleet.held_lease import HeldLease
from fleet.listener import Listener
from fleet.plan import PlannedRun
from fleet.push import Placed, Wanted, place
from fleet.scripts import Store
from fleet.ssh.connection import Board


@dataclass
class Placing:
    """``failed`` is the first file that could not be brought, ``no_file`` the first that is not on the workstation."""

    board: Board
    store: Store
    entry: BoardEntry
    models: Path
    held: HeldLease
    listener: Listener
    stop: threading.Event
    failed: FleetError | None = None
    no_file: NoFile | None = None
    _places: dict[str, Placed | FleetError] = field(default_factory=dict)

    def for_run(self, planned: PlannedRun) -> dict[str, Placed] | FleetError:
        """Where the files of this run lie on the board, by file name; or what is wrong with the first that lacks.

        Raises Interrupted, ConnectionDropped, DeadlinePassed, LeaseHeld.
        """
        found: dict[str, Placed] = {}
        for file in planned.files:
            if file.file not in self._places:
                self._places[file.file] = self._bring(file)
            placed = self._places[file.file]
            if isinstance(placed, NoFile):
                self.no_file = self.no_file or placed
                return placed
            if isinstance(placed, FleetError):
                self.failed = self.failed or placed
                return placed
            found[file.file] = placed
        return found

    def _bring(self, wanted: Wanted) -> Placed | FleetError:
        self.listener.board_moved(self.entry.name, "push", wanted.file)
        local = wanted.path if isinstance(wanted, Image) else self.models / wanted.file

        def moved(there: int, total: int, resumed: int) -> None:
            if self.stop.is_set():
                raise Interrupted
            self.held.renew(self.board, self.store)
            self.listener.push_moved(self.entry.name, wanted.file, there, total, resumed)

        def put() -> Placed:
            folders = plan.model_folders(self.entry, self.store)
            deadline = Deadline.after(defaults.PUSH_S)
            return place(self.board, self.store, wanted, local, folders, deadline, moved, lease=self.held.token)

        try:
            return self.held.under(self.board, self.store, put)
        except (ConnectionDropped, DeadlinePassed, LeaseHeld):
            raise
        except (BoardError, ConfigError) as error:
            return error
