"""The ratio of two medians with an interval that a handful of runs can carry.

Fewer than five nights a side: order statistics (``analysis.order_statistics``). The interval of the one median goes
over that of the other, ``low B / high A … high B / low A``. Each holds its median with a probability that needs no
assumption on the noise, and the two samples are independent, so both hold at once with the product of the two;
``coverage`` is that guarantee. It is modest (5 against 5: 88 %) because few values can guarantee no more; as the two
errors hardly ever pull apart at once, the interval holds the ratio more often than that. It is the ratio of these
evenings: runs of one share its temperature and its boot, so what nights add is not in it (docs/performance.md says how
much that matters).

Five nights a side or more: nights are drawn anew, then the repeats within each (hierarchical bootstrap); the interval
is the middle 95 % of the ratios.
"""

from __future__ import annotations

import random
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from analysis.order_statistics import stat_of

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
    runs_a, runs_b = ([value for night in nights for value in night] for nights in (side_a, side_b))
    if min(runs_a, default=0) <= 0 or min(runs_b, default=0) <= 0:
        return None
    if len(side_a) >= NIGHTS and len(side_b) >= NIGHTS:
        a, b = _level(side_a), _level(side_b)
        low, high = _bootstrap(side_a, side_b)
        return Ratio(a, b, b / a, min(low, b / a), max(high, b / a), COVERAGE, True)
    of_a, of_b = stat_of(runs_a), stat_of(runs_b)
    if of_a is None or of_b is None:
        return None
    a, b = of_a.median, of_b.median
    if min(of_a.n, of_b.n) < LEAST_RUNS:
        return Ratio(a, b, b / a, None, None, None, False)
    return Ratio(a, b, b / a, of_b.low / of_a.high, of_b.high / of_a.low, of_a.coverage * of_b.coverage, False)


def against_nights(before: Sequence[float], after: Sequence[float]) -> Ratio:
    """One bad night, or a few, over the night values before them, of which there are two at least.

    How far this night itself is off by luck, nobody knows. But it is one more draw of what scattered the nights before
    it, so ``value / most … value / least`` holds the true ratio with (n - 1) / (n + 1), whatever the noise is like.
    """
    level, value, n = statistics.median(before), statistics.median(after), len(before)
    if len(before) >= NIGHTS and len(after) >= NIGHTS:
        low, high = _bootstrap([(one,) for one in before], [(one,) for one in after])
        return Ratio(level, value, value / level, min(low, value / level), max(high, value / level), COVERAGE, True)
    return Ratio(level, value, value / level, value / max(before), value / min(before), (n - 1) / (n + 1), True)


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
