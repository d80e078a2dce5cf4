"""What ``bench`` adds to a run: the driver's CPU time, and wall time beyond the run's own.

The board is one sshd on loopback, the demo a double that takes one second. Wall: from the start record of one run to
that of the next, minus the first one's own time (``duration_s`` of its ``end.json``: the program on the board from its
start to its end); the median of all such pairs of a campaign. CPU: two campaigns of different length as whole
commands, the difference divided by the difference in runs; so the start of Python, connecting and the table, which
are paid once, are in neither number.

Against: the allowance (0.15 s of CPU, 0.5 s of wall time a run). Where the time goes is told apart by two more turns
without any driver or SSH: ``job.sh`` on its own does the same runs (start, follow to the end, all evidence), and
``facts.sh`` runs alone, because each run has two of it.

Not shown: a network, where each run has two round trips more; a board's slower CPU, on which the board's part is
several times longer; and telemetry's share while the model runs, which is inside the run's own time.
"""

from __future__ import annotations

import json
import shutil
import statistics
import time
from dataclasses import dataclass
from pathlib import Path

from benchmarks.boards import INVOKE, PROJECT, Lab, lab
from benchmarks.measure import Cost, spend, spread
from benchmarks.report import Row

ROUNDS = 4
SHORT, LONG = 2, 8  # runs of the two campaigns, the warm-up included
CPU_S = 0.15  # allowed a run
WALL_S = 0.5
MODEL = "Qwen3-0.6B_W8A8_RK3588_3core.rkllm"


@dataclass(frozen=True)
class Round:
    """Seconds a run."""

    cpu_s: float
    added_s: float
    board_s: float
    facts_s: float
    command_s: float  # what the command takes beside its runs, once


def run(rounds: int, big: bool) -> list[Row]:
    """Short and long campaigns in turn, and the board's part alone."""
    with lab(1) as one:
        demo = _demo(one)
        one.inventory(paths={"llm_demo": str(demo), "store": str(one.home / "store")})
        kept = [_round(one, demo, index) for index in range(rounds)]
    rest = [each.added_s - each.board_s for each in kept]
    cpu, added = [each.cpu_s for each in kept], [each.added_s for each in kept]
    command = [each.command_s for each in kept]
    return [
        _row("driver CPU a run", cpu, f"allowed: {CPU_S} s", statistics.median(cpu) / CPU_S, 1.0),
        _row("wall time added to a run", added, f"allowed: {WALL_S} s", statistics.median(added) / WALL_S, 1.0),
        _row("… of it on the board: job.sh without driver and SSH", [each.board_s for each in kept]),
        _row("… of that, facts.sh before and after", [2 * each.facts_s for each in kept]),
        _row("… of it driver and SSH", rest),
        _row("once a command: Python, connecting, scripts, table", command),
    ]


def _row(
    what: str, values: list[float], other: str = "", ratio: float | None = None, target: float | None = None
) -> Row:
    return Row("run_overhead", what, spread(values, "s", 3), other, ratio, target)


def _round(one: Lab, demo: Path, index: int) -> Round:
    costs: dict[int, Cost] = {}
    for runs in (SHORT, LONG) if index % 2 else (LONG, SHORT):
        costs[runs], pairs = _campaign(one, runs)
        if runs == LONG:
            added_s = statistics.median(pair[0] for pair in pairs)
            cycle_s = statistics.median(sum(pair) for pair in pairs)
    facts = [spend(["sh", PROJECT / "board_scripts" / "facts.sh"], env=one.environment).wall_s for _ in range(5)]
    return Round(
        cpu_s=(costs[LONG].cpu_s - costs[SHORT].cpu_s) / (LONG - SHORT),
        added_s=added_s,
        board_s=_board_alone(one, demo),
        facts_s=statistics.median(facts),
        command_s=costs[SHORT].wall_s - SHORT * cycle_s,
    )


def _campaign(one: Lab, runs: int) -> tuple[Cost, list[tuple[float, float]]]:
    """The cost of a whole campaign; for each run but the last (seconds added, its own seconds)."""
    shutil.rmtree(one.home / "collected", ignore_errors=True)
    cost = spend(
        [*INVOKE, "bench", "--cores", "3", "--repeats", str(runs - 1), "--format", "json"],
        cwd=one.home,
        env=one.environment,
        check=lambda said: json.loads(said)[0]["n"] == runs - 1,
    )
    folders = sorted(path.parent for path in one.home.glob("collected/*/*/*/end.json"))
    assert len(folders) == runs
    starts = [json.loads((folder / "start.json").read_text())["uptime_s"] for folder in folders]
    own = [json.loads((folder / "end.json").read_text())["duration_s"] for folder in folders]
    return cost, [
        (after - before - own_s, own_s) for before, after, own_s in zip(starts[:-1], starts[1:], own[:-1], strict=True)
    ]


def _board_alone(one: Lab, demo: Path) -> float:
    """Seconds that ``job.sh`` adds to a run when nothing but it is there."""
    scripts = PROJECT / "board_scripts"
    top = one.home / f"alone-{time.monotonic_ns()}"
    words = [
        *("--demo", str(demo), "--model", str(demo.parent / MODEL), "--max-new-tokens", "128"),
        *("--max-context", "4096", "--prompt", "How long?", "--limit", "60"),
    ]
    script = 'printf "{}\\n" | sh "$1/job.sh" start "$2" 60 -- sh "$1/run_text_benchmark.sh" "$@" >/dev/null'
    script = f"scripts=$1 dir=$2; shift 2; {script.replace('$1', '$scripts').replace('$2', '$dir')}"
    script += '; sh "$scripts/job.sh" follow "$dir" 0 0 --files >/dev/null'
    alone = {"RKFLEET_BOARD_LOCK": one.home / "alone.lock", "RKFLEET_LEASE": one.home / "lease"}
    env = one.environment | {name: str(path) for name, path in alone.items()}
    added = []
    for index in range(SHORT + 1):
        cost = spend(["sh", "-c", script, "sh", scripts, top / f"run{index}", *words], env=env)
        end = json.loads((top / f"run{index}" / "end.json").read_text())
        added.append(cost.wall_s - end["duration_s"])
    shutil.rmtree(top)
    return statistics.median(added)


def _demo(one: Lab) -> Path:
    """The double of the demo with a second to wait in it, and a model file."""
    folder = one.home / "demo"
    folder.mkdir()
    text = (PROJECT / "tests" / "e2e" / "llm_demo.sh").read_text()
    assert "\nruler=" in text
    demo = folder / "llm_demo"
    demo.write_text(text.replace("\nruler=", "\nsleep 1\nruler=", 1))
    demo.chmod(0o755)
    (folder / MODEL).write_text("cores 3\nweights\n")
    return demo
