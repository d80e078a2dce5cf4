"""Work on a board that is no run: alone from this home by a lock of its process, against others by the board's lease.

The token of that lease is kept here under the name of the board, so that what comes after a program that was killed is
the same holder, and goes on where that one was.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path

from fleet import campaign as campaigns
from fleet import lease, reservations
from fleet.config.inventory import BoardEntry
from fleet.errors import BoardBusy
from fleet.held_lease import HeldLease
from fleet.push_manifest import cache_folder
from fleet.session import Session
from fleet.ssh.connection import Board


@contextlib.contextmanager
def held(
    session: Session, entry: BoardEntry, purpose: str, connect: Callable[[BoardEntry], Board] | None = None
) -> Iterator[HeldLease]:
    """A lease for work on a board, to be taken in the block; given back after it. Raises BoardBusy.

    ``connect`` opens the board at the end; the connection of before may be gone.
    """
    with _alone(session.home, entry.name, purpose) as token:
        own = HeldLease(
            entry,
            token,
            reservations.tokens(session.home).get(entry.name),
            purpose=purpose,
            campaign=None,
            left_behind=lambda now: campaigns.left_behind(session.collected, now),
        )
        try:
            yield own
        finally:
            own.give_back(connect or session.connect)


@contextlib.contextmanager
def _alone(home: Path, board: str, doing: str) -> Iterator[str]:
    """The only one from this home that works on this board; gives the token that all of them show."""
    folder = cache_folder() / "push"
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    name = hashlib.sha256(f"{home.absolute()}\0{board}".encode()).hexdigest()[:32]
    handle = os.open(folder / name, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            what = "another push or provision from here"
            raise BoardBusy(what, board=board, doing=doing, hint="wait for its end") from None
        token = os.pread(handle, 64, 0).decode(errors="replace")
        if not re.fullmatch(r"[A-Za-z0-9-]{8,64}", token):
            token = lease.new_token()
            os.pwrite(handle, token.encode(), 0)
        yield token
    finally:
        os.close(handle)
