"""sampler.sh: lines about the board and the largest process of the run, and nothing started for them but sleep."""

from __future__ import annotations

import csv
import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest

from tests.shell.kit import DEADLINE_S, BoardUnderTest, processes_with, write_tree

TREE: dict[str, bytes | str] = {
    "proc/uptime": "100.50 1.00\n",
    "proc/meminfo": "MemTotal: 16 kB\nMemAvailable:   15576668 kB\nSwapTotal: 9 kB\nSwapFree:   7 kB\n",
    "proc/vmstat": "nr_free_pages 5\npswpin 3\npswpout 4\npgalloc 7\n",
    "sys/class/devfreq/fdab0000.npu/cur_freq": "1000000000\n",
    "sys/class/devfreq/fdab0000.npu/load": "45@1000000000Hz\n",
    "sys/class/devfreq/dmc/cur_freq": "2112000000\n",
    "sys/class/devfreq/fb000000.gpu/cur_freq": "300000000\n",
    "sys/devices/system/cpu/cpufreq/policy0/scaling_cur_freq": "1800000\n",
    "sys/devices/system/cpu/cpufreq/policy4/scaling_cur_freq": "2304000\n",
    "sys/devices/system/cpu/cpufreq/policy6/scaling_cur_freq": "2352000\n",
    "sys/class/thermal/thermal_zone0/type": "soc-thermal\n",
    "sys/class/thermal/thermal_zone0/temp": "45300\n",
    "sys/class/thermal/thermal_zone6/type": "npu-thermal\n",
    "sys/class/thermal/thermal_zone6/temp": "47100\n",
    "sys/class/thermal/cooling_device0/type": "thermal-cpufreq-0\n",
    "sys/class/thermal/cooling_device0/cur_state": "2\n",
}
WITHOUT_DMC = {name: text for name, text in TREE.items() if "/dmc/" not in name}
HOSTILE = '=cmd|"a",b\x1b[31m\xff-thermal\n'


def sampled(board: BoardUnderTest, files: dict[str, bytes | str]) -> dict[str, str]:
    """The first sample of a board that looks like ``files``; PID is a process that lives as long as it takes."""
    root = write_tree(board.folder / "root", files)
    board.env["RK_SYSROOT"] = str(root)
    out = board.pipe("telemetry.csv")
    program = subprocess.Popen(["sleep", "1000"], start_new_session=True)
    try:
        for pid, group, pages in (("11", program.pid, 100), ("12", 5, 2000), ("13", 7, 90000)):
            session = program.pid if pid == "12" else group
            write_tree(
                root,
                {
                    f"proc/{pid}/stat": f"{pid} (a ) b) S 1 {group} {session} 0 -1 4194560 1 2\n",
                    f"proc/{pid}/statm": f"99999 {pages} 1 1 0 1 0\n",
                    f"proc/{pid}/status": f"Name: x\nVmHWM:\t {pages * 8} kB\nVmRSS:\t {pages * 4} kB\n",
                },
            )
        watcher = board.popen("sampler.sh", board.folder, str(program.pid))
        header, line = out.read_line(), out.read_line()
        watcher.terminate()
        watcher.wait(timeout=30)
    finally:
        program.kill()
        program.wait()
    return next(csv.DictReader([header, line]))


def test_a_sample_has_the_clocks_and_the_largest_process_of_the_session(board: BoardUnderTest) -> None:
    assert sampled(board, TREE) == {
        "uptime_s": "100.50",
        "samples_per_s": "1",
        "memavail_bytes": str(15576668 * 1024),
        "swapfree_bytes": "7168",
        "rss_bytes": str(2000 * 4 * 1024),
        "vmhwm_bytes": str(2000 * 8 * 1024),
        "pswpin_pages": "3",
        "pswpout_pages": "4",
        "npu_load": "45",
        "npu_hz": "1000000000",
        "dmc_hz": "2112000000",
        "gpu_hz": "300000000",
        "cpu0_hz": "1800000000",
        "cpu4_hz": "2304000000",
        "cpu6_hz": "2352000000",
        "soc_mc": "45300",
        "npu_mc": "47100",
        "thermal-cpufreq-0_state": "2",
    }


@pytest.mark.parametrize(
    ("load", "want"),
    [
        ("NPU load:  Core0: 12%, Core1:  0%, Core2:100%,\n", "12/0/100"),
        ("NPU load:  Core0:   %, Core1:   %, Core2:   %,\n", "0/0/0"),
        ("NPU load:  7%\n", "7"),
    ],
)
def test_the_load_of_each_core_fits_into_one_field(board: BoardUnderTest, load: str, want: str) -> None:
    assert sampled(board, TREE | {"sys/kernel/debug/rknpu/load": load})["npu_load"] == want


def test_a_board_has_the_columns_of_what_it_has(board: BoardUnderTest) -> None:
    row = sampled(board, WITHOUT_DMC)
    assert "dmc_hz" not in row
    assert row["npu_hz"] == "1000000000"


def test_what_can_not_be_read_is_empty(board: BoardUnderTest) -> None:
    row = sampled(board, {"proc/uptime": "1.00 1.00\n", "sys/class/thermal/thermal_zone0/type": "soc-thermal\n"})
    assert {name for name, value in row.items() if value} == {"uptime_s", "samples_per_s", "rss_bytes", "vmhwm_bytes"}


def test_a_name_is_data(board: BoardUnderTest) -> None:
    zones = {"sys/class/thermal/thermal_zone0/type": HOSTILE.encode("latin-1"), "proc/meminfo": "MemAvailable: 08 kB\n"}
    zones |= {f"sys/class/thermal/thermal_zone{index}/type": b"soc-thermal\n" for index in (1, 2)}
    zones["sys/class/thermal/thermal_zone3/type"] = b"-" + b"a" * 200
    temps = {f"sys/class/thermal/thermal_zone{index}/temp": f"{index}=1\n" for index in range(4)}
    row = sampled(board, zones | temps | {"sys/class/thermal/thermal_zone1/temp": "-4000"})
    found = [name for name in row if name.endswith("_mc")]
    assert found == ["x_cmd__a__b__31m__mc", "soc_mc", "soc.2_mc", "x-" + "a" * 39 + "_mc"]
    assert [row[name] for name in found] == ["", "-4000", "", ""]
    assert row["memavail_bytes"] == ""


def watch(board: BoardUnderTest, files: dict[str, bytes | str], lines: int, *words: str) -> list[dict[str, str]]:
    """The first samples beside a process that goes on, and the last one after TERM."""
    board.env["RK_SYSROOT"] = str(write_tree(board.folder / "root", files))
    out = board.pipe("telemetry.csv")
    watcher = board.popen("sampler.sh", board.folder, str(os.getpid()), *words)
    got = [out.read_line() for _ in range(1 + lines)]
    watcher.terminate()
    assert watcher.wait(timeout=30) == 143
    out.tell("the end")
    while (line := out.read_line()) != "the end":
        got.append(line)
    return list(csv.DictReader(got))


def test_ten_a_second_read_what_moves_slowly_less_often_but_always_at_both_ends(board: BoardUnderTest) -> None:
    rows = watch(board, TREE, 12, "10")
    assert {row["samples_per_s"] for row in rows} == {"10"}
    assert all(row["memavail_bytes"] and row["npu_hz"] and row["npu_load"] for row in rows)
    assert [bool(row["soc_mc"]) for row in rows[:12]] == [True] + 9 * [False] + [True, False]
    assert [bool(row["pswpout_pages"]) for row in rows[:12]] == [True] + 11 * [False]
    assert (rows[-1]["soc_mc"], rows[-1]["pswpin_pages"], rows[-1]["thermal-cpufreq-0_state"]) == ("45300", "3", "2")


def waits_by_itself(board: BoardUnderTest) -> bool:
    return board.shell != "dash"


def test_a_sleep_without_fractions_means_a_sample_a_second(board: BoardUnderTest) -> None:
    board.stub("sleep", f'case $1 in *.*) exit 1 ;; *) exec {shutil.which("sleep")} "$1" ;; esac\n')
    (row, *_) = watch(board, TREE, 1, "10")
    assert row["samples_per_s"] == ("10" if waits_by_itself(board) else "1")


def test_a_sleep_that_does_not_sleep_ends_it(board: BoardUnderTest) -> None:
    if waits_by_itself(board):
        pytest.skip("this shell needs no sleep")
    board.stub("sleep", "exit 1\n")
    assert board.script("sampler.sh", board.folder, str(os.getpid())).returncode == 1


def test_a_disk_without_space_ends_it_and_nothing_else(board: BoardUnderTest) -> None:
    (board.folder / "telemetry.csv").symlink_to("/dev/full")
    assert board.script("sampler.sh", board.folder, str(os.getpid())).returncode == 1


def test_it_starts_nothing_but_the_sleep_of_a_shell_that_can_not_wait(board: BoardUnderTest) -> None:
    if shutil.which("strace") is None:
        pytest.skip("strace is not installed")
    log = board.folder / "strace"
    sampler = board.argv("sampler.sh", board.folder, str(os.getpid()), "10")
    board.env["RK_SYSROOT"] = str(write_tree(board.folder / "root", TREE))
    out = board.pipe("telemetry.csv")
    watcher = subprocess.Popen(
        ["strace", "-f", "-o", str(log), "-e", "trace=fork,vfork,clone,clone3,execve", *sampler], env=board.env
    )
    for _ in range(14):
        out.read_line()
    (child,) = Path(f"/proc/{watcher.pid}/task/{watcher.pid}/children").read_text().split()
    os.kill(int(child), signal.SIGTERM)
    watcher.wait(timeout=30)
    calls = log.read_text().splitlines()
    reader = max(index for index, line in enumerate(calls) if '["awk", ' in line)
    started = [line for line in calls[reader + 1 :] if "execve(" in line and " = -1" not in line]
    forks = [line for line in calls[reader + 1 :] if ("clone" in line or "fork(" in line) and "resumed" not in line]
    naps = [line for line in started if '["sleep", "0.1"]' in line]
    # The rm of the pipe's name may still be under way when the reader has begun.
    assert all('["rm", "-rf"' in line for line in started if line not in naps)
    assert not naps if waits_by_itself(board) else len(naps) >= 5
    assert len(forks) <= len(started) + 1  # the last one may be told to end before it is a program


def test_the_memory_of_a_real_program_is_seen_behind_its_wrappers(board: BoardUnderTest) -> None:
    up, go = board.pipe("up"), board.pipe("go")
    inner = f'x=$(head -c 8000000 /dev/zero | tr "\\0" x); echo up >"{up.path}"; read y <"{go.path}"; : "$x"'
    board.started("sh", "-c", f"timeout 100 sh -c '{inner}'; :")
    up.read_line()
    telemetry = board.run_dir() / "telemetry.csv"
    with subprocess.Popen(["tail", "-n", "+1", "-F", str(telemetry)], stdout=subprocess.PIPE, text=True) as tail:
        assert tail.stdout is not None
        largest = 0
        header = ""
        while largest < 8_000_000:
            line = tail.stdout.readline()
            if line.startswith("uptime_s,"):  # the wrapper's, then the sampler's own
                header = line
            if not line[:1].isdigit():  # what follows what was written over may begin in the middle
                continue
            largest = int(next(csv.DictReader([header, line]))["rss_bytes"] or 0)
        tail.kill()
    go.tell("on")
    board.wait(board.run_dir())


def test_a_term_ends_it_at_once_with_its_sleep(board: BoardUnderTest) -> None:
    out = board.pipe("telemetry.csv")
    watcher = board.popen("sampler.sh", board.folder, str(os.getpid()), start_new_session=True)
    out.read_line()
    out.read_line()
    watcher.send_signal(signal.SIGTERM)
    assert watcher.wait(timeout=30) == 143


def test_a_sampler_that_is_killed_leaves_no_reader_behind(board: BoardUnderTest) -> None:
    out = board.pipe("telemetry.csv")
    watcher = board.popen("sampler.sh", board.folder, str(os.getpid()))
    out.read_line()
    out.read_line()
    watcher.kill()
    watcher.wait(timeout=30)
    until = time.monotonic() + DEADLINE_S
    while (left := processes_with(str(board.folder))) and time.monotonic() < until:
        time.sleep(0.02)
    assert left == []


def test_where_no_temporary_files_can_be_it_samples_as_well_and_leaves_no_names(board: BoardUnderTest) -> None:
    board.env["TMPDIR"] = "/no/such/folder"
    here = board.folder / "run"
    here.mkdir()
    out = board.pipe("telemetry.csv")
    (here / "telemetry.csv").symlink_to(out.path)
    watcher = board.popen("sampler.sh", here, str(os.getpid()), cwd=here)
    out.read_line()
    assert out.read_line()
    assert {path.name for path in here.iterdir()} == {"telemetry.csv"}
    watcher.terminate()
    assert watcher.wait(timeout=30) == 143


@pytest.mark.parametrize("starting", ["mkfifo", "rm"])
def test_a_term_to_all_of_a_run_that_meets_it_starting_is_no_message_and_leaves_nothing(
    board: BoardUnderTest, starting: str
) -> None:
    places = board.term_at_first(starting)
    watcher = board.popen("sampler.sh", board.folder, str(os.getpid()), stderr=subprocess.PIPE)
    _, said = watcher.communicate(timeout=30)
    assert (watcher.returncode, said) == (143, b"")
    assert not list(places.iterdir())


def test_it_ends_when_the_program_is_gone(board: BoardUnderTest) -> None:
    out = board.pipe("telemetry.csv")
    with subprocess.Popen(["sleep", "1000"]) as program:
        watcher = board.popen("sampler.sh", board.folder, str(program.pid))
        out.read_line()
        program.kill()
    assert watcher.wait(timeout=30) == 0


@pytest.mark.parametrize("args", [[], ["/"], ["/", "x"], ["/no/such", "1"], ["/tmp", "1", "11"], ["/tmp", "1", "0.5"]])
def test_wrong_usage_is_2(board: BoardUnderTest, args: list[str]) -> None:
    assert board.script("sampler.sh", *args).returncode == 2
