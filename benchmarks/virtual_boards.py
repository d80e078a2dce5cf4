"""Ten virtual boards at once, each running a bench: what they take from the machine that plays them.

``invoke bench`` with three runs (warm-up and two repeats, 3 cores) on ten virtual boards, and on one, in turns. Kept:
wall time of the command, CPU time of the driver, CPU time of the boards (their processes and all that ran below
them), and their largest memory together (PSS, so that what they share counts once). Boards are started and the files
pushed by the command itself, from nothing. Against: one board. Ten boards do ten times the work of one; the wall
time of ten grows only by what the cores can not do side by side, since a virtual board mostly waits.

Not shown: the simulated numbers, and an idle board's cost over hours (it switches itself off).
"""

from __future__ import annotations

import contextlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from benchmarks.boards import INVOKE, PROJECT
from benchmarks.measure import ENVIRONMENT, Cost, Failed, ratio, spend, spread
from benchmarks.report import Row

ROUNDS = 3
COUNTS = (1, 10)
REPEATS = 2
TIME_SCALE = 20
SAMPLE_S = 0.5
_TICK_S = 1 / os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Turn:
    """One campaign on some boards."""

    driver: Cost
    boards_cpu_s: float
    boards_pss_bytes: int


def run(rounds: int, big: bool) -> list[Row]:
    """One board and ten, in turns."""
    turns: dict[int, list[Turn]] = {count: [] for count in COUNTS}
    for index in range(rounds):
        for count in COUNTS if index % 2 else COUNTS[::-1]:
            turns[count].append(_turn(count))
    one, ten = (turns[count] for count in COUNTS)
    runs = COUNTS[1] * (REPEATS + 1)

    def row(what: str, mine: list[float], other: list[float], unit: str, digits: int = 2) -> Row:
        shown = f"one board: {spread(other, unit, digits)}"
        return Row("virtual", what, spread(mine, unit, digits), shown, ratio(mine, other))

    mib = 2**20
    pss = [[turn.boards_pss_bytes / mib for turn in each] for each in (ten, one)]
    boards_cpu = [[turn.boards_cpu_s for turn in each] for each in (ten, one)]
    driver_cpu = [[turn.driver.cpu_s for turn in each] for each in (ten, one)]
    wall = [[turn.driver.wall_s for turn in each] for each in (ten, one)]
    a_run = statistics.median(boards_cpu[0]) / runs
    return [
        row(f"ten boards, {runs} runs, wall", *wall, "s", 1),
        row(f"ten boards, CPU of the boards ({a_run:.2f} s a run)", *boards_cpu, "s"),
        row("ten boards, CPU of the driver", *driver_cpu, "s"),
        row("ten boards, memory of the boards", *pss, "MiB", 0),
    ]


def _turn(count: int) -> Turn:
    with tempfile.TemporaryDirectory(prefix="rkfleet-bench-") as name:
        home = Path(name)
        names = [f"rk3588-{index:02d}" for index in range(1, count + 1)]
        boards = {board: {"virtual": {"time_scale": TIME_SCALE}} for board in names}
        (home / "inventory.yaml").write_text(json.dumps({"boards": boards}))
        env = {**ENVIRONMENT, "PYTHONPATH": str(PROJECT), "NO_COLOR": "1", "HOME": name}
        with _watched(home) as watch:
            words = ["bench", "--cores", "3", "--repeats", str(REPEATS), "--format", "json"]
            driver = spend(
                [*INVOKE, *words],
                cwd=home,
                env=env,
                check=lambda said: [cell["n"] for cell in json.loads(said)] == [REPEATS] * count,
            )
        return Turn(driver, watch.cpu_s, watch.pss_bytes)


class Watch:
    """What the processes below the boards have used; the largest memory is sampled twice a second."""

    def __init__(self, home: Path) -> None:
        self._home = home
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self.cpu_s = 0.0
        self.pss_bytes = 0

    def start(self) -> None:
        self._thread.start()

    def finish(self) -> None:
        self._stop.set()
        self._thread.join()
        self._look()

    def _run(self) -> None:
        while not self._stop.wait(SAMPLE_S):
            self._look()

    def _look(self) -> None:
        pids = _pids(self._home)
        self.cpu_s = max(self.cpu_s, sum(map(_cpu_s, pids)))  # what ended counts with whoever waited for it
        self.pss_bytes = max(self.pss_bytes, sum(map(_pss_bytes, pids)))


@contextlib.contextmanager
def _watched(home: Path) -> Iterator[Watch]:
    watch = Watch(home)
    watch.start()
    try:
        yield watch
    finally:
        watch.finish()
        down = [sys.executable, "-m", "virtual", "down", "--all", "--state", str(home / ".virtual")]
        if subprocess.run(down, cwd=PROJECT, capture_output=True, timeout=60).returncode:
            raise Failed("the virtual boards do not stop")


def boards_cpu_s(home: Path) -> float:
    """CPU time that the boards of this home have used since they were switched on."""
    return sum(map(_cpu_s, _pids(home)))


def _pids(home: Path) -> set[int]:
    return _below([_pid(path) for path in home.glob(".virtual/*/board.json")])


def _pid(record: Path) -> int:
    try:
        return int(json.loads(record.read_text())["pid"])
    except (OSError, ValueError, KeyError):
        return 0  # a board that is just being switched on


def _below(tops: list[int]) -> set[int]:
    """These processes and all that descend from them, in whatever namespace."""
    parents: dict[int, list[int]] = {}
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError, IndexError):
            parents.setdefault(int(_stat(folder)[1]), []).append(int(folder.name))
    found: set[int] = set()
    todo = [pid for pid in tops if pid and Path(f"/proc/{pid}").exists()]
    while todo:
        pid = todo.pop()
        found.add(pid)
        todo += parents.get(pid, [])
    return found


def _stat(folder: Path) -> list[str]:
    """The fields of /proc/PID/stat from the state on; the name before may hold anything."""
    return (folder / "stat").read_text().rpartition(")")[2].split()


def _cpu_s(pid: int) -> float:
    """Its own and that of the children it waited for."""
    try:
        return sum(map(int, _stat(Path(f"/proc/{pid}"))[11:15])) * _TICK_S
    except OSError:
        return 0.0


def _pss_bytes(pid: int) -> int:
    try:
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) * 1024
    except OSError:
        pass
    return 0
