"""Interval of a median and scatter: by hand, against all throws of a coin, and against a simulation."""

from __future__ import annotations

import itertools
import random
import statistics

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.order_statistics import coefficient_of_variation, interval_rank, stat_of


@pytest.mark.parametrize(
    ("n", "rank", "coverage"),
    [(1, 1, 0), (2, 1, 50), (3, 1, 75), (4, 1, 87.5), (5, 1, 93.75), (6, 1, 96.9), (8, 2, 93.0), (10, 2, 97.9)],
)
def test_intervals_are_those_that_are_known_of_few_repeats(n: int, rank: int, coverage: float) -> None:
    assert interval_rank(n)[0] == rank
    assert interval_rank(n)[1] * 100 == pytest.approx(coverage, abs=0.05)


@pytest.mark.parametrize("n", range(1, 15))
def test_coverage_is_that_of_every_throw_of_so_many_coins(n: int) -> None:
    """Heads is a value below the median: the interval misses it when fewer than ``rank`` values are on one side."""
    rank, coverage = interval_rank(n)
    heads = [sum(throw) for throw in itertools.product((0, 1), repeat=n)]
    assert coverage == pytest.approx(sum(rank <= count <= n - rank for count in heads) / 2**n, abs=1e-12)
    # No other rank comes nearer to 95 %.
    for other in range(1, (n + 1) // 2 + 1):
        its = sum(other <= count <= n - other for count in heads) / 2**n
        assert abs(coverage - 0.95) <= abs(its - 0.95) + 1e-12


@pytest.mark.parametrize("n", [5, 8, 12, 31])
def test_the_interval_holds_the_median_of_a_skewed_distribution_as_often_as_it_says(n: int) -> None:
    random_ = random.Random(n)
    true = 2.0**0.5  # of 2 ** uniform(0, 1)
    held = 0
    for _ in range(4000):
        stat = stat_of(2 ** random_.random() for _ in range(n))
        assert stat is not None
        held += stat.low <= true <= stat.high
    assert held / 4000 == pytest.approx(interval_rank(n)[1], abs=0.015)


def test_many_repeats_have_an_interval_near_the_confidence() -> None:
    for n in (100, 1999, 20_000):
        rank, coverage = interval_rank(n)
        assert coverage == pytest.approx(0.95, abs=0.02)
        assert rank == pytest.approx(n / 2 - 0.98 * n**0.5, abs=2)


def test_numbers_by_hand() -> None:
    stat = stat_of([12.0, None, 10.0, 11.0, 19.0, 13.0])
    assert stat is not None
    assert (stat.n, stat.median, stat.low, stat.high, stat.least, stat.most) == (5, 12.0, 10.0, 19.0, 10.0, 19.0)
    assert stat.mad == 1.0  # of 2, 1, 0, 1, 7
    assert stat.cv == pytest.approx(3.5355 / 13, rel=1e-4)  # squares 9, 4, 1, 0, 36 over 4
    eight = stat_of([8, 1, 2, 3, 4, 5, 6, 7])
    assert eight is not None and (eight.low, eight.high, eight.least, eight.most) == (2, 7, 1, 8)


def test_nothing_and_one_value() -> None:
    assert stat_of([]) is None and stat_of([None]) is None
    one = stat_of([5.0])
    assert one is not None and (one.median, one.low, one.high, one.coverage, one.cv, one.mad) == (5, 5, 5, 0, None, 0)
    assert coefficient_of_variation([1.0, -1.0]) is None


@given(st.lists(st.floats(0.1, 1e6), min_size=1, max_size=40))
def test_an_interval_is_within_the_range_and_round_the_median(values: list[float]) -> None:
    stat = stat_of(values)
    assert stat is not None
    assert stat.least <= stat.low <= stat.median <= stat.high <= stat.most
    assert stat.median == statistics.median(values)
