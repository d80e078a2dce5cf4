"""What is written: the table and its notes, and spreadsheets that no board can turn against their reader."""

from __future__ import annotations

import csv
import io
import json
import os
import re
import zipfile
from dataclasses import replace
from pathlib import Path

import openpyxl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from analysis import writers
from analysis.cells import cells
from analysis.errors import CannotWrite, UnknownFormat
from analysis.outcome import Outcome
from analysis.runs import Run, Workload
from analysis.text import CELL_LIMIT, markdown, plain, spreadsheet
from analysis.writers.csv import write_summary as write_csv
from analysis.writers.files import write_whole
from analysis.writers.term import bench_table
from analysis.writers.xlsx import write_summary as write_xlsx

GOOD = Run(
    campaign="c1",
    board="rk3588-a",
    run="001-r1",
    outcome=Outcome.OK,
    origin="measured",
    model="qwen3-0.6b",
    npu_cores=3,
    npu_core_num=3,
    workload=Workload(prompt_set="basic", prompt_id="story", max_new_tokens=64, max_context_len=1024),
    runtime="1.2.3",
    driver="0.9.8",
    ttft_ms=200.04,
    prefill_tps=199.5,
    prefill_tokens=40,
    generate_tps=20.1,
    generate_tokens=63,
    memory_rkllm_bytes=1_610_612_736,
    log="collected/c1/rk3588-a/001-r1/stdout.log",
)
SIMULATED = replace(GOOD, board="rk3588-v", origin="simulated")
TIMEOUT = replace(
    GOOD,
    run="002-r2",
    outcome=Outcome.TIMEOUT,
    reason="stopped at its time limit of 600 s",
    advice="a longer limit",
    ttft_ms=None,
)
HOSTILE = [
    "=1+1",
    '=HYPERLINK("http://evil.example","x")',
    "+1",
    "-1+1",
    "@SUM(A1)",
    "\t=1",
    "\r=1",
    "\n=1",
    " =1",
    "'=1",
    '"=1',
    "＝1+1",
    "\x1b[31m=1",
    "\u202e=1",
    "\x00=1",
    "\u200f=1",
    "x;=1+1",
    'x;"=1+1',
    "http://evil.example",
    "mailto:a@b.example",
    "internal:Sheet2!A1",
    "external:C:/x.exe",
    "{=1}",
    "_x003D_1",
    "a\ud800b",
    "\ufffe\uffff",
    "😀" * 20_000,
    "",
]


def sheet_rows(path: Path, sheet: str = "Runs") -> list[dict[str, object]]:
    """A sheet as openpyxl reads it, a dict a row."""
    rows = list(openpyxl.load_workbook(path)[sheet].iter_rows(values_only=True))
    return [dict(zip(map(str, rows[0]), row, strict=True)) for row in rows[1:]]


# The table


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


# The files


def test_the_spreadsheet_has_one_row_a_run_with_numbers_as_numbers_and_units_in_its_headings(
    tmp_path: Path,
) -> None:
    write_xlsx([TIMEOUT, GOOD, SIMULATED], cells([GOOD]), tmp_path / "s.xlsx")
    first, second, third = sheet_rows(tmp_path / "s.xlsx")
    assert (first["run"], second["run"], third["board"]) == ("001-r1", "002-r2", "rk3588-v")
    assert first["peak memory (GiB)"] == 1.5
    assert first["generate (tok/s)"] == 20.1
    assert first["TTFT (ms)"] == 200.0
    assert first["prefill (tokens)"] == 40
    assert second["TTFT (ms)"] is None
    assert second["reason"] == "stopped at its time limit of 600 s"
    assert [row["origin"] for row in (first, second, third)] == ["measured", "measured", "simulated"]


def test_the_sheets_have_a_frozen_heading_a_filter_and_number_formats(tmp_path: Path) -> None:
    write_xlsx([GOOD], cells([GOOD]), tmp_path / "s.xlsx")
    book = openpyxl.load_workbook(tmp_path / "s.xlsx")
    assert book.sheetnames == ["Runs", "Cells", "Columns"]
    for sheet in book:
        assert str(sheet.freeze_panes)[-1] == "2"
        (table,) = sheet.tables.values()
        assert table.autoFilter is not None
        assert table.ref == sheet.dimensions
    headings = [cell.value for cell in book["Runs"][1]]
    assert book["Runs"].cell(2, headings.index("generate (tok/s)") + 1).number_format == "0.00"
    assert book["Runs"].cell(2, headings.index("generate (tokens)") + 1).number_format == "0"


def test_a_workbook_without_runs_opens_and_has_its_headings(tmp_path: Path) -> None:
    write_xlsx([], [], tmp_path / "s.xlsx")
    book = openpyxl.load_workbook(tmp_path / "s.xlsx")
    assert book["Runs"].cell(1, 1).value == "campaign"
    assert book["Runs"].max_row == 1


def test_the_second_sheet_has_the_cells_and_the_third_explains_every_heading(tmp_path: Path) -> None:
    found = cells([GOOD, replace(GOOD, run="r2", generate_tps=22.1), TIMEOUT])
    write_xlsx([GOOD], found, tmp_path / "s.xlsx")
    (row,) = sheet_rows(tmp_path / "s.xlsx", "Cells")
    assert (row["n"], row["outcome of runs"]) == (2, "2 ok, 1 timeout")
    assert [row[f"generate{part} (tok/s)"] for part in ("", " min", " max")] == [21.1, 20.1, 22.1]
    explained = {(line["sheet"], line["column"]) for line in sheet_rows(tmp_path / "s.xlsx", "Columns")}
    assert {("Runs", "TTFT"), ("Runs", "origin"), ("Cells", "generate"), ("Cells", "n")} <= explained


def test_the_log_is_a_link_relative_to_the_workbook(tmp_path: Path) -> None:
    log = tmp_path / "my project" / "collected" / "c1" / "rk3588-a" / "001-r1" / "stdout.log"
    path = tmp_path / "my project" / "reports" / "summary.xlsx"
    write_xlsx([replace(GOOD, log_file=log)], [], path)
    sheet = openpyxl.load_workbook(path)["Runs"]
    (link,) = [cell for row in sheet.iter_rows() for cell in row if cell.hyperlink]
    assert link.value == "collected/c1/rk3588-a/001-r1/stdout.log"
    assert link.hyperlink.target == "../collected/c1/rk3588-a/001-r1/stdout.log"


def test_a_path_with_a_strange_name_is_shown_and_is_no_link(tmp_path: Path) -> None:
    log = tmp_path / "collected" / "c1" / "a#b" / "r" / "stdout.log"
    write_xlsx([replace(GOOD, log_file=log)], [], tmp_path / "reports" / "s.xlsx")
    sheet = openpyxl.load_workbook(tmp_path / "reports" / "s.xlsx")["Runs"]
    assert not [cell for row in sheet.iter_rows() for cell in row if cell.hyperlink]


def test_the_csv_has_one_row_a_run_and_the_same_values(tmp_path: Path) -> None:
    runs = [TIMEOUT, replace(GOOD, warmup=True), SIMULATED]
    write_csv(runs, tmp_path / "s.csv")
    write_xlsx(runs, [], tmp_path / "s.xlsx")
    with (tmp_path / "s.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert rows[0]["warm-up"] == "yes"
    assert rows[0]["generate (tok/s)"] == "20.1"
    in_sheet = [{k: "" if v is None else str(v) for k, v in r.items()} for r in sheet_rows(tmp_path / "s.xlsx")]
    assert {key: float(value) for key, value in rows[0].items() if _is_number(value)} == {
        key: float(value) for key, value in in_sheet[0].items() if _is_number(value)
    }
    assert [row["reason"] for row in rows] == [row["reason"] for row in in_sheet]


def _is_number(text: str) -> bool:
    return re.fullmatch(r"-?[0-9.]+", text) is not None and text.count(".") < 2


def test_writing_twice_gives_the_same_bytes_whatever_the_order(tmp_path: Path) -> None:
    runs = [TIMEOUT, GOOD, SIMULATED]
    for name, given_runs in (("a", runs), ("b", runs[::-1])):
        (tmp_path / name).mkdir()
        write_csv(given_runs, tmp_path / name / "s.csv")
        write_xlsx(given_runs, cells(given_runs), tmp_path / name / "s.xlsx")
    assert (tmp_path / "a" / "s.csv").read_bytes() == (tmp_path / "b" / "s.csv").read_bytes()
    assert (tmp_path / "a" / "s.xlsx").read_bytes() == (tmp_path / "b" / "s.xlsx").read_bytes()


def test_the_workbook_holds_no_time_of_its_own(tmp_path: Path) -> None:
    write_xlsx([GOOD], cells([GOOD]), tmp_path / "s.xlsx")
    with zipfile.ZipFile(tmp_path / "s.xlsx") as book:
        assert {info.date_time[0] for info in book.infolist()} == {1980}
        assert "2000-01-01T00:00:00Z" in book.read("docProps/core.xml").decode()


def test_a_report_that_would_not_change_is_not_touched(tmp_path: Path) -> None:
    path = tmp_path / "reports" / "s.csv"
    write_csv([GOOD], path)
    os.utime(path, ns=(1, 1))
    write_csv([GOOD], path)
    assert path.stat().st_mtime_ns == 1
    write_csv([GOOD, SIMULATED], path)
    assert path.stat().st_mtime_ns != 1
    assert [entry.name for entry in path.parent.iterdir()] == ["s.csv"]


def test_a_report_that_can_not_be_written_leaves_the_old_one_and_says_where(tmp_path: Path) -> None:
    path = tmp_path / "s.csv"
    path.mkdir()
    (path / "keep").write_text("old")
    with pytest.raises(CannotWrite, match=re.escape(str(path))):
        write_whole(path, b"new")
    assert (path / "keep").read_text() == "old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["s.csv"]


# Hostile text


def _harmless(value: str) -> bool:
    """No spreadsheet begins a formula with it, in no locale and after no trimming."""
    return not re.match(r"[\s\"]*[=+\-@＝＋－＠]", value) and not re.search(r";[\s\"]*[=+\-@＝＋－＠]", value)


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_is_text_in_every_file(tmp_path: Path, text: str) -> None:
    _check_files(tmp_path, text)


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.builds(
        str.__add__,
        st.sampled_from(("", "=", "+", "-", "@", "\t", "\r", "\x1b[1m=", ' "', ";", "http://", "\u202e")),
        st.text(max_size=30),
    )
)
def test_any_text_is_text_in_every_file(tmp_path: Path, text: str) -> None:
    _check_files(tmp_path, text)


@settings(max_examples=400)
@given(st.lists(st.sampled_from([*"=+-@;\"' \t\r\n\0a1", "\x1b[1m", "\u200f", "＝", "\ud800"]), max_size=8))
def test_no_mixture_of_signs_begins_a_formula(signs: list[str]) -> None:
    assert _harmless(spreadsheet("".join(signs)))


def _check_files(folder: Path, text: str) -> None:
    run = replace(
        TIMEOUT,
        campaign=text,
        board=text,
        run=text,
        model=text,
        reason=text,
        advice=text,
        runtime=text,
        artifact=text,
        artifact_sha256=text,
        created_utc=text,
        log=text,
        log_file=folder / "x" / "stdout.log",
        workload=Workload(prompt_set=text, prompt_id=text),
    )
    write_csv([run, GOOD], folder / "s.csv")
    write_xlsx([run, GOOD], cells([run, GOOD]), folder / "s.xlsx")
    with (folder / "s.csv").open(newline="", encoding="utf-8") as file:
        raw = file.read()
    in_csv = list(csv.reader(io.StringIO(raw)))
    assert len(in_csv) == 3
    assert raw.count("\n") == 3  # a reader that knows nothing of quotes sees the same rows
    assert all(_harmless(value) for row in in_csv for value in row if not _is_number(value))
    book = openpyxl.load_workbook(folder / "s.xlsx")
    for sheet in book:
        for row in sheet.iter_rows():
            for cell in row:
                assert cell.data_type in ("s", "n")
                assert not isinstance(cell.value, str) or _harmless(cell.value)
                assert not isinstance(cell.value, str) or len(cell.value.encode("utf-16-le")) <= 2 * CELL_LIMIT
                assert cell.hyperlink is None or cell.hyperlink.target == "x/stdout.log"
    assert _same(in_csv[1:], [list(row) for row in book["Runs"].iter_rows(min_row=2, values_only=True)])


def _same(csv_rows: list[list[str]], sheet: list[list[object]]) -> bool:
    text = [["" if value is None else str(value) for value in row] for row in sheet]
    for ours, theirs in zip(csv_rows, text, strict=True):
        for a, b in zip(ours, theirs, strict=True):
            if a != b and not (_is_number(a) and _is_number(b) and float(a) == float(b)):
                return False
    return True


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


def test_a_text_too_long_for_a_cell_is_cut_between_characters() -> None:
    cut = spreadsheet("😀" * 20_000)
    assert len(cut.encode("utf-16-le")) <= 2 * CELL_LIMIT
    assert cut.startswith("😀😀")
    assert cut.endswith("😀 … cut")
    assert spreadsheet("x" * CELL_LIMIT) == "x" * CELL_LIMIT
