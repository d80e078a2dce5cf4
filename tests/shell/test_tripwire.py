"""A guarded run: killed before the kernel has to, with what it had; or else the kernel's first choice."""

from __future__ import annotations

import json
import os
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from tests.shell.kit import DEADLINE_S, BoardUnderTest, processes_with, write_tree

WIRE = 256 * 2**20
MEMINFO = "MemTotal:        8000000 kB\nMemFree:           1000 kB\nMemAvailable:    {} kB\nSwapFree:    0 kB\n"


@pytest.fixture
def root(board: BoardUnderTest) -> Path:
    """A board with 4 GB available."""
    files: dict[str, bytes | str] = {"proc/meminfo": MEMINFO.format(4000000), "proc/uptime": "100.00 1.00\n"}
    files["proc/sys/kernel/random/boot_id"] = "12345678-0000-0000-0000-000000000000\n"
    board.env["RK_SYSROOT"] = str(write_tree(board.folder / "root", files))
    return Path(board.env["RK_SYSROOT"])


def start_guarded(board: BoardUnderTest, *program: str, wire: int | str = WIRE) -> subprocess.CompletedProcess[bytes]:
    options = ("--tripwire", str(wire))
    return board.script("job.sh", "start", board.run_dir(), "60", *options, "--", *program, stdin=b"{}\n")


def now_available(root: Path, kib: int) -> None:
    new = root / "proc/.meminfo"
    new.write_text(MEMINFO.format(kib))
    new.rename(root / "proc/meminfo")


def process(root: Path, pid: int, group: int, pages: int) -> None:
    files: dict[str, bytes | str] = {
        "stat": f"{pid} (demo) S 1 {group} {group} 0 -1 4194560 1 2\n",
        "statm": f"99999 {pages} 1 1 0 1 0\n",
        "status": f"Name:\tdemo\nVmHWM:\t {pages * 4} kB\nVmRSS:\t {pages * 4} kB\n",
    }
    write_tree(root / "proc" / str(pid), files)


def nothing_is_left(board: BoardUnderTest) -> bool:
    """A nap of the watcher, of a tenth of a second, may outlive the run."""
    until = time.monotonic() + DEADLINE_S
    while (left := processes_with(str(board.run_dir()))) and time.monotonic() < until:
        time.sleep(0.02)
    return not left


def test_a_run_is_killed_with_all_of_its_group_when_memory_runs_out(board: BoardUnderTest, root: Path) -> None:
    up = board.pipe("up")
    loading = f"trap '' TERM; sleep 1000 & echo $$ >'{up.path}'; wait; echo survived"
    assert start_guarded(board, "sh", "-c", loading).stdout == b'{"started":true}\n'
    pid = int(up.read_line())
    process(root, pid, pid, 300)
    process(root, pid + 1, pid, 1_200_000)  # the demo behind its wrapper
    process(root, 999_999_999, 5, 1_900_000)  # somebody else's
    now_available(root, 200_000)
    end: dict[str, Any] = board.wait(board.run_dir())
    assert (end["result"], end["exit_code"], end["signal"]) == ("tripwire", 137, 9)
    assert end["tripwire"] == {"available_bytes": 200_000 * 1024, "highest_bytes": 4_800_000 * 1024, "uptime_s": 100.0}
    assert (board.run_dir() / "stdout.log").read_bytes() == b""
    assert nothing_is_left(board)
    assert json.loads((board.run_dir() / "start.json").read_bytes())["tripwire_bytes"] == WIRE
    assert [path.name for path in board.run_dir().iterdir() if path.name.startswith(".")] == []


def test_a_run_that_has_room_ends_by_itself(board: BoardUnderTest, root: Path) -> None:
    start_guarded(board, "sh", "-c", "cat /proc/self/oom_score_adj; exit 3")
    end = board.wait(board.run_dir())
    assert (end["result"], end["exit_code"], end["tripwire"]) == ("exit-code", 3, None)
    assert (board.run_dir() / "stdout.log").read_bytes() == b"1000\n"
    assert nothing_is_left(board)


def test_without_a_tripwire_nothing_is_watched_and_nothing_offered_to_the_kernel(
    board: BoardUnderTest, root: Path
) -> None:
    now_available(root, 1000)
    end = board.ran("cat", "/proc/self/oom_score_adj")
    assert (end["result"], end["tripwire"]) == ("success", None)
    assert (board.run_dir() / "stdout.log").read_text() == Path("/proc/self/oom_score_adj").read_text()
    assert json.loads((board.run_dir() / "start.json").read_bytes())["tripwire_bytes"] is None


def test_a_guarded_run_can_be_cancelled_and_its_watcher_goes_with_it(board: BoardUnderTest, root: Path) -> None:
    up = board.pipe("up")
    start_guarded(board, "sh", "-c", f"echo up >'{up.path}'; exec sleep 1000")
    up.read_line()
    assert board.json("cancel", board.run_dir())["cancelled"] is True
    end = board.wait(board.run_dir())
    assert (end["result"], end["tripwire"]) == ("cancelled", None)
    assert nothing_is_left(board)


def test_a_board_that_does_not_tell_its_memory_ends_no_run(board: BoardUnderTest, root: Path) -> None:
    (root / "proc/meminfo").write_text("MemTotal: 8000000 kB\n")
    start_guarded(board, "sleep", "0.3")
    assert board.wait(board.run_dir())["result"] == "success"


@pytest.mark.parametrize("wire", ["", "-1", "1.5", "010", "1" * 16, "$(id)"])
def test_what_is_no_number_of_bytes_starts_nothing(board: BoardUnderTest, wire: str) -> None:
    done = start_guarded(board, "true", wire=wire)
    assert done.returncode == 2 and b"--tripwire" in done.stderr
    assert not board.run_dir().exists()


def test_the_watcher_ends_when_it_is_told_to_and_says_nothing(board: BoardUnderTest, root: Path) -> None:
    program = subprocess.Popen(["sleep", "1000"], start_new_session=True)
    try:
        watcher = board.popen("tripwire.sh", str(program.pid), str(WIRE), stdout=subprocess.PIPE)
        watcher.terminate()
        said, _ = watcher.communicate(timeout=30)
        assert said == b"" and watcher.returncode in (143, -15)  # before its trap, or after it
        assert program.poll() is None
    finally:
        program.kill()
        program.wait()


def test_where_no_pipe_can_be_made_it_watches_as_well(board: BoardUnderTest, root: Path) -> None:
    (root / "proc/meminfo").write_text("MemAvailable: 1 kB\n")
    board.env["TMPDIR"] = "/no/such/folder"
    program = subprocess.Popen(["sleep", "1000"], start_new_session=True)
    try:
        watcher = board.popen("tripwire.sh", str(program.pid), str(WIRE), stdout=subprocess.PIPE, cwd="/proc")
        said, _ = watcher.communicate(timeout=30)
        assert watcher.returncode == 3 and said.startswith(b"1024 ")
        assert program.wait(timeout=30) == -9
    finally:
        program.kill()
        program.wait()


@pytest.mark.parametrize("starting", ["mkfifo", "rm"])
def test_a_term_to_all_of_a_run_that_meets_it_starting_is_no_message_and_leaves_nothing(
    board: BoardUnderTest, root: Path, starting: str
) -> None:
    places = board.term_at_first(starting)
    watcher = board.popen("tripwire.sh", str(os.getpid()), str(WIRE), stderr=subprocess.PIPE)
    _, said = watcher.communicate(timeout=30)
    assert (watcher.returncode, said) == (143, b"")
    assert not list(places.iterdir())


def test_what_was_seen_is_told_before_the_run_is_killed(board: BoardUnderTest, root: Path) -> None:
    """Whoever sees the run end may end the watcher, and reads at once what it left."""
    (root / "proc/meminfo").write_text("MemAvailable: 1 kB\n")
    (root / "proc/uptime").unlink()
    os.mkfifo(root / "proc/uptime")
    with subprocess.Popen(["sleep", "1000"], start_new_session=True) as program:
        watcher = board.popen("tripwire.sh", str(program.pid), str(WIRE), stdout=subprocess.PIPE)
        try:
            uptime = opened_by_a_reader(root / "proc/uptime")
            assert program.poll() is None
            os.write(uptime, b"5.00 1.0\n")
            os.close(uptime)
            said, _ = watcher.communicate(timeout=30)
            assert (watcher.returncode, said) == (3, b"1024 - 5.00\n")
            assert program.wait(timeout=30) == -9
        finally:
            program.kill()


def opened_by_a_reader(fifo: Path) -> int:
    until = time.monotonic() + DEADLINE_S
    while True:
        try:
            return os.open(fifo, os.O_WRONLY | os.O_NONBLOCK)
        except OSError:
            assert time.monotonic() < until, "nobody reads it"
            time.sleep(0.02)
