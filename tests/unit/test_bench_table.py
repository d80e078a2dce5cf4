"""The table of a bench: in a terminal of any width, and as JSON, CSV and Markdown."""

from __future__ import annotations

import csv
import io
import json
import re
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis import writers
from analysis.cells import cells
from analysis.errors import UnknownFormat
from analysis.outcome import Outcome
from analysis.runs import Workload
from analysis.text import markdown, plain
from analysis.writers.term import bench_table
from tests.unit.ended import GOOD, SIMULATED, TIMEOUT


def test_the_table_says_which_boards_were_measured_although_checks_failed() -> None:
    forced = replace(GOOD, forced=("swap", "dram-clock"))
    last = bench_table(cells([forced, replace(GOOD, board="rk3588-b")])).splitlines()[-1]
    assert last == "rk3588-a: measured although these checks failed (--force): dram-clock, swap"
    assert "failed (--force)" not in bench_table(cells([GOOD]))


def test_the_table_shows_the_columns_that_were_asked_for() -> None:
    lines = bench_table(cells([GOOD])).splitlines()
    assert re.split(r"  +", lines[0].strip()) == [
        *("board", "model", "cores", "outcome", "TTFT ms", "prefill tok/s", "generate tok/s"),
        *("peak memory GiB", "n"),
    ]
    assert lines[2].split() == [
        *("rk3588-a", "qwen3-0.6b", "3", "ok", "200.0", "199.50", "20.10", "1.50", "1"),
    ]
    assert len(lines) == 3


def test_the_table_tells_of_three_figures_of_memory_only_when_they_differ() -> None:
    agreed = replace(GOOD, memory_vmhwm_bytes=1_600_000_000, memory_available_drop_bytes=1_610_612_736)
    assert bench_table(cells([agreed])) == bench_table(cells([GOOD]))
    text = bench_table(cells([replace(agreed, memory_available_drop_bytes=2 * 2**30)]))
    said = "memory: RKLLM says 1.50 GiB, VmHWM was 1.49 GiB, MemAvailable fell by 2.00 GiB"
    assert text.endswith(f"rk3588-a qwen3-0.6b 3 cores: {said}")


def test_the_table_says_which_rows_are_simulated_and_what_that_means() -> None:
    text = bench_table(cells([GOOD, SIMULATED]))
    row_a, row_v = (line for line in text.splitlines() if line.startswith("rk3588"))
    assert row_a.endswith("measured")
    assert row_v.endswith("simulated")
    assert "simulated: made by a virtual board" in text


def test_the_table_explains_each_outcome_once_with_its_advice() -> None:
    lost = replace(TIMEOUT, board="rk3588-b", outcome=Outcome.LOST, reason="gone", advice=None)
    text = bench_table(cells([GOOD, TIMEOUT, replace(TIMEOUT, npu_cores=2), lost]))
    assert "1 ok, 1 timeout [1]" in text
    assert re.search(r"rk3588-a +qwen3-0.6b +2 +timeout \[1\]", text)
    assert re.search(r"rk3588-b +qwen3-0.6b +3 +lost \[2\]", text)
    assert text.count("stopped at its time limit") == 1
    assert text.endswith("[1] timeout: stopped at its time limit of 600 s. Try: a longer limit\n[2] lost: gone")


def test_the_table_shows_the_workload_only_when_there_are_several() -> None:
    other = replace(GOOD, workload=Workload(prompt_set="basic", prompt_id="long", max_new_tokens=64))
    assert "story" not in bench_table(cells([GOOD]))
    assert "basic/long, 64 new" in bench_table(cells([GOOD, other]))


def test_the_table_warns_of_a_median_over_two_runtimes() -> None:
    text = bench_table(cells([GOOD, replace(GOOD, run="r2", runtime="1.2.1")]))
    assert "rk3588-a qwen3-0.6b 3 cores: the median mixes runtimes 1.2.1, 1.2.3" in text


def test_without_runs_every_format_is_still_valid() -> None:
    assert bench_table([]) == "no runs"
    assert json.loads(writers.bench([], "json")) == []
    assert len(list(csv.reader(io.StringIO(writers.bench([], "csv"))))) == 1
    assert writers.bench([], "md") == "no runs"


def test_json_has_stored_units_and_null_for_what_is_not_known() -> None:
    found = json.loads(writers.bench(cells([GOOD, TIMEOUT, SIMULATED]), "json"))
    assert [row["simulated"] for row in found] == [False, True]
    assert found[0]["memory_rkllm_bytes"] == 1_610_612_736
    assert found[0]["ttft_ms"] == 200.04
    assert found[0]["init_ms"] is None
    assert found[0]["outcome"] == "1 ok, 1 timeout"
    assert found[0]["reasons"][0]["advice"] == "a longer limit"


def test_csv_and_markdown_have_the_rows_of_the_table() -> None:
    found = cells([GOOD, TIMEOUT, SIMULATED])
    rows = list(csv.DictReader(io.StringIO(writers.bench(found, "csv"))))
    assert [(row["board"], row["generate tok/s"], row["origin"]) for row in rows] == [
        ("rk3588-a", "20.10", "measured"),
        ("rk3588-v", "20.10", "simulated"),
    ]
    assert "1 x timeout: stopped" in rows[0]["reasons"]
    lines = writers.bench(found, "md").splitlines()
    assert lines[0].startswith("| board")
    assert lines[2].count("|") == 11
    assert lines[2].startswith("| rk3588-a | qwen3-0.6b |")


def test_an_unknown_format_names_those_there_are() -> None:
    with pytest.raises(UnknownFormat, match="'yaml' is none of table, json, csv, md"):
        writers.bench([], "yaml")


@settings(max_examples=100)
@given(st.text(max_size=40), st.text(max_size=40))
def test_no_text_of_a_board_breaks_the_lines_of_a_table_or_moves_the_cursor(board: str, reason: str) -> None:
    run = replace(TIMEOUT, board=board, reason=reason)
    for form in writers.FORMATS:
        text = writers.bench(cells([run]), form)
        assert not any(c != "\n" and not c.isprintable() for c in text)
        text.encode()
    lines = writers.bench(cells([run]), "table").splitlines()
    assert len(lines) == 5
    narrow = writers.bench(cells([run]), "table", 60)
    assert not any(c != "\n" and not c.isprintable() for c in narrow)


def test_text_in_markdown_stays_in_its_column_and_is_no_link() -> None:
    assert markdown("a|b [x](http://e) <img>") == r"a\|b \[x\](http\://e) \<img\>"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("plain", "plain"),
        ("a\x1b[31mred\x1b[0m b", "ared b"),
        ("\x1b]8;;http://evil\x07click\x1b]8;;\x07", "click"),
        ("two\r\nlines\tand tab", "two lines and tab"),
        ("nul\x00 bell\x07 c1\x9b", "nul\ufffd bell\ufffd c1\ufffd"),
        ("\u202eabc\u2066", "abc"),
        ("中文 ✓", "中文 ✓"),
        ("a\ud800", "a\ufffd"),
    ],
)
def test_plain_text_is_one_visible_line(text: str, expected: str) -> None:
    assert plain(text) == expected


FLEET = [
    *(replace(GOOD, run=f"{n}", generate_tps=20.0 + n / 10, ttft_ms=200.0 + n) for n in range(4)),
    replace(SIMULATED, npu_cores=2),
    replace(GOOD, board="rk3588-by-hand", origin="manual"),
]


@pytest.mark.parametrize("width", [80, 100, 160])
def test_the_table_is_no_wider_than_the_terminal(width: int) -> None:
    long = replace(TIMEOUT, board="a-board-with-a-long-name.rack-7.lab.example.org", reason="word " * 60)
    for runs in (FLEET, [*FLEET, long]):
        text = bench_table(cells(runs), width)
        assert max(map(len, text.splitlines())) <= width
        assert "20.15" in text and "every row: model qwen3-0.6b" in text


def test_intervals_are_shown_where_there_is_room_for_them() -> None:
    wide, narrow, narrowest = (bench_table(cells(FLEET), width) for width in (160, 88, 80))
    assert "20.15 (20.00–20.30)" in wide and "201.5 (200.0–203.0)" in wide
    assert "20.15 (20.00–20.30)" in narrow and "(200.0–203.0)" not in narrow
    assert "20.15" in narrowest and "–" not in narrowest


def test_a_letter_behind_each_number_says_that_no_real_board_of_ours_measured_it() -> None:
    text = bench_table(cells(FLEET), 100)
    (played,) = (line for line in text.splitlines() if line.startswith("rk3588-v"))
    (by_hand,) = (line for line in text.splitlines() if line.startswith("rk3588-by-hand"))
    (real,) = (line for line in text.splitlines() if line.startswith("rk3588-a"))
    assert played.count(" S") == 4 and by_hand.count(" M") == 4 and " S" not in real
    assert "S: simulated, made by a virtual board" in text and "M: manual, from a log made by hand." in text


def test_what_is_alike_in_every_row_is_said_once() -> None:
    text = bench_table(cells([GOOD, replace(GOOD, board="rk3588-b")]), 80)
    assert text.splitlines()[0].split()[:2] == ["board", "outcome"]
    assert text.endswith("every row: model qwen3-0.6b, cores 3, n 1")
    assert "every row" not in bench_table(cells([GOOD]), 80)
