"""The interval of a ratio of medians: which values are its ends, what it guarantees, and how often it holds."""

from __future__ import annotations

import random

import pytest

from analysis.ratio import against_nights, ratio_of_medians


def test_five_runs_a_side_give_least_over_most_and_most_over_least() -> None:
    ratio = ratio_of_medians([[20.0, 20.2, 19.8, 20.1, 19.9]], [[19.0, 19.2, 18.8, 19.1, 18.9]])
    assert ratio is not None
    assert (ratio.median_a, ratio.median_b, ratio.value) == (20.0, 19.0, 0.95)
    assert (ratio.low, ratio.high) == (18.8 / 20.2, 19.2 / 19.8)
    assert ratio.coverage == 0.9375**2
    assert not ratio.between_nights


def test_ten_runs_a_side_leave_out_the_ends() -> None:
    ten = [float(value) for value in range(100, 110)]
    ratio = ratio_of_medians([ten], [ten])
    assert ratio is not None
    assert (ratio.low, ratio.high) == (101 / 108, 108 / 101)
    assert ratio.coverage == 0.978515625**2


def test_two_runs_have_no_interval_and_none_have_no_ratio() -> None:
    ratio = ratio_of_medians([[10.0, 11.0]], [[10.0, 10.0, 10.0]])
    assert ratio is not None
    assert (ratio.value, ratio.low, ratio.high, ratio.coverage) == (10 / 10.5, None, None, None)
    assert ratio_of_medians([[]], [[1.0]]) is None
    assert ratio_of_medians([[0.0]], [[1.0]]) is None


def test_with_five_nights_a_side_what_nights_add_is_in_the_interval() -> None:
    # Repeats agree within a night and nights lie 10 % apart: pooled runs would know the median to a hair.
    nights = [[level] * 5 for level in (95.0, 98.0, 100.0, 102.0, 105.0)]
    ratio = ratio_of_medians(nights, nights)
    assert ratio is not None
    assert ratio.between_nights
    assert ratio.value == 1.0
    assert ratio.low is not None
    assert ratio.low < 0.95
    assert ratio == ratio_of_medians(nights, nights), "the same evidence gives the same interval"
    four = ratio_of_medians(nights[:4], nights)
    assert four is not None
    assert not four.between_nights


@pytest.mark.parametrize("n", [3, 5, 8])
def test_the_interval_holds_the_true_ratio_at_least_as_often_as_it_guarantees(n: int) -> None:
    drawn = random.Random(7)
    held = 0
    for _ in range(2000):
        a, b = ([drawn.expovariate(1) + 1 for _ in range(n)] for _ in range(2))  # skewed, on purpose
        ratio = ratio_of_medians([a], [[2 * value for value in b]])
        assert ratio is not None
        assert ratio.low is not None
        assert ratio.high is not None
        held += ratio.low <= 2 <= ratio.high
    assert ratio is not None
    assert ratio.coverage is not None
    assert held / 2000 >= ratio.coverage


def test_one_bad_night_is_held_against_the_best_and_the_worst_of_the_nights_before_it() -> None:
    ratio = against_nights([98.0, 99.0, 100.0, 101.0, 103.0], [95.0])
    assert (ratio.value, ratio.low, ratio.high) == (0.95, 95 / 103, 95 / 98)
    assert ratio.coverage == 4 / 6


def test_one_bad_nights_interval_holds_the_true_drop_as_often_as_it_says() -> None:
    drawn = random.Random(11)
    held = 0
    for _ in range(3000):
        ratio = against_nights([drawn.gauss(100, 1.5) for _ in range(14)], [0.95 * drawn.gauss(100, 1.5)])
        assert ratio.low is not None
        assert ratio.high is not None
        held += ratio.low <= 0.95 <= ratio.high
    assert held / 3000 == pytest.approx(13 / 15, abs=0.02)
