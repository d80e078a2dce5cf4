"""A TCP connection within a deadline, made so that a peer without power is noticed.

TCP's own patience is fifteen minutes for a peer that went away while we send, and without end for one that
went away while we listen. ``TCP_USER_TIMEOUT`` ends the first, keepalive probes the second. Small packets
are sent at once: paramiko leaves Nagle's algorithm on, and that costs up to 40 ms a command.
"""

from __future__ import annotations

import socket
import threading
from typing import Any

from fleet.deadline import Deadline

_Address = tuple[Any, ...]


def connect_tcp(host: str, port: int, deadline: Deadline, *, dead_peer_s: float) -> socket.socket:
    """A connected socket, or the last address' ``OSError``; ``TimeoutError`` when the deadline passes."""
    addresses = _resolve(host, port, deadline)
    failed: OSError = TimeoutError()
    for count, (family, address) in enumerate(addresses):
        left_s = deadline.left_s / (len(addresses) - count)  # a dead IPv6 path leaves time for IPv4
        if left_s <= 0:
            break
        sock = socket.socket(family, socket.SOCK_STREAM)
        try:
            _options(sock, dead_peer_s)
            sock.settimeout(left_s)
            sock.connect(address)
            return sock
        except OSError as error:
            sock.close()
            failed = error
    raise failed


def _options(sock: socket.socket, dead_peer_s: float) -> None:
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    wanted = {  # macOS has other names for some; there the deadline of each call has to do
        "TCP_USER_TIMEOUT": round(dead_peer_s * 1000),
        "TCP_KEEPIDLE": max(1, round(dead_peer_s / 4)),
        "TCP_KEEPALIVE": max(1, round(dead_peer_s / 4)),
        "TCP_KEEPINTVL": max(1, round(dead_peer_s / 4)),
        "TCP_KEEPCNT": 3,
    }
    for name, value in wanted.items():
        option = getattr(socket, name, None)
        if option is not None:
            sock.setsockopt(socket.IPPROTO_TCP, option, value)


def _resolve(host: str, port: int, deadline: Deadline) -> list[tuple[socket.AddressFamily, _Address]]:
    try:
        return _addresses(host, port, socket.AI_NUMERICHOST)
    except socket.gaierror:
        pass  # a name, then
    found: list[tuple[socket.AddressFamily, _Address]] = []
    failed: list[OSError] = []

    def ask() -> None:
        try:
            found.extend(_addresses(host, port))
        except OSError as error:
            failed.append(error)
        except UnicodeError:  # a name that can not be encoded for DNS
            failed.append(socket.gaierror(socket.EAI_NONAME, "not a valid host name"))

    asking = threading.Thread(target=ask, name="fleet-resolve", daemon=True)  # nothing can interrupt it
    asking.start()
    asking.join(deadline.left_s)
    if failed:
        raise failed[0]
    if not found:
        raise TimeoutError(f"no name server answered for {host}")
    return found


def _addresses(host: str, port: int, flags: int = 0) -> list[tuple[socket.AddressFamily, _Address]]:
    infos = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=flags)
    return list(dict.fromkeys((info[0], info[4]) for info in infos))
