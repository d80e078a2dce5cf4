"""``invoke --list`` against the same command beside an empty ``tasks.py``: what our command line costs before any work.

Measured: wall and CPU time of the whole process, in turns. The difference is reading ``tasks.py`` and printing its
list; everything else (Python, Invoke) is in both.

Not shown: a verb. A verb imports what it needs after this, up to half a second for one that connects to boards.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from benchmarks.boards import PROJECT
from benchmarks.measure import spend, take_turns
from benchmarks.report import Row, compared

ROUNDS = 40
INVOKE = "import sys; from invoke.main import program; program.run(['invoke', '--list'], exit=False)"


def run(rounds: int, big: bool) -> list[Row]:
    """Both in turn. ``exit=False``: Invoke calls an empty list an error, and here it is none."""
    with tempfile.TemporaryDirectory() as name:
        empty = Path(name)
        (empty / "tasks.py").write_text("")
        argv = [sys.executable, "-c", INVOKE]
        turns = take_turns(
            {
                "ours": lambda: spend(argv, cwd=PROJECT, check=lambda said: "bench" in said),
                "empty tasks.py": lambda: spend(argv, cwd=empty, check=lambda said: "bench" not in said),
            },
            rounds,
            warm_ups=2,
        )
    return [
        compared("list", f"invoke --list, {label}", turns, "ours", "empty tasks.py", name, target=1.3, digits=3)
        for label, name in (("wall", "wall_s"), ("user CPU", "user_s"), ("CPU", "cpu_s"))
    ]
