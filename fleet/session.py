"""Where a verb finds its things: the inventory, the models, the trusted host keys, and how to open a board.

The folder is the current one when it has an ``inventory.yaml``, else the project itself, so a team may keep its
inventory, evidence and reports in a folder of its own and run ``invoke --search-root PROJECT …`` there.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from fleet import VERSION, virtual_boards
from fleet.config.inventory import BoardEntry, Inventory, load_inventory, select
from fleet.errors import ConfigError
from fleet.ssh.connection import Board
from fleet.ssh.endpoint import Endpoint
from fleet.ssh.host_keys import HostKey, HostKeys

if TYPE_CHECKING:
    from fleet.config.catalogue import Catalogue
    from fleet.trust import Offer


@dataclass
class Session:
    """One verb's view of the world; nothing is read before it is asked for, except the inventory."""

    project: Path
    home: Path
    inventory: Inventory
    keys: HostKeys

    @classmethod
    def open(cls, project: Path) -> Session:
        """Read the inventory and the host keys. Raises ConfigError."""
        here = Path.cwd()
        home = here if (here / "inventory.yaml").exists() else project
        return cls(project, home, load_inventory(home / "inventory.yaml"), HostKeys.load(home / "known_hosts"))

    @property
    def collected(self) -> Path:
        """Raw evidence. Raises ConfigError where something else has the folder's name."""
        return _folder(self.home / "collected")

    @property
    def reports(self) -> Path:
        """Everything derived. Raises ConfigError where something else has the folder's name."""
        return _folder(self.home / "reports")

    def check_folders(self) -> None:
        """For verbs that work for hours before they write what came of it. Raises ConfigError."""
        _folder(self.collected)
        _folder(self.reports)

    @property
    def models(self) -> Path:
        """This workstation's model files."""
        return self.home / "models"

    @property
    def virtual_state(self) -> Path:
        """Where virtual boards keep their disks."""
        return self.home / ".virtual"

    @property
    def version(self) -> str:
        """Ours, for the evidence."""
        return VERSION

    def file(self, name: str) -> Path:
        """A file of the team's own where there is one, else the project's."""
        own = self.home / name
        return own if own.exists() else self.project / name

    def catalogue(self) -> Catalogue:
        """The models, the team's own among them. Raises ConfigError."""
        from fleet.config.catalogue import load_catalogue  # 50 ms that most verbs need not pay

        return load_catalogue(self.file("models.yaml"), self.local_models)

    @property
    def local_models(self) -> Path:
        """Where the team's own models and model files are written down; need not exist."""
        return self.home / "models.local.yaml"

    def select(self, patterns: Sequence[str] | None) -> tuple[BoardEntry, ...]:
        """The boards that ``--board`` means. Raises ConfigError."""
        return select(self.inventory, patterns or ())

    def connect(self, entry: BoardEntry) -> Board:
        """Open a board: a virtual one is started first. The connection is made at first use."""
        if entry.virtual is not None:
            started = virtual_boards.start(entry, self.virtual_state)
            endpoint = Endpoint(
                entry.name, started.address, started.port, started.user, key=started.identity, agent=False
            )
            return Board(endpoint, self._own_keys(started))
        return Board(self._endpoint(entry), self.keys)

    def offer(self, entry: BoardEntry) -> Offer:
        """The host keys that a real board shows now. Raises Unreachable."""
        from fleet.trust import look

        return look(self._endpoint(entry), self.keys)

    def shown(self, path: Path) -> str:
        """A path as a person in the current folder would type it."""
        here = Path.cwd()
        return str(path.relative_to(here) if path.is_relative_to(here) else path)

    def _own_keys(self, started: virtual_boards.Started) -> HostKeys:
        """The key of a board we started ourselves needs nobody to vouch for it, and no place in the project's file."""
        keys = HostKeys.load(self.virtual_state / "known_hosts")
        key = HostKey.parse(started.host_key)
        if keys.trusted(started.address, started.port) != (key,):
            keys.replace(started.address, started.port, [key])
        return keys

    def _endpoint(self, entry: BoardEntry) -> Endpoint:
        jump: Endpoint | str | None = entry.jump
        behind = next((other for other in self.inventory.boards if other.name == entry.jump), None)
        if behind is not None:
            jump = self._endpoint(behind)
        return Endpoint(entry.name, entry.address, entry.port, entry.user, key=entry.key, agent=entry.agent, jump=jump)


def _folder(path: Path) -> Path:
    if os.path.lexists(path) and not path.is_dir():
        hint = f"mv {shlex.quote(str(path))} {shlex.quote(str(path))}.old   (the folder is made when it is needed)"
        raise ConfigError("is no folder, and has to be one", file=str(path), hint=hint)
    return path
