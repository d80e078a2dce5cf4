"""The ratio of two medians with an interval that a handful of runs can carry.

Fewer than five nights a side: order statistics. The interval of the one median goes over that of the other,
``low B / high A … high B / low A``. Each holds its median with a probability that needs no assumption on the noise, and
the two samples are independent, so both hold at once with the product of the two; ``coverage`` is that guarantee. It is
modest (5 against 5: 88 %) because few values can guarantee no more; as the two errors hardly ever pull apart at once,
the interval holds the true ratio more often than that.

What nights add is not in it: runs of one evening share its temperature and its boot. Five nights a side or more: nights
are drawn anew, then the repeats within each (hierarchical bootstrap); the interval is the middle 95 % of the ratios.
"""

from __future__ import annotations

import random
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from math import comb

COVERAGE = 0.95
LEAST_RUNS = 3  # a side; [least, most] of two holds the median half of the time, which is no statement
NIGHTS = 5  # a side, for the bootstrap; of fewer it would redraw the same few nights and look surer than it is
DRAWS = 2000
SEED = 20261121  # any; fixed, so that one body of evidence always gives one interval

Nights = Sequence[Sequence[float]]  # the valid repeats of each night


@dataclass(frozen=True)
class Ratio:
    """B over A. ``low`` and ``high`` are None where there are too few runs for any interval."""

    median_a: float
    median_b: float
    value: float
    low: float | None
    high: float | None
    coverage: float | None
    between_nights: bool  # does the interval hold what changes from night to night

    def is_within(self, band: float) -> bool:
        """Is the whole interval within 1 ± ``band``."""
        return self.low is not None and self.high is not None and self.low >= 1 - band and self.high <= 1 + band


def ratio_of_medians(nights_a: Nights, nights_b: Nights) -> Ratio | None:
    """The ratio of B to A; None where a side has no value, or is not above zero."""
    side_a, side_b = ([night for night in nights if night] for nights in (nights_a, nights_b))
    runs_a, runs_b = (sorted(value for night in nights for value in night) for nights in (side_a, side_b))
    if not runs_a or not runs_b or runs_a[0] <= 0 or runs_b[0] <= 0:
        return None
    if len(side_a) >= NIGHTS and len(side_b) >= NIGHTS:
        a, b = _level(side_a), _level(side_b)
        low, high = _bootstrap(side_a, side_b)
        return Ratio(a, b, b / a, min(low, b / a), max(high, b / a), COVERAGE, True)
    a, b = statistics.median(runs_a), statistics.median(runs_b)
    if min(len(runs_a), len(runs_b)) < LEAST_RUNS:
        return Ratio(a, b, b / a, None, None, None, False)
    (low_a, high_a, holds_a), (low_b, high_b, holds_b) = (median_interval(runs) for runs in (runs_a, runs_b))
    return Ratio(a, b, b / a, low_b / high_a, high_b / low_a, holds_a * holds_b, False)


def against_nights(before: Sequence[float], after: Sequence[float]) -> Ratio:
    """One bad night, or a few, over the night values before them, of which there are two at least.

    How far this night itself is off by luck, nobody knows. It is as likely to be any of the earlier nights' distances from
    their level, so ``value / most … value / least`` holds the true ratio with (n - 1) / (n + 1), whatever the noise.
    """
    level, value, n = statistics.median(before), statistics.median(after), len(before)
    if len(before) >= NIGHTS and len(after) >= NIGHTS:
        low, high = _bootstrap([(one,) for one in before], [(one,) for one in after])
        return Ratio(level, value, value / level, min(low, value / level), max(high, value / level), COVERAGE, True)
    return Ratio(level, value, value / level, value / max(before), value / min(before), (n - 1) / (n + 1), True)


def median_interval(ordered: Sequence[float], coverage: float = COVERAGE**0.5) -> tuple[float, float, float]:
    """Two order statistics round the median and the probability that they hold it; the two ends where none will do."""
    n = len(ordered)
    for rank in range((n - 1) // 2, 0, -1):  # counted from 0: the narrowest pair first
        if (holds := order_coverage(n, rank)) >= coverage:
            return ordered[rank], ordered[n - 1 - rank], holds
    return ordered[0], ordered[-1], order_coverage(n, 0)


def order_coverage(n: int, rank: int) -> float:
    """How often x[rank] … x[n - 1 - rank] of n sorted values hold the median that they were drawn round."""
    return 1 - sum(comb(n, below) for below in range(rank + 1)) / float(2 ** (n - 1))


def _level(nights: Nights) -> float:
    return statistics.median(map(statistics.median, nights))


def _bootstrap(side_a: Nights, side_b: Nights) -> tuple[float, float]:
    drawn = random.Random(SEED)

    def level(nights: Nights) -> float:
        some = drawn.choices(nights, k=len(nights))
        return statistics.median(statistics.median(drawn.choices(night, k=len(night))) for night in some)

    ratios = sorted(level(side_b) / level(side_a) for _ in range(DRAWS))
    cut = round(DRAWS * (1 - COVERAGE) / 2)
    return ratios[cut], ratios[-1 - cut]
