"""The host keys that a server offers, read without logging in: what ``invoke trust`` shows to a person."""

from __future__ import annotations

from paramiko.ssh_exception import IncompatiblePeer

from fleet import defaults
from fleet.deadline import Deadline
from fleet.host_keys import HostKey
from fleet.secure_fabric import SafeTransport
from fleet.ssh_errors import not_reached
from fleet.tcp import connect_tcp
from fleet.watchdog import WATCHDOG

KINDS = (
    ("ssh-ed25519",),
    ("ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521"),
    ("rsa-sha2-512", "rsa-sha2-256", "ssh-rsa"),
)


def offered(address: str, port: int, deadline: Deadline, *, name: str) -> tuple[HostKey, ...]:
    """One key of each kind that the server has, the strongest first; a handshake each."""
    found = []
    mismatch: Exception | None = None
    for kinds in KINDS:
        try:
            found.append(_one(address, port, kinds, deadline))
        except IncompatiblePeer as error:
            mismatch = error
        except Exception as error:
            raise not_reached(error, board=name, doing="read the host key", where=f"{address}:{port}") from error
    if not found:
        raise not_reached(mismatch or EOFError(), board=name, doing="read the host key", where=f"{address}:{port}")
    return tuple(found)


def _one(address: str, port: int, kinds: tuple[str, ...], deadline: Deadline) -> HostKey:
    sock = connect_tcp(address, port, deadline, dead_peer_s=defaults.DEAD_PEER_S)
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
