"""The runs that lie on boards, whoever started them: list them, follow one that still goes, stop it for certain."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from fleet import defaults, evidence, job, lease
from fleet.config.inventory import BoardEntry
from fleet.deadline import Deadline
from fleet.errors import FleetError
from fleet.lease import Holding
from fleet.listener import Listener, Position
from fleet.pool import on_each
from fleet.scripts import Store, prepare
from fleet.ssh.connection import Board
from fleet.verdict import RunState

Connect = Callable[[BoardEntry], Board]


@dataclass(frozen=True)
class BoardRun:
    """One run on one board; ``here``: its evidence is in collected/."""

    board: str
    campaign: str
    run: str
    state: RunState
    here: bool


def status(
    boards: tuple[BoardEntry, ...], collected: Path, connect: Connect
) -> tuple[tuple[BoardRun, ...] | FleetError, ...]:
    """Every run on each board, or why the board could not be asked."""

    def one(entry: BoardEntry) -> tuple[BoardRun, ...]:
        with connect(entry) as board:
            return _runs(board, _store(board, entry), entry, collected)

    return on_each(boards, one)


def attach(
    boards: tuple[BoardEntry, ...], collected: Path, connect: Connect, listener: Listener
) -> tuple[FleetError | None, ...]:
    """Follow what runs on these boards until it ends, and bring its evidence. Ctrl-C leaves it running."""
    opened: list[Board] = []

    def one(entry: BoardEntry) -> None:
        with connect(entry) as board:
            opened.append(board)
            store = _store(board, entry)
            going = [run for run in _runs(board, store, entry, collected) if not job.is_over(run.state)]
            for k, run in enumerate(going, start=1):
                at = Position(k, len(going), run.campaign, run.campaign, run.run, False)
                listener.run_started(entry.name, at)
                deadline = Deadline.after(defaults.ATTACH_S)
                folder = job.bring(board, store, run.campaign, run.run, collected, deadline=deadline)
                listener.run_ended(entry.name, at, folder)
        listener.board_ended(entry.name, None)

    def leave() -> None:
        for board in opened:
            board.abandon()

    return on_each(boards, one, interrupted=leave)


@dataclass(frozen=True)
class Cancelled:
    """One board after ``cancel``: each run with whether it is gone now and why not, and whose the board is."""

    board: str
    runs: tuple[tuple[BoardRun, bool, str], ...]
    holding: Holding


def cancel(boards: tuple[BoardEntry, ...], collected: Path, connect: Connect) -> tuple[Cancelled | FleetError, ...]:
    """Stop what runs on these boards; True means gone there, with its logs kept."""

    def one(entry: BoardEntry) -> Cancelled:
        with connect(entry) as board:
            store = _store(board, entry)
            going = [run for run in _runs(board, store, entry, collected) if not job.is_over(run.state)]
            deadline = Deadline.after(defaults.CANCEL_S)
            ended = tuple((run, *job.cancel(board, store, run.campaign, run.run, deadline)) for run in going)
            return Cancelled(entry.name, ended, lease.show(board, store, Deadline.after(defaults.COMMAND_S)))

    return on_each(boards, one)


def _store(board: Board, entry: BoardEntry) -> Store:
    return prepare(board, entry.paths.store, Deadline.after(defaults.PREPARE_S))


def _runs(board: Board, store: Store, entry: BoardEntry, collected: Path) -> tuple[BoardRun, ...]:
    return tuple(
        BoardRun(entry.name, campaign, run, state, evidence.final_folder(collected, campaign, entry.name, run).exists())
        for campaign, run, state in job.list_runs(board, store, Deadline.after(defaults.COMMAND_S))
    )
