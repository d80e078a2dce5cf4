"""The same way to a board for OpenSSH's ``ssh``, which moves gigabytes at a quarter of paramiko's CPU time.

Everything that makes our own connections careful is said to ``ssh`` in words: only the project's host keys,
nothing asked, nothing forwarded, no connection shared with a person's. A jump host is a ``ProxyCommand``
here, because the ``ssh`` that ``ProxyJump`` starts would use none of these options.
"""

from __future__ import annotations

import math
import shlex
from pathlib import Path

from fleet.ssh.secure_fabric import CIPHERS, SafeConnection

ALIVE_S = 5  # between ssh's own questions; three without an answer end it
ALIVE_COUNT = 3


def argv(connection: SafeConnection, known_hosts: Path, line: str, *, connect_s: float) -> tuple[str, ...]:
    """The words of an ``ssh`` that runs ``line`` on the board that ``connection`` leads to."""
    before = _words(connection, known_hosts, connect_s)
    return (*before, "--", connection.endpoint.address, line)


def _words(connection: SafeConnection, known_hosts: Path, connect_s: float) -> tuple[str, ...]:
    endpoint = connection.endpoint
    options = {
        "BatchMode": "yes",
        "StrictHostKeyChecking": "yes",
        "UserKnownHostsFile": _file(known_hosts),
        "GlobalKnownHostsFile": "/dev/null",
        "HostKeyAlias": connection.key_name,
        "UpdateHostKeys": "no",
        "CheckHostIP": "no",
        "ClearAllForwardings": "yes",
        "ForwardAgent": "no",
        "ForwardX11": "no",
        "PermitLocalCommand": "no",
        "RemoteCommand": "none",
        "RequestTTY": "no",
        "ControlMaster": "no",
        "ControlPath": "none",
        "Compression": "no",
        "Ciphers": ",".join((*CIPHERS[:2], "chacha20-poly1305@openssh.com", *CIPHERS[2:])),
        "ConnectTimeout": str(max(1, math.ceil(connect_s))),
        "ServerAliveInterval": str(ALIVE_S),
        "ServerAliveCountMax": str(ALIVE_COUNT),
        "LogLevel": "ERROR",
    }
    if not endpoint.agent:
        options["IdentityAgent"] = "none"
    if endpoint.key is not None:
        options["IdentityFile"] = _file(endpoint.key)
    if isinstance(connection.gateway, SafeConnection):
        options["ProxyCommand"] = _through(connection.gateway, known_hosts, connect_s)
    words = [word for name, value in options.items() for word in ("-o", f"{name}={value}")]
    return ("ssh", *words, "-p", str(connection.port), "-l", str(connection.user))


def _through(jump: SafeConnection, known_hosts: Path, connect_s: float) -> str:
    """The jump host's own ``ssh``, as one line for the shell that runs a ProxyCommand."""
    before = _words(jump, known_hosts, connect_s)
    # ssh replaces %h and %p in the line, so every other % in it is doubled
    line = " ".join(shlex.quote(word.replace("%", "%%")) for word in before)
    return f"{line} -W '[%h]:%p' -- {shlex.quote(jump.endpoint.address.replace('%', '%%'))}"


def _file(path: Path) -> str:
    """A path as an option's value: ssh splits at blanks and replaces % and ~ and ${}."""
    return '"' + str(path.absolute()).replace("%", "%%").replace("\\", "\\\\").replace('"', '\\"') + '"'
