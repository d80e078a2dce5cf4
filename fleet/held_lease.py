"""A board's lease while a program works on the board: taken first, made longer in between, given back at the end.

What a person reserved from here is used and stays theirs. A lease that a dead program of this workstation left behind
is taken over. One that ran out under us (the workstation slept) is taken anew, if nobody else has the board by now.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

from fleet import defaults, lease
from fleet.config.inventory import BoardEntry
from fleet.deadline import Deadline
from fleet.errors import FleetError, LeaseHeld
from fleet.lease import Lease
from fleet.scripts import Store, prepare
from fleet.ssh.connection import Board

T = TypeVar("T")


@dataclass
class HeldLease:
    """One board's. ``own`` is the token of ours, ``reserved`` that of a person's reservation from here."""

    entry: BoardEntry
    own: str
    reserved: str | None
    purpose: str
    campaign: str | None
    left_behind: Callable[[Lease], bool] = lambda _lease: False
    token: str = field(default="", init=False)  # what is shown to the board
    _ours: bool = field(default=False, init=False)  # to be given back; a person's reservation is not
    _renewed_s: float = field(default=0.0, init=False)

    def take(self, board: Board, store: Store) -> None:
        """Take the lease, or renew it. Raises LeaseHeld when somebody else has it."""
        deadline = Deadline.after(defaults.COMMAND_S)
        about: dict[str, Any] = {
            "owner": lease.owner(),
            "purpose": self.purpose,
            "campaign": self.campaign,
            "for_s": defaults.LEASE_S,
            "deadline": deadline,
        }
        if self.reserved is not None:
            now = lease.show(board, store, deadline).lease
            if now is not None and now.token == self.reserved:
                # Only made longer: it stays the person's, and says so.
                lease.hold(board, store, self.reserved, **about | {"owner": "", "purpose": "", "campaign": None})
                self.token, self._renewed_s = self.reserved, time.monotonic()
                return
        try:
            lease.hold(board, store, self.own, **about)
        except LeaseHeld:
            now = lease.show(board, store, deadline).lease
            if now is None or not self.left_behind(now):
                raise
            lease.steal(board, store, now.token, self.own, **about)
        self.token, self._ours, self._renewed_s = self.own, True, time.monotonic()

    def renew(self, board: Board, store: Store) -> None:
        """Make it longer when it is time to; cheap to ask often."""
        if time.monotonic() - self._renewed_s > defaults.LEASE_RENEW_S:
            self.take(board, store)

    def under(self, board: Board, store: Store, work: Callable[[], T]) -> T:
        """Do what the board only does for the holder of its lease; a lease that ran out meanwhile is taken anew."""
        try:
            return work()
        except LeaseHeld:
            self.take(board, store)
            return work()

    def give_back(self, connect: Callable[[BoardEntry], Board]) -> None:
        """Give the board back; the connection of before may be gone, and a board that is away forgets it by itself."""
        if not self._ours:
            return
        deadline = Deadline.after(defaults.RELEASE_S)
        try:
            with connect(self.entry) as board:
                lease.release(board, prepare(board, self.entry.paths.store, deadline), self.own, deadline)
        except FleetError:
            pass
