"""facts.sh --gate: the few facts that are asked for before each run."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.shell.kit import BoardUnderTest, write_tree

CPUS = "cpu0 0 0 0 0 0 0 0 0 0 0\n" * 4
KERNEL: dict[str, bytes | str] = {
    "proc/stat": f"cpu  100 0 50 800 10 0 0 0 0 0\n{CPUS}intr 5\n",
    "proc/vmstat": "nr_free_pages 9\npswpin 7\npswpout 5\n",
    "proc/meminfo": "MemTotal: 8000 kB\nMemAvailable: 6000 kB\n",
    "sys/class/thermal/thermal_zone0/type": "soc-thermal\n",
    "sys/class/thermal/thermal_zone0/temp": "45300\n",
}


def gate(board: BoardUnderTest, files: dict[str, bytes | str]) -> dict[str, Any]:
    board.env["RK_SYSROOT"] = str(write_tree(board.folder / "root", files))
    done = board.script("facts.sh", "--gate", board.run_dir())
    assert (done.returncode, done.stderr) == (0, b"")
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def later(board: BoardUnderTest, files: dict[str, str]) -> None:
    """What the kernel shows after the pause."""
    for name, text in files.items():
        (board.folder / "later").mkdir(exist_ok=True)
        (board.folder / "later" / name).write_text(text)
    board.stub("sleep", f"cp '{board.folder}'/later/* '{board.folder}/root/proc/'\n")


def test_cores_and_pages_are_what_was_used_between_two_looks(board: BoardUnderTest) -> None:
    stat = f"cpu  115 0 55 820 10 0 0 0 0 0\n{CPUS}intr 5\n"
    later(board, {"stat": stat, "vmstat": "pswpin 17\npswpout 6\n"})
    seen = gate(board, KERNEL)
    assert seen["gate"] == {"known": False, "cores": 2.0, "swapped_pages": 11}  # half of the ticks of four cores
    assert seen["memory"]["available_bytes"] == 6000 * 1024 and seen["npu_users"] == []
    assert seen["thermal"]["zones"] == [{"type": "soc-thermal", "temp_mc": 45300}]
    assert seen["user"]["groups"] is not None and "board" not in seen


@pytest.mark.parametrize(
    ("stat", "why"),
    [(KERNEL["proc/stat"], "stand still"), ("cpu  x\n", "no ticks in"), ("cpu  0 0 0 0 0 0 0 0\n", "no ticks in")],
)
def test_ticks_that_say_nothing_are_null_with_the_reason(board: BoardUnderTest, stat: str, why: str) -> None:
    seen = gate(board, {"proc/stat": stat})
    assert seen["gate"] == {"known": False, "cores": None, "swapped_pages": None}
    assert why in seen["missing"]["gate.cores"] and "pswpin" in seen["missing"]["gate.swapped_pages"]


def test_a_run_that_was_begun_before_is_known(board: BoardUnderTest) -> None:
    board.run_dir().mkdir(parents=True)
    assert gate(board, {})["gate"]["known"] is True
