"""What waiting before each run and interleaving are worth on a board that throttles, on the simulation of its heat.

One virtual board in 62 °C warm air, where back-to-back runs pass the trip point and a single one does not: the same
cells measured gated and interleaved, and ungated cell by cell (``tolerance_k: 100, wait_s: 0``, ``order: listed``), in
turns, each on a board that is fresh. Kept: the spread of each cell's measured generate speeds, (most - least) / median,
and of it the worst cell of a campaign; and what the waiting costs in wall time, which passes as fast as the chip cools.

Not shown: a real chip. That the simulated one throttles above a trip point is put in; how much of it reaches a number
under either order is what is measured.
"""

from __future__ import annotations

import contextlib
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from analysis.runs import read_runs
from benchmarks.boards import INVOKE, PROJECT
from benchmarks.measure import ENVIRONMENT, Failed, ratio, spread
from benchmarks.report import Row

ROUNDS = 3
LIMIT_S = 600
BOARD = {"time_scale": 15, "ambient_c": 62}
CELLS: dict[str, Any] = {"models": ["qwen3-0.6b"], "cores": [1, 3], "repeats": 4, "workloads": [{"new_tokens": 512}]}
GATED: dict[str, Any] = {"order": "interleaved", "gates": {"wait_s": 60}}
UNGATED: dict[str, Any] = {"order": "listed", "gates": {"tolerance_k": 100, "wait_s": 0}}


def run(rounds: int, big: bool) -> list[Row]:
    """Both kinds of campaign, in turns."""
    both: tuple[list[tuple[float, float]], ...] = ([], [])
    for index in range(rounds):
        for kind in (0, 1) if index % 2 else (1, 0):
            both[kind].append(_campaign((GATED, UNGATED)[kind], seed=index))
    (gated, gated_s), (ungated, ungated_s) = (tuple(map(list, zip(*turns, strict=True))) for turns in both)

    def row(what: str, mine: list[float], other: list[float], unit: str, target: float | None) -> Row:
        shown = f"cell by cell, no gate: {spread(other, unit, 1)}"
        return Row("thermal", what, spread(mine, unit, 1), shown, ratio(mine, other), target)

    return [
        row("generate speed, widest cell", gated, ungated, "%", 0.5),
        row("wall time of the campaign", gated_s, ungated_s, "s", None),
    ]


def _campaign(kind: dict[str, Any], seed: int) -> tuple[float, float]:
    """The widest cell's spread in percent, and the seconds it took."""
    with tempfile.TemporaryDirectory(prefix="rkfleet-bench-") as name:
        home = Path(name)
        (home / "suites").mkdir()
        (home / "suites" / "heat.yaml").write_text(json.dumps(CELLS | kind))
        (home / "inventory.yaml").write_text(json.dumps({"boards": {"warm": {"virtual": {**BOARD, "seed": seed}}}}))
        env = {**ENVIRONMENT, "PYTHONPATH": str(PROJECT), "NO_COLOR": "1", "HOME": name}
        words = ["bench", "--suite", "heat", "--format", "json", "--force"]
        began_s = time.monotonic()
        try:
            # 1 is no failure here: runs that throttle are tainted.
            done = subprocess.run(
                [*INVOKE, *words], cwd=home, env=env, capture_output=True, text=True, check=False, timeout=LIMIT_S
            )
            took_s = time.monotonic() - began_s
        finally:
            down = [sys.executable, "-m", "virtual", "down", "--all", "--state", str(home / ".virtual")]
            with contextlib.suppress(subprocess.SubprocessError):
                subprocess.run(down, cwd=PROJECT, capture_output=True, check=False, timeout=60)
        cells: dict[int | None, list[float]] = {}
        for one in read_runs(home / "collected"):
            if not one.warmup and one.generate_tps is not None:  # throttled and tainted ones too: they are the point
                cells.setdefault(one.npu_cores, []).append(one.generate_tps)
        if sorted(map(len, cells.values())) != [CELLS["repeats"]] * len(CELLS["cores"]):
            raise Failed(f"not all runs have a speed: {done.stderr[-2000:]}")
        widest = max(100 * (max(each) - min(each)) / statistics.median(each) for each in cells.values())
        return widest, took_s
