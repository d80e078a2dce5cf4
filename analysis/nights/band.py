"""Where a board's canary, one small cell that is always the same, is expected to be.

The median of the board's own good canaries, five at least, and 5 % or three robust spreads to both sides: a board that
is suddenly faster is no less suspicious, for then something else was measured. Of a new board the canaries of its
peers do.
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from analysis.nights.fast import LEAST_NIGHTS, MAD_TO_SD, SPREADS

WIDTH = 0.05  # nights of a healthy board differ by 0.8 to 1.5 % (MEASURING 2.3); three of these


@dataclass(frozen=True)
class Band:
    """Where a canary is expected to be, both ends included."""

    low: float
    high: float

    def holds(self, value: float) -> bool:
        """Is it there."""
        return self.low <= value <= self.high


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
