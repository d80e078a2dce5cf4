"""Nights that may be laid side by side: as long as the conditions stay, a segment goes on.

Another runtime, model file, driver or clock profile begins a new one. What that changed is told as a comparison of the
two (an A/B card), and is never an alarm: somebody wanted it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from analysis.conditions import differing
from analysis.nights.values import NightValue, Series
from analysis.ratio import Ratio, ratio_of_medians

WINDOW = 14  # nights of each side: two weeks, the same as the fast tier looks back


@dataclass(frozen=True)
class Segment:
    """Nights of one series under one condition, in the order of time; empty conditions where no night has a value."""

    nights: tuple[NightValue, ...]
    conditions: Mapping[str, str]

    @property
    def valued(self) -> tuple[NightValue, ...]:
        """The nights that have a value."""
        return tuple(night for night in self.nights if night.value is not None)


@dataclass(frozen=True)
class Card:
    """What a change of conditions did to one series. ``changed``: ``runtime 1.2.1 → 1.2.3``."""

    series: Series
    last_before: str
    first_after: str
    changed: tuple[str, ...]
    ratio: Ratio | None  # after over before; None where one side has no value


def segments(nights: Sequence[NightValue]) -> tuple[Segment, ...]:
    """The nights of one series, cut where the conditions change. A night without a value does not cut: a run that never
    started has no banner, so its runtime is unknown rather than another."""
    parts: list[list[NightValue]] = [[]]
    known: list[Mapping[str, str]] = [{}]
    for night in nights:
        if night.value is not None:
            if known[-1] and differing(known[-1], night.conditions):
                parts.append([])
                known.append({})
            known[-1] = night.conditions
        parts[-1].append(night)
    return tuple(Segment(tuple(part), conditions) for part, conditions in zip(parts, known, strict=True) if part)


def card(series: Series, before: Segment, after: Segment) -> Card | None:
    """The two segments as A and B; None where one of them has no value at all."""
    if not before.valued or not after.valued:
        return None
    unlike = differing(before.conditions, after.conditions)
    return Card(
        series=series,
        last_before=before.valued[-1].night,
        first_after=after.valued[0].night,
        changed=tuple(f"{name} {was} → {now}" for name, (was, now) in unlike.items()),
        ratio=ratio_of_medians(
            [night.repeats for night in before.valued[-WINDOW:]], [night.repeats for night in after.valued[-WINDOW:]]
        ),
    )
