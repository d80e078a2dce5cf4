"""A model file of 256 MiB to a board: ``fleet.push`` against ``scp`` and paramiko's SFTP ``put``.

Measured: MB/s of wall time, and the client's CPU seconds a GiB; connecting is in all of them. Ours computes the
sha256 here, sends through OpenSSH with AES-GCM, and the board computes it again before the file gets its name; the
others move bytes. ``scp, sha256sum on both sides`` is the work by hand that gives the same certainty. A second push
sends nothing: the board remembers the sha256 beside size, mtime and inode.

Not shown: a network (1 GbE carries 118 MB/s, and then CPU a GiB is what differs), the board's disk and its slower
sha256 (about 1 s a GiB on an A76). Both ends share this machine's cores, so MB/s are of both ends together.
"""

from __future__ import annotations

import os
import shlex
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import paramiko

from benchmarks.boards import Lab, lab
from benchmarks.measure import Cost, ratio, spend, spent, spread, take_turns
from benchmarks.report import Row
from fleet.config.catalogue import Artifact
from fleet.deadline import Deadline
from fleet.push import place
from fleet.scripts import prepare
from fleet.ssh.connection import Board

ROUNDS = 5
SIZE_BYTES = 256 * 2**20
FILE = "Bench_W8A8_RK3588_3core.rkllm"
AGAIN = "fleet.push, second time"
OURS = "fleet.push"
SCP, SUMS, PUT = "scp", "scp, sha256sum on both sides", "paramiko put"


def run(rounds: int, big: bool) -> list[Row]:
    """All contestants in turn; each begins without the file on the board."""
    with lab(1) as one, _connected(one) as board, tempfile.TemporaryDirectory() as name:
        local = Path(name) / FILE
        with local.open("wb") as file:
            for _ in range(SIZE_BYTES // 2**20):
                file.write(os.urandom(2**20))
        target = Path(name) / "target"
        target.mkdir()
        turns = take_turns(
            {
                OURS: lambda: _ours(one, board, local, sent=SIZE_BYTES),
                SCP: lambda: _scp(one, local, target, sums=False),
                SUMS: lambda: _scp(one, local, target, sums=True),
                PUT: lambda: spent(_put(one, local, target)),
                AGAIN: lambda: _again(one, board, local),
            },
            rounds,
        )
    mb, gib = SIZE_BYTES / 1e6, SIZE_BYTES / 2**30
    rows = []
    for theirs in (SCP, SUMS, PUT):
        speed, other = ([mb / cost.wall_s for cost in turns[who]] for who in (OURS, theirs))
        shown = f"{theirs}: {spread(other, 'MB/s', 0)}"
        rows.append(Row("push", "256 MiB, speed", spread(speed, "MB/s", 0), shown, ratio(speed, other)))
        cpu, other = ([cost.cpu_s / gib for cost in turns[who]] for who in (OURS, theirs))
        shown = f"{theirs}: {spread(other, 's/GiB', 2)}"
        rows.append(Row("push", "256 MiB, client CPU", spread(cpu, "s/GiB", 2), shown, ratio(cpu, other)))
    first, second = ([cost.wall_s for cost in turns[who]] for who in (OURS, AGAIN))
    shown = f"the first: {spread(first, 's', 2)}"
    rows.append(Row("push", "second push, 0 bytes", spread(second, "s", 3), shown, ratio(second, first)))
    return rows


@contextmanager
def _connected(one: Lab) -> Iterator[Callable[[], Board]]:
    """How to make a new connection to the board; each contestant pays for its own."""
    yield lambda: Board(one.servers[0].endpoint(), one.servers[0].known())


def _ours(one: Lab, connect: Callable[[], Board], local: Path, *, sent: int) -> Cost:
    where = one.home / "store"
    if sent:
        shutil.rmtree(where, ignore_errors=True)
        with connect() as board:
            prepare(board, str(where), Deadline.after(60))  # the scripts are there long before a model is
    artifact = Artifact(file=FILE, npu_core_num=3, dtype="W8A8", max_context=4096, origin="made here")

    def push() -> None:
        with connect() as board:
            store = prepare(board, str(where), Deadline.after(60))
            placed = place(board, store, artifact, local, [store.models], Deadline.after(300))
        assert placed.sent_bytes == sent and placed.size_bytes == SIZE_BYTES

    return spent(push)


def _again(one: Lab, connect: Callable[[], Board], local: Path) -> Cost:
    if not (one.home / "store" / "models" / FILE).exists():
        _ours(one, connect, local, sent=SIZE_BYTES)
    return _ours(one, connect, local, sent=0)


def _scp(one: Lab, local: Path, target: Path, *, sums: bool) -> Cost:
    server = one.servers[0]
    options = ["-q", "-F", "none", "-o", f"UserKnownHostsFile={one.home / 'known_hosts'}", "-i", str(server.identity)]
    remote = f"{server.user}@127.0.0.1"
    (target / FILE).unlink(missing_ok=True)
    copy = ["scp", *options, "-P", str(server.port), str(local), f"{remote}:{target / FILE}"]
    if not sums:
        return spend(copy, env=one.environment)
    there = ["ssh", *options, "-p", str(server.port), remote, f"sha256sum <{shlex.quote(str(target / FILE))}"]
    script = f'{shlex.join(copy)} && [ "$(sha256sum <{shlex.quote(str(local))})" = "$({shlex.join(there)})" ]'
    return spend(["sh", "-c", script], env=one.environment)


def _put(one: Lab, local: Path, target: Path) -> Callable[[], None]:
    server = one.servers[0]
    (target / FILE).unlink(missing_ok=True)

    def put() -> None:
        with paramiko.SSHClient() as client:
            client.load_host_keys(str(one.home / "known_hosts"))
            client.connect(
                "127.0.0.1",
                server.port,
                server.user,
                key_filename=str(server.identity),
                allow_agent=False,
                look_for_keys=False,
            )
            client.open_sftp().put(str(local), str(target / FILE))

    return put
