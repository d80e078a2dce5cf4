"""Three figures of a run's memory: which are believed for what, and when a person is told that they differ."""

from __future__ import annotations

import pytest

from analysis.metrics import GIB
from analysis.witnesses import available_drop, disagreement


@pytest.mark.parametrize(
    ("before", "first", "least", "expected"),
    [
        (1000, 900, 200, 800),
        (None, 900, 200, 700),
        (1000, 900, None, None),
        (None, None, 200, None),
        (1000, 900, 1000, None),  # others freed as much as the run took
    ],
)
def test_the_drop_is_from_before_the_run_to_the_least_in_it(
    before: int | None, first: int | None, least: int | None, expected: int | None
) -> None:
    assert available_drop(before, first, least) == expected


def test_witnesses_that_agree_need_no_word() -> None:
    assert disagreement(1.0 * GIB, 0.95 * GIB, 0.9 * GIB) is None
    assert disagreement(1.0 * GIB, None, None) is None
    assert disagreement(None, None, None) is None


def test_witnesses_that_differ_by_more_than_a_tenth_are_all_quoted() -> None:
    said = "memory: RKLLM says 1.00 GiB, VmHWM was 0.98 GiB, MemAvailable fell by 1.50 GiB"
    assert disagreement(1.0 * GIB, 0.98 * GIB, 1.5 * GIB) == said
    assert disagreement(1.0 * GIB, 0.89 * GIB, None) == "memory: RKLLM says 1.00 GiB, VmHWM was 0.89 GiB"
