"""Runs in, cells out: what counts, what is kept apart, and that order means nothing."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.cells import Cell, Doubt, cells, outcome_summary
from analysis.outcome import Outcome
from analysis.runs import Run, Workload

OK = Run(
    campaign="c1",
    board="a",
    run="r1",
    outcome=Outcome.OK,
    origin="measured",
    model="qwen3-0.6b",
    npu_cores=3,
    workload=Workload(prompt_set="basic", prompt_id="story", max_new_tokens=64, max_context_len=1024),
    runtime="1.2.3",
    ttft_ms=200.0,
    generate_tps=20.0,
)
TIMEOUT = replace(OK, run="r9", outcome=Outcome.TIMEOUT, reason="stopped at its time limit", ttft_ms=None)


def spread(cell: Cell, name: str) -> tuple[float, float, float, int]:
    stat = cell.stat(name)
    assert stat is not None
    return (stat.median, stat.least, stat.most, stat.n)


def test_the_median_is_of_ok_runs_that_are_no_warm_up() -> None:
    (cell,) = cells(
        [
            replace(OK, run="r0", warmup=True, generate_tps=1.0),
            replace(OK, run="r1", generate_tps=22.0),
            replace(OK, run="r2", generate_tps=30.0),
            replace(OK, run="r3", generate_tps=20.0),
            replace(OK, run="r4", outcome=Outcome.TAINTED, reason="x", generate_tps=99.0),
        ]
    )
    assert spread(cell, "generate_tps") == (22.0, 20.0, 30.0, 3)
    assert cell.n == 3
    assert cell.outcome == "3 ok, 1 tainted"


def test_a_number_that_physics_does_not_allow_is_in_no_statistic_and_shows() -> None:
    doubted = (("generate_tps", "faster than the memory"),)
    (cell,) = cells([OK, replace(OK, run="r2", generate_tps=900.0, ttft_ms=210.0, quarantined=doubted)])
    assert spread(cell, "generate_tps") == (20.0, 20.0, 20.0, 1)
    assert spread(cell, "ttft_ms") == (205.0, 200.0, 210.0, 2)
    assert cell.doubts == (Doubt("generate_tps", "faster than the memory", 1),)


def test_the_interval_is_kept_apart_from_least_and_most() -> None:
    (cell,) = cells([replace(OK, run=f"r{at}", generate_tps=float(at)) for at in range(1, 9)])
    stat = cell.stat("generate_tps")
    assert stat is not None
    assert (stat.low, stat.high, stat.least, stat.most) == (2, 7, 1, 8)


def test_a_cell_names_every_check_that_was_overridden_for_the_runs_behind_it() -> None:
    (cell,) = cells(
        [
            replace(OK, run="r1", forced=("swap", "dram-clock")),
            replace(OK, run="r2", forced=("swap",)),
            replace(TIMEOUT, forced=("memory",)),
        ]
    )
    assert cell.forced == ("dram-clock", "swap")


def test_a_metric_that_no_run_has_is_not_there_and_not_zero() -> None:
    (cell,) = cells([OK])
    assert cell.stat("init_ms") is None
    assert cell.median("init_ms") is None


def test_a_metric_that_some_runs_lack_says_of_how_many_it_is() -> None:
    (cell,) = cells([OK, replace(OK, run="r2", ttft_ms=None)])
    assert spread(cell, "ttft_ms") == (200.0, 200.0, 200.0, 1)
    assert cell.n == 2


@pytest.mark.parametrize(
    "other",
    [
        {"origin": "simulated"},
        {"origin": "manual"},
        {"board": "b"},
        {"model": "qwen3-1.7b"},
        {"npu_cores": 1},
        {"clock_profile": "pinned"},
        {"clock_profile": "as_is"},
        {"workload": Workload(prompt_set="basic", prompt_id="story", max_new_tokens=65, max_context_len=1024)},
    ],
)
def test_runs_that_are_not_alike_never_share_a_cell(other: dict[str, object]) -> None:
    found = cells([OK, replace(OK, **other, generate_tps=40.0)])  # type: ignore[arg-type]
    assert sorted(cell.median("generate_tps") or 0 for cell in found) == [20.0, 40.0]


@pytest.mark.parametrize(
    ("outcomes", "summary"),
    [
        ([], "no runs"),
        ([(Outcome.OK, True)], "only warm-up"),
        ([(Outcome.OK, True), (Outcome.OK, False)], "ok"),
        ([(Outcome.TIMEOUT, True), (Outcome.TIMEOUT, False)], "timeout"),
        ([(Outcome.TIMEOUT, False), (Outcome.OK, False), (Outcome.OK, False)], "2 ok, 1 timeout"),
        ([(Outcome.FAILED, True), (Outcome.OK, False)], "1 ok, 1 failed"),
        ([(Outcome.LOST, False), (Outcome.OOM, False), (Outcome.OOM, False)], "2 oom, 1 lost"),
    ],
)
def test_the_outcome_of_a_cell_counts_what_became_of_its_runs(
    outcomes: list[tuple[Outcome, bool]], summary: str
) -> None:
    assert outcome_summary(replace(OK, outcome=o, warmup=w) for o, w in outcomes) == summary


def test_equal_reasons_are_told_once_with_their_number() -> None:
    (cell,) = cells([TIMEOUT, replace(TIMEOUT, run="r8"), OK])
    (reason,) = cell.reasons
    assert (reason.outcome, reason.reason, reason.count) == (Outcome.TIMEOUT, "stopped at its time limit", 2)


def test_a_cell_says_when_what_was_to_be_pinned_was_not_always() -> None:
    half = replace(OK, run="r2", clock_profile="pinned", clocks="partly: not dmc: no node")
    (cell,) = cells([replace(OK, clock_profile="pinned", clocks="pinned"), half])
    assert cell.clocks == ("partly: not dmc: no node", "pinned")


def test_a_cell_names_every_runtime_behind_its_median() -> None:
    (cell,) = cells([OK, replace(OK, run="r2", runtime="1.2.1"), replace(TIMEOUT, runtime="1.1.4")])
    assert cell.runtimes == ("1.2.1", "1.2.3")


some_runs = st.lists(
    st.builds(
        Run,
        campaign=st.sampled_from(("c1", "c2")),
        board=st.just("a") | st.sampled_from(("a", "b")),
        run=st.text(max_size=2),
        outcome=st.just(Outcome.OK) | st.sampled_from(Outcome),
        reason=st.none() | st.sampled_from(("x", "y")),
        advice=st.none() | st.just("z"),
        origin=st.sampled_from(("measured", "simulated", "unknown")),
        model=st.none() | st.just("m"),
        npu_cores=st.none() | st.integers(1, 3),
        clock_profile=st.none() | st.sampled_from(("pinned", "as_is")),
        workload=st.builds(Workload, prompt_id=st.none() | st.just("p"), max_new_tokens=st.none() | st.integers(1, 2)),
        warmup=st.booleans(),
        runtime=st.none() | st.sampled_from(("1", "2")),
        generate_tps=st.none() | st.floats(0.1, 100),
        memory_rkllm_bytes=st.none() | st.integers(0, 2**35),
    ),
    max_size=12,
)


@settings(max_examples=80)
@given(some_runs, st.randoms(use_true_random=False))
def test_the_order_of_the_runs_never_changes_a_cell(runs: list[Run], random: object) -> None:
    shuffled = list(runs)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert cells(shuffled) == cells(runs)


@settings(max_examples=80)
@given(some_runs)
def test_every_run_is_in_one_cell_and_no_cell_has_two_origins(runs: list[Run]) -> None:
    found = cells(runs)
    assert sum(cell.n for cell in found) == sum(run.counts for run in runs)
    keys = [(cell.board, cell.model, cell.npu_cores, cell.workload, cell.clock_profile, cell.origin) for cell in found]
    assert len(set(keys)) == len(keys)
    assert {run.origin for run in runs} == {cell.origin for cell in found}
