"""What holds for every log, however it was cut, coloured or quoted."""

from __future__ import annotations

import json
import time
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from analysis.parse import ParsedLog, parse_log
from analysis.parse.lines import LINE_LIMIT_BYTES
from analysis.parse.reader import read
from tests.unit.parse.log_strategies import Dirt, Row, as_bytes, banner_lines, dirt, logs, rows, table_lines

SOME = settings(max_examples=120, derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow])
SINGLE_NUMBERS = ("max_context_limit", "npu_core_num", "enabled_cpus", "enabled_cpus_num", "init_ms", "exit_code")
SINGLE_WORDS = ("runtime", "driver", "platform", "toolkit", "target_platform", "model_dtype")
SNIPPETS = [
    "I rkllm:  Prefill 1.0 2 0.5 2000.0\n",
    "I rkllm:  Generate nan -1 inf\n",
    "user: robot: ",
    "```\n",
    "Killed\n",
    "Peak Memory Usage (MB)\n",
    "[  1.0] [   12]     0  12 1 1 1 1 0 x\n",
    "errno: 24",
    "MemTotal: 1 kB\n",
    "DT compat: a,b\n",
    "NPU load: Core0: %,",
    "output tensors:\n",
    "npu_thermal-virtual-0\n",
    "exit code=99999999999999999999",
]


@SOME
@given(st.binary(max_size=400))
@example(b"\xff\xfe\x00\x1b[")
@example(b"I rkllm: Enabled cpus: [4,\x1d7]\n")
def test_any_bytes_give_an_answer(data: bytes) -> None:
    json.dumps(parse_log(data).as_dict())


@SOME
@given(st.lists(st.one_of(st.sampled_from(SNIPPETS), st.text(max_size=12)), max_size=14), st.booleans())
def test_any_mixture_of_what_a_log_is_made_of_gives_an_answer(parts: list[str], cut: bool) -> None:
    data = "".join(parts).encode("utf-8", "surrogatepass")
    json.dumps(parse_log(data[: len(data) // 2] if cut else data).as_dict())


def without_memory_where_cut(cut: ParsedLog, whole: ParsedLog) -> list[bool]:
    """Each turn is the whole log's, but for a memory that was not reached."""
    pairs = zip(cut.turns, whole.turns, strict=False)
    return [mine == theirs or mine == replace(theirs, memory=None) for mine, theirs in pairs]


@SOME
@given(logs(), st.data())
def test_cutting_a_log_at_any_byte_never_invents_a_value(lines: list[str], data: st.DataObject) -> None:
    log = as_bytes(lines)
    whole = parse_log(log)
    cut = parse_log(log[: data.draw(st.integers(0, len(log)), label="cut")])
    for name in (*SINGLE_NUMBERS, *SINGLE_WORDS):
        assert getattr(cut, name) in (None, getattr(whole, name)), name
    assert len(cut.turns) <= len(whole.turns)
    assert all(without_memory_where_cut(cut, whole))


def test_every_single_cut_of_one_log_is_checked() -> None:
    lines = banner_lines("1.2.3", 3, 16384, "W8A8_G128", "0.9.8")
    lines += ["user: robot: x", *table_lines("1.2.3", Row(1234.5, 12), Row(9876.54, 321), 1500.25, 1.75)]
    log = as_bytes(lines)
    whole = parse_log(log)
    for at in range(len(log)):
        cut = parse_log(log[:at])
        for name in (*SINGLE_NUMBERS, *SINGLE_WORDS):
            assert getattr(cut, name) in (None, getattr(whole, name)), (at, name)
        assert all(without_memory_where_cut(cut, whole)), at


@SOME
@given(logs(), dirt)
def test_prefixes_line_ends_colours_nuls_and_collapsed_columns_change_nothing(lines: list[str], make: Dirt) -> None:
    assert parse_log(make(lines)).as_dict() == parse_log(as_bytes(lines)).as_dict()


@SOME
@given(logs(turns=1), rows, rows, st.sampled_from(["1.1.4", "1.2.0", "1.2.3", "1.3.0"]))
def test_a_table_in_the_answer_is_not_read_when_the_true_one_follows(
    lines: list[str], prefill: Row, generate: Row, layout: str
) -> None:
    asked = next(number for number, line in enumerate(lines) if line.startswith("user: robot:"))
    fake = table_lines(layout, prefill, generate, 4321.0, 77.7)
    told = [*lines[: asked + 1], "It looks so:", *fake, "That was it.", *lines[asked + 1 :]]
    assert parse_log(as_bytes(told)).as_dict() == parse_log(as_bytes(lines)).as_dict()


@SOME
@given(logs(), st.integers(1, 700))
def test_the_size_of_the_pieces_does_not_matter(lines: list[str], size: int) -> None:
    log = as_bytes(lines).replace(b"\n", b"\r\n")
    pieces = [log[start : start + size] for start in range(0, len(log), size)]
    assert read(pieces).as_dict() == parse_log(log).as_dict()


def test_a_line_longer_than_the_limit_keeps_its_ends_apart() -> None:
    filler = b"x" * (2 * LINE_LIMIT_BYTES)
    log = parse_log(b"rkllm-runtime version: 1.2" + filler + b".3, rknpu driver version: 0.9.8, platform: RK3588\n")
    assert (log.runtime, log.driver) == (None, "0.9.8")


DIGITS = "9" * 5000


@pytest.mark.parametrize(
    "text",
    [
        f"I rkllm: rkllm-toolkit version: 1.2.3, npu_core_num: {DIGITS}, max_context_limit: {DIGITS}, x\n",
        f"I rkllm: rkllm-runtime version: {DIGITS}.{DIGITS}.1, rknpu driver version: 0.{DIGITS}.8, x\n",
        f"I rkllm: Enabled cpus: [{DIGITS}]\nI rkllm: Enabled cpus num: {DIGITS}\n",
        f"I rkllm:  Prefill {DIGITS} 1 1.0 1.0\nI rkllm:  Generate 1.0 {DIGITS} 1.0 1.0\n",
        f"I rkllm:  Prefill 1.0 1 {DIGITS} 1.0\nI rkllm:  Generate 1.0 1 1.0 1.0\n",
        f"I rkllm: Model init time (ms)  {DIGITS}\nmain: LLM Model loaded in {DIGITS} ms\n",
        f"failed to malloc npu memory, size: {DIGITS}, errno: {DIGITS}\ndemo exit code={DIGITS}\n",
        f"Killed process {DIGITS} (\u00b2) anon-rss:{DIGITS}kB\n",
        f"dmc: x / {DIGITS} MHz (a / {DIGITS})\nnpu: x / 1 MHz (a / {DIGITS})\n",
        f"cpufreq-policy0: a / 1 MHz (a / {DIGITS})\n",
        f"/sys/class/devfreq/dmc/cur_freq:{DIGITS}\n/sys/class/devfreq/dmc/available_frequencies:\u00b2 {DIGITS}\n",
        f"MemTotal: {DIGITS} kB\nNPU load: Core0: {DIGITS}%\nnpu_thermal-virtual-0\n  temp1_input: {DIGITS}\n",
        f"output tensors:\n index=0, dims=[{DIGITS}, 1]\nn_image_tokens: {DIGITS} \n===the core num is {DIGITS}===\n",
    ],
)
def test_absurd_numbers_are_not_read(text: str) -> None:
    answer = json.dumps(parse_log(text.encode()).as_dict(), allow_nan=False)
    assert "9999999" not in answer


@pytest.mark.parametrize(
    "word",
    ["prompt ", "RKNPU ", "target_platform ", "Killed ", "段错误", "index=0 ", "]  ", "user: robot: ", "> _ ", "^C "],
)
def test_a_long_line_of_one_word_takes_no_long_time(word: str) -> None:
    started_s = time.process_time()
    parse_log((word * (1_000_000 // len(word))).encode())
    assert time.process_time() - started_s < 5.0
