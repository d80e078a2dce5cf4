"""``invoke --list`` against the same command beside an empty ``tasks.py``: what our command line costs before any work.

Measured: wall and CPU time of the whole process, in turns. The difference is reading ``tasks.py`` and printing its
list; everything else (Python, Invoke) is in both.

A verb imports what it needs after this, up to half a second for one that connects to boards. ``invoke models`` is
measured in two fresh copies of the project: with the bytecode of its modules kept, as ``verbs/__init__.py`` sees to,
and without, as Invoke has it by itself.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from pathlib import Path

from benchmarks.boards import PROJECT
from benchmarks.measure import ENVIRONMENT, spend, take_turns
from benchmarks.report import Row, compared

ROUNDS = 40
LIST = "import sys; from invoke.main import program; program.run(['invoke', '--list'], exit=False)"
KEEPS_NONE = {"PYTHONDONTWRITEBYTECODE": "1"}
FOLDERS = ("analysis", "fleet", "references", "verbs")  # what the verb reads, beside the files on top
COSTS = (("wall", "wall_s"), ("user CPU", "user_s"), ("CPU", "cpu_s"))


def run(rounds: int, big: bool) -> list[Row]:
    """All in turn. ``exit=False``: Invoke calls an empty list an error, and here it is none."""
    with tempfile.TemporaryDirectory() as name:
        empty = Path(name) / "empty"
        empty.mkdir()
        (empty / "tasks.py").write_text("")
        listed, verb = [sys.executable, "-c", LIST], [sys.executable, "-m", "invoke", "models"]
        kept, none = (_copied(Path(name) / one) for one in ("kept", "none"))
        turns = take_turns(
            {
                "ours": lambda: spend(listed, cwd=PROJECT, check=lambda said: "bench" in said),
                "empty tasks.py": lambda: spend(listed, cwd=empty, check=lambda said: "bench" not in said),
                "bytecode kept": lambda: spend(verb, cwd=kept, check=_has_models),
                "no bytecode": lambda: spend(verb, cwd=none, env=ENVIRONMENT | KEEPS_NONE, check=_has_models),
            },
            rounds,
            warm_ups=2,
        )
    rows = [
        compared("list", f"invoke --list, {label}", turns, "ours", "empty tasks.py", name, target=1.3, digits=3)
        for label, name in COSTS
    ]
    rows += [
        compared("list", f"invoke models, {label}", turns, "bytecode kept", "no bytecode", name, digits=3)
        for label, name in COSTS
    ]
    return rows


def _copied(to: Path) -> Path:
    """The project as a clone has it: nothing of it is compiled."""
    to.mkdir()
    for folder in FOLDERS:
        shutil.copytree(PROJECT / folder, to / folder, ignore=shutil.ignore_patterns("__pycache__"))
    for file in (*PROJECT.glob("*.py"), *PROJECT.glob("*.yaml")):
        shutil.copy(file, to)
    return to


def _has_models(said: str) -> bool:
    return "Qwen3-0.6B" in said
