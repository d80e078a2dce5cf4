"""Host work a layer and the bus of one board, from the models that were measured on it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from analysis.board_fit import Point, board_points, fit_board
from analysis.references import load_architectures
from analysis.roofline import bytes_per_token, peak_bytes_per_s, share_of_peak
from tests.unit.test_cells import OK

KNOWN = load_architectures(Path(__file__).parents[2] / "references")
MEASURED = (("Qwen3-0.6B", 11.83), ("Qwen3-1.7B", 8.93), ("Qwen3-4B", 4.65))  # one user's 8 GB board


def point(layers: int, gigabytes: float, ms: float, name: str = "m") -> Point:
    return Point(name, layers, gigabytes * 1e9, ms / 1000)


def published(model: str, tps: float) -> Point:
    return Point(model, KNOWN[model].layers, bytes_per_token(KNOWN[model], "w8a8", 0), 1 / tps)


def test_two_models_give_both_constants() -> None:
    # 1 ms x 20 + 1 GB / 20 GB/s = 70 ms; 1 ms x 10 + 2 GB / 20 GB/s = 110 ms
    fit = fit_board([point(20, 1, 70), point(10, 2, 110)])
    assert fit is not None
    assert fit.layer_s == pytest.approx(0.001)
    assert fit.bus_bytes_per_s == pytest.approx(20e9)
    assert fit.token_s(30, 3e9) == pytest.approx(0.18)
    assert fit.error is None and "nothing tells how far" in fit.sentence


def test_the_board_with_the_slow_small_model_has_a_slow_host_and_a_good_bus() -> None:
    fit = fit_board(published(*one) for one in MEASURED)
    assert fit is not None and fit.bus_bytes_per_s is not None
    assert fit.layer_s * 1e3 == pytest.approx(2.29, abs=0.01)
    assert fit.bus_bytes_per_s / 1e9 == pytest.approx(32.1, abs=0.05)
    assert [round(100 * one) for one in fit.residuals] == [-2, 5, -3]
    assert fit.side("1.2.3", 3) == "host"
    assert fit.error == pytest.approx(0.135, abs=0.001) and "leave-one-out error 13.5%" in fit.sentence


def test_a_slow_bus_is_told_from_a_slow_host() -> None:
    fit = fit_board([point(20, 1, 20 * 0.33 + 100), point(10, 2, 10 * 0.33 + 200)])  # 10 GB/s
    assert fit is not None and fit.side("1.2.3", 3) == "bus"


def test_on_one_core_the_bus_is_not_expected_to_be_drawn_by_three() -> None:
    fit = fit_board([point(20, 1, 20 * 0.33 + 80), point(10, 2, 10 * 0.33 + 160)])  # 12.5 GB/s
    assert fit is not None
    assert (fit.side("1.2.3", 1), fit.side("1.2.3", 3)) == ("neither", "bus")


@pytest.mark.parametrize("points", [[], [point(20, 1, 70)], [point(20, 1, 70), point(40, 2, 140)]])
def test_too_few_models_or_models_too_alike_give_no_fit(points: list[Point]) -> None:
    assert fit_board(points) is None


def test_points_are_medians_of_runs_that_count_by_board_origin_and_cores() -> None:
    one = replace(OK, model="a", npu_cores=3, npu_core_num=3, prefill_tokens=0, generate_tokens=0, dtype="W8A8")
    runs = [
        *(replace(one, generate_tps=tps) for tps in (10.0, 20.0, 12.5)),
        replace(one, generate_tps=99.0, warmup=True),
        replace(one, generate_tps=5.0, npu_core_num=1, npu_cores=1),
        replace(one, generate_tps=7.0, model="unknown"),
    ]
    points = board_points(runs, {"a": KNOWN["Qwen3-0.6B"]})
    assert {key[2]: [round(1 / p.token_s, 3) for p in some] for key, some in points.items()} == {3: [12.5], 1: [5.0]}


def test_the_vendors_smallest_model_draws_57_percent_of_the_bus() -> None:
    read = bytes_per_token(KNOWN["Qwen3-0.6B"], "w8a8", 0)
    assert read == 440_401_920 + 155_582_464  # layers, and 151936 x 1024 of the head
    assert peak_bytes_per_s(None) == pytest.approx(33.792e9)
    assert share_of_peak(32.16, read) == pytest.approx(0.567, abs=0.001)
    assert bytes_per_token(KNOWN["Qwen3-0.6B"], "w8a8", 100) - read == 100 * 112 * 1024
