"""What a scenario is played on: some boards that can be hurt, healed and looked at, and two workstations."""

from __future__ import annotations

import abc
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.chaos.referee import Span, Truth
from tests.chaos.scenario import Action, Scenario

MODEL = "qwen3-0.6b"
Later = tuple[float, Callable[[], "Later | None"]]  # what a strike still has to do, after so many seconds


class Refused(Exception):
    """The world does not do that now: it is switched off already, or has no such thing."""


class World(abc.ABC):
    """Boards and homes that are used by one seed after another; ``reset`` makes them as new."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.homes = (folder / "home-1", folder / "home-2")
        self.shot: dict[str, set[str]] = {}  # by board: the runs that were killed without a trace
        for home in self.homes:
            (home / "user").mkdir(parents=True)

    def reset(self, scenario: Scenario) -> None:
        """Nothing of an earlier seed is there any more."""
        self.shot = {board: set() for board in scenario.boards}
        for home in self.homes:
            for path in home.iterdir():
                if path.name in ("collected", "reports"):
                    shutil.rmtree(path)
            (home / ".leases.json").unlink(missing_ok=True)
            entries = {board: self.entry(board, scenario) for board in scenario.boards}
            (home / "inventory.yaml").write_text(json.dumps({"boards": entries}))

    @abc.abstractmethod
    def entry(self, board: str, scenario: Scenario) -> dict[str, Any]:
        """The board in an inventory."""

    @abc.abstractmethod
    def progress(self, board: str) -> dict[str, int]:
        """How often each thing happened there that a moment can be named after."""

    @abc.abstractmethod
    def strike(self, action: Action) -> Later | None:
        """Let it happen to its board. Raises Refused."""

    @abc.abstractmethod
    def heal(self) -> None:
        """Everything is switched on, connected, quick and has room."""

    @abc.abstractmethod
    def busy(self) -> list[str]:
        """What still goes on on the boards, for a person."""

    @abc.abstractmethod
    def truth(self, cancels: dict[str, list[Span]], spoilt: set[str]) -> tuple[Truth, ...]:
        """What really happened since ``reset``, and what is on the boards now."""

    @abc.abstractmethod
    def close(self) -> None:
        """Switch it off."""
