"""Boards that a person reserves for a while, gives back, or asks about: the verbs ``reserve``, ``release``, ``who``.

What a person reserved from this home is remembered in ``<home>/.leases.json``, a token a board, so that the runs that
they start here later use that lease and do not stand before a locked door. The file is a memory and no proof: the
board decides whose it is. A token is written down before the board is asked, so that a workstation that dies in
between still has what it needs to give the board back.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from fleet import defaults, lease
from fleet.config.inventory import BoardEntry
from fleet.deadline import Deadline
from fleet.errors import ConfigError, ConnectionDropped, DeadlinePassed, FleetError
from fleet.evidence import disk_errors, write_file
from fleet.lease import Holding
from fleet.pool import on_each
from fleet.scripts import prepare
from fleet.ssh.connection import Board

Connect = Callable[[BoardEntry], Board]
Row = dict[str, str | int | float | None]

FILE = ".leases.json"
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


@dataclass(frozen=True)
class Returned:
    """A board that was given back. ``known``: it was reserved from here; ``released``: it was still ours there."""

    board: str
    known: bool
    released: bool

    @property
    def sentence(self) -> str:
        """What became of it."""
        if not self.known:
            return f"{self.board}: not reserved from here"
        return f"{self.board}: {'released' if self.released else 'was not ours any more'}"


def reserve(
    boards: tuple[BoardEntry, ...],
    home: Path,
    connect: Connect,
    *,
    for_s: int,
    purpose: str,
    steal: str = "",
    cancel: bool = False,
) -> tuple[Holding | FleetError, ...]:
    """Take each board for ``for_s``, or make our lease on it last so long. ``steal`` is the token that was shown;
    ``cancel``: what runs there under it is cancelled first.

    A board that refuses is that board's LeaseHeld or BoardBusy. Raises ConfigError.
    """
    if steal and len(boards) != 1:
        raise ConfigError(
            f"a token is one board's, and these are {len(boards)}",
            key="--steal",
            hint="invoke reserve --board NAME --steal TOKEN",
        )

    def one(entry: BoardEntry) -> Holding:
        known = tokens(home).get(entry.name)
        token = known or lease.new_token()
        _remember(home, entry.name, token)
        about: dict[str, Any] = {"owner": lease.owner(), "purpose": purpose, "campaign": None}
        try:
            with connect(entry) as board:
                store = prepare(board, entry.paths.store, Deadline.after(defaults.PREPARE_S))
                deadline = Deadline.after(defaults.CANCEL_S)
                if steal and steal != token:
                    return lease.steal(
                        board, store, steal, token, **about, for_s=for_s, deadline=deadline, cancel=cancel
                    )
                return lease.hold(board, store, token, **about, for_s=for_s, deadline=deadline)
        except (ConnectionDropped, DeadlinePassed):
            raise  # nobody knows whether it is ours now
        except FleetError:
            if known is None:
                _forget(home, entry.name, token)
            raise

    return on_each(boards, one)


def release(boards: tuple[BoardEntry, ...], home: Path, connect: Connect) -> tuple[Returned | FleetError, ...]:
    """Give back what was reserved from here."""
    known = tokens(home)

    def one(entry: BoardEntry) -> Returned:
        token = known.get(entry.name)
        if token is None:
            return Returned(entry.name, False, False)
        with connect(entry) as board:
            store = prepare(board, entry.paths.store, Deadline.after(defaults.PREPARE_S))
            released = lease.release(board, store, token, Deadline.after(defaults.COMMAND_S))
        _forget(home, entry.name, token)
        return Returned(entry.name, True, released)

    return on_each(boards, one)


def who(boards: tuple[BoardEntry, ...], connect: Connect) -> tuple[Holding | FleetError, ...]:
    """Whose each board is, and what runs there."""

    def one(entry: BoardEntry) -> Holding:
        with connect(entry) as board:
            store = prepare(board, entry.paths.store, Deadline.after(defaults.PREPARE_S))
            return lease.show(board, store, Deadline.after(defaults.COMMAND_S))

    return on_each(boards, one)


def who_row(board: str, holding: Holding, now: datetime) -> Row:
    """One line of ``invoke who``. The board counts seconds; ``now`` makes times of this workstation of them."""
    held = holding.lease
    times = [now - timedelta(seconds=holding.held_s), now + timedelta(seconds=holding.left_s)] if held else [None] * 2
    since, until = (f"{at:%Y-%m-%d %H:%M}" if at else None for at in times)
    return {
        "board": board,
        "state": "running" if holding.run else "reserved" if held else "free",
        "held by": held.owner if held else None,
        "for": held.purpose or None if held else None,
        "campaign": held.campaign if held else None,
        "since": since,
        "until": until,
        "minutes left": round(holding.left_s / 60, 1) if held else None,
        "token": held.token if held else None,
        "run now": holding.run,
    }


def tokens(home: Path) -> Mapping[str, str]:
    """The tokens of the boards that were reserved from this home. Raises ConfigError."""
    path = home / FILE
    try:
        found = json.loads(path.read_bytes())
        boards = found["boards"]
        if not all(isinstance(text, str) for pair in boards.items() for text in pair):
            raise TypeError("not all of it is text")
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, RecursionError, TypeError, KeyError, AttributeError) as error:
        raise ConfigError(
            f"can not be read: {error}", file=str(path), hint=f"rm {path}   (its boards are free when their time is up)"
        ) from None
    return dict(boards)


def for_seconds(text: str) -> int:
    """``90s``, ``30m``, ``2h`` or ``1d`` in seconds. Raises ConfigError."""
    found = re.fullmatch(r"([0-9]{1,7})([smhd])", text.strip(), re.ASCII)
    seconds = int(found[1]) * _UNITS[found[2]] if found else 0
    if not 0 < seconds <= defaults.RESERVE_LONGEST_S:
        raise ConfigError(f"{text!r} is no time from 1s to 7d", key="--for", hint="--for 90s, 30m, 2h or 1d")
    return seconds


def _remember(home: Path, board: str, token: str) -> None:
    with _locked(home):
        found = tokens(home)
        if found.get(board) != token:
            _write(home, {**found, board: token})


def _forget(home: Path, board: str, token: str) -> None:
    with _locked(home):
        found = tokens(home)
        if found.get(board) == token:
            _write(home, {name: kept for name, kept in found.items() if name != board})


def _write(home: Path, boards: Mapping[str, str]) -> None:
    data = json.dumps({"schema": 1, "boards": dict(sorted(boards.items()))}, indent=1) + "\n"
    with disk_errors(home, "", "remember what is reserved"):
        write_file(home / FILE, data.encode())  # which makes it for its owner alone


@contextlib.contextmanager
def _locked(home: Path) -> Iterator[None]:
    """One reader and writer at a time, over all processes: the folder itself is the lock, so no other file is left."""
    handle = os.open(home, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)
