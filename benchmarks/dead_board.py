"""The time until a dead board is noticed: how long after its deadline of two seconds a call still keeps us waiting.

Measured: wall time from the call until it raises, less the deadline. A frozen board is an sshd and its children under
SIGSTOP, whose kernel still accepts and acknowledges; a board without power is a port at which nobody ever answers a
connection request, and a proxy that passes nothing on for one that dies later. At most five seconds are allowed, for
the board's own word on what became of the command. Against plain Fabric with its timeouts set to the same two seconds,
watched for ten.

``a run's board`` is what a campaign notices: from the freeze until the listener is told; the limit there is the silence
that a follower allows (SILENCE_S: the board says something every five seconds) and the same five seconds.

Not shown: a peer that is gone behind a router which answers for it; that is faster.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from benchmarks.boards import lab
from benchmarks.measure import Failed, spread
from benchmarks.report import Row
from fleet import defaults, job
from fleet.deadline import Deadline
from fleet.errors import FleetError
from fleet.push import place
from fleet.scripts import prepare
from fleet.ssh.connection import Board
from tests.ssh.proxy import port_without_power, proxy_to
from tests.ssh.sshd import Sshd

ROUNDS = 3
DEADLINE_S = 2.0
LATE_S = 5.0
WATCHED_S = 10.0


def run(rounds: int, big: bool) -> list[Row]:
    """Every way to be dead, one after another."""
    rows = []
    with lab(1) as boards:
        server = boards.servers[0]
        cases: dict[str, Callable[[Sshd], float]] = {
            "frozen before we connect": _frozen_before,
            "without power before we connect": _without_power,
            "frozen, connected": _frozen_connected,
            "frozen in mid-command": _frozen_in_command,
            "lost in mid-command, nothing passes": _lost_in_command,
            "frozen in mid-push": _frozen_in_push,
        }
        for name, case in cases.items():
            late = [case(server) for _ in range(rounds)]
            rows.append(_row(name, late, LATE_S))
        silent = [_frozen_in_run(server) for _ in range(rounds)]
        rows.append(_row(f"a run's board, silence of {defaults.SILENCE_S:g} s", silent, LATE_S))
        for name, script in _FABRIC.items():
            held = [_fabric(server, script) for _ in range(rounds)]
            still = sum(seconds >= WATCHED_S - DEADLINE_S for seconds in held)
            text = spread(held, "s", 1) + (f", {still} of {rounds} still waiting then" if still else "")
            rows.append(Row("dead_board", f"plain Fabric, {name}", "", text))
    return rows


def _row(name: str, late: list[float], allowed_s: float) -> Row:
    worst = max(late)
    return Row("dead_board", name, spread(late, "s late", 1), f"allowed: {allowed_s:g} s", worst / allowed_s, 1.0)


def _late(call: Callable[[], object], limit_s: float = DEADLINE_S) -> float:
    """Seconds after the deadline at which ``call`` gave up. Raises Failed when it succeeds."""
    began_s = time.monotonic()
    try:
        call()
    except FleetError:
        return max(0.0, time.monotonic() - began_s - limit_s)
    raise Failed("a dead board answered")


@contextlib.contextmanager
def _frozen(server: Sshd) -> Iterator[None]:
    server.freeze()
    try:
        yield
    finally:
        server.thaw()


def _true(board: Board) -> None:
    board.run(["true"], deadline=Deadline.after(DEADLINE_S))


def _sleep(board: Board, begun: Callable[[], object]) -> None:
    output = board.stream(["sh", "-c", "echo on; exec sleep 60"], idle_s=60, deadline=Deadline.after(DEADLINE_S))
    next(output)
    begun()
    for _ in output:
        pass


def _frozen_before(server: Sshd) -> float:
    with _frozen(server), Board(server.endpoint(), server.known()) as board:
        return _late(lambda: _true(board))


def _without_power(server: Sshd) -> float:
    with port_without_power() as port, Board(server.endpoint(port=port), server.known(port)) as board:
        return _late(lambda: _true(board))


def _frozen_connected(server: Sshd) -> float:
    with Board(server.endpoint(), server.known()) as board:
        _true(board)
        with _frozen(server):
            return _late(lambda: _true(board))


def _frozen_in_command(server: Sshd) -> float:
    with Board(server.endpoint(), server.known()) as board:
        try:
            return _late(lambda: _sleep(board, server.freeze))
        finally:
            server.thaw()


def _lost_in_command(server: Sshd) -> float:
    with (
        proxy_to(server.port) as wire,
        Board(server.endpoint(port=wire.port), server.known(wire.port)) as board,
    ):
        _true(board)
        return _late(lambda: _sleep(board, wire.freeze))


def _frozen_in_push(server: Sshd) -> float:
    """A file that is larger than all the buffers on the way."""
    from fleet.config.catalogue import Artifact

    with tempfile.TemporaryDirectory() as name, Board(server.endpoint(), server.known()) as board:
        local = Path(name) / "model.rkllm"
        with local.open("wb") as file:
            for _ in range(256):
                file.write(os.urandom(2**20))
        artifact = Artifact(
            file="dead-board.rkllm", npu_core_num=3, dtype="W8A8", max_context=4096, origin="random bytes"
        )
        store = prepare(board, f"{name}/store", Deadline.after(60))

        def moved(sent: int, _total: int) -> None:
            if sent > 2**20 and not server.frozen:
                server.freeze()

        try:
            return _late(
                lambda: place(board, store, artifact, local, [store.models], Deadline.after(DEADLINE_S), moved)
            )
        finally:
            server.thaw()


def _frozen_in_run(server: Sshd) -> float:
    """From the freeze to the word for the listener, less the silence that is allowed."""
    with tempfile.TemporaryDirectory() as name, Board(server.endpoint(), server.known()) as board:
        store = prepare(board, f"{name}/store", Deadline.after(60))
        argv = ["sh", store.script("job.sh"), "start", store.run_dir("dead", "run"), "120", "--", "sleep", "100"]
        board.run(argv, stdin=b"{}", deadline=Deadline.after(60))
        told = threading.Event()
        at_s = 0.0
        stop = threading.Event()

        def away(_error: FleetError) -> None:
            nonlocal at_s
            at_s = at_s or time.monotonic()
            told.set()
            stop.set()

        def follow() -> None:
            with contextlib.suppress(FleetError):
                job.bring(
                    board, store, "dead", "run", Path(name) / "collected",
                    deadline=Deadline.after(100), away=away, stop=stop,
                )  # fmt: skip

        follower = threading.Thread(target=follow)
        follower.start()
        try:
            deadline = Deadline.after(20)
            while len(server.processes()) < 4 and not deadline.expired:
                time.sleep(0.05)
            time.sleep(1.0)  # a moment in mid-run
            server.freeze()
            frozen_s = time.monotonic()
            if not told.wait(defaults.SILENCE_S + 60):
                raise Failed("a frozen board was not noticed within a minute")
        finally:
            server.thaw()
            follower.join()
            job.cancel(board, store, "dead", "run", Deadline.after(60))
        return max(0.0, at_s - frozen_s - defaults.SILENCE_S)


_FABRIC = {
    "frozen, connected": "c.run('true', hide=True); ready(); c.run('true', hide=True, timeout=2)",
    "frozen in mid-command": (
        "import threading, time\n"
        "threading.Thread(target=lambda: (time.sleep(1), ready()), daemon=True).start()\n"
        "c.run('sleep 60', hide=True, timeout=2)"
    ),
}


def _fabric(server: Sshd, script: str) -> float:
    begin = (
        "import fabric, sys\n"
        f"c = fabric.Connection('127.0.0.1', user={server.user!r}, port={server.port}, connect_timeout=2, "
        f"connect_kwargs=dict(key_filename={str(server.identity)!r}, allow_agent=False, look_for_keys=False))\n"
        "def ready():\n    print('ready', flush=True)\n    sys.stdin.readline()\n"
    )
    argv = [sys.executable, "-c", begin + script]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
    with subprocess.Popen(argv, text=True, **pipes) as child:  # type: ignore[call-overload]
        try:
            child.stdout.readline()
            server.freeze()
            began_s = time.monotonic()
            child.stdin.write("\n")
            child.stdin.flush()
            with contextlib.suppress(subprocess.TimeoutExpired):
                child.wait(WATCHED_S)
            return max(0.0, time.monotonic() - began_s - DEADLINE_S)
        finally:
            child.kill()
            server.thaw()
