"""A board as the rest of the driver sees it: words in, bytes out, and every call ends by its deadline.

``Board`` connects at first use and again after a drop. A call that finds the connection dead before
anything was handed over gets a new one without a word; a command that was handed over is never sent twice.
After ``deadline`` the board has ``GRACE_S`` to say what became of the command, then the connection is given
up: other calls on it go on as long as they hear something, new ones open their own.
"""

from __future__ import annotations

import contextlib
import math
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType

from fleet import defaults
from fleet.deadline import Deadline
from fleet.errors import BoardError, CommandFailed, ConnectionDropped, DeadlinePassed, FleetError
from fleet.ssh import openssh
from fleet.ssh.command import Word, program, quote, shown
from fleet.ssh.endpoint import Endpoint
from fleet.ssh.guard import guarded, new_mark
from fleet.ssh.host_keys import HostKeys
from fleet.ssh.links import Link, Links
from fleet.ssh.remote_command import Head, RemoteCommand
from fleet.ssh.ssh_errors import dropped
from fleet.ssh.watchdog import WATCHDOG, later
from fleet.text import tail

__all__ = ["Board", "Completed", "Endpoint"]

_FOREVER_S = 7 * 86400  # the most that a board is asked to wait for one command
_CLOSE_S = 0.5  # to say good-bye on a channel; a peer that does not take it is cut off
_TIMED_OUT = 124  # of `timeout` on the board
_CLOCKS_DIFFER_S = 2.0  # at the end of a command: whole seconds there, and a clock that runs a little faster
_ENDED_FROM_OUTSIDE = (129, 143)  # as a shell counts HUP and TERM


@dataclass(frozen=True)
class Completed:
    """A command that ended. ``truncated``: more was printed than was kept."""

    argv: tuple[str, ...]
    exit_code: int  # 128 + n after signal n
    stdout: bytes
    stderr: bytes
    truncated: bool
    wall_s: float


@dataclass(frozen=True)
class _Call:
    link: Link
    command: RemoteCommand


class Board:
    """Commands on one board; threads may share it."""

    def __init__(
        self,
        endpoint: Endpoint,
        host_keys: HostKeys,
        *,
        connect_s: float = defaults.CONNECT_S,
        open_s: float = defaults.OPEN_S,
        dead_peer_s: float = defaults.DEAD_PEER_S,
    ) -> None:
        self.endpoint = endpoint
        self.host_keys = host_keys
        self._connect_s = connect_s
        self._links = Links(endpoint, host_keys, connect_s=connect_s, open_s=open_s, dead_peer_s=dead_peer_s)
        self._channels = threading.BoundedSemaphore(defaults.MAX_CHANNELS)

    @property
    def name(self) -> str:
        """The board's name in the inventory."""
        return self.endpoint.name

    def run(
        self,
        argv: Sequence[Word],
        *,
        deadline: Deadline,
        env: Mapping[str, str] | None = None,
        stdin: bytes = b"",
        check: bool = True,
        max_bytes: int = defaults.MAX_BYTES,
        doing: str = "",
    ) -> Completed:
        """Run a command and wait for it; with ``check``, an exit code other than 0 is ``CommandFailed``."""
        began_s = time.monotonic()
        doing = doing or f"run {shown(argv)[0]}"
        out = Head(max_bytes)
        with self._command(argv, env, stdin, deadline, max_bytes, doing) as call:
            last = later(deadline, defaults.GRACE_S)
            with self._watched(call.link, deadline):
                while data := call.command.read(last):
                    out.add(data)
            exit_code = self._exit_code(call, deadline, doing, ended=data is not None)
            self._look_for_shutdown(exit_code, doing)
            stderr = call.command.stderr()
            truncated = out.dropped or call.command.stderr_cut
        if check and exit_code:
            raise CommandFailed(shown(argv), exit_code, tail(stderr), board=self.name, doing=doing)
        return Completed(shown(argv), exit_code, bytes(out), stderr, truncated, round(time.monotonic() - began_s, 6))

    def stream(
        self,
        argv: Sequence[Word],
        *,
        idle_s: float,
        deadline: Deadline,
        stdin: bytes = b"",
        doing: str = "",
        env: Mapping[str, str] | None = None,
    ) -> Iterator[bytes]:
        """stdout as it comes. Not taking it makes the board wait; ``idle_s`` without a byte is a drop."""
        doing = doing or f"run {shown(argv)[0]}"
        with self._command(argv, env, stdin, deadline, defaults.STDERR_TAIL_BYTES, doing) as call:
            last = later(deadline, defaults.GRACE_S)
            while True:
                until = last.cap(idle_s)
                with self._watched(call.link, until):
                    data = call.command.read(until)
                if data is None and not last.expired:
                    self._links.retire(call.link)
                    raise ConnectionDropped(f"not a byte came for {idle_s:g} s", board=self.name, doing=doing)
                if not data:
                    break
                yield data
            exit_code = self._exit_code(call, deadline, doing, ended=data is not None)
            self._look_for_shutdown(exit_code, doing)
            said = tail(call.command.stderr())
        if exit_code:
            raise CommandFailed(shown(argv), exit_code, said, board=self.name, doing=doing)

    def push_argv(self, argv: Sequence[Word]) -> tuple[str, ...]:
        """The words of an OpenSSH ``ssh`` that runs ``argv`` there: for gigabytes through stdin and stdout."""
        return openssh.argv(self._links.connection(), self.host_keys.path, quote(argv), connect_s=self._connect_s)

    def close(self) -> None:
        """End the connection; the next call would make a new one."""
        self._links.retire()

    def abandon(self) -> None:
        """End the connection now and for good, under the calls of other threads; what they started there goes on."""
        self._links.give_up()

    def __enter__(self) -> Board:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @contextlib.contextmanager
    def _command(
        self,
        argv: Sequence[Word],
        env: Mapping[str, str] | None,
        stdin: bytes,
        deadline: Deadline,
        stderr_bytes: int,
        doing: str,
    ) -> Iterator[_Call]:
        """A command that was handed to the board; leaving the block leaves it to its own limit there."""
        words = program(argv, env)
        mark = new_mark()
        guarded(words, mark=mark, limit_s=_FOREVER_S)  # what can not be sent is said before connecting
        if deadline.expired or not self._channels.acquire(timeout=min(deadline.left_s, threading.TIMEOUT_MAX)):
            raise self._late("its time was over before it was started", doing, proven_dead=True)
        try:
            link, channel = self._links.channel(deadline)
            try:
                limit_s = max(1, math.ceil(min(deadline.left_s, _FOREVER_S)))
                line = guarded(words, mark=mark, limit_s=limit_s)
                with self._watched(link, deadline):
                    try:
                        command = RemoteCommand(channel, line, mark, stdin=stdin, stderr_bytes=stderr_bytes)
                    except Exception as error:  # whatever it is: the command may have been started
                        self._links.retire(link)
                        raise self._gone(error, deadline, doing) from error
                try:
                    yield _Call(link, command)
                finally:
                    with WATCHDOG.limit(Deadline.after(_CLOSE_S), link.connection.cut):
                        command.close()
            finally:
                self._links.leave(link)
        finally:
            self._channels.release()

    def _watched(self, link: Link, deadline: Deadline) -> contextlib.AbstractContextManager[object]:
        """Cut the connection when a call on it hangs beyond all limits of its own."""
        return WATCHDOG.limit(later(deadline, defaults.GRACE_S + _CLOSE_S), link.connection.cut)

    def _exit_code(self, call: _Call, deadline: Deadline, doing: str, *, ended: bool) -> int:
        """The exit code of a command, or the error that tells why there is none."""
        command = call.command
        exit_code, dead = command.exit_code, command.dead
        # The board's clock decides there, and ours may have a moment left then.
        if dead is not None and (deadline.expired or (exit_code == _TIMED_OUT and deadline.left_s < _CLOCKS_DIFFER_S)):
            said = "killed at its deadline" if dead else "KILL at its deadline did not end it"
            raise self._late(f"not done in time, {said}", doing, proven_dead=dead)
        if not ended:
            self._links.retire(call.link)
            if exit_code is None:
                raise self._gone(None, deadline, doing)
            said = f"it ended with {exit_code}, but what it left behind holds its output open"
            raise self._late(said, doing, proven_dead=False)
        if exit_code is None:
            transport = call.link.connection.transport
            self._links.retire(call.link)
            raise self._gone(transport.get_exception(), deadline, doing)
        if not command.started:
            said = f"the login shell did not start the command and ended with {exit_code}: {command.noise}"
            raise BoardError(said, board=self.name, doing=doing)
        return exit_code

    def _look_for_shutdown(self, exit_code: int, doing: str) -> None:
        """Was the command ended by HUP or TERM that did not come from us? So begins a board's going down."""
        if exit_code in _ENDED_FROM_OUTSIDE:
            raise ConnectionDropped("the board ended the command; it may be going down", board=self.name, doing=doing)

    def _gone(self, error: BaseException | None, deadline: Deadline, doing: str) -> FleetError:
        """The connection went, or nothing more was heard; what was started may go on."""
        if deadline.expired:
            return self._late("not done in time, and no word from the board; it may go on there", doing)
        return dropped(error, board=self.name, doing=doing)

    def _late(self, what: str, doing: str, *, proven_dead: bool = False) -> DeadlinePassed:
        return DeadlinePassed(what, proven_dead=proven_dead, board=self.name, doing=doing)
