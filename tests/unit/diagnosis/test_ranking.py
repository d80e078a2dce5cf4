"""Several causes at once, several runs, and the sentence: the largest effect comes first, what decides before it."""

from __future__ import annotations

import io

import pytest

from analysis.diagnosis.explanation import effect_text, explain
from analysis.diagnosis.ranking import examine, rank
from analysis.diagnosis.work_clocks import mean_of_work, read_busy
from analysis.evidence import Record
from analysis.telemetry import Telemetry
from tests.unit.diagnosis.seen import clocks, seen

SLOW_CPU = {"policy4": 1_152_000_000, "policy6": 1_152_000_000}


def names(*runs: object) -> list[str]:
    return [one.finding.check for one in explain("t", runs).causes]  # type: ignore[arg-type]


def test_of_two_low_clocks_the_one_that_costs_more_comes_first() -> None:
    both = seen(token_ms=100, prompt_ms=260, clocks=clocks(dmc=528_000_000, **SLOW_CPU))
    assert names(both)[:2] == ["dram_clock", "cpu_clock"]  # 60 and 10 ms of 100
    first = explain("t", [both]).causes[0]
    assert first.token_share == pytest.approx(0.6)
    assert effect_text(first) == "generate x2.50, TTFT x1.30"


def test_a_low_clock_that_the_speed_does_not_miss_explains_no_more_than_the_predictions_error() -> None:
    (one,) = [one for one in examine(seen(clocks=clocks(**SLOW_CPU))) if one.finding.check == "cpu_clock"]
    assert one.token_share == pytest.approx(0.05) and one.prompt_share == pytest.approx(0.09)


def test_heat_takes_the_cost_of_the_clocks_that_it_held_down() -> None:
    hot = seen(token_ms=45, prompt_ms=200, clocks=clocks(**SLOW_CPU), telemetry=Telemetry(cooling={"cpufreq-cpu4": 2}))
    causes = explain("t", [hot]).causes
    assert causes[0].finding.check == "throttle"
    assert {one.finding.check: one.effect for one in causes}["cpu_clock"] == 0


def test_what_decides_stands_before_every_effect() -> None:
    wrong = seen(token_ms=100, parsed={"npu_core_num": 1}, clocks=clocks(dmc=528_000_000))
    assert names(wrong)[:2] == ["cores_label", "dram_clock"]


def test_a_cause_of_less_than_half_of_the_runs_is_none_of_the_cell() -> None:
    low, good = seen(token_ms=90, clocks=clocks(dmc=528_000_000)), seen()
    assert "dram_clock" in names(low, good)
    assert "dram_clock" not in names(low, good, good)
    ranked, _, _ = rank([examine(low), examine(low), examine(good)])
    assert (ranked[0].finding.check, ranked[0].runs, ranked[0].of_runs) == ("dram_clock", 2, 3)


def test_the_rest_stands_behind_every_cause_that_is_worth_a_word() -> None:
    low = seen(token_ms=90, prompt_ms=210, clocks=clocks(**SLOW_CPU))  # 10 ms explained, 50 not
    assert names(low)[:2] == ["cpu_clock", "unexplained"]


def test_the_rest_is_said_to_be_unexplained() -> None:
    told = explain("t", [seen(token_ms=60)])
    assert told.causes[0].finding.check == "unexplained"
    assert "50% of each token's time is not explained" in told.sentence


def test_the_sentence_has_number_share_what_is_fine_cause_and_what_to_try() -> None:
    told = explain("t", [seen(token_ms=45, prompt_ms=210, clocks=clocks(**SLOW_CPU))])
    assert told.sentence.startswith("22.2 tok/s is 67% of what is predicted for the vendor's board, 39% of the bus; ")
    assert "DDR looks fine (2112 MHz); CPU clock low while working: policy4 1152 of 2304 MHz" in told.sentence
    assert told.sentence.split("; ")[-1].startswith("try: ")


def test_a_failed_run_is_explained_by_its_failure() -> None:
    failed = seen(failure="oom_kill", advice="a smaller model", parsed={"generate": None, "prefill": None})
    assert explain("t", [failed]).sentence == (
        "there is no speed to explain; the log shows oom_kill; try: a smaller model"
    )


def test_a_good_run_has_no_cause_and_says_what_can_not_be_told() -> None:
    told = explain("t", [seen(spec=Record({"gate": {"load_cores": 0.0}}))])
    assert all(one.effect == 0 for one in told.causes)
    assert {"opencl", "wall_time", "throttle"} <= {one.check for one in told.unknown}
    assert all(one.needs for one in told.unknown)


def test_what_was_not_work_comes_off_the_lowest_clocks() -> None:
    residency = {500: 6000.0, 1000: 2000.0, 2000: 2000.0}
    assert mean_of_work(residency, 3.0) == pytest.approx((1000 + 2 * 2000) / 3)  # 7 of 10 s were no work
    assert mean_of_work(residency, None) == pytest.approx(900)  # (3000 + 2000 + 4000) / 10
    assert mean_of_work(residency, 3.0, rests_at_top=True) == 500  # and of a pinned clock off the highest
    assert mean_of_work({}, 3.0) is None
    assert mean_of_work({500: 10.0}, 0.0) == 500


def test_samples_count_while_the_npu_is_busy() -> None:
    lines = b"npu_load,dmc_hz,cpu4_hz\n0/0/0,528,1\n90/0/0,1068,3\n10/9/8,2112,\nx/1,7\n50/50/50,2112"
    busy = read_busy(io.BytesIO(lines))
    assert busy.samples == 2 and busy.mean_hz == {"dmc_hz": 1590.0, "cpu4_hz": 3.0}
    assert read_busy(io.BytesIO(b"a,b\n1,2\n")).samples == 0
