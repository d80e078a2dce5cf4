"""The SSH server in front of a board: every session is a process in the board's own Linux.

It behaves as sshd does where a client can tell: commands go through the login shell, standard output and error
stay apart, the session ends when the process has ended *and* nobody holds its output open, a background job
outlives its session, a closed pseudo-terminal hangs up. SFTP is the host's own ``sftp-server``, started inside,
so paths, symlinks and full disks are those of the board; a host without one has boards without SFTP.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import functools
import os
import signal
import socket
import struct
import subprocess
import termios
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import asyncssh

from virtual.corruption import Corruption, Way
from virtual.isolation import LOGIN_ENVIRONMENT, Enclosure, child_pids, login_shell
from virtual.truth import Truth
from virtual.wire import Wire

SFTP_SERVERS = (
    "/usr/lib/openssh/sftp-server",
    "/usr/lib/ssh/sftp-server",
    "/usr/libexec/openssh/sftp-server",
    "/usr/libexec/sftp-server",
    "/usr/lib/sftp-server",
)
COMMAND_SHOWN = 300  # characters of a command in the ground truth


class _Output(asyncio.Protocol):
    """What one pipe of a process says, on its way to the client."""

    def __init__(self, session: Session, datatype: int | None) -> None:
        self._session = session
        self._datatype = datatype

    def data_received(self, data: bytes) -> None:
        self._session.output(data, self._datatype)

    def connection_lost(self, exc: Exception | None) -> None:
        self._session.output_ended()


class _Input(asyncio.BaseProtocol):
    """The pipe into a process; a process that does not read slows the client down."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def pause_writing(self) -> None:
        self._session.hold_client(True)

    def resume_writing(self) -> None:
        # Not at once: data and end of input would arrive while asyncio is inside its own write, and it would
        # then close the pipe on top of what it has not written yet.
        asyncio.get_running_loop().call_soon(self._session.hold_client, False)


class Session(asyncssh.SSHServerSession[bytes]):
    """One channel and one process."""

    def __init__(self, server: BoardServer, connection_id: int, peer: tuple[str, int]) -> None:
        self._server = server
        self._connection_id = connection_id
        self._peer = peer
        self._chan: Any = None
        self._what = ""
        self._terminal: str | None = None
        self._size = (80, 24, 0, 0)
        self._argv: list[str] = []
        self._process: subprocess.Popen[bytes] | None = None
        self._pidfd = -1
        self._master = -1
        self._stdin: asyncio.WriteTransport | None = None
        self._early = bytearray()  # input that came before the process was there
        self._early_end = False
        self._outputs: list[asyncio.ReadTransport] = []
        self._open_outputs = 0
        self._code: int | None = None
        self._held = False

    # --- what the client asks for -------------------------------------------------------------------------------

    def connection_made(self, chan: Any) -> None:
        self._chan = chan

    def pty_requested(self, term_type: str, term_size: tuple[int, int, int, int], term_modes: object) -> bool:
        self._terminal = term_type
        self._size = term_size
        return True

    def shell_requested(self) -> bool:
        self._what = "shell"
        self._argv = [login_shell(), "-l"]
        return True

    def exec_requested(self, command: str) -> bool:
        self._what = command
        self._argv = [login_shell(), "-c", command]
        return True

    def subsystem_requested(self, subsystem: str) -> bool:
        self._what = f"subsystem {subsystem}"
        program = next((path for path in SFTP_SERVERS if Path(path).is_file()), None)
        if subsystem != "sftp" or program is None:
            return False
        self._argv = [program]
        return True

    def session_started(self) -> None:
        self._server.truth.record(
            "session", connection=self._connection_id, what=self._what[:COMMAND_SHOWN], pty=self._terminal is not None
        )
        asyncio.get_running_loop().create_task(self._start())

    def data_received(self, data: bytes, datatype: int | None) -> None:
        data = self._server.passes(data, "in", self._connection_id, self._what)
        if self._stdin is None:
            self._early += data
        else:
            self._stdin.write(data)

    def eof_received(self) -> bool:
        self._early_end = True
        if self._stdin is not None and self._terminal is None:
            self._stdin.close()
        return True  # the way back stays open

    def signal_received(self, signal_name: str) -> None:
        number = getattr(signal, f"SIG{signal_name}", None)
        if self._process is None or number is None:
            return
        for pid in child_pids(self._process.pid):
            with contextlib.suppress(OSError):
                os.killpg(pid, number)

    def terminal_size_changed(self, width: int, height: int, pixwidth: int, pixheight: int) -> None:
        self._size = (width, height, pixwidth, pixheight)
        if self._master >= 0:
            _set_size(self._master, self._size)

    def pause_writing(self) -> None:
        for transport in self._outputs:
            with contextlib.suppress(RuntimeError):
                transport.pause_reading()

    def resume_writing(self) -> None:
        for transport in self._outputs:
            with contextlib.suppress(RuntimeError):
                transport.resume_reading()

    def connection_lost(self, exc: Exception | None) -> None:
        """The client is gone: our ends of the pipes close, and what runs on the board runs on."""
        for transport in self._outputs:
            transport.close()
        if self._stdin is not None:
            self._stdin.close()

    # --- what the process does ----------------------------------------------------------------------------------

    def output(self, data: bytes, datatype: int | None) -> None:
        if datatype is None:
            data = self._server.passes(data, "out", self._connection_id, self._what)
        with contextlib.suppress(OSError):
            self._chan.write(data, datatype)

    def output_ended(self) -> None:
        self._open_outputs -= 1
        self._end_when_over()

    def hold_client(self, hold: bool) -> None:
        if hold != self._held:
            self._held = hold
            with contextlib.suppress(OSError):
                (self._chan.pause_reading if hold else self._chan.resume_reading)()

    async def _start(self) -> None:
        loop = asyncio.get_running_loop()
        await self._server.wire.flowing()  # a frozen board starts nothing either
        environment = dict(LOGIN_ENVIRONMENT) | {"SHELL": login_shell()}
        for name, value in self._chan.get_environment().items():
            if name == "LANG" or name.startswith("LC_"):  # what Debian's sshd accepts
                environment[name] = value
        if self._terminal is not None:
            environment["TERM"] = self._terminal
        environment["SSH_CLIENT"] = f"{self._peer[0]} {self._peer[1]} 22"
        environment["SSH_CONNECTION"] = f"{self._peer[0]} {self._peer[1]} 127.0.0.1 22"
        try:
            if self._terminal is not None:
                await self._start_on_terminal(environment)
            else:
                await self._start_on_pipes(environment)
        except OSError as error:
            self.output(f"virtual board: {error}\n".encode(), asyncssh.EXTENDED_DATA_STDERR)
            self._chan.exit(255)
            return
        assert self._process is not None
        self._pidfd = os.pidfd_open(self._process.pid)
        loop.add_reader(self._pidfd, self._reap)
        if self._chan.is_closing():
            self.connection_lost(None)

    async def _start_on_pipes(self, environment: dict[str, str]) -> None:
        theirs_in, ours_in = os.pipe()
        ours_out, theirs_out = os.pipe()
        ours_err, theirs_err = os.pipe()
        try:
            argv = ["setsid", "--", *self._argv]
            self._process = self._server.enclosure().start(
                argv, stdin=theirs_in, stdout=theirs_out, stderr=theirs_err, environment=environment
            )
        except OSError:
            for fd in (ours_in, ours_out, ours_err):
                os.close(fd)
            raise
        finally:
            for fd in (theirs_in, theirs_out, theirs_err):
                os.close(fd)
        await self._connect(ours_in, [(ours_out, None), (ours_err, asyncssh.EXTENDED_DATA_STDERR)])

    async def _start_on_terminal(self, environment: dict[str, str]) -> None:
        self._master, slave = os.openpty()
        try:
            _set_size(self._master, self._size)
            argv = ["setsid", "-c", "--", *self._argv]
            self._process = self._server.enclosure().start(
                argv, stdin=slave, stdout=slave, stderr=slave, environment=environment
            )
        except OSError:
            os.close(self._master)
            self._master = -1
            raise
        finally:
            os.close(slave)
        await self._connect(os.dup(self._master), [(self._master, None)])

    async def _connect(self, stdin: int, outputs: Sequence[tuple[int, int | None]]) -> None:
        loop = asyncio.get_running_loop()
        self._stdin, _ = await loop.connect_write_pipe(lambda: _Input(self), os.fdopen(stdin, "wb", buffering=0))
        self._stdin.write(bytes(self._early))  # before anything else is awaited: it came first
        self._early.clear()
        if self._early_end:
            self.eof_received()
        self._open_outputs = len(outputs)
        for fd, datatype in outputs:
            file = os.fdopen(fd, "rb", buffering=0)
            transport, _ = await loop.connect_read_pipe(functools.partial(_Output, self, datatype), file)
            self._outputs.append(transport)

    def _reap(self) -> None:
        assert self._process is not None
        asyncio.get_running_loop().remove_reader(self._pidfd)
        os.close(self._pidfd)
        self._code = self._process.wait()
        self._end_when_over()

    def _end_when_over(self) -> None:
        if self._code is None or self._open_outputs > 0 or self._chan is None:
            return
        if self._stdin is not None:
            self._stdin.close()
        with contextlib.suppress(OSError):
            if self._code < 0:
                self._chan.exit_with_signal(signal.Signals(-self._code).name.removeprefix("SIG"))
            else:
                self._chan.exit(self._code)
        self._chan = None


class _Connection(asyncssh.SSHServer):
    """One client: the client key opens, nothing else does, and nothing is forwarded."""

    def __init__(self, server: BoardServer, peer: tuple[str, int]) -> None:
        self._server = server
        self._peer = peer
        self._id = 0
        self._conn: asyncssh.SSHServerConnection | None = None

    def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
        self._conn = conn
        self._id = self._server.opened(conn)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._conn is not None:
            self._server.closed(self._conn, self._id)

    def begin_auth(self, username: str) -> bool:
        return True

    def public_key_auth_supported(self) -> bool:
        return True

    def validate_public_key(self, username: str, key: asyncssh.SSHKey) -> bool:
        return username == "root" and key.public_data == self._server.client_key.public_data

    def session_requested(self) -> Any:
        assert self._conn is not None
        return self._conn.create_server_channel(encoding=None), Session(self._server, self._id, self._peer)


class BoardServer:
    """Answers for one board, whichever boot it is in: the port, the keys and the connections are here."""

    def __init__(
        self,
        truth: Truth,
        host_key: asyncssh.SSHKey,
        client_key: asyncssh.SSHKey,
        enclosure: Callable[[], Enclosure],
        port: int,
    ) -> None:
        self.truth = truth
        self.enclosure = enclosure  # raises OSError while the board is off
        self.client_key = client_key
        self.wire = Wire(port, self._serve)
        self.corruption: Corruption | None = None
        self._options = asyncssh.SSHServerConnectionOptions(
            server_host_keys=[host_key],
            line_editor=False,
            agent_forwarding=False,
            allow_scp=False,
            gss_host=None,
            compression_algs=None,
        )
        self._connections: set[asyncssh.SSHServerConnection] = set()
        self._count = 0
        self.last_activity = asyncio.get_running_loop().time()

    @property
    def port(self) -> int:
        return self.wire.port

    @property
    def connected(self) -> bool:
        return bool(self._connections)

    async def _serve(self, sock: socket.socket, peer: tuple[str, int]) -> None:
        with contextlib.suppress(OSError, asyncssh.Error):
            await asyncssh.run_server(
                sock, config=None, options=self._options, server_factory=lambda: _Connection(self, peer)
            )

    def passes(self, data: bytes, way: Way, connection: int, what: str) -> bytes:
        """Data of a session on its way through the board's memory, which may be bad."""
        if self.corruption is None or self.corruption.way != way:
            return data
        data, hit = self.corruption.through(data)
        if hit is not None:
            self.corruption = None
            self.truth.record("corrupted", way=way, connection=connection, what=what[:COMMAND_SHOWN], **hit)
        return data

    def opened(self, conn: asyncssh.SSHServerConnection) -> int:
        self._connections.add(conn)
        self._count += 1
        self.truth.record("connection_opened", connection=self._count)
        return self._count

    def closed(self, conn: asyncssh.SSHServerConnection, number: int) -> None:
        self._connections.discard(conn)
        self.last_activity = asyncio.get_running_loop().time()
        self.truth.record("connection_closed", connection=number)


def _set_size(fd: int, size: tuple[int, int, int, int]) -> None:
    width, height, pixwidth, pixheight = size
    fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack("HHHH", height, width, pixwidth, pixheight))
