"""The slow tier: the last week's nights against the weeks before them, for what is too small to fall out of a night.

An exact rank test of night values (``analysis.rank_tests``). With hundreds of series some are always the lowest by
chance, so only those are told of which no more than one in twenty is expected to be (false discovery rate), and only
from 2 % on. It is a note and no alarm: a warm week looks the same as a slow library.
"""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from analysis.nights.values import NightValue, Series
from analysis.rank_tests import false_discovery, mann_whitney
from analysis.tolerance import band, is_memory, worse_by

WEEK = 7  # nights
WEEKS_BEFORE = 28  # nights, the latest of them
LEAST_BEFORE = 7
RATE = 0.05
LEAST = 0.02  # MEASURING 2.4; of memory, the band of memory
EDGE = 3  # nights on either side of where it may have begun


@dataclass(frozen=True)
class Note:
    """One series of which the last week differs. ``began`` is the likeliest night, no more."""

    series: Series
    worse_by: float
    p: float
    began: str


def slow_changes(history: Mapping[Series, Sequence[NightValue]]) -> tuple[Note, ...]:
    """Of series with their nights under one condition, the oldest first; the greatest change first."""
    notes: list[Note] = []
    for series, nights in sorted(history.items()):
        valued = [night for night in nights if night.value is not None][-WEEK - WEEKS_BEFORE :]
        if len(valued) < WEEK + LEAST_BEFORE:
            continue
        values = [night.value for night in valued if night.value is not None]
        before, week = values[:-WEEK], values[-WEEK:]
        off = worse_by(series.metric, statistics.median(week), statistics.median(before))
        notes.append(Note(series, off, mann_whitney(before, week), valued[step_at(values)].night))
    believed = false_discovery([note.p for note in notes], RATE)
    kept = [note for note, yes in zip(notes, believed, strict=True) if yes and _matters(note, history[note.series])]
    return tuple(sorted(kept, key=lambda note: -abs(note.worse_by)))


def step_at(values: Sequence[float]) -> int:
    """The first place of the second of two levels that fit best: least sum of distances from the two medians."""
    places = range(EDGE, len(values) - EDGE + 1)
    return min(places, key=lambda place: _distance(values[:place]) + _distance(values[place:]))


def _distance(values: Sequence[float]) -> float:
    middle = statistics.median(values)
    return sum(abs(value - middle) for value in values)


def _matters(note: Note, nights: Sequence[NightValue]) -> bool:
    level = statistics.median(night.value for night in nights if night.value is not None)
    return abs(note.worse_by) >= (band(note.series.metric, level) if is_memory(note.series.metric) else LEAST)
