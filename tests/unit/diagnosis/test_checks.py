"""Each check against a run with round numbers: what it costs is worked out by hand."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from analysis.clocks import Clock, Clocks
from analysis.diagnosis import checks_board, checks_clocks, checks_log
from analysis.diagnosis.finding import Finding, Left, State
from analysis.diagnosis.observed import Observed
from analysis.diagnosis.registry import DIRECT
from analysis.evidence import Record
from analysis.runs import Workload
from analysis.telemetry import Telemetry
from tests.unit.diagnosis.seen import clocks, facts, seen
from tests.unit.test_board_fit import fit_board, point
from tests.unit.test_cells import OK

NOTHING = Observed(parsed=Record({}))


def cost_ms(one: Finding) -> tuple[float, float]:
    assert one.state is State.FOUND, one
    return (round(one.cost.token_s * 1000, 2), round(one.cost.prompt_s * 1000, 1))


@pytest.mark.parametrize(
    ("check", "run", "cost"),
    [
        # half the CPU clock: the host's 10 and 50 ms once more
        (checks_clocks.cpu_clock, seen(clocks=clocks(policy4=1_152_000_000, policy6=1_152_000_000)), (10, 50)),
        # one pair of two at half: the mean of x1 and x2
        (checks_clocks.cpu_clock, seen(clocks=clocks(policy4=1_152_000_000)), (5, 25)),
        # 500 MHz: below 700 the token's 20 ms become 28, the prompt's 100 double
        (checks_clocks.npu_clock, seen(clocks=clocks(npu=500_000_000)), (8, 100)),
        (checks_clocks.npu_clock, seen(clocks=clocks(npu=800_000_000)), (0, 25)),
        # a quarter of the DRAM clock: the bus's 20 ms three times more; a prompt reads the weights once
        (checks_clocks.dram_clock, seen(clocks=clocks(dmc=528_000_000)), (60, 60)),
        # little cores: 2.5 times the host's time
        (checks_clocks.cpu_cluster, seen(parsed={"enabled_cpus": [0, 1, 2, 3]}), (15, 75)),
        # two of the four cores that the runtime has
        (checks_board.background, seen(spec=Record({"gate": {"load_cores": 2.0}})), (5, 25)),
        # 2000 pages of 150 us are 0.3 s of the 2.04 s of work
        (checks_board.swap, seen(telemetry=Telemetry(swapped_in_pages=2000, swapped_out_pages=0)), (4.41, 22.1)),
        # one core draws 0.385 of the bus and has a third of the arithmetic
        (checks_log.cores_label, seen(parsed={"npu_core_num": 1}), (31.95, 200)),
        # heat: CPU at half and NPU at 500 MHz
        (
            checks_clocks.throttled,
            seen(
                clocks=clocks(policy4=1_152_000_000, policy6=1_152_000_000, npu=500_000_000),
                telemetry=Telemetry(cooling={"cpufreq-cpu4": 3}, max_mc={"soc": 86_000}),
            ),
            (18, 150),
        ),
    ],
)
def test_a_cause_costs_what_it_must(check: Any, run: Observed, cost: tuple[float, float]) -> None:
    assert cost_ms(check(run)) == cost


@pytest.mark.parametrize("check", DIRECT)
def test_no_check_finds_anything_in_a_good_run_or_in_none_at_all(check: Any) -> None:
    good = seen(
        telemetry=Telemetry(
            samples=9, max_mc={"soc": 50_000}, swapped_in_pages=0, swapped_out_pages=0, npu_busy=(1,) * 3
        ),
        spec=Record({"gate": {"load_cores": 0.0}}),
    )
    assert check(good).state is not State.FOUND
    nothing = check(NOTHING)
    assert nothing.state is not State.FOUND
    assert nothing.state is State.FINE or nothing.needs


def test_a_low_clock_says_what_to_do_about_it() -> None:
    low = dict.fromkeys(("policy4", "policy6"), 1_152_000_000)
    assert "does not get it" in checks_clocks.cpu_clock(seen(clocks=clocks(**low))).action
    assert "governor performance" in checks_clocks.cpu_clock(seen(clocks=clocks(pinned=False, **low))).action
    assert "firmware" in checks_clocks.dram_clock(seen(clocks=clocks(dmc=528_000_000))).action
    limited = facts(dmc={"node": "dmc", "available_hz": [528_000_000, 2_112_000_000], "max_hz": 1_068_000_000})
    assert "max_freq" in checks_clocks.dram_clock(seen(clocks=clocks(dmc=1_068_000_000), before=limited)).action


def test_the_delay_of_a_pin_is_no_low_clock_and_a_pin_that_never_took_is() -> None:
    before = facts(dmc={"node": "dmc", "available_hz": [528_000_000, 2_112_000_000], "cur_hz": 528_000_000})
    late = seen(before=before)
    (dmc,) = [one for one in late.clocks.clocks if one.kind == "dmc"] if late.clocks else []
    mixed = replace(dmc, residency_ms={528_000_000: 4000.0, 2_112_000_000: 1000.0})
    stuck = replace(dmc, residency_ms={528_000_000: 5000.0})
    capped = replace(dmc, residency_ms={1_560_000_000: 4000.0, 2_112_000_000: 1000.0})

    def state(clock: Clock) -> State:
        return checks_clocks.dram_clock(seen(before=before, clocks=Clocks("pinned", (clock,)))).state

    assert [state(one) for one in (mixed, stuck, capped)] == [State.FINE, State.FOUND, State.FOUND]


def test_without_a_node_what_is_left_is_laid_at_the_drams_door_up_to_its_lowest_clock() -> None:
    none = seen(token_ms=60, before=facts(dmc={"node": None}))
    assert cost_ms(checks_clocks.dram_node(none, Left(0.030, 0.0))) == (30, 0)
    assert cost_ms(checks_clocks.dram_node(none, Left(0.500, 0.0))) == (60, 0)  # 20 ms x (4 - 1)
    assert cost_ms(checks_clocks.dram_node(none, Left(0.001, 0.0))) == (0, 0)
    assert checks_clocks.dram_node(seen(), Left(0.03, 0)).state is State.FINE


def test_the_boards_own_fit_says_which_side_is_slow() -> None:
    fit = fit_board([point(20, 1, 20 * 2.0 + 33), point(10, 2, 10 * 2.0 + 66)])  # 2 ms a layer, 30.3 GB/s
    one = checks_board.board_fit(seen(token_ms=80, fit=fit), Left(0.050, 0))
    assert one.observed.startswith("CPU side: 2.00 ms/layer")
    assert cost_ms(one) == (46, 0)  # 28 layers x 2 ms, less the 10 that are usual
    assert checks_board.board_fit(seen(fit=fit), Left(0.0, 0)).state is State.FINE


def test_a_driver_decides_only_where_the_run_failed_of_it() -> None:
    old = seen(parsed={"driver": "0.9.6"})
    assert checks_board.driver(old).state is State.FOUND and not checks_board.driver(old).decides
    assert checks_board.driver(replace(old, failure="npu_malloc")).decides
    assert checks_board.driver(seen(warnings=("driver_too_old",), parsed={"driver": None})).state is State.FOUND


def test_a_load_average_alone_acquits_and_does_not_convict() -> None:
    def after(load: float) -> State:
        return checks_board.background(seen(before=facts(load={"m1": load}))).state

    assert (after(0.05), after(3.0)) == (State.FINE, State.UNKNOWN)


@pytest.mark.parametrize(
    ("parsed", "hit"),
    [
        ({"prefill": {"total_ms": 150.0, "tokens": 128}}, False),
        ({"prefill": {"total_ms": 70.0, "tokens": 128}}, True),  # less than half of 150
        ({"prefill": {"total_ms": 150.0, "tokens": 4}}, True),  # 4 tokens can not be 445 characters
    ],
)
def test_a_cached_prompt_is_seen_by_its_time_and_by_its_tokens(parsed: Any, hit: bool) -> None:
    run = replace(OK, npu_cores=3, workload=Workload(prompt_chars=445))
    one = checks_log.cache_hit(seen(parsed=parsed, run=run))
    assert (one.state is State.FOUND) is hit and one.decides is hit


def test_context_answer_and_software_are_compared_with_what_was_asked() -> None:
    asked = replace(OK, npu_cores=3, workload=Workload(max_context_len=8192, max_new_tokens=64))
    assert checks_log.context(seen(run=asked)).decides
    usual = replace(OK, workload=Workload(max_context_len=1024))
    one = checks_log.context(seen(run=usual, usual_contexts=(4096,)))
    assert one.state is State.FOUND and "-336 MiB of cache" in one.observed  # 3072 tokens of 112 KiB
    assert checks_log.context(seen(run=usual, usual_contexts=(1024, 4096))).state is State.FINE
    short = seen(parsed={"generate": {"total_ms": 600.0, "tokens": 20, "tps": 33.3}}, run=asked)
    assert checks_log.answer_length(short).state is State.FOUND
    assert checks_log.answer_length(seen(run=asked)).state is State.FINE


def test_a_speed_above_the_bus_and_memory_of_another_model_are_refused() -> None:
    fast = seen(parsed={"generate": {"total_ms": 630.0, "tokens": 63, "tps": 100.0}})  # 60 GB/s
    assert checks_log.impossible(fast).decides
    assert checks_log.other_model(seen(parsed={"memory_gb": 5.4})).decides
    assert checks_log.other_model(seen(parsed={"memory_gb": 0.8})).state is State.FINE


def test_opencl_is_only_found_missing_never_found_present() -> None:
    assert checks_log.opencl(seen(text="e rkllm: failed to find opencl library")).state is State.FOUND
    assert checks_log.opencl(seen(text="hello")).state is State.UNKNOWN
