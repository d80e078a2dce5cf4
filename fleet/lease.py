"""Whose a board is. The board keeps its lease and judges it by its own uptime and boot_id; a token is the proof.

``hold`` takes a board that is free and renews a lease of ours, ``steal`` takes over the very lease that was seen,
``release`` gives it back. Who starts a run or pushes a file shows the token again: a controller that slept while its
lease ended or was stolen is refused by the board, and has to ``hold`` anew. What is told of a lease comes from a
board, and is made harmless before it is shown.
"""

from __future__ import annotations

import getpass
import json
import secrets
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from fleet import defaults
from fleet.deadline import Deadline
from fleet.errors import BoardBusy, BoardError, LeaseHeld
from fleet.scripts import Store
from fleet.ssh.connection import Board
from fleet.text import readable, tail

REFUSED = 75  # EX_TEMPFAIL: somebody else's, or a run is going


@dataclass(frozen=True)
class Lease:
    """Who has a board, for what, and from when to when in seconds of the board's uptime."""

    token: str
    owner: str
    purpose: str
    campaign: str | None
    boot_id: str
    acquired_uptime_s: int
    renewed_uptime_s: int
    expires_uptime_s: int


@dataclass(frozen=True)
class Holding:
    """A board's lease at one moment of its own time, and the run (``<campaign>/<run>``) that has it now."""

    lease: Lease | None
    uptime_s: int
    run: str | None = None

    @property
    def left_s(self) -> int:
        """Until the lease ends."""
        return max(0, self.lease.expires_uptime_s - self.uptime_s) if self.lease else 0

    @property
    def held_s(self) -> int:
        """Since the lease was taken."""
        return max(0, self.uptime_s - self.lease.acquired_uptime_s) if self.lease else 0


def new_token() -> str:
    """Short enough to be typed, too long to be met twice."""
    return secrets.token_hex(6)


def owner() -> str:
    """Who we are, in the words of this workstation: user@host."""
    try:
        user = getpass.getuser()
    except (OSError, KeyError):  # a container's user without an entry in passwd
        user = "unknown"
    return f"{user}@{socket.gethostname()}"


def hold(
    board: Board,
    store: Store,
    token: str,
    *,
    owner: str,
    purpose: str,
    campaign: str | None,
    for_s: float,
    deadline: Deadline,
) -> Holding:
    """Take the board when it is free; when it is ours, make it ours for ``for_s`` from now at least.

    Renewing never brings the end nearer, and an empty owner, purpose or campaign stays as it was. Asking again after
    a dropped connection does no harm. Raises LeaseHeld, BoardError, Unreachable.
    """
    words = ["hold", token, str(max(1, round(for_s))), _line(owner), _line(purpose), _line(campaign or "")]
    return _held(board, store, words, deadline, "reserve")


def steal(
    board: Board,
    store: Store,
    shown: str,
    token: str,
    *,
    owner: str,
    purpose: str,
    campaign: str | None,
    for_s: float,
    deadline: Deadline,
    cancel: bool = False,
) -> Holding:
    """Take over the lease whose token was ``shown``, if it is still that one and no run is going.

    ``cancel``: what runs is cancelled first, and nothing can begin in between. Raises LeaseHeld when it is another
    lease or none, BoardBusy, BoardError, Unreachable.
    """
    words = [
        "evict" if cancel else "steal",
        shown,
        token,
        str(max(1, round(for_s))),
        _line(owner),
        _line(purpose),
        _line(campaign or ""),
    ]
    return _held(board, store, words, deadline, "steal the lease", defaults.CANCEL_S if cancel else defaults.COMMAND_S)


def release(board: Board, store: Store, token: str, deadline: Deadline) -> bool:
    """Give the board back; False when the lease was not (or no longer) ours."""
    answer, _ = _ask(board, store, ["release", token], deadline, "release")
    return answer.get("released") is True


def show(board: Board, store: Store, deadline: Deadline) -> Holding:
    """Whose the board is now, and what runs there."""
    answer, _ = _ask(board, store, ["show"], deadline, "ask whose it is")
    run = answer.get("run")
    return _holding(board, answer, "lease", "ask whose it is", None if run is None else _line(run))


def read_lease(raw: object) -> Lease | None:
    """A lease as a board sent it; None for null. Raises ValueError for anything else."""
    if raw is None:
        return None
    if not isinstance(raw, Mapping):
        raise ValueError(f"{raw!r} is no lease")
    try:
        numbers = [int(raw[f"{name}_uptime_s"]) for name in ("acquired", "renewed", "expires")]
        campaign = raw["campaign"]
        return Lease(
            _line(raw["token"]),
            _line(raw["owner"]),
            _line(raw["purpose"]),
            None if campaign is None else _line(campaign),
            _line(raw["boot_id"]),
            *numbers,
        )
    except (KeyError, TypeError) as error:
        raise ValueError(f"no lease: {error!r}") from None


def refused(board: Board, answer: Mapping[str, Any], doing: str) -> LeaseHeld | None:
    """The error for an answer of the board that says ``reserved``; None when it says no such thing."""
    if "reserved" not in answer:
        return None
    holding = _holding(board, answer, "reserved", doing)
    lease = holding.lease
    if lease is None:
        return LeaseHeld(
            "the lease that this was to run under has ended: expired, released, stolen, or the board started anew",
            token=None,
            board=board.name,
            doing=doing,
            hint=f"invoke who --board {board.name}",
        )
    return LeaseHeld(
        f"reserved by {told(holding)} (token {lease.token})",
        token=lease.token,
        board=board.name,
        doing=doing,
        hint=f"ask {lease.owner}, or: invoke reserve --board {board.name} --steal {lease.token}",
    )


def told(holding: Holding) -> str:
    """Who, for what and how long still, in a few words."""
    if holding.lease is None:
        return "nobody"
    purpose = f" for '{holding.lease.purpose}'" if holding.lease.purpose else ""
    return f"{holding.lease.owner}{purpose} for {duration(holding.left_s)} more"


def duration(seconds: float) -> str:
    """``23 minutes``: as exact as a person needs it."""
    for unit, size in (("day", 86400), ("hour", 3600), ("minute", 60)):
        if seconds >= 2 * size:
            return f"{int(seconds // size)} {unit}s"
    return f"{int(seconds)} second{'' if int(seconds) == 1 else 's'}"


def _held(
    board: Board, store: Store, words: list[str], deadline: Deadline, doing: str, limit_s: float = defaults.COMMAND_S
) -> Holding:
    answer, exit_code = _ask(board, store, words, deadline, doing, limit_s)
    if exit_code != REFUSED:
        return _holding(board, answer, "held", doing)
    if "busy" in answer:
        raise BoardBusy(
            _line(answer["busy"]),
            board=board.name,
            doing=doing,
            hint="wait for its end, or cancel it with the same command and --cancel",
        )
    raise refused(board, answer, doing) or _garbled(board, "no reason", doing)


def _ask(
    board: Board, store: Store, words: list[str], deadline: Deadline, doing: str, limit_s: float = defaults.COMMAND_S
) -> tuple[Mapping[str, Any], int]:
    argv = ["sh", store.script("lease.sh"), *words]
    done = board.run(argv, deadline=deadline.cap(limit_s), check=False, doing=doing)
    if done.exit_code not in (0, REFUSED):
        said = tail(done.stderr) or f"lease.sh ended with {done.exit_code} and said nothing"
        raise BoardError(said, board=board.name, doing=doing)
    try:
        answer = json.loads(done.stdout)
    except (ValueError, RecursionError):
        answer = None
    if not isinstance(answer, dict):
        raise _garbled(board, tail(done.stdout, 200), doing)
    return answer, done.exit_code


def _holding(board: Board, answer: Mapping[str, Any], key: str, doing: str, run: str | None = None) -> Holding:
    try:
        return Holding(read_lease(answer[key]), int(answer.get("uptime_s") or 0), run)
    except (KeyError, TypeError, ValueError) as error:
        raise _garbled(board, str(error), doing) from None


def _garbled(board: Board, what: str, doing: str) -> BoardError:
    return BoardError(f"its answer can not be read: {what}", board=board.name, doing=doing)


def _line(text: object) -> str:
    """A text that a board sent, on one line of a terminal."""
    return " ".join(readable(str(text).encode("utf-8", "replace")).split())
