"""``fabric.Connection`` without its unsafe defaults, for boards and for the jump hosts before them.

Fabric takes any host key, reads its own configuration files again for each connection, leaves TCP to find
out about a dead peer, and waits up to an hour for a channel. Here a key has to be in the project's
``known_hosts``, the keys to log in with are ours to choose, ``~/.ssh/config`` is read once, and the socket
is made by us, with a limit on everything.
"""

from __future__ import annotations

import contextlib
import functools
import logging
import shlex
import socket
from pathlib import Path
from typing import Any

import fabric
from paramiko import PKey, SSHClient, SSHException, Transport
from paramiko.client import MissingHostKeyPolicy
from paramiko.config import SSHConfig
from paramiko.packet import Packetizer

from fleet import defaults
from fleet.deadline import Deadline
from fleet.errors import ConfigError, HostKeyChanged, HostKeyUnknown
from fleet.ssh.endpoint import SSH_PORT, Endpoint, jump_endpoint
from fleet.ssh.host_keys import HostKey, HostKeys, host_key_name
from fleet.ssh.login import USUAL_KEYS, Login
from fleet.ssh.tcp import connect_tcp

# paramiko logs what it also raises; without a handler Python would print it over our one clear message.
logging.getLogger("paramiko").addHandler(logging.NullHandler())

# AES-GCM first: 45 % faster than paramiko's first choice, aes128-ctr with a separate MAC. No CBC, no 3DES.
CIPHERS = (
    "aes128-gcm@openssh.com",
    "aes256-gcm@openssh.com",
    "aes128-ctr",
    "aes192-ctr",
    "aes256-ctr",
)
_RSA = ("rsa-sha2-512", "rsa-sha2-256", "ssh-rsa")  # three ways to sign with one and the same key


class SafePacketizer(Packetizer):
    """Measures the handshake on the clock; paramiko starts a thread for each connection to do it."""

    _handshake: Deadline | None = None

    def start_handshake(self, timeout: float) -> None:
        self._handshake = Deadline.after(timeout)

    def handshake_timed_out(self) -> bool:
        return self._handshake is not None and self._handshake.expired

    def complete_handshake(self) -> None:
        self._handshake = None


class SafeTransport(Transport):
    """paramiko's transport with our ciphers, and one look a second at an idle socket instead of ten."""

    _active_check_timeout = 1.0

    def __init__(self, sock: Any, **kwargs: Any) -> None:
        super().__init__(sock, packetizer_class=SafePacketizer, **kwargs)
        self.get_security_options().ciphers = CIPHERS

    def run(self) -> None:
        """The reader thread. Last it closes the socket; a channel through a dead jump host raises then."""
        with contextlib.suppress(EOFError, OSError, SSHException):
            super().run()

    def prefer(self, trusted: tuple[HostKey, ...]) -> None:
        """Ask for a host key of a kind that we can check, before the others."""
        options = self.get_security_options()
        first: list[str] = []
        for key in trusted:
            first += _RSA if key.type == "ssh-rsa" else (key.type,)
        known = [kind for kind in dict.fromkeys(first) if kind in options.key_types]
        options.key_types = (*known, *(kind for kind in options.key_types if kind not in known))

    def cut(self) -> None:
        """End the connection now, also for threads that wait for it; sends nothing and waits for nothing."""
        shut(self.sock)
        with contextlib.suppress(EOFError, OSError, SSHException):  # a channel through a jump host says good-bye
            self.packetizer.close()


def shut(sock: Any) -> None:
    """Wake whoever waits on the socket; closing it alone would not."""
    if isinstance(sock, socket.socket):
        with contextlib.suppress(OSError):  # it may not be connected any more
            sock.shutdown(socket.SHUT_RDWR)


class TrustedOnly(MissingHostKeyPolicy):
    """Asked for every server, because the client has no list of its own: only the project's file counts."""

    def __init__(self, endpoint: Endpoint, name: str, keys: HostKeys, trusted: tuple[HostKey, ...]) -> None:
        self._endpoint = endpoint
        self._name = name
        self._keys = keys
        self._trusted = trusted

    def missing_host_key(self, client: SSHClient, hostname: str, key: PKey) -> None:
        shown = HostKey(key.get_name(), key.asbytes())
        if shown in self._trusted:
            return
        board = self._endpoint.name
        told = {"board": board, "doing": "check the host key"}
        if self._keys.revoked(shown):
            raise HostKeyChanged(f"{self._name} shows the revoked host key {shown}", **told)
        if not self._trusted:
            raise HostKeyUnknown(
                f"{self._name} shows the host key {shown}, and no key of it is trusted yet",
                **told,
                hint=f"invoke trust --board {shlex.quote(board)}",
            )
        raise HostKeyChanged(
            f"{self._name} shows the host key {shown}, trusted is {' or '.join(map(str, self._trusted))}",
            **told,
            hint=f"invoke trust --board {shlex.quote(board)} --rotate",
        )


@functools.lru_cache(maxsize=4)
def _shared_config(files: tuple[tuple[Path, int], ...]) -> fabric.Config:
    """One configuration for all connections: nothing of Fabric's own files, and ssh_config parsed once."""
    ssh_config = SSHConfig()
    for path, _ in files:
        try:
            with path.open(encoding="utf-8") as file:
                ssh_config.parse(file)
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(f"can not be read: {error}", file=str(path)) from error
        except Exception as error:  # paramiko's parser raises several kinds, none of them documented
            raise ConfigError(f"can not be used: {error}", file=str(path)) from error
    config = fabric.Config(lazy=True, ssh_config=ssh_config)
    # What invoke assumes when these are not there; it writes a long error message each time it looks in vain.
    config._set(_keypath=(), _root=config)
    return config


def shared_config() -> fabric.Config:
    """The configuration, read again when a file changed; the user's file wins over the machine's."""
    files = []
    for path in (Path.home() / ".ssh" / "config", Path("/etc/ssh/ssh_config")):
        if path.is_file():
            files.append((path, path.stat().st_mtime_ns))
    return _shared_config(tuple(files))


class SafeConnection(fabric.Connection):  # type: ignore[misc]
    """One way to one server. ``open_within`` is the only way in; jump hosts are of the same class."""

    endpoint: Endpoint
    key_name: str

    def __init__(self, endpoint: Endpoint, host_keys: HostKeys, *, dead_peer_s: float = defaults.DEAD_PEER_S) -> None:
        self.endpoint = endpoint
        self._host_keys = host_keys
        self._dead_peer_s = dead_peer_s
        self._sock: socket.socket | None = None
        self._until = Deadline.after(0)
        jump = endpoint.jump
        if isinstance(jump, str):
            jump = jump_endpoint(endpoint.name, jump)
        super().__init__(
            endpoint.address,
            user=endpoint.user,
            port=None if endpoint.port in (None, SSH_PORT) else endpoint.port,
            config=shared_config(),
            gateway=None if jump is None else SafeConnection(jump, host_keys, dead_peer_s=dead_peer_s),
            forward_agent=False,
            connect_timeout=None,
        )
        self.connect_timeout = None  # ssh_config's ConnectTimeout; ours is a moment, not a number
        self.key_name = host_key_name(endpoint.address, self.port)
        trusted = host_keys.trusted(endpoint.address, self.port)
        self.client.set_missing_host_key_policy(TrustedOnly(endpoint, self.key_name, host_keys, trusted))
        self._trusted = trusted

    def __setattr__(self, name: str, value: Any) -> None:
        object.__setattr__(self, name, value)  # invoke's lists every attribute of the object on each assignment

    def derive_shorthand(self, host_string: str) -> dict[str, Any]:
        return {"user": None, "host": host_string, "port": None}  # an address is an address

    def resolve_connect_kwargs(self, connect_kwargs: Any) -> dict[str, Any]:
        return {}  # made anew for each attempt, by open_within

    def get_gateway(self) -> Any:
        """ProxyJump of ssh_config as connections that are as careful as this one."""
        if "proxyjump" not in self.ssh_config:
            return self.ssh_config.get("proxycommand")
        hop: Endpoint | None = None
        for text in self.ssh_config["proxyjump"].split(","):
            if text.strip().lower() == "none":
                return None
            step = jump_endpoint(self.endpoint.name, text)
            if step.address == self.endpoint.address:
                return None  # a "Host *" that also matches the jump host itself
            hop = Endpoint(step.name, step.address, step.port, step.user, jump=hop)
        assert hop is not None
        return SafeConnection(hop, self._host_keys, dead_peer_s=self._dead_peer_s)

    @property
    def where(self) -> str:
        """The server as people write it."""
        return f"{self.host}:{self.port}" if ":" not in self.host else f"[{self.host}]:{self.port}"

    @property
    def identity_files(self) -> tuple[Path, ...]:
        """The key files that are tried, in this order."""
        if self.endpoint.key is not None:
            return (self.endpoint.key,)
        named = [Path(path).expanduser() for path in self.ssh_config.get("identityfile", ())]
        return tuple(named) or tuple(Path.home() / ".ssh" / name for name in USUAL_KEYS)

    def open_within(self, until: Deadline) -> None:
        """Connect, check the host key, log in. Raises what paramiko raises, and our host key and login errors."""
        hops = self.hops()
        for hop in hops:
            hop._until = until
        self.open()

    def open(self) -> None:
        if self.is_connected:
            return
        left_s = max(self._until.left_s, 0.01)
        self.connect_kwargs = {
            "timeout": left_s,
            "banner_timeout": left_s,
            "auth_timeout": left_s,
            "channel_timeout": left_s,
            "transport_factory": self._transport,
            "auth_strategy": self._login(left_s),
        }
        if not self.gateway:
            self._sock = connect_tcp(self.host, self.port, self._until, dead_peer_s=self._dead_peer_s)
            self.connect_kwargs["sock"] = self._sock
        super().open()

    def _transport(self, sock: Any, **kwargs: Any) -> Transport:
        transport = SafeTransport(sock, **kwargs)
        transport.handshake_timeout = max(self._until.left_s, 0.01)
        transport.prefer(self._trusted)
        return transport

    def _login(self, left_s: float) -> Login:
        files = self.identity_files
        named = self.endpoint.key is not None or "identityfile" in self.ssh_config
        only_named = self.ssh_config.get("identitiesonly", "no").lower() == "yes" and self.endpoint.key is None
        public = next((f"{path}.pub" for path in files if path.is_file()), "")
        port = "" if self.port == SSH_PORT else f"-p {self.port} "
        return Login(
            board=self.endpoint.name,
            user=self.user,
            where=self.where,
            files=files,
            named=named,
            agent=self.endpoint.agent and not only_named,
            timeout_s=left_s,
            hint=f"ssh-copy-id -i {shlex.quote(public)} {port}{shlex.quote(f'{self.user}@{self.host}')}"
            if public
            else "ssh-keygen -t ed25519",
        )

    def hops(self) -> tuple[SafeConnection, ...]:
        """This connection and the jump hosts before it, the nearest to us last."""
        gateway = self.gateway
        return (self, *gateway.hops()) if isinstance(gateway, SafeConnection) else (self,)

    def cut(self) -> None:
        """End it now, also for threads that are still connecting; sends nothing, waits for nothing."""
        for hop in reversed(self.hops()):
            if hop._sock is not None:
                shut(hop._sock)
            transport = hop.client.get_transport()
            if isinstance(transport, SafeTransport):
                transport.cut()

    def close(self) -> None:
        """End the connection and those to the jump hosts."""
        self.cut()
        for hop in self.hops():
            hop.client.close()
