"""Few unknowns that can not be negative: the best of all subsets, by hand-worked numbers."""

from __future__ import annotations

import pytest

from analysis.least_squares import distinguishable, non_negative


def test_an_exact_answer_is_found() -> None:
    assert non_negative([(1, 2), (3, 4)], [5, 11]) == pytest.approx((1, 2))  # 1*1+2*2=5, 3*1+4*2=11


def test_more_rows_than_unknowns_give_the_least_squares() -> None:
    # y = x through (1,1), (2,2), (3,6): slope sum(xy)/sum(xx) = 23/14
    assert non_negative([(1,), (2,), (3,)], [1, 2, 6]) == pytest.approx((23 / 14,))


def test_a_coefficient_that_would_be_negative_is_zero_and_the_other_is_fitted_alone() -> None:
    # exact answer of y = a + b x through (1, 3), (2, 1) is a=5, b=-2; without b: mean 2; without a: 5/5 = 1
    assert non_negative([(1, 1), (1, 2)], [3, 1]) == pytest.approx((2, 0))  # errors 1+1 against 4+1


def test_columns_that_are_multiples_of_each_other_can_not_be_told_apart() -> None:
    assert not distinguishable([(1, 2), (2, 4), (3, 6)])
    assert distinguishable([(1, 2), (2, 5)])
    assert non_negative([], []) is None
