"""What a check is: a name, what it reads, its rule in words, and a pure judgement of one board.

A check opens no connection and reads no file: all it sees is a ``Subject``, the board's facts beside what the inventory
and the catalogue say of it. What the facts do not hold is ``unknown``, with the reason, and never an ``ok``.
"""

from __future__ import annotations

import enum
import re
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from fleet.config.inventory import BoardEntry
from fleet.config.model import Model, ModelFile
from fleet.text import readable

_SEEN_LIMIT = 400  # characters of what was seen: two lines of a wide terminal


class Verdict(enum.StrEnum):
    """What a check says."""

    OK = "ok"
    WARN = "warn"  # worth knowing, or set right by the run itself
    FAIL = "fail"  # a run would fail, or its numbers would be worth nothing
    UNKNOWN = "unknown"  # the facts do not say; why is in what was seen


@dataclass(frozen=True)
class Finding:
    """One check's word on one board; ``action`` is what to do next, empty where there is nothing to do."""

    check: str
    verdict: Verdict
    seen: str
    rule: str
    action: str

    @property
    def sentence(self) -> str:
        """For a message: which check, and what it saw."""
        return f"{self.check}: {self.seen}"


@dataclass(frozen=True)
class Wanted:
    """A model file that runs would need; ``here``: this workstation has a copy that it could push."""

    file: ModelFile
    here: bool


@dataclass(frozen=True)
class Subject:
    """One board as the checks see it.

    ``models`` are those that are to run there. ``files_asked``: one of ``wanted`` that is missing counts, else only
    what is there does. ``campaign`` is the one that is about to run there; ``resumed``: a run of it may be going on
    already.
    """

    entry: BoardEntry
    facts: Mapping[str, Any]
    models: tuple[Model, ...] = ()
    wanted: tuple[Wanted, ...] = ()
    files_asked: bool = False
    campaign: str | None = None
    resumed: bool = False

    def get(self, path: str) -> Any:
        """The fact at a dotted path; None when it is missing."""
        value: Any = self.facts
        for key in path.split("."):
            value = value.get(key) if isinstance(value, Mapping) else None
        return value

    def text(self, path: str) -> str | None:
        """A fact that is a text with something in it."""
        value = self.get(path)
        return value if isinstance(value, str) and value.strip() else None

    def number(self, path: str) -> float | None:
        """A fact that is a number."""
        return number(self.get(path))

    def rows(self, path: str) -> list[Mapping[str, Any]]:
        """A fact that is a list of objects."""
        value = self.get(path)
        return [row for row in value if isinstance(row, Mapping)] if isinstance(value, list) else []

    def why(self, path: str) -> str:
        """Why there is no such fact, as the board says it."""
        return self.said_missing(path) or f"the board's facts have no {path}"

    def said_missing(self, path: str) -> str | None:
        """The board's own word on a fact that it has not, or not all of; None when it says nothing."""
        missing = self.facts.get("missing")
        said = missing.get(path) if isinstance(missing, Mapping) else None
        return said if isinstance(said, str) and said else None

    @property
    def is_root(self) -> bool:
        """Can our user become root there without a password."""
        return self.get("user.uid") == 0 or self.get("user.sudo") is True

    def is_ours(self, run: object) -> bool:
        """Is the mark of a process, ``[/…/runs/CAMPAIGN/RUN]``, that of a run of our campaign."""
        return self.campaign is not None and isinstance(run, str) and f"/runs/{self.campaign}/" in run


class Check(ABC):
    """One check. ``action`` is the next action in general; a finding may know a closer one."""

    name: ClassVar[str]
    reads: ClassVar[str]
    rule: ClassVar[str]
    action: ClassVar[str]
    momentary: ClassVar[bool] = False  # does it judge what a run of ours may bring about itself

    @abstractmethod
    def judge(self, board: Subject) -> Finding:
        """The verdict; raises nothing, whatever the facts hold."""

    def ok(self, seen: str) -> Finding:
        return self._finding(Verdict.OK, seen, "")

    def warn(self, seen: str, action: str | None = None) -> Finding:
        return self._finding(Verdict.WARN, seen, self.action if action is None else action)

    def fail(self, seen: str, action: str | None = None) -> Finding:
        return self._finding(Verdict.FAIL, seen, self.action if action is None else action)

    def unknown(self, why: str, action: str = "") -> Finding:
        return self._finding(Verdict.UNKNOWN, why, action)

    def _finding(self, verdict: Verdict, seen: str, action: str) -> Finding:
        return Finding(self.name, verdict, _harmless(seen), self.rule, _harmless(action))


def number(value: object) -> float | None:
    """A finite number that a board sent, else None."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < 2**63:
        return None
    return float(value)


def parts(version: str | None) -> tuple[int, ...] | None:
    """``v1.2.1b1`` as (1, 2, 1); None for what is no version."""
    found = re.match(r"v?(\d{1,6}(?:\.\d{1,6}){0,3})", version or "")
    return tuple(map(int, found[1].split("."))) if found else None


def dotted(version: Sequence[int]) -> str:
    """(1, 2, 1) as ``1.2.1``."""
    return ".".join(map(str, version))


def gib(size_bytes: float) -> str:
    """A size for a person."""
    return f"{size_bytes / 2**30:.1f} GiB" if size_bytes >= 2**30 else f"{size_bytes / 2**20:.0f} MiB"


def _harmless(text: str) -> str:
    line = " ".join(readable(text.encode("utf-8", "replace")).split())
    return line if len(line) <= _SEEN_LIMIT else line[: _SEEN_LIMIT - 1] + "…"
