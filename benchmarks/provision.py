"""Ten bare boards at once through ``benchmark.yaml``, against one: the whole must take at most 1.5 times as long.

``invoke provision`` as a person types it, from the start of the command to its table. The virtual boards are switched
on before, with nothing of ours on them: ``first`` brings limits, store, runtime, demo, NPU rights and clocks, ``again``
finds everything as it should be. Ten boards and one, in turns, each turn with boards of its own. CPU time is the
driver's with its child, not the boards'.

Not shown: real boards have processors of their own. Here they share this machine's cores with the driver, and ``CPU of
the boards`` says how much of them they take: ten boards' wall time on this machine can not be less than all CPU time by
the number of its cores. Installing packages is not in it.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from benchmarks.boards import INVOKE, PROJECT
from benchmarks.measure import ENVIRONMENT, Cost, Failed, ratio, spend, spread
from benchmarks.report import Row
from benchmarks.virtual_boards import boards_cpu_s

ROUNDS = 3
COUNTS = (1, 10)
TARGET = 1.5


@dataclass(frozen=True)
class Spent:
    """One command: what the driver with its child took, and what the boards took of the same cores meanwhile."""

    driver: Cost
    boards_cpu_s: float


def run(rounds: int, big: bool) -> list[Row]:
    """One board and ten, in turns."""
    turns: dict[int, list[dict[str, Spent]]] = {count: [] for count in COUNTS}
    for index in range(rounds):
        for count in COUNTS if index % 2 else COUNTS[::-1]:
            turns[count].append(_turn(count))
    one, ten = (turns[count] for count in COUNTS)

    def row(what: str, label: str, value: Callable[[Spent], float], target: float | None = None) -> Row:
        mine, other = ([value(turn[what]) for turn in each] for each in (ten, one))
        shown = f"one board: {spread(other, 's', 2)}"
        name = f"ten bare boards, {what}, {label}"
        return Row("provision", name, spread(mine, "s", 2), shown, ratio(mine, other), target)

    return [
        line
        for what in ("first", "again")
        for line in (
            row(what, "wall", lambda spent: spent.driver.wall_s, TARGET),
            row(what, "CPU of the driver", lambda spent: spent.driver.cpu_s),
            row(what, "CPU of the boards", lambda spent: spent.boards_cpu_s),
        )
    ]


def _turn(count: int) -> dict[str, Spent]:
    with tempfile.TemporaryDirectory(prefix="rkfleet-bench-") as name:
        home = Path(name)
        names = [f"rk3588-{index:02d}" for index in range(1, count + 1)]
        boards = {board: {"virtual": {"bare": True}} for board in names}
        (home / "inventory.yaml").write_text(json.dumps({"boards": boards}))
        env = {**ENVIRONMENT, "PYTHONPATH": str(PROJECT), "NO_COLOR": "1", "HOME": name}

        def provision(changed: bool) -> Spent:
            words = [*INVOKE, "provision", "--format", "json"]
            before_s = boards_cpu_s(home)
            driver = spend(words, cwd=home, env=env, check=_all(count, changed=changed))
            return Spent(driver, boards_cpu_s(home) - before_s)

        try:
            spend([*INVOKE, "boards"], cwd=home, env=env)
            return {"first": provision(changed=True), "again": provision(changed=False)}
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
