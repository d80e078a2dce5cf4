"""One command on one channel: bytes in, bytes out, never more of them in memory than one window.

The channel's reader thread (paramiko's) fills two buffers of at most a window together, and rings; whoever
called takes from them. Nobody taking means a full window, and then the board waits. Input that does not fit
into one packet is fed by a thread of its own, because a command may print before it has read everything, or
not read at all.
"""

from __future__ import annotations

import contextlib
import threading
from typing import Any

from paramiko import Channel, SSHException

from fleet.deadline import Deadline
from fleet.ssh.guard import Skip, last_word
from fleet.text import tail

WINDOW_BYTES = 2**21  # paramiko's default window: taking as much as that at once empties the buffer in one copy
INLINE_BYTES = 32 * 1024 - 1024  # one packet


class Doorbell:
    """What paramiko's buffers take for an event; both ring the same one, so neither may silence it."""

    def __init__(self) -> None:
        self._event = threading.Event()

    def set(self) -> None:
        self._event.set()

    def clear(self) -> None:
        pass

    def wait(self, seconds: float) -> None:
        self._event.wait(seconds)
        self._event.clear()


class Tail:
    """The last ``limit`` bytes of a stream."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._kept = bytearray()
        self.dropped = False

    def add(self, data: bytes) -> None:
        self._kept += data
        if len(self._kept) > self._limit:
            self.dropped = True
            del self._kept[: len(self._kept) - self._limit]

    def __bytes__(self) -> bytes:
        return bytes(self._kept)


class Head:
    """The first ``limit`` bytes of a stream."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._kept = bytearray()
        self.dropped = False

    def add(self, data: bytes) -> None:
        room = self._limit - len(self._kept)
        self._kept += data[:room]
        self.dropped |= len(data) > room

    def __bytes__(self) -> bytes:
        return bytes(self._kept)


class RemoteCommand:
    """A command that was handed to a board. Not thread-safe: one caller reads it."""

    def __init__(self, channel: Channel, line: bytes, mark: bytes, *, stdin: bytes, stderr_bytes: int) -> None:
        self._channel = channel
        self._mark = mark
        self._stdout = Skip(mark)
        self._stderr = Skip(mark)
        self._stderr_bytes = stderr_bytes
        self._err = Tail(stderr_bytes + 256)  # the guard's last line on top
        self._doorbell = Doorbell()
        bell: Any = self._doorbell
        channel.in_buffer.set_event(bell)
        channel.in_stderr_buffer.set_event(bell)
        channel.exec_command(line)
        if len(stdin) <= INLINE_BYTES:
            self._feed(stdin)
        else:
            threading.Thread(target=self._feed, args=(stdin,), name="fleet-stdin", daemon=True).start()

    def _feed(self, stdin: bytes) -> None:
        try:
            for start in range(0, len(stdin), 2**20):
                self._channel.sendall(stdin[start : start + 2**20])
            self._channel.shutdown_write()
        except (OSError, SSHException, EOFError):
            pass  # it ended without reading all of it, or the connection is gone: the reader finds out which

    def read(self, until: Deadline) -> bytes | None:
        """The next bytes of stdout; ``b""`` when the command is over; None when ``until`` passed before."""
        while True:
            closed = self._channel.closed  # before the buffers are looked at: nothing comes after it
            if self._channel.recv_stderr_ready():
                self._err.add(self._stderr.feed(self._channel.recv_stderr(WINDOW_BYTES)))
            if self._channel.recv_ready():
                data = self._stdout.feed(self._channel.recv(WINDOW_BYTES))
                if data:
                    return data
            elif closed and not self._channel.recv_stderr_ready():
                return b""
            elif until.expired:
                return None
            elif not self._channel.recv_stderr_ready():
                self._doorbell.wait(until.left_s)

    @property
    def exit_code(self) -> int | None:
        """The exit status; None while it runs, and when the connection broke before it came."""
        status = self._channel.exit_status if self._channel.exit_status_ready() else -1
        return None if status < 0 else int(status)

    @property
    def started(self) -> bool:
        """Did the login shell get as far as our guard."""
        return self._stdout.seen

    @property
    def noise(self) -> str:
        """What the login shell printed instead of starting the command."""
        return tail(self._stderr.noise or bytes(self._err) or self._stdout.noise)

    def stderr(self) -> bytes:
        """stderr so far, or the end of it."""
        kept = last_word(bytes(self._err), self._mark)[0]
        return kept[max(0, len(kept) - self._stderr_bytes) :]

    @property
    def stderr_cut(self) -> bool:
        """Is the beginning of stderr missing."""
        return self._err.dropped or len(bytes(self._err)) > self._stderr_bytes

    @property
    def dead(self) -> bool | None:
        """The guard's word on whether the command's processes are gone; None: it did not say."""
        return last_word(bytes(self._err), self._mark)[1]

    def close(self) -> None:
        """Leave the channel; what still runs on the board ends at its own limit."""
        with contextlib.suppress(OSError, SSHException, EOFError):  # the connection may be gone already
            self._channel.close()
