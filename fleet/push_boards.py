"""Model files onto many boards at once, ahead of a bench: each board under its lease, and taken up again after a drop.

A push is alone on its board (``fleet.alone``): one that was killed goes on where it was.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from fleet import defaults, plan, stored, virtual_boards
from fleet.alone import held
from fleet.config.inventory import BoardEntry
from fleet.config.model import Model, ModelFile
from fleet.deadline import Deadline
from fleet.errors import ConfigError, FleetError, Interrupted
from fleet.held_lease import HeldLease
from fleet.listener import Listener
from fleet.one_board import AWAY
from fleet.patience import Patience
from fleet.pool import on_each
from fleet.push import Placed, place
from fleet.scripts import Store, prepare
from fleet.session import Session
from fleet.ssh.connection import Board

T = TypeVar("T")


@dataclass(frozen=True)
class Pushed:
    """What became of one board: the files that are there now, in the order asked for, and what ended it early."""

    board: str
    placed: Mapping[str, Placed]
    error: FleetError | None


def files_of(model: Model, cores: Sequence[int] | None, *, standin: bool) -> tuple[ModelFile, ...]:
    """The files that a board needs for this model at these core counts (None: all there are). Raises ConfigError."""
    if cores is None:
        files = model.files_for(standin=standin)
        if not files:
            kind = "a virtual board" if standin else "a real board"
            raise ConfigError(f"{model.title} has no file for {kind}", key="--model", hint=model.note or "")
        return files
    encoders = (one for one in model.vision_artifacts if one.standin == standin)
    return (*(model.artifact(count, standin=standin) for count in cores), *encoders)


def push(
    session: Session, boards: Sequence[BoardEntry], model: Model, cores: Sequence[int] | None, listener: Listener
) -> tuple[Pushed, ...]:
    """Bring a model's files to these boards. Ctrl-C is raised anew when all have let go; what is verified stays."""
    wanted = {entry.name: files_of(model, cores, standin=entry.virtual is not None) for entry in boards}
    for entry in boards:
        if entry.virtual and not all((session.models / one.file).exists() for one in wanted[entry.name]):
            virtual_boards.make_artifacts(session.models, model.name)
    stop = threading.Event()
    open_boards: dict[str, Board] = {}

    def one(entry: BoardEntry) -> Pushed:
        placed: dict[str, Placed] = {}
        error: FleetError | None = None
        try:
            with held(session, entry, "push") as own:
                _tried(session, entry, own, wanted[entry.name], placed, listener, stop, open_boards)
        except FleetError as problem:
            error = problem
            listener.board_ended(entry.name, error)
        except Interrupted:
            listener.board_moved(entry.name, "interrupted")
        else:
            listener.board_ended(entry.name, None)
        return Pushed(entry.name, placed, error)

    def leave() -> None:
        stop.set()
        for board in list(open_boards.values()):
            board.abandon()

    answers = on_each(boards, one, interrupted=leave)
    return tuple(answer for answer in answers if isinstance(answer, Pushed))


def _tried(
    session: Session,
    entry: BoardEntry,
    own: HeldLease,
    files: Sequence[ModelFile],
    placed: dict[str, Placed],
    listener: Listener,
    stop: threading.Event,
    open_boards: dict[str, Board],
) -> None:
    """All files, taken up again after every hiccup of the connection."""
    patience = Patience()
    while True:
        try:
            listener.board_moved(entry.name, "connect")
            with session.connect(entry) as board:
                open_boards[entry.name] = board
                store = prepare(board, entry.paths.store, Deadline.after(defaults.PREPARE_S))
                own.take(board, store)
                patience.met()
                for file in files:
                    if file.file not in placed:
                        placed[file.file] = _one(session, entry, board, store, own, file, listener, stop)
                        patience.moved()
                return
        except AWAY as error:
            if stop.is_set():
                raise Interrupted from None
            pause_s = patience.pause_s(error)
            if pause_s is None:
                raise
            listener.board_moved(entry.name, "away", error.what)
            stop.wait(pause_s)
        except FleetError:
            if stop.is_set():
                raise Interrupted from None
            raise


def _one(
    session: Session,
    entry: BoardEntry,
    board: Board,
    store: Store,
    own: HeldLease,
    file: ModelFile,
    listener: Listener,
    stop: threading.Event,
) -> Placed:
    listener.board_moved(entry.name, "push", file.file)

    def moved(there: int, total: int, resumed: int) -> None:
        if stop.is_set():
            raise Interrupted
        own.renew(board, store)
        listener.push_moved(entry.name, file.file, there, total, resumed)

    def put() -> Placed:
        folders = plan.model_folders(entry, store)
        local = session.models / file.file
        return place(board, store, file, local, folders, Deadline.after(defaults.PUSH_S), moved, lease=own.token)

    return own.under(board, store, put)


def with_store(
    session: Session, boards: Sequence[BoardEntry], work: Callable[[BoardEntry, Board, Store], T]
) -> tuple[T | FleetError, ...]:
    """Do something in each board's store, side by side."""

    def one(entry: BoardEntry) -> T:
        with session.connect(entry) as board:
            return work(entry, board, prepare(board, entry.paths.store, Deadline.after(defaults.PREPARE_S)))

    return on_each(boards, one)


def remove(session: Session, boards: Sequence[BoardEntry], what: str) -> tuple[bool | FleetError, ...]:
    """Remove a name or the bytes of a sha256 from these boards; False where there was nothing of it."""

    def one(entry: BoardEntry, board: Board, store: Store) -> bool:
        with held(session, entry, "push") as own:
            own.take(board, store)
            return stored.remove(board, store, what, lease=own.token)

    return with_store(session, boards, one)
