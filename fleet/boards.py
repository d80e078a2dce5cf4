"""Each board's state at a glance. A board that is down is a row with the reason, never an exception."""

from __future__ import annotations

import posixpath
from collections.abc import Callable
from dataclasses import dataclass

from fleet import defaults
from fleet.config.inventory import BoardEntry
from fleet.deadline import Deadline
from fleet.errors import FleetError
from fleet.facts import Facts, read_facts
from fleet.pool import on_each
from fleet.ssh.connection import Board


@dataclass(frozen=True)
class BoardState:
    """One board: its facts, or the error that kept us from reading them."""

    entry: BoardEntry
    facts: Facts | None
    error: FleetError | None


def read_states(boards: tuple[BoardEntry, ...], connect: Callable[[BoardEntry], Board]) -> tuple[BoardState, ...]:
    """The facts of all these boards at once."""

    def one(entry: BoardEntry) -> Facts:
        with connect(entry) as board:
            return read_facts(board, Deadline.after(defaults.FACTS_S), libraries=libraries_of(entry))

    answers = on_each(boards, one)
    return tuple(
        BoardState(entry, None, answer) if isinstance(answer, FleetError) else BoardState(entry, answer, None)
        for entry, answer in zip(boards, answers, strict=True)
    )


def libraries_of(entry: BoardEntry) -> tuple[str, ...]:
    """Where this board's runtime libraries may lie: as the inventory says, and beside the demos."""
    demos = (entry.paths.llm_demo, entry.paths.vlm_demo)
    folders = dict.fromkeys(posixpath.dirname(demo) or "." for demo in demos if demo)
    return (*entry.paths.libraries, *(path for folder in folders for path in (f"{folder}/lib", folder)))
