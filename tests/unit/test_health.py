"""What becomes of a board's standing, night by night."""

from __future__ import annotations

import pytest

from analysis.nights.health import Band, Canary, Health, Said, Standing, Word, band_of, standing

BAND = Band(19.0, 21.0)


def canaries(*values: float | None) -> list[Canary | Said]:
    return [
        Canary(f"night-{n:02d}", value, BAND, "" if value else "does not answer") for n, value in enumerate(values, 1)
    ]


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


@pytest.mark.parametrize(
    ("seen", "health"),
    [
        ((), Health.UNKNOWN),
        ((20.0,), Health.GOOD),
        ((20.0, 15.0), Health.GOOD),  # a hiccup
        ((20.0, 15.0, 20.0, 15.0), Health.GOOD),
        ((20.0, 15.0, 15.0), Health.BAD),
        ((20.0, 25.0, 25.0), Health.BAD),  # faster than it can be is no better
        ((15.0, 15.0), Health.BAD),
        ((20.0, 15.0, 15.0, 20.0), Health.BAD),
        ((20.0, 15.0, 15.0, 20.0, 20.0), Health.GOOD),
        ((20.0, 15.0, 15.0, 20.0, 15.0, 20.0), Health.BAD),
        ((20.0, None), Health.GOOD),
        ((20.0, None, None), Health.UNKNOWN),
        ((20.0, None, None, 20.0), Health.GOOD),
        ((20.0, 15.0, 15.0, None, None, None), Health.BAD),  # silence does not heal
    ],
)
def test_one_canary_is_a_hiccup_and_two_are_a_verdict(seen: tuple[float | None, ...], health: Health) -> None:
    assert standing(canaries(*seen)).health is health


def test_a_bad_board_says_since_when_and_by_what() -> None:
    now = standing(canaries(20.0, 20.0, 15.0, 15.0, 15.0))
    assert (now.since, now.why) == ("night-04", "canary 15, expected 19 to 21, 2 times in a row")
    assert not now.measured


@pytest.mark.parametrize("word", [Word.MAINTENANCE, Word.RETIRED])
def test_what_a_person_decides_no_canary_takes_back(word: Word) -> None:
    events = [*canaries(20.0), Said("night-02", word, "new heatsink"), *canaries(20.0, 20.0)]
    now = standing(events)
    assert (now.health, now.why, now.measured) == (Health(str(word)), "new heatsink", False)
    back = standing([Said("night-05", Word.BACK)], now)
    assert (back.health, back.measured) == (Health.UNKNOWN, True)
    assert standing(canaries(20.0), back).health is Health.GOOD


def test_without_a_band_a_canary_says_nothing() -> None:
    now = standing([Canary("night-01", 3.0, None)])
    assert (now.health, now.measured) == (Health.UNKNOWN, True)
    assert Standing().health is Health.UNKNOWN
