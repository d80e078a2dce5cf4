"""Each rule of the referee, seen to fail: one honest world, and one forgery of it for everything that may go wrong."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import pytest

from tests.chaos.referee import Demo, Driver, Evidence, Home, Snapshot, Truth, Violation, judge

OK, CUT, SHOT, NEVER, STOPPED = (f"night/{number:03d}" for number in range(1, 6))
BOOT, LATER = "boot-1", "boot-2"


def file(data: bytes) -> tuple[int, str]:
    return len(data), hashlib.sha256(data).hexdigest()


@dataclass(frozen=True)
class Case:
    """All that the referee gets."""

    boards: tuple[Truth, ...]
    homes: tuple[Home, ...]
    drivers: tuple[Driver, ...]
    processes: tuple[str, ...] = ()

    def judged(self) -> tuple[Violation, ...]:
        return judge(self.boards, self.homes, self.drivers, self.processes)

    def board(self, **other: Any) -> Case:
        return replace(self, boards=(replace(self.boards[0], **other),))

    def home(self, **other: Any) -> Case:
        return replace(self, homes=(replace(self.homes[0], **other),))

    def driver(self, **other: Any) -> Case:
        return replace(self, drivers=(replace(self.drivers[0], **other),))

    def evidence(self, run: str, **other: Any) -> Case:
        every = self.homes[0].evidence
        return self.home(evidence=tuple(replace(one, **other) if one.run == run else one for one in every))

    def without(self, run: str) -> Case:
        return self.home(evidence=tuple(one for one in self.homes[0].evidence if one.run != run))

    def demo(self, run: str, **other: Any) -> Case:
        every = self.boards[0].demos
        return self.board(demos=tuple(replace(one, **other) if one.run == run else one for one in every))


def evidence(run: str, told: str, *, outcome: str | None = None, end: dict[str, Any] | None = None) -> Evidence:
    logs = {} if run == NEVER else {"stdout.log": b"what it said\n", "stderr.log": b""}
    files = {name: file(data) for name, data in logs.items()} | {"spec.json": file(run.encode())}
    files |= {} if run == NEVER else {"start.json": file(b"start")}
    files |= {} if end is None else {"end.json": file(b"end")}
    files |= {} if outcome is None else {"outcome.json": file(b"outcome")}
    start = None if run == NEVER else {"boot_id": BOOT if run in (OK, CUT) else LATER}
    return Evidence(
        "a", run, files, dict(files), outcome, start, end, told, logs, "reserved by anna@lab" if outcome else ""
    )


def honest() -> Case:
    """One run went well, one was cut by a restart, one shot without a trace, one never begun, one cancelled."""
    end = {"boot_id": BOOT, "limit_s": 30, "duration_s": 2.0}
    have = (
        evidence(OK, "ok", end=end | {"result": "success", "exit_code": 0}),
        evidence(CUT, "rebooted", outcome="rebooted"),
        evidence(SHOT, "lost", outcome="lost"),
        evidence(NEVER, "unreachable", outcome="unreachable"),
        evidence(STOPPED, "cancelled", end=end | {"result": "cancelled", "boot_id": LATER}),
    )
    disk = {
        one.run: {name: seen for name, seen in one.files.items() if name != "outcome.json"}
        for one in have
        if one.run != NEVER
    }
    truth = Truth(
        "a",
        demos=(
            Demo(OK, 1.0, 2.0, 0, BOOT),
            Demo(CUT, 3.0, 4.0, None, BOOT),
            Demo(SHOT, 6.0, 7.0, None, LATER),
            Demo(STOPPED, 8.0, 9.0, None, LATER),
        ),
        ended_boots=frozenset({BOOT}),
        snapshots=(Snapshot("power_loss", 4.0, {OK: disk[OK], CUT: disk[CUT]}),),
        disk=disk,
        cancels=((8.5, 9.5),),
        killed=frozenset({SHOT}),
    )
    home = Home("home-1", {"a": (OK, CUT, SHOT, NEVER, STOPPED)}, have)
    return Case((truth,), (home,), (Driver("bench", 1, "what it printed"),))


def test_an_honest_world_has_nothing_against_it() -> None:
    assert honest().judged() == ()
    assert honest().home(again=True).judged() == ()


END = {"boot_id": BOOT, "limit_s": 30, "duration_s": 2.0}
FORGED: dict[str, tuple[int, Callable[[Case], Case]]] = {
    "a run has no evidence": (1, lambda case: case.home(planned={}).without(OK)),
    "a run has two folders": (1, lambda case: case.home(evidence=case.homes[0].evidence * 2)),
    "a run that was cut is called lost": (1, lambda case: case.evidence(CUT, outcome="lost", told="lost")),
    "a lost run is called rebooted": (1, lambda case: case.evidence(SHOT, outcome="rebooted", told="rebooted")),
    "a run is lost for no reason": (1, lambda case: case.board(killed=frozenset())),
    "a failure is called success": (1, lambda case: case.demo(OK, code=1)),
    "success without an execution": (1, lambda case: case.board(demos=case.boards[0].demos[1:])),
    "a success is called failure": (
        1,
        lambda case: case.evidence(OK, end=END | {"result": "exit-code", "exit_code": 1}, told="failed"),
    ),
    "cancelled by nobody": (1, lambda case: case.board(cancels=())),
    "cancelled before it began": (1, lambda case: case.board(cancels=((5.0, 7.5),))),
    "a timeout before its time": (1, lambda case: case.evidence(OK, end=END | {"result": "timeout"}, told="timeout")),
    "ended in another boot": (
        1,
        lambda case: case.evidence(OK, end=END | {"result": "success", "boot_id": LATER}),
    ),
    "began in another boot": (1, lambda case: case.evidence(OK, start={"boot_id": LATER})),
    "the board's word is written over": (1, lambda case: case.evidence(OK, outcome="unreachable")),
    "the board's word is not here": (1, lambda case: case.evidence(OK, end=None, outcome="lost", told="lost")),
    "a run that was begun is called unreachable": (
        1,
        lambda case: case.evidence(CUT, outcome="unreachable", told="unreachable"),
    ),
    "an outcome of a run that never was": (1, lambda case: case.evidence(NEVER, outcome="rebooted", told="rebooted")),
    "no reason": (1, lambda case: case.evidence(NEVER, reason="")),
    "reserved, and nobody knows by whom": (1, lambda case: case.evidence(NEVER, reason="reserved")),
    "the analyst says something else": (1, lambda case: case.evidence(CUT, told="failed")),
    "a run is executed twice": (
        2,
        lambda case: case.board(demos=(*case.boards[0].demos, Demo(OK, 10.0, 11.0, 0, BOOT))),
    ),
    "two runs at once": (2, lambda case: case.demo(OK, ended_s=3.5)),
    "a run that never ends beside another": (2, lambda case: case.demo(OK, ended_s=None)),
    "a file is not here": (
        3,
        lambda case: case.evidence(
            OK, files={"spec.json": file(OK.encode())}, manifest={"spec.json": file(OK.encode())}
        ),
    ),
    "a file is another one here": (
        3,
        lambda case: case.board(disk={**case.boards[0].disk, OK: {"start.json": file(b"another")}}),
    ),
    "a log is shorter than it was at the power loss": (
        3,
        lambda case: case.board(
            snapshots=(
                Snapshot(
                    "power_loss", 4.0, {CUT: {"start.json": file(b"start"), "stdout.log": file(b"what it said\n" * 2)}}
                ),
            )
        ),
    ),
    "a log begins with something else than it did": (
        3,
        lambda case: case.board(
            snapshots=(Snapshot("power_loss", 4.0, {CUT: {"start.json": file(b"start"), "stdout.log": file(b"What")}}),)
        ),
    ),
    "an end is gone that was on the disk": (
        3,
        lambda case: case.board(
            snapshots=(Snapshot("power_loss", 4.0, {CUT: {"start.json": file(b"start"), "end.json": file(b"end")}}),)
        ),
    ),
    "no manifest": (3, lambda case: case.evidence(NEVER, manifest=None)),
    "a manifest lacks a file": (3, lambda case: case.evidence(NEVER, manifest={})),
    "a manifest says another sum": (
        3,
        lambda case: case.evidence(NEVER, manifest={**case.homes[0].evidence[3].files, "spec.json": file(b"other")}),
    ),
    "a lock is held": (4, lambda case: case.board(locks=("the board",))),
    "a lease is left": (4, lambda case: case.board(leases=("lease.json",))),
    "something is left in the store": (4, lambda case: case.board(litter=("models/x.part",))),
    "a run's process is left": (4, lambda case: case.board(processes=("4711 llm_demo",))),
    "a clock is not where it was": (4, lambda case: case.board(clocks=("dmc/governor is userspace",))),
    "something is left in collected": (4, lambda case: case.home(litter=("collected/night/a/.001.x.part",))),
    "a driver's process is left": (4, lambda case: replace(case, processes=("4711 ssh",))),
    "executed, and planned, and not here": (5, lambda case: case.without(CUT)),
    "given again, and a run has no outcome": (5, lambda case: case.home(again=True).without(NEVER)),
    "a traceback": (6, lambda case: case.driver(output="Traceback (most recent call last):")),
    "an error in a destructor": (6, lambda case: case.driver(output="Exception ignored in: <thread>")),
    "an exit code that nobody knows": (6, lambda case: case.driver(code=5)),
    "dead of a signal that nobody sent": (6, lambda case: case.driver(code=-9)),
    "dead of an interrupt": (6, lambda case: case.driver(code=-2)),
    "a hang": (6, lambda case: case.driver(code=None)),
    "a failure when all was well": (6, lambda case: case.driver(code=1, must=0)),
}


@pytest.mark.parametrize(("rule", "forge"), FORGED.values(), ids=FORGED.keys())
def test_a_forgery_is_found(rule: int, forge: Callable[[Case], Case]) -> None:
    case = honest()
    found = {violation.rule for violation in forge(case).judged()}
    assert rule in found


def test_what_is_no_forgery_is_left_alone() -> None:
    case = honest()
    assert case.driver(code=-9, killed=True).judged() == ()
    assert case.board(snapshots=(Snapshot("power_loss", 1.0, {NEVER: {"spec.json": file(b"x")}}),)).judged() == ()
    assert case.without(NEVER).judged() == (), "planned, not begun, not here: it may still be given again"
