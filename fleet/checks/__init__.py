"""Is a board fit to be measured on: one class a check, in the order in which trouble usually comes.

``judge`` is pure: facts, inventory and catalogue in, findings out. A new check is a class in one of the modules and its
place in ``CHECKS``; ``docs/01_hardware.md`` has the same list, and a test compares the two.
"""

from __future__ import annotations

from dataclasses import replace

from fleet.checks.artifacts import ModelFiles
from fleet.checks.check import Check, Finding, Subject, Verdict, Wanted
from fleet.checks.clocks import Clocks, DramClock, Temperature
from fleet.checks.driver import DriverVersion, Kernel, NpuDevice, NpuDriver
from fleet.checks.programs import Demo, Glibc, LibraryVersions, RkllmLibrary, Tools
from fleet.checks.room import BackgroundLoad, Disk, Memory, NpuUsers, Swap, WallClock

__all__ = ["CHECKS", "Check", "Finding", "Subject", "Verdict", "Wanted", "judge"]

CHECKS: tuple[Check, ...] = (
    NpuDriver(),
    DriverVersion(),
    Kernel(),
    NpuDevice(),
    RkllmLibrary(),
    LibraryVersions(),
    Glibc(),
    Demo(),
    Tools(),
    Clocks(),
    DramClock(),
    Temperature(),
    Swap(),
    Memory(),
    Disk(),
    BackgroundLoad(),
    NpuUsers(),
    WallClock(),
    ModelFiles(),
)


def judge(board: Subject) -> tuple[Finding, ...]:
    """What every check says of this board, in their order."""
    return tuple(_judged(check, board) for check in CHECKS)


def _judged(check: Check, board: Subject) -> Finding:
    finding = check.judge(board)
    if finding.verdict is Verdict.FAIL and check.momentary and board.resumed:
        seen = f"{finding.seen}; a run of this campaign may still be going on there"
        return replace(finding, verdict=Verdict.WARN, seen=seen, action="")
    return finding
