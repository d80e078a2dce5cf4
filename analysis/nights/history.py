"""Each series with its last judgement, whichever night that was: the whole of a history at a glance.

``judge_night`` answers for one night; a report also shows series that the last campaign did not measure.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from analysis.environment import changes
from analysis.nights.fast import Judged, judge_segment
from analysis.nights.segments import segments
from analysis.nights.values import Night, NightValue, Series


@dataclass(frozen=True)
class History:
    """One series: all its nights, the oldest first, and what the last of them is."""

    series: Series
    nights: tuple[NightValue, ...]
    last: Judged

    @property
    def valued(self) -> tuple[NightValue, ...]:
        """The nights that have a value."""
        return tuple(night for night in self.nights if night.value is not None)

    @property
    def changed(self) -> tuple[str, ...]:
        """On the board between the last good night and the first bad one; empty where no regression is open."""
        good, bad = self.last.last_good, self.last.first_bad
        return changes(good.environment, bad.environment) if good is not None and bad is not None else ()


def histories(nights: Sequence[Night], least: int = 2) -> tuple[History, ...]:
    """Every series that has a value on ``least`` nights, in their order."""
    found: defaultdict[Series, list[NightValue]] = defaultdict(list)
    for night in nights:
        for series, value in night.values.items():
            found[series].append(value)
    made = (_history(series, found[series]) for series in sorted(found))
    return tuple(one for one in made if len(one.valued) >= least)


def _history(series: Series, values: Iterable[NightValue]) -> History:
    nights = tuple(values)
    return History(series, nights, judge_segment(series.metric, segments(nights)[-1])[-1])
