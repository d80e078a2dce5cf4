"""What a handful of repeats says: median, an interval for it that assumes no distribution, and how much they scatter.

The interval is between two order statistics. Whatever the distribution, the median lies below the k-th smallest of n
values as often as a fair coin shows heads fewer than k times in n throws, so [k-th smallest, k-th largest] holds it
with

    coverage = 1 - 2 x sum of C(n, i) / 2^n for i below k

Of all k the one whose coverage is nearest to 95 % is taken: 5 values give [least, most] at 93.75 %, 6 the same at 96.9
%, 8 the second from each end at 93.0 %, 10 too, at 97.9 %. Fewer than 5 can not come near: their range is given with
the coverage that it has (3 values: 75 %), and one value has none. A bootstrap of so few would only look more exact.
"""

from __future__ import annotations

import functools
import statistics
from collections.abc import Iterable
from dataclasses import dataclass

CONFIDENCE = 0.95


@dataclass(frozen=True)
class Stat:
    """One metric over ``n`` repeats; stored units. ``low`` and ``high`` hold the median with ``coverage``."""

    median: float
    low: float
    high: float
    n: int
    least: float
    most: float
    coverage: float
    cv: float | None  # coefficient of variation of a sample; None of one value, or of values around 0
    mad: float  # median distance from the median, as it is: not scaled to a standard deviation


def stat_of(values: Iterable[float | None]) -> Stat | None:
    """The statistic of what is there; None when nothing is."""
    seen = sorted(value for value in values if value is not None)
    if not seen:
        return None
    middle = statistics.median(seen)
    rank, coverage = interval_rank(len(seen))
    return Stat(
        median=middle,
        low=seen[rank - 1],
        high=seen[-rank],
        n=len(seen),
        least=seen[0],
        most=seen[-1],
        coverage=coverage,
        cv=coefficient_of_variation(seen),
        mad=statistics.median(abs(value - middle) for value in seen),
    )


@functools.cache
def interval_rank(n: int) -> tuple[int, float]:
    """Which value from each end bounds the median of ``n``, and how often it truly does."""
    if n < 1:
        raise ValueError(f"an interval of {n} values")
    best = (1, 0.0)
    outside, ways, throws = 0, 1, 2**n
    for heads in range((n + 1) // 2):
        outside += ways  # of all throws, those with up to so many heads
        ways = ways * (n - heads) // (heads + 1)
        coverage = (throws - 2 * outside) / throws
        if heads == 0 or abs(coverage - CONFIDENCE) <= abs(best[1] - CONFIDENCE):
            best = (heads + 1, coverage)
        if coverage < CONFIDENCE:
            break
    return best


def coefficient_of_variation(values: Iterable[float | None]) -> float | None:
    """Standard deviation (n - 1) by mean; None of fewer than two values, or of a mean of 0."""
    seen = [value for value in values if value is not None]
    if len(seen) < 2 or not (mean := statistics.fmean(seen)):
        return None
    return statistics.stdev(seen) / abs(mean)
