"""What more NPU cores are worth: a rate's speed-up is x(c)/x(1), a time's x(1)/x(c)."""

from __future__ import annotations

from dataclasses import replace

import pytest

from analysis.core_scaling import core_scaling
from analysis.runs import Run
from tests.unit.test_cells import OK


def run(cores: int, tps: float, ttft: float) -> Run:
    return replace(OK, npu_cores=cores, vision_cores=None, generate_tps=tps, prefill_tps=None, ttft_ms=ttft)


def test_rates_and_times_both_grow_with_what_is_better() -> None:
    rows = core_scaling([run(1, 10, 600), run(3, 24, 250)])
    by = {(one.metric, one.cores): one for one in rows}
    assert by["generate_tps", 3].speed_up == pytest.approx(2.4)
    assert by["generate_tps", 3].efficiency == pytest.approx(0.8)
    assert by["ttft_ms", 3].speed_up == pytest.approx(2.4)  # 600 / 250
    assert by["ttft_ms", 1].speed_up == 1


def test_without_one_core_there_is_a_value_and_no_speed_up() -> None:
    rows = core_scaling([run(2, 20, 300), run(3, 24, 250)])
    assert {one.speed_up for one in rows} == {None} and {one.efficiency for one in rows} == {None}


def test_one_core_count_alone_is_no_scaling() -> None:
    assert core_scaling([run(3, 24, 250)]) == ()


def test_an_image_scales_with_the_encoders_cores() -> None:
    rows = core_scaling(
        replace(OK, kind="vlm", npu_cores=3, vision_cores=cores, image_encode_ms=ms)
        for cores, ms in ((1, 6000), (3, 2000))
    )
    (three,) = [one for one in rows if one.metric == "image_encode_ms" and one.cores == 3]
    assert three.speed_up == pytest.approx(3.0) and three.efficiency == pytest.approx(1.0)


def test_boards_and_origins_are_not_mixed() -> None:
    assert core_scaling([run(1, 10, 600), replace(run(3, 24, 250), board="other")]) == ()
    assert core_scaling([run(1, 10, 600), replace(run(3, 24, 250), origin="manual")]) == ()
