"""telemetry.sh: a line a second about the board and the largest process of the run."""

from __future__ import annotations

import csv
import os
import signal
import subprocess

import pytest

from tests.shell.kit import BoardUnderTest, write_tree

TREE: dict[str, bytes | str] = {
    "proc/uptime": "100.50 1.00\n",
    "proc/meminfo": "MemTotal: 16 kB\nMemAvailable:   15576668 kB\n",
    "sys/class/devfreq/fdab0000.npu/cur_freq": "1000000000\n",
    "sys/class/devfreq/fdab0000.npu/load": "45@1000000000Hz\n",
    "sys/class/devfreq/dmc/cur_freq": "2112000000\n",
    "sys/devices/system/cpu/cpufreq/policy0/scaling_cur_freq": "1800000\n",
    "sys/devices/system/cpu/cpufreq/policy4/scaling_cur_freq": "2304000\n",
    "sys/devices/system/cpu/cpufreq/policy6/scaling_cur_freq": "2352000\n",
    "sys/class/thermal/thermal_zone0/type": "soc-thermal\n",
    "sys/class/thermal/thermal_zone0/temp": "45300\n",
    "sys/class/thermal/thermal_zone6/type": "npu-thermal\n",
    "sys/class/thermal/thermal_zone6/temp": "47100\n",
}


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
        watcher = board.popen("telemetry.sh", board.folder, str(program.pid))
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
        "memavail_bytes": str(15576668 * 1024),
        "rss_bytes": str(2000 * 4 * 1024),
        "vmhwm_bytes": str(2000 * 8 * 1024),
        "npu_hz": "1000000000",
        "dmc_hz": "2112000000",
        "cpu0_hz": "1800000000",
        "cpu4_hz": "2304000000",
        "cpu6_hz": "2352000000",
        "soc_mc": "45300",
        "npu_mc": "47100",
        "npu_load": "45",
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


def test_what_a_board_does_not_have_is_empty(board: BoardUnderTest) -> None:
    row = sampled(board, {"proc/uptime": "1.00 1.00\n", "sys/class/thermal/thermal_zone0/type": "soc-thermal\n"})
    assert {name for name, value in row.items() if value} == {"uptime_s", "rss_bytes", "vmhwm_bytes"}


def test_the_memory_of_a_real_program_is_seen_behind_its_wrappers(board: BoardUnderTest) -> None:
    up, go = board.pipe("up"), board.pipe("go")
    inner = f'x=$(head -c 8000000 /dev/zero | tr "\\0" x); echo up >"{up.path}"; read y <"{go.path}"; : "$x"'
    board.started("sh", "-c", f"timeout 100 sh -c '{inner}'; :")
    up.read_line()
    telemetry = board.run_dir() / "telemetry.csv"
    with subprocess.Popen(["tail", "-n", "+1", "-F", str(telemetry)], stdout=subprocess.PIPE, text=True) as tail:
        assert tail.stdout is not None
        largest = 0
        header = tail.stdout.readline()
        while largest < 8_000_000:
            row = next(csv.DictReader([header, tail.stdout.readline()]))
            largest = int(row["rss_bytes"] or 0)
        tail.kill()
    go.tell("on")
    board.wait(board.run_dir())


def test_a_term_ends_it_at_once_with_its_sleep(board: BoardUnderTest) -> None:
    out = board.pipe("telemetry.csv")
    watcher = board.popen("telemetry.sh", board.folder, str(os.getpid()), start_new_session=True)
    out.read_line()
    out.read_line()
    watcher.send_signal(signal.SIGTERM)
    assert watcher.wait(timeout=30) == 143


def test_it_ends_when_the_program_is_gone(board: BoardUnderTest) -> None:
    out = board.pipe("telemetry.csv")
    with subprocess.Popen(["sleep", "1000"]) as program:
        watcher = board.popen("telemetry.sh", board.folder, str(program.pid))
        out.read_line()
        program.kill()
    assert watcher.wait(timeout=30) == 0


@pytest.mark.parametrize("args", [[], ["/"], ["/", "x"], ["/no/such", "1"]])
def test_wrong_usage_is_2(board: BoardUnderTest, args: list[str]) -> None:
    assert board.script("telemetry.sh", *args).returncode == 2
