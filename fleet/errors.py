"""What can go wrong out there, as one tree; our own bugs are plain ``ValueError`` and tracebacks.

FleetError                      board, doing, what, hint; the class carries the exit code
├─ ConfigError             2    a file or an option a person wrote can not be used as it stands
│  └─ NoFile                    a model file is neither here nor on the board
├─ Unreachable             4    the board does not answer, or not in time, before anything ran on it
│  ├─ AuthenticationFailed      it answers and refuses every key we have
│  └─ HostKeyProblem            it answers with a host key that nobody vouched for
│     ├─ HostKeyUnknown         never seen before
│     └─ HostKeyChanged         not the one that was trusted
└─ BoardError              1    it answers, and the work failed there
   ├─ ConnectionDropped         it answered, and stopped answering in mid-command
   ├─ DeadlinePassed            not ready in time; says whether the remote process is proven dead
   ├─ CommandFailed             a command ended with another exit code than 0
   ├─ BoardBusy                 another run has the board
   ├─ LeaseHeld                 the board is reserved by somebody else, or a lease of ours has ended
   ├─ CheckFailed          3    it is not fit to be measured on; says which checks failed
   ├─ NoSpace                   need_bytes do not fit into free_bytes at path
   └─ EvidenceBroken            what the board sent is not what it said it would send
"""

from __future__ import annotations

import enum
from collections.abc import Iterable, Sequence


class ExitCode(enum.IntEnum):
    """What a verb's exit code means to a script that calls it."""

    GOOD = 0  # everything that was asked for is done
    FAILED = 1  # the work failed on some board
    USAGE = 2  # an option, the inventory or the catalogue is wrong; nothing was started
    VERDICT = 3  # it worked, and the answer is no: a regression or a failed check
    UNREACHABLE = 4  # some board could not be reached


class FleetError(Exception):
    """Something a person can act on; never a traceback."""

    exit_code = ExitCode.FAILED

    def __init__(self, what: str, *, board: str = "", doing: str = "", hint: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.board = board
        self.doing = doing
        self.hint = hint

    def __str__(self) -> str:
        return ": ".join(part for part in (self.board, self.doing, self.what) if part)

    def message(self) -> str:
        """One line of what happened and, where there is one, a line ``Try: …`` that can be pasted."""
        return f"{self}\nTry: {self.hint}" if self.hint else str(self)


class ConfigError(FleetError):
    """A file or an option that a person wrote can not be used as it stands."""

    exit_code = ExitCode.USAGE

    def __init__(
        self, what: str, *, file: str = "", key: str = "", hint: str = "", board: str = "", doing: str = ""
    ) -> None:
        super().__init__(what, board=board, doing=doing, hint=hint)
        self.file = file
        self.key = key

    def __str__(self) -> str:
        return ": ".join(part for part in (self.file, self.key, super().__str__()) if part)


class NoFile(ConfigError):
    """A model file is neither here nor on the board."""


class Unreachable(FleetError):
    """The board does not answer, or not in time, before anything ran on it."""

    exit_code = ExitCode.UNREACHABLE


class AuthenticationFailed(Unreachable):
    """The board answers and refuses every key we have."""


class HostKeyProblem(Unreachable):
    """The board answers with a host key that nobody vouched for."""


class HostKeyUnknown(HostKeyProblem):
    """No key of this address was ever trusted."""


class HostKeyChanged(HostKeyProblem):
    """The key is not the one that was trusted: re-flashed, or not the board at all."""


class BoardError(FleetError):
    """The board answers, and the work failed there."""


class ConnectionDropped(BoardError):
    """The board stopped answering in mid-command; what it was doing may go on."""


class DeadlinePassed(BoardError):
    """Not ready in time. ``proven_dead``: the board itself said that the process is gone."""

    def __init__(self, what: str, *, proven_dead: bool, board: str = "", doing: str = "", hint: str = "") -> None:
        super().__init__(what, board=board, doing=doing, hint=hint)
        self.proven_dead = proven_dead


class CommandFailed(BoardError):
    """A command on the board ended with another exit code than 0."""

    def __init__(
        self,
        argv: Sequence[str],
        exit_code: int,
        stderr_tail: str,
        *,
        board: str = "",
        doing: str = "",
        hint: str = "",
    ) -> None:
        said = f": {stderr_tail}" if stderr_tail else ""
        super().__init__(f"{argv[0]} ended with {exit_code}{said}", board=board, doing=doing, hint=hint)
        self.argv = tuple(argv)
        self.remote_exit_code = exit_code
        self.stderr_tail = stderr_tail


class BoardBusy(BoardError):
    """Another run has the board; ``holder`` says which."""

    def __init__(self, holder: str, *, board: str = "", doing: str = "", hint: str = "") -> None:
        super().__init__(f"the board is busy with {holder}", board=board, doing=doing, hint=hint)
        self.holder = holder


class LeaseHeld(BoardError):
    """The board is somebody else's by ``token``; with ``token`` None: the lease that was shown has ended."""

    def __init__(self, what: str, *, token: str | None, board: str = "", doing: str = "", hint: str = "") -> None:
        super().__init__(what, board=board, doing=doing, hint=hint)
        self.token = token


class CheckFailed(BoardError):
    """Checks of a board failed, so nothing was started on it; ``checks`` are their names."""

    exit_code = ExitCode.VERDICT

    def __init__(self, what: str, *, checks: Sequence[str], board: str = "", doing: str = "", hint: str = "") -> None:
        super().__init__(what, board=board, doing=doing, hint=hint)
        self.checks = tuple(checks)


class NoSpace(BoardError):
    """``need_bytes`` do not fit into ``free_bytes`` at ``path``."""

    def __init__(
        self, need_bytes: int, free_bytes: int, path: str, *, board: str = "", doing: str = "", hint: str = ""
    ) -> None:
        super().__init__(
            f"needs {need_bytes / 2**20:.1f} MiB, {path} has {free_bytes / 2**20:.1f} MiB free",
            board=board,
            doing=doing,
            hint=hint,
        )
        self.need_bytes = need_bytes
        self.free_bytes = free_bytes
        self.path = path


class EvidenceBroken(BoardError):
    """What the board sent is not what it said it would send: a wrong length, sha256 or name."""


class Interrupted(Exception):
    """Unwinds a board's thread after Ctrl-C; it is no error of anything."""


def worst(codes: Iterable[ExitCode]) -> ExitCode:
    """The one exit code of many boards: usage before unreachable before failed before verdict."""
    order = (ExitCode.USAGE, ExitCode.UNREACHABLE, ExitCode.FAILED, ExitCode.VERDICT)
    seen = set(codes)
    return next((code for code in order if code in seen), ExitCode.GOOD)
