"""reboot.log: what a board's own logs say of a boot that ended under a run, whatever of them there is."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.shell.kit import BoardUnderTest, log_of, processes_with, write_tree

WAS, NOW = "0c51a5d0-1111-4111-8111-000000000001", "0c51a5d0-2222-4222-8222-000000000002"
START = (
    f'{{"run":"r1","campaign":"c1","boot_id":"{WAS}","uptime_s":100.00,"epoch_s":1767225600,"pid":4,"limit_s":60}}\n'
)
JOURNAL = "[  171.000000] rk kernel: Kernel panic - not syncing: Fatal exception\n"


@pytest.fixture
def rebooted(board: BoardUnderTest) -> BoardUnderTest:
    """A board that started anew under its run r1, and has no logs at all."""
    root = write_tree(
        board.folder / "root", {"proc/sys/kernel/random/boot_id": f"{NOW}\n", "proc/uptime": "33.50 20.00\n"}
    )
    board.env |= {"RK_SYSROOT": str(root), "TMPDIR": str(board.folder)}
    files = {"spec.json": "{}\n", "start.json": START, "stdout.log": "half an ans", "stderr.log": "", "lock": ""}
    write_tree(board.run_dir(), dict(files))
    # Long ago: the clock by which files get their times may stand still for ten milliseconds.
    os.utime(board.run_dir() / "start.json", (1_000_000_000, 1_000_000_000))
    board.stub("last", "echo 'last - no wtmp' >&2; exit 1\n")
    board.stub("journalctl", "echo 'No journal files were found.' >&2; exit 1\n")
    return board


def root_of(board: BoardUnderTest) -> Path:
    return Path(board.env["RK_SYSROOT"])


def sections(board: BoardUnderTest) -> dict[str, tuple[str, str]]:
    """Name to (word, text), from what a collector gets."""
    frames = board.follow(0, 0, "--files")
    (header,) = [header for header, _ in frames if header.get("file") == "reboot.log"]
    data = log_of(frames, "reboot.log")
    assert hashlib.sha256(data).hexdigest() == header["sha256"]
    assert data == (board.run_dir() / "reboot.log").read_bytes() and len(data) <= 256 * 1024
    parts = re.split(r"^== (.*): ([^:\n]*) ==\n", data.decode("latin-1"), flags=re.MULTILINE)
    assert parts[0] == ""
    return {name: (word, text) for name, word, text in zip(*[iter(parts[1:])] * 3, strict=True)}


def state_of(frames: list[tuple[dict[str, Any], bytes]]) -> Any:
    return frames[-1][0]["state"]


def test_a_board_without_logs_says_for_each_why(rebooted: BoardUnderTest) -> None:
    found = sections(rebooted)
    assert found["boots"] == ("ok", f"of the run: {WAS}\nnow: {NOW}, up 33.50 s\n")
    assert {name: word for name, (word, _) in found.items() if name != "boots"} == {
        "last -x -F, UTC": "last - no wtmp",
        "journal": "not kept over a restart, there is no /var/log/journal",
        "pstore": "nothing of this run or later",
        "last_kmsg": "no such file",
    }
    left = {path.name for path in rebooted.run_dir().iterdir()}
    assert left == {"spec.json", "start.json", "stdout.log", "stderr.log", "lock", "reboot.log"}
    assert not list(rebooted.folder.glob("rkfleet.*"))


def test_the_journal_of_exactly_the_boot_of_the_run_is_asked_for(rebooted: BoardUnderTest) -> None:
    (root_of(rebooted) / "var/log/journal").mkdir(parents=True)
    rebooted.stub("journalctl", f'printf "%s\\n" "$*" >>"{rebooted.folder}/asked"; printf "{JOURNAL}"\n')
    found = sections(rebooted)
    assert found["journal"] == ("ok", JOURNAL + "\n") and found["kernel"] == ("ok", JOURNAL + "\n")
    asked = (rebooted.folder / "asked").read_text().splitlines()
    boot = WAS.replace("-", "")
    assert asked == [f"{k}-b {boot} -n 300 -o short-monotonic --no-pager" for k in ("", "-k ")]


def test_what_the_kernel_saved_is_told_apart_from_an_old_crash(rebooted: BoardUnderTest) -> None:
    root = write_tree(
        root_of(rebooted),
        {
            "sys/fs/pstore/dmesg-ramoops-0": "Panic#1 Part1\n<0>[  171.0] Kernel panic - not syncing: new\n",
            "var/lib/systemd/pstore/77/dmesg.txt": "<0>[ 9.0] Kernel panic - not syncing: old\n",
            "proc/last_kmsg": "== journal: ok ==\nthe last words\n",
        },
    )
    os.utime(root / "var/lib/systemd/pstore/77/dmesg.txt", (900_000_000, 900_000_000))
    found = sections(rebooted)
    new, old = found["pstore /sys/fs/pstore/dmesg-ramoops-0"], found["pstore /var/lib/systemd/pstore/77/dmesg.txt"]
    assert new[0] == "ok" and "not syncing: new" in new[1]
    assert old[0] == "ok, from before the run" and "not syncing: old" in old[1]
    assert found["last_kmsg"] == ("ok", " = journal: ok ==\nthe last words\n\n")


def test_of_long_logs_the_newest_end_is_kept(rebooted: BoardUnderTest) -> None:
    (root_of(rebooted) / "var/log/journal").mkdir(parents=True)
    filler = "dd if=/dev/zero bs=1024 count=3000 2>/dev/null | tr '\\000' '='; echo; echo the end"
    rebooted.stub("journalctl", filler)
    rebooted.stub("last", filler)
    write_tree(root_of(rebooted), {"proc/last_kmsg": b"\0\xff" * 200_000 + b"the end"})
    for k in range(12):
        write_tree(root_of(rebooted), {f"sys/fs/pstore/dmesg-{k}": b"=" * 50_000 + b"\nthe end\n"})
    found = sections(rebooted)
    full = [name for name, (word, _) in found.items() if word == "ok" and name != "boots"]
    assert len(full) == 4 + 8 and all(found[name][1].rstrip().endswith("the end") for name in full)


def test_a_source_that_hangs_keeps_nobody_waiting(rebooted: BoardUnderTest) -> None:
    rebooted.stub("last", "trap '' TERM; exec sleep 1000\n")
    scripts = rebooted.folder / "scripts"
    shutil.copytree(Path(__file__).parents[2] / "board_scripts", scripts)
    text = (scripts / "job_reboot.sh").read_text()
    assert "REBOOT_S=8 " in text
    (scripts / "job_reboot.sh").write_text(text.replace("REBOOT_S=8 ", "REBOOT_S=1 "))
    argv = [str(rebooted.stubs / "sh"), str(scripts / "job.sh"), "follow", str(rebooted.run_dir()), "0", "0", "--files"]
    done = subprocess.run(argv, env=rebooted.env, capture_output=True, timeout=30, check=False)
    assert done.returncode == 0 and done.stdout.rstrip().endswith(b"}}}")
    assert "no answer within 1 s" in (rebooted.run_dir() / "reboot.log").read_text()
    assert not set(processes_with("sleep\x001000")) & set(processes_with(str(rebooted.folder)))


def test_the_first_collector_writes_it_and_the_next_gets_the_same(rebooted: BoardUnderTest) -> None:
    rebooted.stub("last", f"echo asked >>'{rebooted.folder}/asked'; echo reboot\n")
    first = log_of(rebooted.follow(0, 0, "--files"), "reboot.log")
    write_tree(root_of(rebooted), {"proc/last_kmsg": "something new\n", "proc/uptime": "99.00 1.00\n"})
    assert log_of(rebooted.follow(0, 0, "--files"), "reboot.log") == first
    assert (rebooted.folder / "asked").read_text() == "asked\n"


@pytest.mark.parametrize("why", ["same boot", "has its end", "never started", "nobody asked for files"])
def test_only_a_run_that_a_reboot_cut_is_explained(rebooted: BoardUnderTest, why: str) -> None:
    options = ["--files"]
    if why == "same boot":
        (root_of(rebooted) / "proc/sys/kernel/random/boot_id").write_text(f"{WAS}\n")
    elif why == "has its end":
        (rebooted.run_dir() / "end.json").write_text('{"result":"success","exit_code":0}\n')
    elif why == "never started":
        (rebooted.run_dir() / "start.json").unlink()
    else:
        options = []
    frames = rebooted.follow(0, 0, *options)
    assert not (rebooted.run_dir() / "reboot.log").exists()
    assert "done" in frames[-1][0] and log_of(frames, "stdout.log") == b"half an ans"


@pytest.mark.parametrize("broken", ["mktemp", "sed", "id", "ln"])
def test_whatever_breaks_in_it_the_run_itself_still_gets_through(rebooted: BoardUnderTest, broken: str) -> None:
    rebooted.stub("last", "echo reboot\n")
    rebooted.stub(broken, "exit 1\n")
    frames = rebooted.follow(0, 0, "--files")
    assert json.loads(START) == state_of(frames)["start"] and log_of(frames, "stdout.log") == b"half an ans"
