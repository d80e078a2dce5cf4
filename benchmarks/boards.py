"""Boards for the benchmarks: real OpenSSH servers on loopback, and a team's folder with an inventory of them."""

from __future__ import annotations

import contextlib
import json
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.measure import ENVIRONMENT, Failed
from fleet.ssh.host_keys import HostKeys
from tests.ssh import sshd
from tests.ssh.sshd import Sshd

PROJECT = Path(__file__).parents[1]
INVOKE = (sys.executable, "-m", "invoke", "--search-root", str(PROJECT))


class Lab:
    """A folder as a team would have one, and the servers that its inventory names."""

    def __init__(self, folder: Path, servers: list[Sshd]) -> None:
        self.home = folder / "home"
        self.servers = servers
        self.names = [f"rk3588-{index:02d}" for index in range(1, len(servers) + 1)]
        user = folder / "user"
        for path in (self.home, user):
            path.mkdir()
        self.environment = {
            **ENVIRONMENT,
            "HOME": str(user),  # nobody's ~/.ssh/config, agent or shell profile takes part
            "PYTHONPATH": str(PROJECT),
            "NO_COLOR": "1",
            "COLUMNS": "200",
        }
        self.environment.pop("SSH_AUTH_SOCK", None)
        keys = HostKeys.load(self.home / "known_hosts")
        for server in servers:
            keys.replace("127.0.0.1", server.port, [server.key])

    def inventory(self, **more: Any) -> None:
        """JSON is YAML. ``more`` goes into every board's entry."""
        boards = {
            name: {
                "address": "127.0.0.1",
                "port": server.port,
                "user": server.user,
                "key": str(server.identity),
                "agent": False,
                **more,
            }
            for name, server in zip(self.names, self.servers, strict=True)
        }
        (self.home / "inventory.yaml").write_text(json.dumps({"boards": boards}))


@contextlib.contextmanager
def lab(count: int, *, listen: str = "") -> Iterator[Lab]:
    """``count`` boards for the length of the block, which ``listen`` at one more address.

    Raises Failed where no sshd can be started.
    """
    if not Path(sshd.SSHD).exists():
        raise Failed("an OpenSSH server is needed: apt-get install openssh-server")
    with tempfile.TemporaryDirectory(prefix="rkfleet-bench-") as name, contextlib.ExitStack() as stack:
        folder = Path(name)
        servers = []
        for index in range(count):
            own = folder / f"{index}"
            own.mkdir()
            extra = (f"ListenAddress {listen}\n" if listen else "") + sshd.playing_board(own)
            servers.append(stack.enter_context(sshd.running(own, keys=folder, extra=extra)))
        yield Lab(folder, servers)
