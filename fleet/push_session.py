"""One conversation with ``artifact.sh receive``: the board says which chunks it lacks, and gets just those.

An OpenSSH subprocess carries it, one for each push and the only way of gigabytes to a board. The board names the chunks
(``need``), takes them in that order, reads each back and says which are good (``verified``) or not (``bad``); see
``board_scripts/artifact_receive.sh``. Nothing of the file is kept here. What the board
says is checked as what anybody says: it can make us stop, and not send anything but chunks of this file.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import os
import select
import subprocess
import sys
import tempfile
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, BinaryIO

from fleet import defaults
from fleet.deadline import Deadline
from fleet.errors import AuthenticationFailed, BoardError, ConnectionDropped, DeadlinePassed
from fleet.lease import refused
from fleet.push_manifest import Manifest, changed, forget
from fleet.space import no_space
from fleet.ssh.connection import Board
from fleet.text import tail

RESERVED = 75  # EX_TEMPFAIL: the board is somebody else's
DAMAGED = 65  # EX_DATAERR: what arrived has another length or sha256
NO_CONNECTION = 255  # ssh's own
_PIPE_BYTES = 2**20  # between us and ssh, where the system allows it: fewer changes from one to the other

Moved = Callable[[int, int, int], object]  # bytes that are there or on their way, bytes in all, bytes that were there


class Damaged(BoardError):
    """What arrived, or what was answered, is not what was sent; the same again may go well."""


@dataclass
class Conversation:
    """The words of both sides, without any I/O: lines of the board in, chunks to send out."""

    manifest: Manifest
    path: str
    moved: Moved
    check: Callable[[int], object]  # called with a chunk that arrived wrong
    wanted: deque[int] = field(default_factory=deque)
    unsent_bytes: int = 0  # of what was asked for last
    resumed_bytes: int = 0
    sent_bytes: int = 0
    rounds: int = 0
    done: bool = False
    _told: int = 0

    def hear(self, line: bytes) -> None:
        """One line of the board. Raises Damaged when it makes no sense."""
        try:
            said = json.loads(line)
            if not isinstance(said, dict):
                raise ValueError("no object")
            if "need" in said:
                self._asked(said)
            elif "verified" in said:
                if not self.rounds:
                    self.resumed_bytes += self.manifest.span(self._chunk(said["verified"]))[1]
                    self._tell(self.resumed_bytes)
            elif "bad" in said:
                self.check(self._chunk(said["bad"]))
            elif "path" in said:
                self._ended(said)
            elif "reserved" not in said:
                raise ValueError("nothing known")
        except (ValueError, TypeError, KeyError, RecursionError) as error:
            raise Damaged(f"its answer can not be read: {tail(line, 100)} ({error})") from None

    def sent(self, size: int) -> None:
        """So many bytes of chunks are on their way."""
        self.sent_bytes += size
        self.unsent_bytes -= size
        self._tell(self.manifest.size_bytes - self.unsent_bytes)

    def _asked(self, said: Mapping[str, Any]) -> None:
        chunks = [self._chunk(one) for one in said["need"]]
        size = sum(self.manifest.span(one)[1] for one in chunks)
        if self.unsent_bytes or chunks != sorted(set(chunks)) or size != said["bytes"] or not chunks:
            raise ValueError("it asks for what is not to be had")
        self.rounds += 1
        if self.rounds > defaults.PUSH_TRIES:
            raise Damaged(f"chunk {chunks[0]} arrived wrong {defaults.PUSH_TRIES} times")
        if self.rounds == 1:
            self.resumed_bytes = self.manifest.size_bytes - size
        self.wanted.extend(chunks)
        self.unsent_bytes = size
        self._tell(self.manifest.size_bytes - size)

    def _ended(self, said: Mapping[str, Any]) -> None:
        expected = {"path": self.path, "size_bytes": self.manifest.size_bytes, "sha256": self.manifest.sha256}
        if dict(said) != expected or self.unsent_bytes:
            raise ValueError("that is not what was sent")
        self.done = True
        if self._told:
            self._tell(self.manifest.size_bytes)

    def _chunk(self, number: object) -> int:
        if type(number) is not int or not 0 <= number < len(self.manifest.chunks):
            raise ValueError("no chunk of this file")
        return number

    def tick(self) -> None:
        """Nothing has moved for a moment; whoever listens may want to leave."""
        self._tell(self._told)

    def _tell(self, there: int) -> None:
        self._told = there
        # All of it is there when the board has said so, and not when the last byte has left.
        shown = there if self.done else min(there, self.manifest.size_bytes - 1)
        self.moved(shown, self.manifest.size_bytes, self.resumed_bytes)


def send(
    board: Board, words: list[str], path: str, manifest: Manifest, deadline: Deadline, moved: Moved, doing: str
) -> Conversation:
    """Run ``words`` (artifact.sh receive …) there and give it what it asks for.

    Raises ConfigError when the file changes meanwhile; Damaged, NoSpace, LeaseHeld, DeadlinePassed, ConnectionDropped.
    """
    # A file, not a pipe, for what ssh and the script say on stderr: nobody reads it until the end.
    with tempfile.TemporaryFile() as said, manifest.path.open("rb") as file:

        def check(number: int) -> None:
            if not manifest.holds(file, number):
                forget(manifest)
                raise changed(manifest.path)

        talk = Conversation(manifest, path, moved, check)
        child = subprocess.Popen(
            board.push_argv(words), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=said, start_new_session=True
        )
        try:
            answer = _Exchange(child, file, talk, deadline).run()
            exit_code = child.wait(timeout=max(defaults.GRACE_S, min(deadline.left_s, defaults.PUSH_SILENCE_S)))
        except (TimeoutError, subprocess.TimeoutExpired):
            if deadline.expired:
                raise DeadlinePassed("not done in time", proven_dead=False, hint="push again") from None
            what = f"not a byte came or went for {defaults.PUSH_SILENCE_S:g} s"
            raise ConnectionDropped(what, hint="push again") from None
        finally:
            if child.poll() is None:
                child.kill()
                child.wait()
            for pipe in (child.stdin, child.stdout):
                if pipe is not None:
                    with contextlib.suppress(OSError):
                        pipe.close()
        said.seek(0)
        message = tail(said.read(8192))
    look_at_end(board, exit_code, message, answer, doing)
    if not talk.done:
        raise Damaged("it ended and did not say that the file is there", hint="push again")
    return talk


def _through_memory(source: int, target: int, size: int, at: int) -> int:
    return os.write(target, block) if (block := os.pread(source, size, at)) else 0


if sys.platform == "linux":

    def _splice(source: int, target: int, size: int, at: int) -> int:
        """The kernel moves the pages of the file into the pipe: none of it is ever copied to us and back."""
        return os.splice(source, target, size, offset_src=at, flags=os.SPLICE_F_NONBLOCK)
else:
    _splice = None


class _Exchange:
    """Both directions of one ssh at once: bytes go out as the board takes them, its lines come in."""

    def __init__(self, child: subprocess.Popen[bytes], file: BinaryIO, talk: Conversation, deadline: Deadline) -> None:
        assert child.stdin is not None and child.stdout is not None
        self._into, self._out = child.stdin.fileno(), child.stdout.fileno()
        self._file, self._talk, self._deadline = file, talk, deadline
        self._list = memoryview(talk.manifest.listed)  # of the chunks, what is left of it
        self._at = self._left = 0  # of the chunk that is on its way
        self._move = _through_memory if _splice is None else _splice
        self._deaf = False  # the board takes nothing more; why, its exit code and message say
        self._heard = bytearray()
        self._last: dict[str, object] = {}
        for pipe in (self._into, self._out):
            os.set_blocking(pipe, False)
        with contextlib.suppress(OSError, AttributeError):
            fcntl.fcntl(self._into, fcntl.F_SETPIPE_SZ, _PIPE_BYTES)

    def run(self) -> dict[str, object]:
        """Until the board hangs up; returns the last thing it said. Raises TimeoutError."""
        quiet = self._deadline.cap(defaults.PUSH_SILENCE_S)
        while True:
            writes = [self._into] if not self._deaf and self._next() else []
            readable, writable, _ = select.select([self._out], writes, [], min(quiet.left_s, defaults.PUSH_TICK_S))
            if readable or writable:
                quiet = self._deadline.cap(defaults.PUSH_SILENCE_S)
            elif quiet.expired:
                raise TimeoutError
            else:
                self._talk.tick()
            if readable and not self._read():
                return self._last
            if writable:
                self._write()

    def _next(self) -> bool:
        """Is there anything to send?"""
        if self._list or self._left:
            return True
        if not self._talk.wanted:
            return False
        manifest = self._talk.manifest
        # Cheap beside 16 MiB: a file that is being written is noticed at once, not after gigabytes.
        if not manifest.same(manifest.path.stat()):
            raise changed(manifest.path)
        self._at, self._left = manifest.span(self._talk.wanted.popleft())
        return True

    def _write(self) -> None:
        try:
            if self._list:
                self._list = self._list[os.write(self._into, self._list) :]
                return
            size = self._move(self._file.fileno(), self._into, min(self._left, defaults.BLOCK_BYTES), self._at)
        except BlockingIOError:
            return
        except BrokenPipeError:
            self._deaf = True
            return
        except OSError as error:
            if self._move is _through_memory or error.errno != errno.EINVAL:
                raise
            self._move = _through_memory  # a file system that can not
            return
        if not size:
            raise changed(self._talk.manifest.path)
        self._at += size
        self._left -= size
        self._talk.sent(size)

    def _read(self) -> bool:
        try:
            data = os.read(self._out, 65536)
        except BlockingIOError:
            return True
        if not data:
            return False
        self._heard += data
        *lines, rest = self._heard.split(b"\n")
        self._heard = bytearray(rest)
        if len(rest) > defaults.MAX_BYTES:
            raise Damaged("its answer has no end")
        for line in lines:
            if line.strip():
                self._talk.hear(bytes(line))
                self._last = json.loads(line)
        return True


def look_at_end(board: Board, exit_code: int, message: str, answer: dict[str, object], doing: str) -> None:
    """Raise what a session's end means."""
    if exit_code == 0:
        return
    if exit_code == RESERVED:
        held = refused(board, answer, doing)
        if held is not None:
            raise held
    full = no_space(message, board=board.name, doing=doing)
    if full is not None:
        raise full
    if exit_code == DAMAGED:
        raise Damaged(message, hint="the same command again")
    if exit_code == NO_CONNECTION and "Permission denied (" in message:
        key = "chmod 600 on the key file, and push again" if "bad permissions" in message else ""
        raise AuthenticationFailed(f"ssh is refused: {' '.join(message.split())}", board=board.name, hint=key)
    if exit_code == NO_CONNECTION:
        raise ConnectionDropped(message or "ssh gave up", hint="the same command again")
    raise BoardError(message or f"ended with {exit_code}")
