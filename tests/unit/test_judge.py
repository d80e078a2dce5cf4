"""What became of a run, from its end record and from what its logs say."""

from __future__ import annotations

import pytest

from analysis.outcome import End, Judgement, Logs, Outcome, judge

OK_END = End(result="success", exit_code=0, duration_s=9.0, limit_s=60)
TABLE_SEEN = Logs(has_table=True)


@pytest.mark.parametrize(
    ("end", "logs", "outcome"),
    [
        (OK_END, TABLE_SEEN, "ok"),
        (OK_END, Logs(), "failed"),
        (OK_END, Logs(failure="npu_malloc", errno=12), "oom"),
        (OK_END, Logs(failure="npu_malloc", errno=14), "failed"),
        (OK_END, Logs(has_table=True, refuted=("prefill slower than generate",)), "tainted"),
        (OK_END, Logs(has_table=True, failure="npu_submit_failed"), "tainted"),
        (End("exit-code", 255), Logs(failure="npu_malloc", errno=12), "oom"),
        (End("exit-code", 255), Logs(failure="npu_malloc", errno=14), "failed"),
        (End("signal", 137, 9), Logs(failure="oom_task_table"), "oom"),
        (End("exit-code", 1), Logs(failure="oom_task_table"), "failed"),
        (End("timeout", 124), Logs(failure="oom_kill"), "oom"),
        (End("timeout", 124), TABLE_SEEN, "timeout"),
        (End("exit-code", 124), Logs(), "timeout"),
        (End("exit-code", 137, duration_s=60.2, limit_s=60), Logs(), "timeout"),
        (End("exit-code", 143, duration_s=60.2, limit_s=60), Logs(), "timeout"),
        (End("exit-code", 143, duration_s=59.0, limit_s=60), Logs(), "failed"),
        (End("exit-code", 1, duration_s=60.2, limit_s=60), Logs(), "failed"),
        (End("cancelled", 143), TABLE_SEEN, "cancelled"),
        (End("cancelled", 124), TABLE_SEEN, "cancelled"),
        (End(None, 0), TABLE_SEEN, "failed"),
        (None, TABLE_SEEN, "lost"),
    ],
)
def test_judge_decides_by_end_record_and_logs(end: End | None, logs: Logs, outcome: str) -> None:
    judgement = judge(end=end, logs=logs)
    assert judgement.outcome == outcome
    assert bool(judgement.reason) == (outcome != "ok")


def test_what_the_parser_found_is_in_the_reason_and_its_advice_comes_first() -> None:
    logs = Logs(failure="model_invalid", means="not an .rkllm file", advice="compare its sha256")
    assert judge(end=End("exit-code", 255), logs=logs) == Judgement(
        Outcome.FAILED, "exit code 255; model_invalid: not an .rkllm file", "compare its sha256"
    )
