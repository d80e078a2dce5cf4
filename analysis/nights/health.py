"""May this board be trusted tonight? A canary, one small cell that is always the same, says so before all else.

Its band is the median of the board's own good canaries, five at least, and 5 % or three robust spreads to both sides: a
board that is suddenly faster is no less suspicious, for then something else was measured. Of a new board the canaries
of its peers do. One canary out of the band is a hiccup, two in a row are a bad board; back in it twice, it is good
again. A board that does not answer is not bad but unknown. What a person decides, only a person takes back.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from analysis.nights.fast import LEAST_NIGHTS, MAD_TO_SD, SPREADS

WIDTH = 0.05  # nights of a healthy board differ by 0.8 to 1.5 % (MEASURING 2.3); three of these
IN_A_ROW = 2


class Health(StrEnum):
    """The standing of a board. Good and unknown boards are measured; of a bad one only the canary."""

    UNKNOWN = "unknown"
    GOOD = "good"
    BAD = "bad"
    MAINTENANCE = "maintenance"  # a person works on it
    RETIRED = "retired"  # a person took it out


class Word(StrEnum):
    """What a person can say of a board."""

    MAINTENANCE = "maintenance"
    RETIRED = "retired"
    BACK = "back"  # from either: unknown, until its canary has been seen


@dataclass(frozen=True)
class Band:
    """Where a canary is expected to be, both ends included."""

    low: float
    high: float

    def holds(self, value: float) -> bool:
        """Is it there."""
        return self.low <= value <= self.high


@dataclass(frozen=True)
class Canary:
    """One night's canary. ``value`` None: there was none, ``why`` says it."""

    night: str
    value: float | None
    band: Band | None
    why: str = ""


@dataclass(frozen=True)
class Said:
    """What a person said of the board that night."""

    night: str
    word: Word
    why: str = ""


@dataclass(frozen=True)
class Standing:
    """A board's health since ``since``; the counts are of canaries in a row."""

    health: Health = Health.UNKNOWN
    since: str = ""
    why: str = "never measured"
    inside: int = 0
    outside: int = 0
    silent: int = 0

    @property
    def measured(self) -> bool:
        """Are its cells measured tonight."""
        return self.health in (Health.GOOD, Health.UNKNOWN)


def band_of(canaries: Sequence[float], peers: Sequence[float] = (), width: float = WIDTH) -> Band | None:
    """From the board's latest good canaries, or its peers'; None where there are too few of both. ``width``: part of
    the level to both sides that is always good."""
    values = canaries if len(canaries) >= LEAST_NIGHTS else peers
    if len(values) < LEAST_NIGHTS:
        return None
    level = statistics.median(values)
    spread = MAD_TO_SD * statistics.median(abs(value - level) for value in values)
    room = max(width * level, SPREADS * spread)
    return Band(level - room, level + room)


def standing(events: Iterable[Canary | Said], start: Standing | None = None) -> Standing:
    """What a board is after these events, in their order."""
    now = start or Standing()
    for event in events:
        now = after(now, event)
    return now


def after(now: Standing, event: Canary | Said) -> Standing:
    """One step. A board that a person took out hears nothing but a person."""
    if isinstance(event, Said):
        return Standing(_SAID[event.word], event.night, event.why or f"somebody said {event.word}")
    if now.health in (Health.MAINTENANCE, Health.RETIRED):
        return now
    if event.value is None:
        return _silent(now, event)
    if event.band is None:
        return replace(now, silent=0, why="no band for its canary yet")
    return _inside(now, event) if event.band.holds(event.value) else _outside(now, event, event.value, event.band)


_SAID = {Word.MAINTENANCE: Health.MAINTENANCE, Word.RETIRED: Health.RETIRED, Word.BACK: Health.UNKNOWN}


def _silent(now: Standing, event: Canary) -> Standing:
    counted = replace(now, silent=now.silent + 1)
    if now.health is Health.GOOD and counted.silent >= IN_A_ROW:
        why = event.why or "no canary"
        return replace(counted, health=Health.UNKNOWN, since=event.night, why=why)
    return counted


def _inside(now: Standing, event: Canary) -> Standing:
    counted = replace(now, inside=now.inside + 1, outside=0, silent=0)
    if now.health is Health.GOOD or (now.health is Health.BAD and counted.inside < IN_A_ROW):
        return counted
    return replace(counted, health=Health.GOOD, since=event.night, why="its canary is in its band")


def _outside(now: Standing, event: Canary, value: float, band: Band) -> Standing:
    counted = replace(now, inside=0, outside=now.outside + 1, silent=0)
    if now.health is Health.BAD or counted.outside < IN_A_ROW:
        return counted
    why = f"canary {value:g}, expected {band.low:g} to {band.high:g}, {IN_A_ROW} times in a row"
    return replace(counted, health=Health.BAD, since=event.night, why=why)
