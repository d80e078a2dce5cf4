"""What watching a run costs: ``sampler.sh`` against the pipelines of the vendor's watch scripts, CPU time a sample.

All of them watch the same process at the same time, a sample a second. The board is a tree of files with the clocks,
zones and NPU load of an RK3588; /proc is this machine's own. Theirs is written from what such a script does in each
turn: a ``pidstat | awk | bc`` pipeline for the process (pidstat waits its second) and an awk over the NPU's load. That
is two columns, ours are 26. Where pidstat is not installed their pipeline begins with a sleep and ``cat`` of a file
that pidstat would read, and the row says so.

"own work" is the sampler's shell and its awk by the kernel's account of their time on a CPU (``/proc/PID/schedstat``):
waiting, reading, writing. Under dash it starts a ``sleep`` to wait with, which "all of it" has as well; bash, which
``job.sh`` takes where there is one, and busybox start nothing. Two watches of different length take off what starting
and ending costs.

Not shown: a board's slower CPU, on which both are dearer.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from benchmarks.boards import PROJECT
from benchmarks.measure import ENVIRONMENT, Failed, ratio, spread
from benchmarks.report import Row

ROUNDS = 3
SHORT, LONG = 2, 12  # samples of the two watches
SHELLS = {"dash": ["dash"], "busybox": ["busybox", "sh"], "bash": ["bash", "--posix"]}
SHARE = 1 / 20  # of theirs, allowed
PATIENCE_S = 10 * LONG
ZONES = ("soc", "bigcore0", "bigcore1", "littlecore", "center", "gpu", "npu")
COOLING = ("thermal-cpufreq-0", "thermal-cpufreq-1", "thermal-cpufreq-2", "thermal-devfreq-0")
THEIRS = "theirs"

_THEIRS = """
i=0
while [ "$i" -lt "$1" ]; do
    PROCESS | awk '{ line = $0 } END { n = split(line, part); print part[n - 2] "/1024" }' | bc >/dev/null
    awk -F'[:%]' '{ print $3 }' "$3/sys/kernel/debug/rknpu/load" >/dev/null
    i=$((i + 1))
done
"""
_PIDSTAT = 'pidstat -r -p "$2" 1 1'
_WITHOUT = '{ sleep 1; cat "/proc/$2/statm"; }'


@dataclass(frozen=True)
class Spent:
    """CPU milliseconds."""

    own_ms: float
    all_ms: float


def run(rounds: int, big: bool) -> list[Row]:
    """Everybody at once in each round; they sleep most of the time."""
    for program in ("awk", "bc"):
        if shutil.which(program) is None:
            raise Failed(f"{program} is needed for the vendor's way of watching")
    shells = [shell for shell in SHELLS if shutil.which(shell)]
    has_pidstat = shutil.which("pidstat") is not None
    with tempfile.TemporaryDirectory() as folder, _watched() as pid:
        root = _board(Path(folder))
        kept = [_round(shells, pid, Path(folder), root, _PIDSTAT if has_pidstat else _WITHOUT) for _ in range(rounds)]
    name = "pidstat to awk to bc, and awk" if has_pidstat else "cat to awk to bc, and awk (no pidstat here)"
    theirs = [each[THEIRS].all_ms for each in kept]
    told = f"{name}: {spread(theirs, 'ms', 1)}"
    rows = []
    for shell in shells:
        own, whole = [each[shell].own_ms for each in kept], [each[shell].all_ms for each in kept]
        what = f"CPU a sample, {shell}"
        share = None if shell == "dash" else SHARE
        rows.append(Row("sampler", f"{what}, own work", spread(own, "ms", 2), told, ratio(own, theirs), SHARE))
        rows.append(Row("sampler", f"{what}, all of it", spread(whole, "ms", 2), told, ratio(whole, theirs), share))
    return rows


@contextlib.contextmanager
def _watched() -> Iterator[int]:
    with subprocess.Popen(["sleep", "1000"]) as process:
        try:
            yield process.pid
        finally:
            process.kill()


def _board(folder: Path) -> Path:
    """What the scripts see below RK_SYSROOT."""
    root = folder / "root"
    pages = {"kernel/debug/rknpu/load": "NPU load:  Core0: 45%, Core1: 41%, Core2: 40%,"}
    pages |= {f"class/devfreq/{node}/cur_freq": "1000000000" for node in ("fdab0000.npu", "dmc", "fb000000.gpu")}
    pages |= {f"devices/system/cpu/cpufreq/policy{cpu}/scaling_cur_freq": "1800000" for cpu in (0, 4, 6)}
    for index, zone in enumerate(ZONES):
        pages[f"class/thermal/thermal_zone{index}/type"] = f"{zone}-thermal"
        pages[f"class/thermal/thermal_zone{index}/temp"] = "45300"
    for index, device in enumerate(COOLING):
        pages[f"class/thermal/cooling_device{index}/type"] = device
        pages[f"class/thermal/cooling_device{index}/cur_state"] = "0"
    for page, text in pages.items():
        path = root / "sys" / page
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{text}\n")
    (root / "proc").symlink_to("/proc")
    return root


def _round(shells: list[str], pid: int, folder: Path, root: Path, process: str) -> dict[str, Spent]:
    """Milliseconds a sample by contestant."""
    ours = [(shell, count, _start(shell, count, pid, folder, root)) for shell in shells for count in (SHORT, LONG)]
    script = _THEIRS.replace("PROCESS", process)
    theirs = [
        (THEIRS, count, subprocess.Popen(["sh", "-c", script, "sh", str(count), str(pid), str(root)], env=ENVIRONMENT))
        for count in (SHORT, LONG)
    ]
    spent: dict[tuple[str, int], Spent] = {}
    for shell, count, child in sorted(ours, key=lambda each: each[1]):
        _wait_for(folder / f"{shell}-{count}" / "telemetry.csv", 1 + count)
        own_ms = sum(int(Path(f"/proc/{pid}/schedstat").read_text().split()[0]) for pid in _own(child.pid)) / 1e6
        child.terminate()
        spent[shell, count] = Spent(own_ms, _ended(child))
    for name, count, child in theirs:
        spent[name, count] = Spent(0.0, _ended(child))
    return {
        name: Spent(
            (spent[name, LONG].own_ms - spent[name, SHORT].own_ms) / (LONG - SHORT),
            (spent[name, LONG].all_ms - spent[name, SHORT].all_ms) / (LONG - SHORT),
        )
        for name in (*shells, THEIRS)
    }


def _start(shell: str, count: int, pid: int, folder: Path, root: Path) -> subprocess.Popen[bytes]:
    out = folder / f"{shell}-{count}"
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir()
    argv = [*SHELLS[shell], str(PROJECT / "board_scripts" / "sampler.sh"), str(out), str(pid)]
    return subprocess.Popen(argv, env=ENVIRONMENT | {"RK_SYSROOT": str(root)}, stdin=subprocess.DEVNULL)


def _own(pid: int) -> list[int]:
    """The sampler's shell and its reader, without a sleep."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [pid, *(int(each) for each in children if "awk" in Path(f"/proc/{each}/comm").read_text())]


def _wait_for(file: Path, lines: int) -> None:
    until = time.monotonic() + PATIENCE_S
    while not file.exists() or file.read_bytes().count(b"\n") < lines:
        if time.monotonic() > until:
            raise Failed(f"{file} does not get {lines} lines")
        time.sleep(0.05)


def _ended(child: subprocess.Popen[bytes]) -> float:
    """CPU milliseconds of a process and of all that it waited for."""
    _, status, usage = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    return (usage.ru_utime + usage.ru_stime) * 1000
