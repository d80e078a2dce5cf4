"""Where a board answers and who we are there; ``~/.ssh/config`` fills in what is left open."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

SSH_PORT = 22


@dataclass(frozen=True)
class Endpoint:
    """A board's SSH server. What is None, and the port 22, gives way to ``~/.ssh/config``."""

    name: str
    address: str
    port: int | None = None
    user: str | None = None
    key: Path | None = None  # the only key file that is tried; None: those of ~/.ssh/config and ~/.ssh/id_*
    agent: bool = True  # may the ssh-agent be asked
    jump: Endpoint | str | None = None  # "user@host:port", or a name out of ~/.ssh/config


def jump_endpoint(board: str, jump: str) -> Endpoint:
    """The hop that ``jump`` ("user@host:port", "[::1]:22", "name") describes, on the way to ``board``."""
    user, _, place = jump.strip().rpartition("@")
    host, port = place, ""
    if place.startswith("["):
        host, _, port = place[1:].partition("]")
        port = port.removeprefix(":")
    elif place.count(":") == 1:
        host, _, port = place.partition(":")
    if not host or host.startswith("-") or user.startswith("-") or (port and not port.isdigit()):
        raise ValueError(f"{jump!r} is not a jump host like user@host:port")
    return Endpoint(board, host, int(port) if port else None, user or None)
