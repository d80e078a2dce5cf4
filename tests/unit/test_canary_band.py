"""Where a board's canary is expected to be."""

from __future__ import annotations

import pytest

from analysis.nights.band import Band, band_of

BAND = Band(19.0, 21.0)


def test_the_band_is_five_percent_or_three_robust_spreads() -> None:
    assert band_of([20.0, 20.0, 20.0, 20.1, 19.9]) == Band(19.0, 21.0)
    # Median 20, MAD 1: three spreads are 3 x 1.4826
    wide = band_of([18.0, 19.0, 20.0, 21.0, 22.0])
    assert wide is not None
    assert (wide.low, wide.high) == pytest.approx((20 - 4.4478, 20 + 4.4478))


def test_a_new_board_is_held_to_its_peers_and_without_them_to_nothing() -> None:
    assert band_of([20.0] * 4) is None
    assert band_of([25.0], [20.0] * 5) == BAND
    assert band_of([25.0] * 5, [20.0] * 5) == Band(23.75, 26.25)
