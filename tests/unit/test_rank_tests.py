"""The exact rank test against counting every split, and which of many p values are believed."""

from __future__ import annotations

import itertools
import statistics

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.rank_tests import false_discovery, mann_whitney


def by_counting(one: list[int], other: list[int]) -> float:
    """Every way to choose the first sample out of both, and how often its U is as far out."""
    joined = one + other

    def u(first: tuple[int, ...]) -> float:
        mine, theirs = [joined[i] for i in first], [joined[i] for i in range(len(joined)) if i not in first]
        return sum((a > b) + 0.5 * (a == b) for a in mine for b in theirs)

    splits = [u(first) for first in itertools.combinations(range(len(joined)), len(one))]
    seen = u(tuple(range(len(one))))
    tail = min(statistics.mean(s <= seen for s in splits), statistics.mean(s >= seen for s in splits))
    return min(1.0, 2 * tail)


@pytest.mark.parametrize(
    ("one", "other", "p"),
    [
        ([1, 2, 3, 4, 5], [6, 7, 8, 9, 10], 2 / 252),  # apart: 1 of C(10, 5) splits at each end
        ([6, 7, 8], [1, 2, 3], 2 / 20),
        ([1, 2, 4], [3, 5, 6], 2 * 2 / 20),  # 1 2 3 and 1 2 4 have rank sums of 7 at most
        ([1, 1], [1, 1], 1.0),
        ([1], [2], 1.0),
    ],
)
def test_p_values_that_are_worked_out_by_hand(one: list[float], other: list[float], p: float) -> None:
    assert mann_whitney(one, other) == pytest.approx(p)


small = st.lists(st.integers(0, 6), min_size=1, max_size=5)


@settings(max_examples=150)
@given(small, small)
def test_p_is_what_counting_every_split_gives_with_ties_too(one: list[int], other: list[int]) -> None:
    assert mann_whitney(one, other) == pytest.approx(by_counting(one, other))


def test_four_weeks_against_one_do_not_overflow() -> None:
    # 2 / C(35, 7): the fewest that are possible, and far beyond what a coefficient of 16 bits could hold
    assert mann_whitney(range(28), range(100, 107)) == pytest.approx(2 / 6724520)


def test_an_empty_side_is_refused() -> None:
    with pytest.raises(ValueError, match="each side"):
        mann_whitney([], [1.0])


def test_believed_are_those_up_to_the_last_that_lies_below_the_line() -> None:
    # Benjamini and Hochberg 1995, section 3.2: of these 15 at 0.05 the four smallest are rejected
    p = [0.0001, 0.0004, 0.0019, 0.0095, 0.0201, 0.0278, 0.0298, 0.0344, 0.0459, 0.3240]
    p += [0.4262, 0.5719, 0.6528, 0.7590, 1.0]
    assert false_discovery(p, 0.05) == tuple(value <= 0.0095 for value in p)
    assert false_discovery([0.04, 0.03], 0.05) == (True, True)  # 0.03 is above 0.025, and carried by 0.04
    assert false_discovery([], 0.05) == ()
