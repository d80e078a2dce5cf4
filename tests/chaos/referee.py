"""What must hold after any chaos, as one pure comparison of the ground truth with what was collected.

1 a run that its board began has one evidence folder in each home, and its outcome is the true one
2 no run is executed twice, and no two at once on one board
3 every byte of a run that its board had on the disk, at the end or when it lost its power, is here and verified
4 nothing is left: no lock, no lease, no half file, no process, no clock that is not where it was
5 what was planned and has no evidence was never executed; given again, everything that was planned has an outcome
6 a driver ends in time, with an exit code that is documented, and without a traceback

The truth comes from the boards' own logs of what really happened, and from their disks: nothing that is judged here
had a hand in it. A run is named ``<campaign>/<run>``.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

Files = Mapping[str, tuple[int, str]]  # size and sha256 by name
Span = tuple[float, float]

EXIT_CODES = {0, 1, 2, 3, 4, 130}
LOGS = ("stdout.log", "stderr.log")
WORDS = {"success": "ok", "cancelled": "cancelled", "timeout": "timeout", "oom-kill": "oom"}
NEVER_BEGUN = {"unreachable", "skipped", "failed"}  # what a row of a run may say that its board never heard of


@dataclass(frozen=True)
class Violation:
    """A rule that was broken, by what, and what was seen."""

    rule: int
    where: str
    what: str

    def __str__(self) -> str:
        return f"rule {self.rule}: {self.where}: {self.what}"


@dataclass(frozen=True)
class Demo:
    """One execution of the demo, as the board's device saw it; ``code`` is None when it did not end by itself.

    ``boot_id`` is None for a board whose boots the truth does not know.
    """

    run: str
    began_s: float
    ended_s: float | None
    code: int | None
    boot_id: str | None = None


@dataclass(frozen=True)
class Snapshot:
    """What the runs had on the disk at one moment."""

    at: str
    t_s: float
    runs: Mapping[str, Files]


@dataclass(frozen=True)
class Truth:
    """What really happened to one board, and what is on it when all is over.

    ``clocks``: files of sysfs that do not say what they said before. ``cancels``: from when to when somebody was
    cancelling; ``killed``: runs that were shot with all that watches them; ``spoilt``: its disk was full or its memory
    bad, so what a program says may differ from what it did.
    """

    board: str
    demos: tuple[Demo, ...] = ()
    ended_boots: frozenset[str] = frozenset()
    snapshots: tuple[Snapshot, ...] = ()
    disk: Mapping[str, Files] = field(default_factory=dict)
    locks: tuple[str, ...] = ()
    leases: tuple[str, ...] = ()
    litter: tuple[str, ...] = ()
    processes: tuple[str, ...] = ()
    clocks: tuple[str, ...] = ()
    cancels: tuple[Span, ...] = ()
    killed: frozenset[str] = frozenset()
    spoilt: bool = False

    def begun(self) -> set[str]:
        """The runs that it executed, or was about to."""
        return {demo.run for demo in self.demos} | {run for run, files in self.disk.items() if "start.json" in files}


@dataclass(frozen=True)
class Evidence:
    """One run's folder in ``collected/``. ``outcome`` and ``reason`` are what the workstation wrote, ``told``
    is what the analyst says."""

    board: str
    run: str
    files: Files
    manifest: Files | None
    outcome: str | None
    start: Mapping[str, Any] | None
    end: Mapping[str, Any] | None
    told: str
    logs: Mapping[str, bytes] = field(default_factory=dict)
    reason: str = ""


@dataclass(frozen=True)
class Home:
    """One workstation: what it planned, by board, and what it has. ``again``: its campaign was given a second time."""

    name: str
    planned: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    evidence: tuple[Evidence, ...] = ()
    litter: tuple[str, ...] = ()
    again: bool = False


@dataclass(frozen=True)
class Driver:
    """One process of ours. ``code`` is None when it had to be ended; ``must``: what it has to end with, where known."""

    words: str
    code: int | None
    output: str
    killed: bool = False
    must: int | None = None


def judge(
    boards: tuple[Truth, ...],
    homes: tuple[Home, ...],
    drivers: tuple[Driver, ...] = (),
    processes: tuple[str, ...] = (),
) -> tuple[Violation, ...]:
    """Everything that does not hold. ``processes``: of drivers, still alive."""
    found: list[Violation] = []
    for truth in boards:
        found += _executions(truth)
        found += _board_is_clean(truth)
        for home in homes:
            found += _outcomes(truth, home)
            found += _bytes(truth, home)
    for home in homes:
        found += _verified(home)
        found += _plan(home, boards)
        found += [Violation(4, f"home {home.name}", f"{name} is left") for name in home.litter]
    for driver in drivers:
        found += _driver(driver)
    found += [Violation(4, "this workstation", f"a process is left: {process}") for process in processes]
    return tuple(found)


# --- rule 1 ---------------------------------------------------------------------------------------------------------


def _outcomes(truth: Truth, home: Home) -> Iterator[Violation]:
    for run in sorted(truth.begun()):
        folders = [one for one in home.evidence if (one.board, one.run) == (truth.board, run)]
        where = f"home {home.name}, {truth.board} {run}"
        if len(folders) != 1:
            yield Violation(1, where, f"it was begun and has {len(folders)} evidence folders")
        for one in folders:
            seen = _untrue(truth, one)
            if seen:
                yield Violation(1, where, seen)
    for one in home.evidence:
        if one.board == truth.board and one.run not in truth.begun() and one.outcome not in NEVER_BEGUN:
            said = one.outcome or (one.end or {}).get("result")
            yield Violation(1, f"home {home.name}, {one.board} {one.run}", f"never begun, and its evidence says {said}")
        if one.outcome is not None and (not one.reason or ("reserved" in one.reason and "@" not in one.reason)):
            yield Violation(
                1, f"home {home.name}, {one.board} {one.run}", f"{one.outcome}, for no reason: {one.reason!r}"
            )


def _untrue(truth: Truth, one: Evidence) -> str | None:
    """Why the outcome of a run that was begun is not what became of it; None when it is."""
    codes = [demo.code for demo in truth.demos if demo.run == one.run]
    boots = {demo.boot_id for demo in truth.demos if demo.run == one.run and demo.boot_id is not None}
    if one.start is not None and boots and boots != {one.start.get("boot_id")}:
        return f"its start.json is of boot {one.start.get('boot_id')}, and its demo ran in {', '.join(sorted(boots))}"
    began_s = min((demo.began_s for demo in truth.demos if demo.run == one.run), default=None)
    ended_s = max((demo.ended_s or 0.0 for demo in truth.demos if demo.run == one.run), default=0.0)
    if "end.json" in truth.disk.get(one.run, {}):
        if one.end is None:
            return f"its board has an end.json, and the evidence says {one.outcome} without one"
        word = str(one.end.get("result"))
        true = WORDS.get(word, "failed")
        if one.outcome is not None:
            return f"its board recorded {word}, and the workstation wrote {one.outcome} over it"
        if one.start is not None and one.end.get("boot_id") != one.start.get("boot_id"):
            return "it ended in another boot than it began in, and has an end.json"
        problem = _end_is_false(truth, word, one.end, codes, (began_s, ended_s))
        if problem:
            return problem
    else:
        boots |= set() if one.start is None else {str(one.start.get("boot_id"))}
        true = "rebooted" if boots & truth.ended_boots else "lost"
        if one.outcome != true:
            return f"it is {true}, and the evidence says {one.outcome or (one.end or {}).get('result')}"
        if true == "lost" and one.run not in truth.killed:
            return "it is lost, and nothing was done to it that leaves no trace"
    told = {true}
    if true == "ok" and truth.spoilt:
        told = {"ok", "tainted", "failed"}
    return None if one.told in told else f"it is {true}, and the analyst says {one.told}"


def _end_is_false(
    truth: Truth, word: str, end: Mapping[str, Any], codes: list[int | None], span: tuple[float | None, float]
) -> str | None:
    if word == "success" and codes != [0]:
        return f"it recorded success, and its demo ended with {codes}"
    if word in ("exit-code", "signal") and codes == [0] and not truth.spoilt:
        return f"it recorded {word} {end.get('exit_code')}, and its demo ended with 0"
    if word in ("exit-code", "signal") and codes in ([None], []) and not truth.spoilt and not truth.killed:
        return f"it recorded {word} {end.get('exit_code')}, and nobody did anything to its demo {codes}"
    if word == "timeout" and float(end.get("duration_s") or 0) < float(end.get("limit_s") or 0):
        return f"it recorded a timeout after {end.get('duration_s')} s of {end.get('limit_s')}"
    if word == "cancelled":
        began_s, ended_s = span
        while_it_ran = [c for c in truth.cancels if began_s is None or (c[0] <= ended_s and c[1] >= began_s)]
        if not while_it_ran:
            return "it recorded cancelled, and nobody was cancelling while it ran"
    return None


# --- rule 2 ---------------------------------------------------------------------------------------------------------


def _executions(truth: Truth) -> Iterator[Violation]:
    for run in sorted({demo.run for demo in truth.demos}):
        times = [demo.began_s for demo in truth.demos if demo.run == run]
        if len(times) > 1:
            yield Violation(2, f"{truth.board} {run}", f"its demo was started {len(times)} times, at {times}")
    for first, second in pairwise(sorted(truth.demos, key=lambda demo: demo.began_s)):
        if first.ended_s is None or first.ended_s > second.began_s:
            yield Violation(2, truth.board, f"{first.run} and {second.run} ran at the same time")


# --- rule 3 ---------------------------------------------------------------------------------------------------------


def _bytes(truth: Truth, home: Home) -> Iterator[Violation]:
    have = {one.run: one for one in home.evidence if one.board == truth.board}
    for run, files in sorted(truth.disk.items()):
        if "start.json" not in files or run not in have:
            continue
        for name, there in sorted(files.items()):
            here = have[run].files.get(name)
            if here != there:
                what = f"{name} is {_shown(there)} on the board and {_shown(here)} here"
                yield Violation(3, f"home {home.name}, {truth.board} {run}", what)
    for snapshot in truth.snapshots:
        for run, files in sorted(snapshot.runs.items()):
            if "start.json" in files and run in have:
                yield from _kept(truth, home, snapshot, have[run], files)


def _kept(truth: Truth, home: Home, snapshot: Snapshot, one: Evidence, files: Files) -> Iterator[Violation]:
    """What was on the disk at that moment is still in what is here."""
    for name, (size, digest) in sorted(files.items()):
        where = f"home {home.name}, {truth.board} {one.run}"
        if name in LOGS:
            log = one.logs.get(name, b"")
            if len(log) < size or hashlib.sha256(log[:size]).hexdigest() != digest:
                what = f"{name} had {size} bytes at {snapshot.at} that are not the beginning of the {len(log)} here"
                yield Violation(3, where, what)
        elif one.files.get(name) != (size, digest):
            yield Violation(3, where, f"{name} was on the disk at {snapshot.at}, and here is {one.files.get(name)}")


def _verified(home: Home) -> Iterator[Violation]:
    for one in home.evidence:
        where = f"home {home.name}, {one.board} {one.run}"
        if one.manifest is None:
            yield Violation(3, where, "it has no manifest")
            continue
        for name in sorted({*one.files, *one.manifest}):
            if one.files.get(name) != one.manifest.get(name):
                seen, said = _shown(one.files.get(name)), _shown(one.manifest.get(name))
                yield Violation(3, where, f"{name} is {seen}, its manifest says {said}")


def _shown(file: tuple[int, str] | None) -> str:
    return "not there" if file is None else f"{file[0]} bytes ({file[1][:8]})"


# --- rule 4 ---------------------------------------------------------------------------------------------------------


def _board_is_clean(truth: Truth) -> Iterator[Violation]:
    left = [f"the lock of {lock} is held" for lock in truth.locks]
    left += [f"a lease is left: {lease}" for lease in truth.leases]
    left += [f"{name} is left in the store" for name in truth.litter]
    left += [f"a process is left: {process}" for process in truth.processes]
    left += [f"a clock was not put back: {clock}" for clock in truth.clocks]
    for what in left:
        yield Violation(4, truth.board, what)


# --- rule 5 ---------------------------------------------------------------------------------------------------------


def _plan(home: Home, boards: tuple[Truth, ...]) -> Iterator[Violation]:
    begun = {truth.board: truth.begun() for truth in boards}
    have = [(one.board, one.run) for one in home.evidence]
    for board, runs in home.planned.items():
        for run in runs:
            where, count = f"home {home.name}, {board} {run}", have.count((board, run))
            if count == 0 and run in begun.get(board, ()):
                yield Violation(5, where, "it was executed, and there is no evidence of it")
            if home.again and count != 1:
                yield Violation(5, where, f"the campaign was given again, and it has {count} outcomes")


# --- rule 6 ---------------------------------------------------------------------------------------------------------


def _driver(driver: Driver) -> Iterator[Violation]:
    end = "\n".join(driver.output.splitlines()[-12:])
    if "Traceback" in driver.output or "Exception ignored" in driver.output:
        yield Violation(6, driver.words, f"a traceback:\n{driver.output[-3000:]}")
    if driver.code is None:
        yield Violation(6, driver.words, f"it did not end in time; its last words:\n{end}")
    elif driver.code not in EXIT_CODES and not (driver.killed and driver.code == -9):
        yield Violation(6, driver.words, f"it ended with {driver.code}:\n{end}")
    elif driver.must is not None and driver.code != driver.must:
        yield Violation(6, driver.words, f"it ended with {driver.code}, and nothing was wrong any more:\n{end}")
