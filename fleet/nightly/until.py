"""Where a night ends: nothing is begun that would, by prediction, go on after that.

A run that finds no room keeps its row as ``skipped`` with that reason, so that the table is as long as the plan. What
was begun is never cut: a night may overrun by what its last run was mispredicted.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from fleet import defaults
from fleet.errors import ConfigError
from fleet.need import Again, Need, NeedOf

if TYPE_CHECKING:
    from fleet.config.inventory import BoardEntry
    from fleet.facts import Facts
    from fleet.plan import PlannedRun

Clock = Callable[[], datetime]
OVER = "the night ends at"  # how the reason of a run begins that found no room


def next_time(text: str, now: datetime, option: str = "--until") -> datetime:
    """The next moment at which the clock of this workstation shows ``06:00``. Raises ConfigError."""
    matched = re.fullmatch(r"([01]?\d|2[0-3]):([0-5]\d)", text, re.ASCII)
    if matched is None:
        raise ConfigError(f"{text!r} is no time of day", key=option, hint=f"{option} 06:00")
    local = now.astimezone()
    # Naive and back, so that a night in which the clocks change ends when the clock on the wall says so.
    wall = local.replace(hour=int(matched[1]), minute=int(matched[2]), second=0, microsecond=0, tzinfo=None)
    return next(at for at in (wall.astimezone(), (wall + timedelta(days=1)).astimezone()) if at > local)


def bounded(need: NeedOf, until: datetime | None, now: Clock) -> NeedOf:
    """The same needs, and no room for a run that would end after ``until``."""
    if until is None:
        return need

    def judge(entry: BoardEntry, facts: Facts, planned: PlannedRun) -> Need:
        found = need(entry, facts, planned)
        takes_s = defaults.NIGHT_RUN_S if found.expected_s is None else found.expected_s + defaults.NIGHT_BETWEEN_S
        left_s = (until - now()).total_seconds()
        if found.skip is not None or takes_s <= left_s:
            return found
        over = f"{OVER} {until.astimezone():%H:%M}"
        room = f", and it takes {takes_s:.0f} s" if left_s > 0 else ""
        return replace(found, skip=over + room)

    return judge


def settled(again: Callable[[str], Again], until: datetime | None, now: Clock) -> Callable[[str], Again]:
    """No further repeats either once the night is over."""
    if until is None:
        return again
    return lambda board: (lambda _planned: False) if now() >= until else again(board)
