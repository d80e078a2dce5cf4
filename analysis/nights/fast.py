"""The fast tier: each night against the level of the accepted nights before it, and a second look before any alarm.

The level is the median of up to 14 accepted nights of the segment, five at least. Out is a night that is worse by more
than 3 %, by more than three robust spreads of those nights (3 x 1.4826 MAD), and by more than the noise floor;
docs/performance.md has what this rule finds and how often it cries wolf. What is out is measured once more after
cooling down. Out both times is a regression, out once is flaky, and neither enters the level. Two nights in a row that
nobody measured again confirm each other.

A regression stays open, and asks for no second measurement, until a night is back within the limit.
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from analysis.nights.segments import WINDOW, Segment
from analysis.nights.values import NightValue
from analysis.ratio import Ratio, against_nights
from analysis.tolerance import band, worse_by

LEAST_NIGHTS = 5  # before a level means anything: of four, the MAD is a guess
SPREADS = 3.0
MAD_TO_SD = 1.4826  # of a normal distribution
NOISE_FLOOR = 0.005  # the clocks and timers of a board are no better than this


class State(StrEnum):
    """What one night of one series is."""

    OK = "ok"
    LEARNING = "learning"  # too few nights under these conditions
    NO_VALUE = "no value"  # too few valid repeats, or too far apart
    SUSPECT = "suspect"  # out of the limit, and not measured again yet
    FLAKY = "flaky"  # out the first time, fine the second
    REGRESSION = "regression"  # out both times
    STILL = "still"  # a regression of a night before that is not over


ACCEPTED = (State.OK, State.LEARNING)
DOWN = (State.REGRESSION, State.STILL)


@dataclass(frozen=True)
class Judged:
    """A night with its state. ``level``, ``limit`` and ``worse_by`` are None where there is no level to hold it to.

    ``limit`` and ``worse_by`` are parts of the level. ``last_good`` and ``first_bad`` are of an open regression.
    """

    night: NightValue
    state: State
    level: float | None = None
    limit: float | None = None
    worse_by: float | None = None
    size: Ratio | None = (
        None  # of what is out, and of the last night only: all nights since the first bad one, over the level
    )
    last_good: NightValue | None = None
    first_bad: NightValue | None = None


def judge_segment(metric: str, segment: Segment) -> tuple[Judged, ...]:
    """Every night of a segment, which has one at least, the oldest first, each by those before it alone."""
    accepted: list[NightValue] = []
    judged: list[Judged] = []
    for night in segment.nights:
        one = _judge(metric, night, accepted[-WINDOW:], [one for one in judged if one.state is not State.NO_VALUE])
        judged.append(one)
        if one.state in ACCEPTED:
            accepted.append(night)
    return (*judged[:-1], _sized(judged, accepted[-WINDOW:]))


def limit_of(metric: str, values: Sequence[float]) -> tuple[float, float]:
    """The level of these night values, and by which part of it a night may be worse."""
    level = statistics.median(values)
    spread = MAD_TO_SD * statistics.median(abs(value - level) for value in values) / level
    return level, max(band(metric, level), SPREADS * spread, NOISE_FLOOR)


def _judge(metric: str, night: NightValue, accepted: Sequence[NightValue], judged: Sequence[Judged]) -> Judged:
    values = [one.value for one in accepted if one.value is not None]
    if night.value is None:
        return Judged(night, State.NO_VALUE)
    if len(values) < LEAST_NIGHTS:
        return Judged(night, State.LEARNING)
    level, limit = limit_of(metric, values)
    off = worse_by(metric, night.value, level)
    if off <= limit:
        return Judged(night, State.OK, level, limit, off)
    latest = judged[-1] if judged else None
    last_good, first_bad = accepted[-1], night
    if latest is not None and latest.state in DOWN:
        state, last_good, first_bad = State.STILL, latest.last_good or last_good, latest.first_bad or night
    elif night.again_value is not None:
        state = State.REGRESSION if worse_by(metric, night.again_value, level) > limit else State.FLAKY
    elif latest is not None and latest.state is State.SUSPECT:
        state, first_bad = State.REGRESSION, latest.night
    else:
        state = State.SUSPECT
    return Judged(night, state, level, limit, off, None, last_good, first_bad)


def _sized(judged: Sequence[Judged], accepted: Sequence[NightValue]) -> Judged:
    """The last night; one that is out with its size, by all nights since the first bad one."""
    last = judged[-1]
    if last.first_bad is None:
        return last
    first = next(place for place, one in enumerate(judged) if one.night is last.first_bad)
    bad = [one.night.value for one in judged[first:] if one.night.value is not None]
    good = [one.value for one in accepted if one.value is not None]
    return replace(last, size=against_nights(good, bad))
