"""What paramiko, sockets and name servers raise, as one of our errors; a test walks their exception
classes.

Before a command was handed over, everything is ``Unreachable``: nothing has run, so it may be tried again.
Afterwards it is ``ConnectionDropped``: what was started may go on.
"""

from __future__ import annotations

import socket

from paramiko import ssh_exception as ssh
from paramiko.hostkeys import InvalidHostKey

from fleet.errors import (
    AuthenticationFailed,
    ConfigError,
    ConnectionDropped,
    FleetError,
    HostKeyChanged,
    Unreachable,
)
from fleet.ssh.host_keys import fingerprint
from fleet.text import one_line


def not_reached(error: BaseException, *, board: str, doing: str, where: str, hint: str = "") -> FleetError:
    """``error`` as it is told when nothing has run on the board yet; ``where`` is ``root@10.0.0.5:22``."""
    if isinstance(error, FleetError):
        return error
    if isinstance(error, ssh.ConfigParseError | ssh.CouldNotCanonicalize):
        return ConfigError(f"can not be used: {one_line(error)}", file="~/.ssh/config", board=board)
    if isinstance(error, ssh.BadHostKeyException):
        return HostKeyChanged(
            f"{where} shows the host key {fingerprint(error.key)}, trusted is {fingerprint(error.expected_key)}",
            board=board,
            doing=doing,
            hint=f"invoke trust --board {board} --rotate",
        )
    if isinstance(error, ssh.AuthenticationException):
        return AuthenticationFailed(
            f"{where} refuses the login: {one_line(error)}", board=board, doing=doing, hint=hint
        )
    return Unreachable(f"{where} {_reason(error)}", board=board, doing=doing, hint=hint)


def dropped(error: BaseException | None, *, board: str, doing: str) -> FleetError:
    """``error`` as it is told in mid-command; None when the board just closed the connection."""
    if isinstance(error, FleetError):
        return error
    return ConnectionDropped(
        f"the connection was lost in mid-command: it {_reason(error or EOFError())}",
        board=board,
        doing=doing,
    )


def _reason(error: BaseException) -> str:
    """What the other side did, as the end of a sentence that begins with its name."""
    if isinstance(error, ssh.NoValidConnectionsError):
        return _reason(next(iter(error.errors.values())))
    if isinstance(error, socket.gaierror):
        return f"has no address: {error.strerror or error}"
    if isinstance(error, ConnectionRefusedError):
        return "refuses connections: no SSH server listens there"
    if isinstance(error, TimeoutError):
        return "does not answer"
    if isinstance(error, EOFError | ConnectionResetError | BrokenPipeError):
        return "closed the connection"
    if isinstance(error, ssh.IncompatiblePeer):
        return f"speaks SSH too old or too new for us: {one_line(error)}"
    if isinstance(error, ssh.ProxyCommandFailure):
        return f"is not reached by the ProxyCommand of ~/.ssh/config: {one_line(error)}"
    if isinstance(error, ssh.ChannelException):
        return f"refuses another channel: {error.text or error.code}"
    if isinstance(error, ssh.MessageOrderError | InvalidHostKey):
        return f"breaks the SSH protocol: {one_line(error)}"
    if isinstance(error, ssh.SSHException):
        if "protocol banner" in str(error):
            return "does not speak SSH: no banner came"
        return f"failed: {one_line(error)}"
    if isinstance(error, OSError):
        return f"can not be reached: {error.strerror or one_line(error)}"
    return f"sent what can not be understood: {type(error).__name__} {one_line(error)}".rstrip()
