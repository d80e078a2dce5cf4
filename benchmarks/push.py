"""A model file of 256 MiB to a board: ``fleet.push`` against ``ssh``, ``scp`` and paramiko's SFTP ``put``.

Measured: MB/s of wall time, and the client's CPU seconds a GiB; connecting is in all of them. Ours sends through
OpenSSH with AES-GCM, and the board reads each chunk back and compares its sha256, has it on the disk, and only then
gives the file its name; the others move bytes. ``ssh cat && sha256sum`` is the least that ends with a sha256 from the
board, with the same ciphers; ``scp, sha256sum on both sides`` is the work by hand. A second push sends nothing: the
board remembers the sha256 beside size, mtime and inode. The sha256 here was taken in the warm-up round and is
remembered too; what taking it costs is a row of its own.

Four at once are four boards on this machine. Memory is the most that a process of its own had. The link of 1 Gb/s is a
pair of virtual cards with a token bucket, in a network namespace (as root, with iproute2); what it carries is measured
by a plain TCP stream that takes its turns.

Not shown: the board's disk and its slower sha256 (about 1 s a GiB on an A76 that has one in its CPU). Both ends share
this machine's cores, so MB/s are of both ends together.
"""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import paramiko

from benchmarks import link
from benchmarks.boards import PROJECT, Lab, lab
from benchmarks.measure import Cost, Failed, ratio, spend, spent, spread, take_turns
from benchmarks.report import Row
from fleet.config.catalogue import Artifact
from fleet.deadline import Deadline
from fleet.push import place
from fleet.push_manifest import manifest_of
from fleet.scripts import prepare
from fleet.ssh.connection import Board
from fleet.ssh.host_keys import HostKeys

ROUNDS = 5
SIZE_BYTES = 256 * 2**20
FILE = "Bench_W8A8_RK3588_3core.rkllm"
AGAIN = "fleet.push, second time"
OURS = "fleet.push"
CAT, SCP, SUMS, PUT = "ssh cat && sha256sum", "scp", "scp, sha256sum on both sides", "paramiko put"
AT_ONCE = 4
LEAST = 0.9  # of the speed of ssh cat && sha256sum
LEAST_OF_LINE = 0.95
SMALL_MIB, LARGE_MIB = 64, 1024


def run(rounds: int, big: bool) -> list[Row]:
    """All contestants in turn; each begins without the file on the board."""
    with lab(1) as one, _connected(one) as board, tempfile.TemporaryDirectory() as name:
        local = Path(name) / FILE
        _fill(local, SIZE_BYTES)
        target = Path(name) / "target"
        target.mkdir()
        turns = take_turns(
            {
                OURS: lambda: _ours(one, board, local, sent=SIZE_BYTES),
                CAT: lambda: _cat(board, target / FILE, local),
                SCP: lambda: _scp(one, local, target, sums=False),
                SUMS: lambda: _scp(one, local, target, sums=True),
                PUT: lambda: spent(_put(one, local, target)),
                AGAIN: lambda: _again(one, board, local),
            },
            rounds,
        )
    mb, gib = SIZE_BYTES / 1e6, SIZE_BYTES / 2**30
    rows = []
    for theirs in (CAT, SCP, SUMS, PUT):
        least = LEAST if theirs == CAT else None
        speed, other = ([mb / cost.wall_s for cost in turns[who]] for who in (OURS, theirs))
        shown = f"{theirs}: {spread(other, 'MB/s', 0)}"
        rows.append(Row("push", "256 MiB, speed", spread(speed, "MB/s", 0), shown, ratio(speed, other), least, True))
        cpu, other = ([cost.cpu_s / gib for cost in turns[who]] for who in (OURS, theirs))
        shown = f"{theirs}: {spread(other, 's/GiB', 2)}"
        rows.append(Row("push", "256 MiB, client CPU", spread(cpu, "s/GiB", 2), shown, ratio(cpu, other)))
    first, second = ([cost.wall_s for cost in turns[who]] for who in (OURS, AGAIN))
    shown = f"the first: {spread(first, 's', 2)}"
    rows.append(Row("push", "second push, 0 bytes", spread(second, "s", 3), shown, ratio(second, first)))
    return [*rows, *_at_once(rounds), *_memory(), *_link(rounds)]


def _at_once(rounds: int) -> list[Row]:
    """Four boards, four files of their own on them, one file here."""
    with lab(AT_ONCE) as some, tempfile.TemporaryDirectory() as name:
        local = Path(name) / FILE
        _fill(local, SIZE_BYTES // 2)
        began_s = time.perf_counter()
        manifest_of(local)
        read_s = time.perf_counter() - began_s
        boards = [Board(server.endpoint(), server.known()) for server in some.servers]

        def ours(index: int) -> None:
            where = some.home / f"store{index}"
            shutil.rmtree(where, ignore_errors=True)
            store = prepare(boards[index], str(where), Deadline.after(60))
            place(boards[index], store, _artifact(), local, [store.models], Deadline.after(300))

        def theirs(index: int) -> None:
            _cat(lambda: boards[index], Path(name) / f"target{index}", local)

        def together(work: Callable[[int], None]) -> Cost:
            with ThreadPoolExecutor(AT_ONCE) as pool:
                return spent(lambda: list(pool.map(work, range(AT_ONCE))))

        turns = take_turns({OURS: lambda: together(ours), CAT: lambda: together(theirs)}, rounds)
        for board in boards:
            board.close()
    mb = AT_ONCE * SIZE_BYTES / 2 / 1e6
    speed, other = ([mb / cost.wall_s for cost in turns[who]] for who in (OURS, CAT))
    shown = f"{CAT}: {spread(other, 'MB/s', 0)}"
    return [
        Row("push", "four at once, speed", spread(speed, "MB/s", 0), shown, ratio(speed, other), LEAST, True),
        Row("push", "128 MiB read here for their sha256, once", f"{read_s:.2f} s", ""),
    ]


def _memory() -> list[Row]:
    """The most memory that a driver had: twice, for two sizes."""
    with lab(1) as one:
        most = {size: _most_mib(one, size) for size in (SMALL_MIB, LARGE_MIB)}
    small, large = most[SMALL_MIB], most[LARGE_MIB]
    shown = f"{SMALL_MIB} MiB: {small:.1f} MiB"
    return [Row("push", f"{LARGE_MIB} MiB, peak memory", f"{large:.1f} MiB", shown, large / small, 1.1)]


def _most_mib(one: Lab, size_mib: int) -> float:
    local = one.home / "sparse.rkllm"
    local.unlink(missing_ok=True)
    local.touch()
    os.truncate(local, size_mib * 2**20)
    where = one.home / f"store{size_mib}"
    words = [one.servers[0].port, one.servers[0].user, one.servers[0].identity, one.home / "known_hosts", where, local]
    client = [sys.executable, "-m", "benchmarks.clients.push_file", *map(str, words)]
    done = subprocess.run(client, env=one.environment, cwd=PROJECT, capture_output=True, text=True, check=False)
    shutil.rmtree(where, ignore_errors=True)
    if done.returncode != 0:
        raise Failed(done.stderr[-2000:])
    return float(json.loads(done.stdout)["peak_mib"])


def _link(rounds: int, mbit: int = 1000) -> list[Row]:
    """Over a cable, against what a plain TCP stream gets through it."""
    try:
        with tempfile.TemporaryDirectory() as name, link.cable(mbit) as cable, lab(1, listen=cable.here) as one:
            local = Path(name) / FILE
            _fill(local, LARGE_MIB * 2**20)
            server = one.servers[0]
            HostKeys.load(one.home / "known_hosts").replace(cable.here, server.port, [server.key])
            pushed, plain = [], []
            for index in range(min(rounds, 3) + 1):
                where = one.home / f"store{index}"
                words = [server.port, server.user, server.identity, one.home / "known_hosts", where, local, cable.here]
                argv = [sys.executable, "-m", "benchmarks.clients.push_file", *map(str, words)]
                rate = cable.plain_mb_s()
                done = subprocess.run(
                    cable.inside(argv), env=one.environment, cwd=PROJECT, capture_output=True, text=True, check=False
                )
                shutil.rmtree(where, ignore_errors=True)
                if done.returncode != 0:
                    raise Failed(done.stderr[-2000:])
                if index:  # the first one reads the file for its sha256
                    plain.append(rate)
                    pushed.append(local.stat().st_size / 1e6 / json.loads(done.stdout)["wall_s"])
    except Failed as problem:
        print(f"push, {mbit} Mb/s: {problem}", file=sys.stderr)
        return []
    shown = f"a plain TCP stream: {spread(plain, 'MB/s', 0)}"
    what = f"{LARGE_MIB} MiB over {mbit} Mb/s, speed"
    return [Row("push", what, spread(pushed, "MB/s", 0), shown, ratio(pushed, plain), LEAST_OF_LINE, True)]


def _fill(path: Path, size_bytes: int) -> None:
    """Bytes that do not compress; no two MiB are the same."""
    block = os.urandom(2**20)
    with path.open("wb") as file:
        for number in range(size_bytes // 2**20):
            file.write(number.to_bytes(4, "big") + block[4:])


def _artifact() -> Artifact:
    return Artifact(file=FILE, npu_core_num=3, dtype="W8A8", max_context=4096, origin="made here")


def _cat(connect: Callable[[], Board], target: Path, local: Path) -> Cost:
    """The least that ends with a sha256 from the board: the same ssh, the same ciphers."""
    target.unlink(missing_ok=True)
    argv = connect().push_argv(["sh", "-c", 'cat >"$1" && sha256sum "$1"', "sh", str(target)])

    def send() -> None:
        with local.open("rb") as file:
            subprocess.run(argv, stdin=file, capture_output=True, check=True)

    return spent(send)


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
    artifact = _artifact()

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
