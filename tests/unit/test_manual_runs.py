"""A log made by hand as the analyst sees it: judged by what it holds, and contradicted by it where it does."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from analysis.cells import cells
from analysis.outcome import End, Logs, Outcome, judge
from analysis.runs import Run, read_runs
from tests.unit.collected import BANNER, TABLE, evidence

BY_HAND: dict[str, Any] = {"start": None, "end": None, "before": None, "after": None, "telemetry": None, "dmesg": None}


def manual(tmp_path: Path, stdout: str = BANNER + TABLE, stderr: str = "", **spec: Any) -> Run:
    said = {"npu_cores": None, "stated": {}, "workload": {}, "artifact": {}, **spec}
    evidence(tmp_path, **BY_HAND, stdout=stdout.encode(), stderr=stderr.encode(), spec={"origin": "manual", **said})
    (run,) = read_runs(tmp_path)
    return run


@pytest.mark.parametrize(
    ("logs", "outcome"),
    [
        (Logs(has_table=True), "ok"),
        (Logs(has_table=True, failure="npu_submit_failed"), "tainted"),
        (Logs(has_table=True, failure="segfault"), "tainted"),
        (Logs(has_table=True, refuted=("prefill slower than generate",)), "tainted"),
        (Logs(), "failed"),
        (Logs(failure="model_invalid"), "failed"),
        (Logs(failure="oom_kill"), "oom"),
        (Logs(failure="oom_task_table"), "failed"),
        (Logs(failure="npu_malloc", errno=12), "oom"),
        (Logs(failure="npu_malloc", errno=14), "failed"),
        (Logs(failure="timeout_or_stdin"), "timeout"),
    ],
)
def test_a_log_made_by_hand_is_judged_by_what_it_holds_and_never_lost(logs: Logs, outcome: str) -> None:
    judgement = judge(end=None, logs=logs, by_hand=True)
    assert judgement.outcome == outcome
    assert bool(judgement.reason) == (outcome != "ok")


def test_an_end_that_somebody_saw_outweighs_the_table() -> None:
    assert judge(end=End("exit-code", 139), logs=Logs(has_table=True), by_hand=True).outcome is Outcome.FAILED


def test_a_run_of_a_board_without_an_end_is_lost_as_before() -> None:
    assert judge(end=None, logs=Logs(has_table=True)).outcome is Outcome.LOST


def test_a_complete_log_is_ok_and_belongs_to_the_cores_of_its_banner(tmp_path: Path) -> None:
    run = manual(tmp_path)
    assert (run.outcome, run.origin, run.npu_cores, run.npu_core_num) == (Outcome.OK, "manual", 3, 3)
    assert (run.ttft_ms, run.generate_tps) == (200.0, 20.0)


def test_a_plan_that_is_open_is_still_a_fault_where_a_board_was_driven(tmp_path: Path) -> None:
    run = manual(tmp_path, origin="measured")
    assert run.outcome is Outcome.FAILED and "npu_cores" in str(run.reason)


@pytest.mark.parametrize(
    ("spec", "says"),
    [
        ({"npu_cores": 1}, "npu_cores_as_planned: npu_core_num 3 in the banner, expected 1"),
        ({"stated": {"runtime": "1.1.4"}}, "runtime_as_planned: 1.2.3, expected 1.1.4"),
        ({"stated": {"driver": "0.9.6"}}, "driver_as_stated: 0.9.8, expected 0.9.6"),
        ({"workload": {"max_context_len": 8192}}, "context_as_stated: max_context_limit 4096"),
        ({"workload": {"max_new_tokens": 20}}, "new_tokens_as_stated: 63 tokens generated, expected at most 20"),
    ],
)
def test_what_the_log_contradicts_taints_with_both_values(tmp_path: Path, spec: dict[str, Any], says: str) -> None:
    run = manual(tmp_path, **spec)
    assert run.outcome is Outcome.TAINTED
    assert str(run.reason).count(says) == 1
    assert not any(cell.n for cell in cells([run]))


def test_what_the_log_confirms_taints_nothing(tmp_path: Path) -> None:
    stated = {"runtime": "1.2.3", "driver": "0.9.8", "exit_code": 0, "board_model": "ROCK 5B"}
    run = manual(tmp_path, npu_cores=3, stated=stated, workload={"max_context_len": 4096, "max_new_tokens": 64})
    assert (run.outcome, run.reason) == (Outcome.OK, None)
    assert run.stated == "board_model ROCK 5B, runtime 1.2.3, driver 0.9.8, exit_code 0"


def test_an_exit_code_in_the_log_is_held_against_the_one_that_was_stated(tmp_path: Path) -> None:
    run = manual(tmp_path, stdout=BANNER + TABLE + "\nexit code=139\n", stated={"exit_code": 0})
    assert run.outcome is Outcome.TAINTED
    assert "exit_code_as_stated: exit code 139 in stdout.log, expected 0" in str(run.reason)


def test_a_failed_log_names_its_contradictions_too(tmp_path: Path) -> None:
    run = manual(tmp_path, stdout=BANNER.partition("rkllm init")[0], stderr="E rkllm: Killed\n", npu_cores=2)
    assert run.outcome is Outcome.FAILED
    assert "no performance table" in str(run.reason) and "npu_core_num 3 in the banner, expected 2" in str(run.reason)


def test_a_stated_exit_code_is_how_it_ended(tmp_path: Path) -> None:
    run = manual(tmp_path, stdout=BANNER.partition("rkllm init")[0], stated={"exit_code": 137})
    assert run.outcome is Outcome.OOM


def test_what_no_banner_says_is_as_it_was_stated(tmp_path: Path) -> None:
    run = manual(tmp_path, stdout=TABLE, npu_cores=2, stated={"runtime": "1.1.4", "driver": "0.9.7"})
    assert (run.runtime, run.driver, run.npu_cores, run.npu_core_num) == ("1.1.4", "0.9.7", 2, None)


def test_several_turns_in_one_log_are_no_measurement(tmp_path: Path) -> None:
    run = manual(tmp_path, stdout=BANNER + TABLE + "robot: Again.\n" + TABLE)
    assert run.outcome is Outcome.TAINTED and "turns_as_planned: 2 tables, expected 1" in str(run.reason)


def test_a_kind_that_nobody_knows_has_no_time_to_first_token(tmp_path: Path) -> None:
    assert manual(tmp_path, kind=None).ttft_ms is None
