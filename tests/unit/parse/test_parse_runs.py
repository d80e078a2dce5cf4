"""The streams of one run together: root cause, consequences, integrity."""

from __future__ import annotations

import pytest

from analysis.parse import FAILURE_CLASSES, ParsedRun, Planned, parse_run
from tests.unit.parse.log_strategies import Row, as_bytes, banner_lines, table_lines

PREFILL, GENERATE = Row(400.0, 26), Row(5100.0, 127)


def stdout(prefill: Row = PREFILL, generate: Row = GENERATE, *, tables: int = 1, answer: str = "Because.") -> bytes:
    lines = banner_lines("1.2.3", 3, 4096, "W8A8", "0.9.8")
    for number in range(tables):
        lines += ["", f"user: robot: {answer}"]
        lines += table_lines("1.2.3", prefill, generate, 1200.0 if number == 0 else None, 0.9)
    return as_bytes([*lines, "", "user: "])


def run(
    out: bytes | None = None,
    err: bytes | None = b"",
    dmesg: bytes | None = b"",
    code: int | None = 0,
    result: str | None = "success",
    **planned: object,
) -> ParsedRun:
    plan = Planned(**planned)  # type: ignore[arg-type]
    return parse_run(
        stdout=stdout() if out is None else out,
        stderr=err,
        dmesg=dmesg,
        exit_code=code,
        result=result,
        planned=plan,
    )


def failed_checks(parsed: ParsedRun) -> list[str]:
    return [check.name for check in parsed.checks if not check.ok]


def test_a_good_run_has_numbers_and_no_doubts() -> None:
    parsed = run(npu_core_num=3, max_new_tokens=128, prompt_chars=80, runtime="1.2.3")
    assert (parsed.failure, parsed.tainted, parsed.reasons, parsed.advice) == (None, False, (), None)
    assert parsed.log.generate is not None
    assert parsed.log.generate.tokens == 127
    assert parsed.log.memory_bytes == round(0.9 * 2**30)
    assert len(parsed.checks) >= 7


def test_the_table_of_classes_decides_between_files_and_the_rest_are_consequences() -> None:
    parsed = run(
        out=as_bytes([*banner_lines("1.2.3", 3, 4096, "W8A8", "0.9.8")[:3], "rkllm init failed"]),
        err=b"E RKNN: [10:00:00.001] failed to allocate handle, ret: -1, errno: 14, errstr: Bad address\n"
        b"E RKNN: [10:00:00.001] failed to malloc npu memory, size: 4022272000, flags: 0x2\n",
        dmesg=b"[  9.1] RKNPU: failed to allocate IOVA: -12\n[  9.2] RKNPU: job abort, ret: -512\n",
        code=255,
        result="exit-code",
    )
    assert parsed.failure == "npu_malloc"
    assert parsed.also == ("iova_exhausted", "npu_job_abort")
    assert parsed.as_dict()["alloc_bytes"] == 4022272000
    assert parsed.as_dict()["errno"] == 14
    assert parsed.advice is not None and "errno 14" in parsed.advice
    assert len(parsed.advices) == 3


def test_a_lost_job_on_stderr_taints_a_complete_table_at_exit_code_0() -> None:
    parsed = run(err=b"E RKNN: [10:00:00.001] failed to submit!, op id: 0\n")
    assert parsed.failure == "npu_submit_failed"
    assert failed_checks(parsed) == ["npu_jobs_finished"]
    assert "npu_submit_failed" in parsed.reasons[0]


def test_a_slow_prefill_taints() -> None:
    assert failed_checks(run(out=stdout(prefill=Row(18000.0, 14)))) == ["prefill_faster_than_generate"]


def test_a_slow_prefill_of_few_tokens_does_not() -> None:
    assert failed_checks(run(out=stdout(prefill=Row(900.0, 9)))) == []


def test_a_rate_that_does_not_follow_from_tokens_and_time_taints() -> None:
    assert failed_checks(run(out=stdout().replace(b"24.90", b"29.90"))) == ["generate_rate_agrees"]


def test_an_answer_that_ends_early_is_only_noted() -> None:
    parsed = run(out=stdout(generate=Row(4000.0, 100)), max_new_tokens=256)
    assert failed_checks(parsed) == []
    assert [(note.name, note.observed) for note in parsed.observations] == [("short_answer", "100 tokens generated")]


@pytest.mark.parametrize(
    ("tokens", "asked", "bad"), [(15, 128, True), (16, 128, False), (90, 1024, True), (7, 8, False)]
)
def test_a_far_too_short_answer_taints(tokens: int, asked: int, bad: bool) -> None:
    parsed = run(out=stdout(generate=Row(tokens * 40.0, tokens)), max_new_tokens=asked)
    assert (failed_checks(parsed) == ["answer_long_enough"]) is bad


def test_a_text_only_prompt_in_a_vision_run_taints() -> None:
    assert failed_checks(run(is_vision=True)) == ["image_in_prompt"]
    assert failed_checks(run(out=stdout(prefill=Row(2800.0, 221)), is_vision=True)) == []


def test_a_prefill_too_short_for_its_prompt_taints() -> None:
    assert failed_checks(run(prompt_chars=2000)) == ["whole_prompt_prefilled"]


def test_the_banner_is_held_against_the_plan() -> None:
    assert failed_checks(run(npu_core_num=2, runtime="1.3.0")) == ["npu_cores_as_planned", "runtime_as_planned"]


def test_several_turns_where_one_was_planned_taint() -> None:
    parsed = run(out=stdout(tables=2))
    assert failed_checks(parsed) == ["turns_as_planned"]
    assert failed_checks(run(out=stdout(tables=2), turns=2)) == []


def test_a_check_says_what_was_seen_and_what_was_expected() -> None:
    check = next(check for check in run(npu_core_num=1).checks if not check.ok)
    assert check.sentence == "npu_cores_as_planned: npu_core_num 3 in the banner, expected 1"


def test_killed_in_an_answer_is_no_kill_when_the_exit_code_is_known() -> None:
    cut = stdout(answer="They cried:\nKilled").split(b"I rkllm: ---")[0]
    assert run(out=cut, code=None, result=None).failure == "oom_kill"
    assert run(out=cut, code=1, result="exit-code").failure is None
    assert run(out=cut, code=137, result="signal").failure == "oom_kill"


@pytest.mark.parametrize(
    ("code", "result", "failure"),
    [
        (137, "signal", "oom_kill"),
        (-9, "signal", "oom_kill"),
        (139, "signal", "segfault"),
        (134, "signal", "abort"),
        (141, "signal", "sigpipe"),
        (124, "timeout", "timeout_or_stdin"),
        (137, "timeout", "timeout_or_stdin"),
        (127, "exit-code", "program_missing"),
        (2, "exit-code", "interrupted_by_user"),
        (137, "cancelled", None),
        (1, "exit-code", None),
        (None, None, None),
    ],
)
def test_the_way_of_ending_gives_the_class_where_no_line_does(
    code: int | None, result: str | None, failure: str | None
) -> None:
    banner = as_bytes(banner_lines("1.2.3", 3, 4096, "W8A8", "0.9.8"))
    assert run(out=banner, code=code, result=result).failure == failure


def test_a_usage_message_is_no_interruption() -> None:
    assert run(out=b"", err=b"run_text_benchmark.sh: usage: --demo\n", code=2, result="exit-code").failure is None


def test_somebody_elses_kill_in_dmesg_is_no_failure_of_a_run_that_ended_well_but_taints_it() -> None:
    kill = b"[ 9.1] Out of memory: Killed process 77 (chromium) total-vm:1kB, anon-rss:2kB\n"
    parsed = run(dmesg=kill)
    assert (parsed.failure, failed_checks(parsed)) == (None, ["kernel_is_quiet"])
    assert run(out=b"", dmesg=kill, code=137, result="signal").failure == "oom_kill"


def test_nothing_at_all_is_an_answer_too() -> None:
    parsed = parse_run(stdout=None, stderr=None, dmesg=None, exit_code=None)
    assert (parsed.failure, parsed.tainted, parsed.log.perf_present) == (None, False, False)
    assert parsed.as_dict()["prefill"] is None


def test_the_kernel_gives_the_driver_where_the_program_does_not() -> None:
    parsed = run(out=b"", dmesg=b"[ 9.1] [drm] Initialized rknpu 0.9.7 20240424 for fdab0000.npu on minor 1\n")
    assert parsed.log.driver == "0.9.7"


def test_every_class_says_what_it_means_and_what_to_do() -> None:
    for failure in FAILURE_CLASSES.values():
        assert failure.means and failure.advice, failure.name
        assert not failure.advice.endswith("."), failure.name
