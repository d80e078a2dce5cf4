"""Facts from 20 boards, cold: a fresh process each time, which has to start, connect, log in and read.

Measured: wall time and CPU time of the client process. 20 sshd on loopback are the boards; all contestants send the
same ``facts.sh`` through stdin or as the command, once to each, all boards at once, and count 20 JSON objects.
``read_states`` is what ``invoke boards`` does before it draws; ``invoke boards`` is the whole command.
Against parallel-ssh (libssh2 and gevent; it does not check host keys, ours and pyinfra do) and pyinfra (paramiko and
gevent), each through its Python API, which leaves out their command lines.

Not shown: a network (the round trip is 0 ms here), and real boards' CPUs. Servers, scripts and client share this
machine's cores, so most of the wall time is the boards' own work, the same for everybody; ``nothing but the
script`` is 20 times that script without SSH. With boards of their own, CPU time decides.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from benchmarks.boards import INVOKE, PROJECT, Lab, lab
from benchmarks.measure import Cost, spend, take_turns
from benchmarks.report import Row, compared

ROUNDS = 7
BOARDS = 20
CLIENTS = Path(__file__).parent / "clients"


def run(rounds: int, big: bool) -> list[Row]:
    """All contestants in turn."""
    with lab(BOARDS) as boards:
        boards.inventory()
        _describe(boards)
        script = PROJECT / "board_scripts" / "facts.sh"
        bare = f'for i in $(seq {BOARDS}); do sh -s -- <"$1" & done; wait'
        turns = take_turns(
            {
                "read_states": lambda: _client(boards, "ours.py"),
                "invoke boards": lambda: spend(
                    [*INVOKE, "boards", "--format", "json"],
                    cwd=boards.home,
                    env=boards.environment,
                    check=lambda said: len(json.loads(said)) == BOARDS,
                ),
                "parallel-ssh": lambda: _client(boards, "parallel_ssh.py"),
                "pyinfra": lambda: _client(boards, "pyinfra_facts.py"),
                "nothing but the script": lambda: spend(["sh", "-c", bare, "sh", script], env=boards.environment),
            },
            rounds,
        )
    rows = [
        compared("facts", f"{ours}, {BOARDS} boards, {label}", turns, ours, theirs, column, target=1.0)
        for ours in ("read_states", "invoke boards")
        for theirs in ("parallel-ssh", "pyinfra")
        for label, column in (("wall", "wall_s"), ("client CPU", "cpu_s"))
    ]
    floor = "nothing but the script"
    return [
        *rows,
        compared("facts", "read_states, wall, and what the boards need", turns, "read_states", floor, "wall_s"),
    ]


def _client(boards: Lab, name: str) -> Cost:
    return spend(
        [sys.executable, CLIENTS / name],
        cwd=boards.home,
        env=boards.environment,
        check=lambda said: said.strip() == str(BOARDS),
    )


def _describe(boards: Lab) -> None:
    """For the others what the inventory is for us."""
    about = [
        {"name": name, "port": server.port, "user": server.user, "key": str(server.identity)}
        for name, server in zip(boards.names, boards.servers, strict=True)
    ]
    script = (PROJECT / "board_scripts" / "facts.sh").read_text()
    known = str(boards.home / "known_hosts")
    (boards.home / "boards.json").write_text(json.dumps({"boards": about, "script": script, "known_hosts": known}))
