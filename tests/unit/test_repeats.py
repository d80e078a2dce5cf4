"""When a cell is repeated: when its repeats differ too much, or do not all count; never because it fails."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from analysis.outcome import Outcome
from analysis.repeats import unsettled, variation
from analysis.runs import Workload
from tests.unit.test_cells import OK

ASKED = Workload(prompt_set_sha256="ab", prompt_id="p", max_new_tokens=64, max_context_len=4096)


def runs(*tps: float, **more: Any) -> list[Any]:
    return [replace(OK, workload=ASKED, generate_tps=value, ttft_ms=100.0, warmup=False, **more) for value in tps]


def test_variation_is_that_of_a_sample() -> None:
    assert variation([9, 10, 11]) == pytest.approx(0.1)
    assert variation([1, None]) == variation([]) == 0


@pytest.mark.parametrize(("tps", "more"), [((10, 10.1, 10.2), False), ((10, 10.5, 11), True), ((10,), False)])
def test_repeats_that_differ_by_more_than_two_and_a_half_percent_are_not_enough(tps: Any, more: bool) -> None:
    key = (OK.model, OK.npu_cores, 4096, "ab", "p", 64, None, None, None)
    assert unsettled(runs(*tps)) == (frozenset({key}) if more else frozenset())


def test_a_spread_in_ttft_counts_as_well() -> None:
    first, second = runs(10, 10)
    assert unsettled([first, replace(second, ttft_ms=110.0)])


def test_a_warm_up_counts_for_nothing() -> None:
    assert not unsettled([*runs(10, 10.1), *(replace(run, warmup=True) for run in runs(5))])


def test_what_is_tainted_is_repeated_and_what_fails_is_not() -> None:
    assert unsettled([*runs(10, 10.1), *runs(10, outcome=Outcome.TAINTED)])
    assert not unsettled([*runs(10, 10.1), *runs(10, outcome=Outcome.OOM)])
