"""Ten bare boards at once through ``benchmark.yaml``, against one: the whole must take at most 1.5 times as long.

``invoke provision`` as a person types it, from the start of the command to its table. The virtual boards are switched
on before, with nothing of ours on them: ``first`` brings limits, store, runtime, demo, NPU rights and clocks, ``again``
finds everything as it should be. Ten boards and one, in turns, each turn with boards of its own. CPU time is the
driver's with its child, not the boards'.

Not shown: real boards have processors of their own; here all boards share this machine's cores with the driver, so ten
boards' shells are the larger part of ten boards' wall time. Installing packages is not in it.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from benchmarks.boards import INVOKE, PROJECT
from benchmarks.measure import ENVIRONMENT, Cost, Failed, ratio, spend, spread
from benchmarks.report import Row

ROUNDS = 3
COUNTS = (1, 10)
TARGET = 1.5


def run(rounds: int, big: bool) -> list[Row]:
    """One board and ten, in turns."""
    turns: dict[int, list[dict[str, Cost]]] = {count: [] for count in COUNTS}
    for index in range(rounds):
        for count in COUNTS if index % 2 else COUNTS[::-1]:
            turns[count].append(_turn(count))
    one, ten = (turns[count] for count in COUNTS)
    rows = []
    for what in ("first", "again"):
        for label, column, target in (("wall", "wall_s", TARGET), ("CPU of the driver", "cpu_s", None)):
            mine = [getattr(turn[what], column) for turn in ten]
            other = [getattr(turn[what], column) for turn in one]
            times = ratio(mine, other)
            shown = f"one board: {spread(other, 's', 2)}"
            name = f"ten bare boards, {what}, {label}"
            rows.append(Row("provision", name, spread(mine, "s", 2), shown, times, target))
    return rows


def _turn(count: int) -> dict[str, Cost]:
    with tempfile.TemporaryDirectory(prefix="rkfleet-bench-") as name:
        home = Path(name)
        names = [f"rk3588-{index:02d}" for index in range(1, count + 1)]
        boards = {board: {"virtual": {"bare": True}} for board in names}
        (home / "inventory.yaml").write_text(json.dumps({"boards": boards}))
        env = {**ENVIRONMENT, "PYTHONPATH": str(PROJECT), "NO_COLOR": "1", "HOME": name}
        try:
            spend([*INVOKE, "boards"], cwd=home, env=env)
            return {
                "first": spend(
                    [*INVOKE, "provision", "--format", "json"], cwd=home, env=env, check=_all(count, changed=True)
                ),
                "again": spend(
                    [*INVOKE, "provision", "--format", "json"], cwd=home, env=env, check=_all(count, changed=False)
                ),
            }
        finally:
            down = [sys.executable, "-m", "virtual", "down", "--all", "--state", str(home / ".virtual")]
            if subprocess.run(down, cwd=PROJECT, capture_output=True, timeout=60).returncode:
                raise Failed("the virtual boards do not stop")


def _all(count: int, *, changed: bool) -> Callable[[str], bool]:
    """Did every board come through, with or without changes?"""

    def right(said: str) -> bool:
        rows = json.loads(said)
        return len(rows) == count and all(bool(row["changed"]) == changed and row["why"] is None for row in rows)

    return right
