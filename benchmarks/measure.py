"""Turns and costs: contestants take turns in every round, and each turn's wall and CPU time is kept.

A machine that slows down in the middle of a run slows all contestants alike, so the ratio of one round is worth
more than the ratio of two averages: ``ratio`` is the median of the rounds' own ratios.
"""

from __future__ import annotations

import os
import resource
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

# As a person's shell has it: without this setting, which some machines have for all, modules are compiled once.
ENVIRONMENT = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}


class Failed(Exception):
    """A contestant did not do what it is measured for."""


@dataclass(frozen=True)
class Cost:
    """What one turn took. CPU is of the process and of the children it waited for."""

    wall_s: float
    user_s: float
    system_s: float

    @property
    def cpu_s(self) -> float:
        """User and system."""
        return self.user_s + self.system_s


Turns = dict[str, list[Cost]]


def spend(
    argv: Sequence[str | Path],
    *,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    check: Callable[[str], bool] = lambda _stdout: True,
) -> Cost:
    """Run a program to its end. Raises Failed when it fails, or when ``check`` does not like its output."""
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        began_s = time.perf_counter()
        child = subprocess.Popen(
            [str(word) for word in argv],
            cwd=cwd,
            env=env or ENVIRONMENT,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=err,
        )
        try:
            _, status, usage = os.wait4(child.pid, 0)  # the only call that tells the usage of one child
        except BaseException:
            child.kill()
            child.wait()
            raise
        wall_s = time.perf_counter() - began_s
        child.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0)
        err.seek(0)
        said = out.read().decode(errors="replace")
        if child.returncode != 0 or not check(said):
            complaint = err.read().decode(errors="replace") or said
            raise Failed(f"{' '.join(map(str, argv))} ended with {child.returncode}: {complaint[-2000:]}")
    return Cost(wall_s, usage.ru_utime, usage.ru_stime)


def spent(work: Callable[[], object]) -> Cost:
    """The cost of a call in this process; children that it waits for count too."""
    before = _used()
    began_s = time.perf_counter()
    work()
    wall_s = time.perf_counter() - began_s
    after = _used()
    return Cost(wall_s, after[0] - before[0], after[1] - before[1])


def _used() -> tuple[float, float]:
    own, children = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return own.ru_utime + children.ru_utime, own.ru_stime + children.ru_stime


def take_turns(contestants: Mapping[str, Callable[[], Cost]], rounds: int, *, warm_ups: int = 1) -> Turns:
    """All contestants in each round, every round beginning with the next one; warm-ups are not kept."""
    names = list(contestants)
    turns: Turns = {name: [] for name in names}
    for index in range(-warm_ups, rounds):
        first = index % len(names)
        for name in names[first:] + names[:first]:
            cost = contestants[name]()
            if index >= 0:
                turns[name].append(cost)
    return turns


def column(turns: Sequence[Cost], what: str) -> list[float]:
    """One number of each turn: ``wall_s``, ``cpu_s``, ``user_s``."""
    return [getattr(cost, what) for cost in turns]


def ratio(ours: Sequence[float], theirs: Sequence[float]) -> float:
    """The median of the rounds' ratios."""
    return statistics.median(our / max(their, 1e-9) for our, their in zip(ours, theirs, strict=True))


def spread(values: Sequence[float], unit: str, digits: int) -> str:
    """``median unit (least to most)``."""
    low, middle, high = min(values), statistics.median(values), max(values)
    return f"{middle:.{digits}f} {unit} ({low:.{digits}f} to {high:.{digits}f})"
