"""Predicted speed: against published tables, and as a function of cores, lengths and clocks."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.architecture import Architecture
from analysis.interval import Interval
from analysis.prediction_errors import Compared, compare, errors_of
from analysis.speed_model import Clocks, SpeedEstimate, predict_speed
from tests.unit.architectures import KNOWN, PUBLISHED, architectures

CORES = st.sampled_from((1, 2, 3))
TOKENS = st.integers(1, 8192)
CLOCKS = st.sampled_from(Clocks)


def published(metric: str, title: str, *, moe: bool = False) -> list[Compared]:
    return [
        one
        for one in compare(PUBLISHED, KNOWN)
        if title in one.reference.title and one.metric == metric and KNOWN[one.reference.model].moe == moe
    ]


def intervals(speed: SpeedEstimate) -> list[Interval]:
    these = (speed.generate_tps, speed.prefill_tps, speed.ttft_ms, speed.load_warm_s, speed.load_cold_s, speed.run_s)
    return [*these, *([] if speed.encode_ms is None else [speed.encode_ms])]


def test_the_vendors_generate_speed_is_met_within_three_percent_in_the_mean() -> None:
    rows = published("generate_tps", "benchmark.md")
    assert errors_of(rows).n == 38
    assert errors_of(rows).mean < 0.03
    for release in ("1.2.2", "1.2.3", "1.3.0"):  # 1.2.1 alone is at 3.6 %: Qwen3 got 9 % faster after it
        these = errors_of(one for one in rows if one.reference.runtime == release)
        assert these.mean < 0.03
        assert these.inside == these.n


def test_the_vendors_time_to_first_token_is_met_within_twelve_percent_in_the_mean() -> None:
    for release in ("1.2.2", "1.2.3", "1.3.0"):
        rows = [one for one in published("ttft_ms", "benchmark.md") if one.reference.runtime == release]
        these = errors_of(rows)
        assert these.mean < 0.12
        assert these.inside == these.n


def test_a_board_as_it_comes_is_within_the_interval_though_far_from_the_value() -> None:
    rows = [
        one
        for title in ("team's own", "one and three cores", "Qengineering", "logs of")
        for one in published("generate_tps", title)
    ]
    assert errors_of(rows).inside == errors_of(rows).n == 25
    # Section 3 of the team's final report, 11.83 tok/s for Qwen3-0.6B: a third of what the chip does.
    assert errors_of(published("generate_tps", "team's own")).worst > 1.5


def test_the_low_end_without_pinned_clocks_does_not_excuse_a_board_at_a_quarter_of_the_value() -> None:
    rows = published("generate_tps", "untuned")
    assert len(rows) == 3
    assert all(one.seen < one.predicted.low for one in rows)


def test_one_core_keeps_the_share_of_three_that_was_published() -> None:
    seen: dict[str, dict[int, float]] = {}
    for one in published("generate_tps", "one and three cores"):
        seen.setdefault(one.reference.model, {})[one.reference.npu_cores] = one.seen
    assert len(seen) == 8
    for model, tps in seen.items():
        three, one_core = (predict_speed(KNOWN[model], "w8a8", cores).generate_tps.value for cores in (3, 1))
        assert one_core / three == pytest.approx(tps[1] / tps[3], abs=0.05), model


def test_two_cores_keep_the_share_of_three_that_was_published() -> None:
    tps = [predict_speed(KNOWN["TinyLlama-1.1B"], "w8a8", cores).generate_tps.value for cores in (2, 3)]
    assert tps[0] / tps[1] == pytest.approx(5.03 / 6.62, abs=0.03)


def test_what_is_not_well_known_is_said_in_words_and_in_the_width() -> None:
    def ends(cores: int) -> tuple[float, float]:
        tps = predict_speed(KNOWN["Qwen3-4B"], "w8a8", cores, clocks=Clocks.PINNED).generate_tps
        return tps.low / tps.value, tps.high / tps.value

    assert predict_speed(KNOWN["Qwen3-4B"], "w8a8", 3, clocks=Clocks.PINNED).notes == ()
    for cores, word in ((1, "One core"), (2, "Two cores")):
        assert ends(cores)[0] < ends(3)[0]
        assert ends(cores)[1] > ends(3)[1]
        assert any(word in note for note in predict_speed(KNOWN["Qwen3-4B"], "w8a8", cores).notes)
    notes = predict_speed(KNOWN["Qwen3-30B-A3B"], "w8a8_g128", 3, prompt_tokens=2000).notes
    for word in ("governors", "mixture of experts", "Group", "attention"):
        assert any(word in note for note in notes), word


def test_a_mixture_of_experts_is_read_by_its_active_ones() -> None:
    rows = published("generate_tps", "benchmark.md", moe=True)
    assert [one.reference.model for one in rows] == ["DeepSeekOCR-3B-A570M"] * 2
    assert errors_of(rows).inside == 2
    arch = KNOWN["Qwen3-30B-A3B"]
    dense = replace(arch, active_experts=arch.experts)
    assert predict_speed(arch, "w8a8", 3).generate_tps.value > 5 * predict_speed(dense, "w8a8", 3).generate_tps.value


def test_the_image_encoder_takes_what_was_published() -> None:
    rows = [*published("encode_ms", "logs of"), *published("encode_ms", "encoder times")]
    assert errors_of(rows).n == errors_of(rows).inside == 3
    assert errors_of(rows).mean < 0.10
    assert predict_speed(KNOWN["Qwen3-4B"], "w8a8", 3).encode_ms is None


def test_a_four_billion_model_loads_as_fast_as_in_logs() -> None:
    speed = predict_speed(KNOWN["Qwen3-VL-4B"], "w8a8", 3)
    for warm_s in (3.0, 3.75, 5.6):
        assert speed.load_warm_s.holds(warm_s), warm_s
    for cold_s in (16.0, 49.6):
        assert speed.load_cold_s.holds(cold_s), cold_s


@given(architectures(), CORES, TOKENS, TOKENS, CLOCKS, st.sampled_from(("w8a8", "w8a8_g128")))
@settings(max_examples=60)
def test_every_number_is_positive_and_inside_its_interval(
    arch: Architecture, cores: int, prompt: int, new: int, clocks: Clocks, dtype: str
) -> None:
    speed = predict_speed(arch, dtype, cores, "1.2.3", prompt_tokens=prompt, new_tokens=new, clocks=clocks)
    for one in intervals(speed):
        assert 0 < one.low <= one.value <= one.high
    answer_s = new / speed.generate_tps.value
    encode_s = 0.0 if speed.encode_ms is None else speed.encode_ms.value / 1000
    assert speed.run_s.value == pytest.approx(
        speed.load_warm_s.value + encode_s + speed.ttft_ms.value / 1000 + answer_s
    )
    assert speed.prefill_tps.value == pytest.approx(prompt / speed.ttft_ms.value * 1000)


@given(architectures(), TOKENS, TOKENS, CLOCKS)
@settings(max_examples=60)
def test_more_cores_are_faster_and_more_work_is_slower(
    arch: Architecture, prompt: int, new: int, clocks: Clocks
) -> None:
    def tps(cores: int = 3, tokens: int = prompt) -> float:
        speed = predict_speed(arch, "w8a8", cores, prompt_tokens=tokens, new_tokens=new, clocks=clocks)
        return speed.generate_tps.value

    assert tps(1) < tps(2) < tps(3)
    assert tps(tokens=prompt + 1000) < tps()
    slow = predict_speed(arch, "w8a8", 3, prompt_tokens=prompt, new_tokens=new, clocks=Clocks.UNKNOWN)
    pinned = predict_speed(arch, "w8a8", 3, prompt_tokens=prompt, new_tokens=new, clocks=Clocks.PINNED)
    assert slow.generate_tps.low <= pinned.generate_tps.low
    assert slow.generate_tps.value == pinned.generate_tps.value


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"npu_cores": 4}, "npu_cores is 4"),
        ({"npu_cores": 3, "rknn_core_num": 0}, "rknn_core_num is 0"),
        ({"npu_cores": 3, "prompt_tokens": 0}, "a prompt of 0"),
        ({"npu_cores": 3, "dtype": "fp32"}, "no dtype"),
    ],
)
def test_a_question_without_sense_is_refused(given: dict[str, object], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        predict_speed(KNOWN["Qwen3-0.6B"], **{"dtype": "w8a8", **given})  # type: ignore[arg-type]
