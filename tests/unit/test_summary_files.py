"""The files of a summary: every run in a CSV and a workbook, which no board can turn against their reader."""

from __future__ import annotations

import csv
import io
import os
import re
import zipfile
from dataclasses import replace
from pathlib import Path

import openpyxl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from analysis.cells import cells
from analysis.errors import CannotWrite
from analysis.runs import Workload
from analysis.text import CELL_LIMIT, spreadsheet
from analysis.writers.csv import write_summary as write_csv
from analysis.writers.files import write_whole
from analysis.writers.xlsx import write_summary as write_xlsx
from tests.unit.ended import GOOD, SIMULATED, TIMEOUT

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


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
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


def test_a_text_too_long_for_a_cell_is_cut_between_characters() -> None:
    cut = spreadsheet("😀" * 20_000)
    assert len(cut.encode("utf-16-le")) <= 2 * CELL_LIMIT
    assert cut.startswith("😀😀")
    assert cut.endswith("😀 … cut")
    assert spreadsheet("x" * CELL_LIMIT) == "x" * CELL_LIMIT
