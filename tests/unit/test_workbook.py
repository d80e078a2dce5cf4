"""The workbook of the report: a program can read it back, every number is the report's, and nothing in it can act."""

from __future__ import annotations

import random
import re
import shutil
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import openpyxl
import pytest

from analysis.claiming import claims
from analysis.metrics import CLAIMED, GIB, Metric
from analysis.outcome import Outcome
from analysis.predictions import KnownModel
from analysis.report.build import build_report
from analysis.report.given import BoardFacts, Given
from analysis.report.model import LANGUAGES, Lang, Report
from analysis.report.shown import mark_of, shown
from analysis.report.words import Words
from analysis.runs import MANUAL, MEASURED, SIMULATED, Run, Workload
from analysis.writers.html.view import view
from analysis.writers.report_markdown import page
from analysis.writers.workbook import grids, workbook_bytes, write_workbook
from analysis.writers.workbook.drawing import HEAD
from fleet.session import Session
from verbs.report import given as given_by

# openpyxl has no sparklines and no data bars, and says so; they are looked for in the file itself.
pytestmark = pytest.mark.filterwarnings("ignore:.*extension is not supported:UserWarning")

PROJECT = Path(__file__).parents[2]
SPEEDS = {"qwen3-0.6b": 30.0, "qwen3-4b": 6.5, "qwen3-vl-2b": 13.5}
TITLES = {"qwen3-0.6b": "Qwen3-0.6B", "qwen3-4b": "Qwen3-4B", "qwen3-vl-2b": "Qwen3-VL-2B"}
SHARE = {1: 0.5, 2: 0.8, 3: 1.0}
ORIGINS = {"a": MEASURED, "b": MEASURED, "c": MANUAL, "v": SIMULATED}


def one_run(board: str, night: int, model: str, cores: int, repeat: int, tps: float, /, **more: object) -> Run:
    """A good run, unless ``more`` says otherwise."""
    sees, campaign = "vl" in model, f"202601{10 + night}T010000Z-{night:04x}"
    name = f"{model}-{cores}core-r{repeat}"
    told: dict[str, object] = {
        "campaign": campaign,
        "board": f"rk3588-{board}",
        "run": name,
        "outcome": Outcome.OK,
        "origin": ORIGINS.get(board, MEASURED),
        "model": model,
        "model_title": TITLES[model],
        "kind": "vlm" if sees else "llm",
        "npu_cores": cores,
        "npu_core_num": cores,
        "vision_cores": 3 if sees else None,
        "workload": Workload(prompt_set="basic", prompt_id="story", max_new_tokens=128, max_context_len=4096),
        "repeat": repeat,
        "runtime": "1.2.3",
        "driver": "0.9.8",
        "dtype": "W8A8",
        "clocks": "pinned",
        "condition": f"{len(model):06x}{cores:06x}",
        "created_utc": f"2026-01-{10 + night}T01:00:0{repeat}Z",
        "generate_tps": tps,
        "prefill_tps": tps * 22,
        "ttft_ms": None if sees else 6000 / tps,
        "image_encode_ms": 40_000 / tps if sees else None,
        "vision_ttft_ms": 48_000 / tps if sees else None,
        "memory_vmhwm_bytes": round(1.2 * GIB),
        "log": f"collected/{campaign}/rk3588-{board}/{name}/stdout.log",
    }
    return Run(**(told | more))  # type: ignore[arg-type]


def fleet(nights: int = 7, seed: int = 5) -> Iterator[Run]:
    """Two real boards, one of logs made by hand, a virtual one; the second real one slower in the last two nights."""
    dice = random.Random(seed)
    for board in ORIGINS:
        for night in range(nights):
            for model, speed in SPEEDS.items():
                for cores in (1, 2, 3) if model == "qwen3-0.6b" else (3,):
                    for repeat in range(3):
                        bad = 0.9 if board == "b" and night >= nights - 2 else 1.0
                        yield one_run(
                            board, night, model, cores, repeat, speed * SHARE[cores] * bad * dice.gauss(1, 0.004)
                        )
    yield one_run(
        "a", 0, "qwen3-4b", 3, 9, 6.0, outcome=Outcome.OOM, reason="out of memory: the kernel killed llm_demo",
        advice="a smaller context", generate_tps=None, forced=("swap",), quarantined=(("prefill_tps", "too much"),),
    )  # fmt: skip


def report_of(given: Given, runs: Iterator[Run] | tuple[Run, ...], lang: Lang = "en") -> Report:
    """The report of these runs, with the shipped catalogue and references."""
    runs = tuple(runs)
    runtime = given.board_class.runtime
    known = {one.name: KnownModel(one.title, one.architecture, one.dtype, runtime) for one in given.models}
    made = claims(runs, given.references, known, context=given.board_class.context)
    boards = tuple(
        BoardFacts(name, name.endswith("-v"), total_bytes=8 * 10**9, available_bytes=7 * GIB, runtime="1.2.3")
        for name in sorted({run.board for run in runs})
    )
    return build_report(replace(given, runs=runs, claims=made, boards=boards), lang)


@pytest.fixture(scope="module")
def given(tmp_path_factory: pytest.TempPathFactory) -> Given:
    """The shipped catalogue and references, without any evidence."""
    folder = tmp_path_factory.mktemp("home")
    shutil.copy(PROJECT / "inventory.yaml", folder)
    with pytest.MonkeyPatch.context() as patched:
        patched.chdir(folder)
        return given_by(Session.open(PROJECT))


@pytest.fixture(scope="module")
def report(given: Given) -> Report:
    """The whole fleet's, in English."""
    return report_of(given, fleet())


@pytest.fixture(scope="module")
def book(report: Report, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The fleet's workbook as openpyxl reads it."""
    return openpyxl.load_workbook(write_workbook(report, tmp_path_factory.mktemp("reports")))


def lines(sheet: Any) -> list[dict[str, Any]]:
    """A sheet's rows as dicts of cells by heading."""
    rows = list(sheet.iter_rows(min_row=HEAD + 1))
    names = [str(cell.value) for cell in rows[0] if cell.value is not None]
    width = len(names)
    found = []
    for row in rows[1:]:
        if all(cell.value is None for cell in row[:width]):
            break
        found.append(dict(zip(names, row[:width], strict=True)))
    return found


@pytest.mark.parametrize("lang", LANGUAGES)
def test_every_sheet_is_a_table_with_filters_and_headings_that_stay(given: Given, lang: Lang, tmp_path: Path) -> None:
    report = report_of(given, fleet(nights=2), lang)
    book = openpyxl.load_workbook(write_workbook(report, tmp_path))
    made = grids(report, tmp_path)
    assert book.sheetnames == [one.title for one in made]
    keys = ("Verdict", "Feasibility", "Speed", "Cores", "Fleet", "Nightly", "Diagnostics", "Runs", "References")
    assert tuple(one.key for one in made) == (*keys, "Conditions")
    for one in made:
        sheet = book[one.title]
        (table,) = sheet.tables.values()
        assert table.autoFilter is not None and table.name == f"Table{one.key}"
        assert table.ref.endswith(str(HEAD + 1 + len(one.rows)))
        assert sheet.freeze_panes == f"{'ABCDE'[one.stays]}{HEAD + 2}"
        assert len(lines(sheet)) == len(one.rows) > 0
    if lang == "zh":
        assert book.sheetnames[:3] == ["结论", "可行性", "速度"]
        assert all(re.search("[\u4e00-\u9fff]", book[name].cell(1, 1).value) for name in book.sheetnames)


def test_without_evidence_the_empty_sheets_say_so(given: Given, tmp_path: Path) -> None:
    book = openpyxl.load_workbook(write_workbook(report_of(given, ()), tmp_path))
    for name, said in (("Runs", "No runs yet."), ("Fleet", "No two boards have measured the same yet.")):
        assert book[name].cell(HEAD + 2, 1).value == said
        assert not book[name].tables and book[name].auto_filter.ref
    assert "simulated numbers" not in str(book["Verdict"].cell(3, 1).value)


def test_numbers_are_numbers_with_their_unit_and_letter_in_the_format(book: Any) -> None:
    seen = set()
    for row in lines(book["Speed"]):
        median, origin = row["median"], row["origin"].value
        assert isinstance(median.value, int | float)
        letter = re.search(r'" ([SMRP])"$', median.number_format)
        assert re.search(r'" (tok/s|ms|GiB)"', median.number_format), median.number_format
        want = {"measured": None, "made by hand (M)": "M", "simulated (S)": "S", "published (R)": "R"}.get(origin, "P")
        assert (letter and letter[1]) == want, (origin, median.number_format)
        assert bool(median.font.i) is (want in ("S", "R", "P"))
        assert bool(row["model"].font.i) is (want in ("S", "R", "P"))
        seen.add(want)
    assert seen == {None, "M", "S", "R", "P"}


def test_charts_bars_and_lines_are_native(report: Report, book: Any, tmp_path: Path) -> None:
    assert len(book["Cores"]._charts) == 2
    path = write_workbook(report, tmp_path)
    with zipfile.ZipFile(path) as packed:
        sheets = {name: packed.read(name).decode() for name in packed.namelist() if name.endswith(".xml")}
    assert sum("sparkline>" in text for text in sheets.values()) == 1
    assert any("x14:dataBar" in text for text in sheets.values())
    chart = sheets["xl/charts/chart1.xml"]
    assert "c:errBars" in chart and "pattFill" in chart and "rk3588-v (S)" in chart
    shades = list(book["Fleet"].conditional_formatting)
    assert len(shades) == len(report.fleet)


def test_the_same_report_gives_the_same_bytes_in_any_order(given: Given, tmp_path: Path) -> None:
    runs = list(fleet(nights=2))
    first = workbook_bytes(report_of(given, tuple(runs)), tmp_path)
    random.Random(1).shuffle(runs)
    assert workbook_bytes(report_of(given, tuple(runs)), tmp_path) == first


def test_a_regression_is_told_with_its_first_bad_night(book: Any) -> None:
    found = [row for row in lines(book["Nightly"]) if row["metric"].value == "generate TPS (tok/s)"]
    bad = [row for row in found if row["board"].value == "rk3588-b"]
    assert {row["status"].value for row in bad} == {"regression"}
    assert {row["first bad night"].value for row in bad} == {"20260115T010000Z-0005"}
    assert {row["status"].value for row in found if row["board"].value != "rk3588-b"} == {"ok"}


def test_what_went_wrong_is_told_with_what_to_try(book: Any) -> None:
    rows = lines(book["Diagnostics"])
    told = {row["what"].value: row["what was seen"].value for row in rows}
    assert told["run ended: oom"].startswith("out of memory")
    assert told["check failed, measured all the same"] == "swap"
    assert told["quarantined number"] == "prefill (tok/s): too much"
    assert "doubtful publication" in told
    assert [row["what to try"].value for row in rows if row["what"].value == "run ended: oom"] == ["a smaller context"]


HOSTILE = (
    "=1+1",
    "+1",
    "-1+1",
    "@SUM(A1)",
    "\t=1",
    "＝1",
    "http://x.example",
    "{=1}",
    "a\ud800b",
    "x;=1",
    "\x1b[31m=1",
)


def test_no_text_of_a_board_is_a_formula_a_link_or_a_number(given: Given, tmp_path: Path) -> None:
    runs = []
    for at, text in enumerate(HOSTILE):
        for night in (0, 1):
            runs += [
                one_run(
                    "a", night, "qwen3-0.6b", cores, repeat, 20.0 * SHARE[cores], board=f"b{at}{text}",
                    model=f"m{text}",
                    model_title=text, reason=text, advice=text, clocks=text, runtime=text, campaign=f"{text}{night}",
                    condition=text, memory_note=text, forced=(text,),
                )
                for cores in (1, 3)
                for repeat in range(3)
            ]  # fmt: skip
    report = report_of(given, tuple(runs))
    path = write_workbook(report, tmp_path)
    book = openpyxl.load_workbook(path)
    for sheet in book:
        for row in sheet.iter_rows():
            for cell in row:
                assert cell.data_type != "f" and cell.hyperlink is None, (sheet.title, cell.coordinate, cell.value)
                if isinstance(cell.value, str):
                    assert not re.match(r"[\s\"']*[=+@＝]", cell.value.removeprefix("'")) or cell.value[0] == "'"
    with zipfile.ZipFile(path) as packed:
        assert not any(b"<f>" in packed.read(name) for name in packed.namelist() if "worksheets" in name)
    assert {str(run.model_title) for run in runs} == set(HOSTILE)


def test_boards_whose_names_differ_in_capitals_only_keep_their_columns(given: Given, tmp_path: Path) -> None:
    runs = tuple(
        one_run("a", 0, "qwen3-0.6b", 3, repeat, 20.0, board=board)
        for board in ("Board", "board")
        for repeat in range(3)
    )
    sheet = openpyxl.load_workbook(write_workbook(report_of(given, runs), tmp_path))["Fleet"]
    assert {"Board", "board (2)"} <= set(lines(sheet)[0]) and len(sheet.tables) == 1


def test_a_log_is_a_link_to_where_it_lies(given: Given, tmp_path: Path) -> None:
    runs = tuple(
        one_run("a", 0, "qwen3-0.6b", 3, repeat, 20.0, log_file=tmp_path / "collected" / "c" / f"{repeat}.log")
        for repeat in range(3)
    )
    book = openpyxl.load_workbook(write_workbook(report_of(given, runs), tmp_path / "reports"))
    assert [row["log"].hyperlink.target for row in lines(book["Runs"])] == [f"../collected/c/{n}.log" for n in range(3)]


# One number, whichever format: what a reader sees of each value of the report's rows, writer by writer.

Numbers = set[tuple[str, str, str]]  # model, metric, shown


def in_workbook(report: Report, tmp_path: Path) -> Numbers:
    """The workbook's Speed sheet, each line written as the pages write a value."""
    metrics = {Words(report.lang).of(metric): metric for metric in _metrics(report)}
    book = openpyxl.load_workbook(write_workbook(report, tmp_path))
    found = set()
    for row in lines(book["Speed"]):
        metric = metrics[row["metric"].value]
        digits = metric.digits
        middle, low, high = (
            None if row[name].value is None else f"{row[name].value:.{digits}f}" for name in ("median", "low", "high")
        )
        text = str(middle) if low is None or (low, high) == (middle, middle) else f"{middle} ({low}–{high})"
        letters = mark_letters(row["median"].number_format)
        text += f" {letters}" if letters else ""
        text += f" n={row['n'].value}" if row["n"].value else ""
        text += " provisional" if "provisional" in row["basis"].value else ""
        found.add((row["model"].value, metric.name, text))
    return found


def in_pages(report: Report, _tmp_path: Path) -> Numbers:
    """Every number of every table of the Markdown pages, if the page's text has it."""
    say = Words(report.lang)
    found = set()
    for document in report.documents:
        text = page(document, report)
        for table in document.tables:
            for row in table.rows:
                for cell in row.cells:
                    for value in cell.values if cell.metric is not None else ():
                        assert cell.metric is not None
                        told = shown(value, cell.metric, say)
                        assert told in text.replace("\\", ""), told
                        title = next((one for one in row.cells[0].words if isinstance(one, str)), "")
                        if cell.metric == {metric.name: metric for metric in _metrics(report)}.get(cell.metric.name):
                            found.add((title.removesuffix("-decoder"), cell.metric.name, told))
    return found


def in_page(report: Report, _tmp_path: Path) -> Numbers:
    """What the HTML page's data has of each speed."""
    return {(row["title"], name, value["t"]) for row in view(report)["speed"] for name, value in row["values"].items()}


def _metrics(report: Report) -> list[Metric]:
    return [CLAIMED[name] for name in dict.fromkeys(name for row in report.speed for name in row.values)]


def of_rows(report: Report) -> Numbers:
    """What the report's own rows say."""
    say = Words(report.lang)
    named = {metric.name: metric for metric in _metrics(report)}
    return {
        (row.title, name, shown(value, named[name], say)) for row in report.speed for name, value in row.values.items()
    }


WRITERS: dict[str, Callable[[Report, Path], Numbers]] = {"workbook": in_workbook, "pages": in_pages, "page": in_page}
WHOLE = ("workbook", "page")  # writers that show every number; the others show some of them


@pytest.mark.parametrize("writer", WRITERS)
def test_no_two_formats_disagree_on_a_number(report: Report, writer: str, tmp_path: Path) -> None:
    seen, told = WRITERS[writer](report, tmp_path), of_rows(report)
    assert len(seen) > 40
    published = {one for one in seen if " R" in one[2]}  # a table of publications shows what no claim went by
    assert seen - published <= told
    if writer in WHOLE:
        assert seen == told


def test_the_sheets_have_the_numbers_of_their_rows(report: Report, book: Any) -> None:
    best = [row.speed for row in report.verdicts]
    for value, line in zip(best, lines(book["Verdict"]), strict=True):
        entry = line["best generate (tok/s)"]
        assert entry.value == (None if value is None else round(value.value, 2))
        assert mark_letters(entry.number_format) == ("" if value is None else mark_of(value))
    for row, line in zip(report.feasibility, lines(book["Feasibility"]), strict=True):
        told = row.predicted
        got = [line[f"predicted {name} (GiB)"].value for name in ("low", "memory", "high")]
        assert got == ([None] * 3 if told is None else [round(n / GIB, 2) for n in (told.low, told.value, told.high)])
        left = row.headroom_bytes
        assert line["headroom (GiB)"].value == (None if left is None else round(left / GIB, 2))
    for cores, line in zip(report.cores, lines(book["Cores"]), strict=True):
        for count, told_value in cores.values.items():
            assert line[f"{count} core{'s' * (count > 1)}"].value == cores.metric.shown(told_value.value)
        for count, ratio in cores.speed_up.items():
            assert line[f"speed-up {count} core{'s' * (count > 1)}"].value == pytest.approx(ratio, abs=5e-4)
    for fleet_row, line in zip(report.fleet, lines(book["Fleet"]), strict=True):
        for board, value_there in fleet_row.values.items():
            assert line[board].value == fleet_row.metric.shown(value_there.value)


def mark_letters(number_format: str) -> str:
    """The letters behind the unit."""
    found = re.search(r'"[^"]*?((?: [SMRP])+)"$', number_format)
    return found[1].strip() if found else ""
