"""The host keys that a server offers, read without logging in: what ``invoke trust`` shows to a person."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from paramiko.ssh_exception import IncompatiblePeer

from fleet import defaults
from fleet.deadline import Deadline
from fleet.ssh.endpoint import Endpoint
from fleet.ssh.host_keys import HostKey, HostKeys
from fleet.ssh.secure_fabric import SafeConnection, SafeTransport
from fleet.ssh.ssh_errors import not_reached
from fleet.ssh.tcp import connect_tcp
from fleet.ssh.watchdog import WATCHDOG

KINDS = (
    ("ssh-ed25519",),
    ("ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521"),
    ("rsa-sha2-512", "rsa-sha2-256", "ssh-rsa"),
)


def offered(address: str, port: int, deadline: Deadline, *, name: str) -> tuple[HostKey, ...]:
    """One key of each kind that the server has, the strongest first; a handshake each."""

    def way() -> Any:
        return connect_tcp(address, port, deadline, dead_peer_s=defaults.DEAD_PEER_S)

    return _all_kinds(way, deadline, name=name, where=f"{address}:{port}")


def offered_by(endpoint: Endpoint, host_keys: HostKeys, deadline: Deadline) -> tuple[HostKey, ...]:
    """The same for a board that ~/.ssh/config knows better, or that is behind a jump host we trust and log in to."""
    connection = SafeConnection(endpoint, host_keys)
    jump = connection.gateway
    try:
        if isinstance(jump, SafeConnection):
            with WATCHDOG.limit(deadline, jump.cut):
                try:
                    jump.open_within(deadline)
                except Exception as error:
                    problem = TimeoutError() if deadline.expired else error
                    raise not_reached(problem, board=endpoint.name, doing="connect", where=jump.where) from error

        def way() -> Any:
            if jump:
                return connection.open_gateway()
            return connect_tcp(connection.host, connection.port, deadline, dead_peer_s=defaults.DEAD_PEER_S)

        return _all_kinds(way, deadline, name=endpoint.name, where=connection.where)
    finally:
        connection.close()


def _all_kinds(way: Callable[[], Any], deadline: Deadline, *, name: str, where: str) -> tuple[HostKey, ...]:
    found = []
    mismatch: Exception | None = None
    for kinds in KINDS:
        try:
            found.append(_one(way(), kinds, deadline))
        except IncompatiblePeer as error:
            mismatch = error
        except Exception as error:  # whatever the other side made paramiko stumble over
            raise not_reached(error, board=name, doing="read the host key", where=where) from error
    if not found:
        raise not_reached(mismatch or EOFError(), board=name, doing="read the host key", where=where)
    return tuple(found)


def _one(sock: Any, kinds: tuple[str, ...], deadline: Deadline) -> HostKey:
    transport = SafeTransport(sock)
    transport.banner_timeout = transport.handshake_timeout = max(deadline.left_s, 0.01)
    transport.get_security_options().key_types = kinds
    try:
        with WATCHDOG.limit(deadline, transport.cut) as watch:
            try:
                transport.start_client(timeout=max(deadline.left_s, 0.01))
                key = transport.get_remote_server_key()
            except Exception as error:
                if watch.fired or deadline.expired:
                    raise TimeoutError from error
                raise
        return HostKey(key.get_name(), key.asbytes())
    finally:
        transport.cut()
        transport.close()
