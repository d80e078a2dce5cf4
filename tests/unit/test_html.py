"""The page as bytes: nothing that a board sent is markup, nothing is loaded, everything is bounded and is there."""

from __future__ import annotations

import io
import json
import re
import shutil
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import given as drawn
from hypothesis import strategies as st

from analysis.curves import POINTS, drawing_of
from analysis.evidence import RunFiles
from analysis.metrics import METRICS
from analysis.report.given import Given
from analysis.report.model import LANGUAGES, Origin
from analysis.report.words import Words
from analysis.text import plain_lines
from analysis.writers.html import Detail, reader_of, report_html
from analysis.writers.html.details import LOG_BYTES, detail_of, embedded
from analysis.writers.html.nights import nights
from analysis.writers.html.page import SCRIPTS, SECTIONS, page
from analysis.writers.html.safe import json_for_script, link
from analysis.writers.html.view import view
from analysis.writers.html.words import words_of
from fleet.session import Session
from tests.made_fleet import fleet, report_of, telemetry, write_evidence
from verbs.report import given as given_by

PROJECT = Path(__file__).parents[2]
HTML = PROJECT / "analysis" / "writers" / "html"
HOSTILE = [
    "</script><script>alert(1)</script>",
    "<!--<script>",
    "]]><img src=x onerror=alert(1)>",
    "\"'`&amp;&lt;${alert(1)}",
    "\u2028\u2029\x00\x1b[31mred\x7f\ud800",
    "javascript:alert(1)",
    "=HYPERLINK(0)",
]


@pytest.fixture(scope="module")
def given(tmp_path_factory: pytest.TempPathFactory) -> Given:
    """The shipped catalogue and references, without any evidence."""
    folder = tmp_path_factory.mktemp("home")
    shutil.copy(PROJECT / "inventory.yaml", folder)
    with pytest.MonkeyPatch.context() as patched:
        patched.chdir(folder)
        return given_by(Session.open(PROJECT))


@pytest.fixture(scope="module")
def small(given: Given) -> dict[str, Any]:
    """One board's data."""
    return view(report_of(given, fleet(1, 1, 1)))


def nobody(_key: tuple[str, str, str]) -> None:
    """No run has any evidence."""


class Blocks(HTMLParser):
    """What a browser makes elements of; scripts by their type and id."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.scripts: list[tuple[dict[str, str | None], str]] = []
        self.inside: dict[str, str | None] | None = None
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs
        self.inside = dict(attrs) if tag == "script" else None
        if self.inside is not None:
            self.scripts.append((self.inside, ""))

    def handle_data(self, data: str) -> None:
        if self.inside is not None:
            self.scripts[-1] = (self.inside, self.scripts[-1][1] + data)

    def handle_endtag(self, tag: str) -> None:
        self.inside = None

    def data(self, name: str) -> object:
        """The JSON of the block with this id."""
        return json.loads(next(text for about, text in self.scripts if about.get("id") == name))


@settings(max_examples=200)
@drawn(st.text(st.characters()) | st.sampled_from(HOSTILE))
def test_any_text_comes_back_from_its_script_block_and_is_nothing_else_there(text: str) -> None:
    made = json_for_script({"text": text, "list": [text]})
    assert made.isascii() and made.isprintable()
    assert not re.search("[<>&]", made)
    assert json.loads(made) == {"text": text, "list": [text]}


@pytest.mark.parametrize("number", [float("nan"), float("inf")])
def test_no_number_that_json_does_not_know_is_written(number: float) -> None:
    with pytest.raises(ValueError, match="JSON"):
        json_for_script(number)


@settings(max_examples=60)
@drawn(st.text(st.characters()) | st.sampled_from(HOSTILE))
def test_a_link_stays_in_the_project_and_has_nothing_that_an_address_gives_a_meaning_to(name: str) -> None:
    made = link(f"collected/{name}/stdout.log")
    assert re.fullmatch(r"\.\./[A-Za-z0-9%._~/-]*", made)


def with_every_text(value: Any, text: str) -> Any:
    """The same data with ``text`` wherever there is a text, whoever it came from."""
    if isinstance(value, dict):
        return {key: with_every_text(one, text) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [with_every_text(one, text) for one in value]
    return text if isinstance(value, str) else value


@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@drawn(text=st.text(st.characters(), min_size=1) | st.sampled_from(HOSTILE))
def test_no_text_whatever_can_add_an_element_or_a_script_to_the_page(small: dict[str, Any], text: str) -> None:
    detail = Detail(None, (("stdout.log", text),), (text,))
    usual = Blocks(page(small, {0: json_for_script("usual")}).decode())
    made = Blocks(page(with_every_text(small, text), embedded([next(fleet(1, 1))], lambda _: detail, 10**6)).decode())
    assert made.tags == usual.tags
    assert [about for about, _ in made.scripts] == [about for about, _ in usual.scripts]
    assert made.scripts[-1] == usual.scripts[-1]
    assert [name for name, _ in made.attributes] == [name for name, _ in usual.attributes]


def test_the_page_asks_for_nothing_and_allows_its_own_script_and_style_only(given: Given) -> None:
    text = report_html(report_of(given, fleet(2, 1)), nobody).decode()
    policy = re.search(r'http-equiv="Content-Security-Policy" content="([^"]*)"', text)
    assert policy
    assert policy[1].startswith("default-src 'none'; style-src 'sha256-")
    assert "unsafe" not in policy[1] and "http" not in policy[1]
    made = Blocks(text)
    names = {name for name, _ in made.attributes}
    assert not {"src", "srcset", "style", "action", "data", "poster", "onload", "onclick"} & names
    assert {value for name, value in made.attributes if name == "href"} == {f"#{section}" for section in SECTIONS}
    assert not {"link", "iframe", "object", "embed", "form", "base", "img"} & set(made.tags)


def test_the_script_never_makes_markup_of_text() -> None:
    for name in SCRIPTS:
        text = (HTML / name).read_text(encoding="utf-8")
        assert not re.search(
            r"innerHTML|outerHTML|insertAdjacent|document\.write|\beval\b|new Function|srcdoc|fetch\(", text
        )


@pytest.mark.parametrize("lang", LANGUAGES)
def test_the_script_has_every_word_that_it_asks_for(lang: str) -> None:
    words = words_of(Words(lang))  # type: ignore[arg-type]
    text = "".join((HTML / name).read_text(encoding="utf-8") for name in SCRIPTS)
    asked = set(re.findall(r"\bW\.(\w+)", text)) | {
        "board",
        "model",
        "cores",
        "origin",
        "basis",
        "auto",
        "light",
        "dark",
    }
    assert asked <= set(words) and {"better", "worse"} <= set(words)
    assert set(SECTIONS.values()) <= set(words)
    shown = {"parts": "PARTS", "origins": "ORIGINS"}
    for key, constant in shown.items():
        listed = re.search(rf"const {constant} = \[(.*?)\]", text)
        assert listed and set(re.findall(r'"(\w+)"', listed[1])) <= {str(one) for one in words[key]}


def test_the_page_is_in_the_language_of_the_report(given: Given) -> None:
    texts = [report_html(report_of(given, fleet(1, 1), lang), nobody).decode() for lang in LANGUAGES]
    assert '<html lang="zh-CN">' in texts[0] and '<h2 id="verdicts-h" tabindex="-1">结论</h2>' in texts[0]
    assert '<html lang="en">' in texts[1] and "Verdicts</h2>" in texts[1]


def test_every_row_of_the_report_is_in_the_page_as_the_other_formats_word_it(given: Given) -> None:
    report = report_of(given, fleet(3, 2))
    data = view(report)
    assert [row["title"] for row in data["verdicts"]] == [row.title for row in report.verdicts]
    for name in ("speed", "memory", "cores", "fleet"):
        assert len(data[name]) == len(getattr(report, "feasibility" if name == "memory" else name))
    assert len(data["runs"]) == len(report.runs)
    place = next(at for at, row in enumerate(report.speed) if row.board and "generate_tps" in row.values)
    value, shown = report.speed[place].values["generate_tps"], data["speed"][place]["values"]["generate_tps"]
    assert shown["t"].startswith(f"{value.value:.2f}") and shown["o"] == value.origin
    assert {data["runs"][at]["run"] for at in shown["runs"]} == {log.split("/")[3] for log in value.evidence}
    letters = {row["t"].split(" ")[1] for row in data["speed"][0]["values"].values() if row["o"] == Origin.REFERENCE}
    assert letters <= {"R"}
    assert {metric.name for metric in METRICS} <= set(data["metrics"])


def test_a_night_is_compared_with_its_own_cell_of_other_nights_in_the_order_of_time(given: Given) -> None:
    runs = list(fleet(2, 3))
    series = nights(reversed(runs))
    assert {one.metric.name for one in series} == {"generate_tps", "ttft_ms", "vision_ttft_ms"}
    for one in series:
        assert [night.campaign for night in one.nights] == sorted({run.campaign for run in runs})
        assert all(night.stat.n <= 3 for night in one.nights)
    assert not nights(run for run in runs if run.campaign == runs[0].campaign)


def test_without_any_evidence_the_page_has_the_predictions_and_no_run(given: Given) -> None:
    data = view(report_of(given, ()))
    assert data["verdicts"] and data["memory"] and not data["runs"] and not data["warning"]
    assert page(data, {}).startswith(b"<!DOCTYPE html>")


def test_of_what_is_too_much_the_newest_runs_keep_their_telemetry(given: Given) -> None:
    report = report_of(given, fleet(1, 2))
    detail = Detail(drawing_of(io.BytesIO(telemetry().encode())), (("stdout.log", "x" * 1000),), ("stdout.log",))
    whole = Blocks(report_html(report, lambda _: detail).decode())
    size = len(next(text for about, text in whole.scripts if about.get("id") == "run-0"))
    asked: list[tuple[str, str, str]] = []

    def read(key: tuple[str, str, str]) -> Detail:
        asked.append(key)
        return detail

    some = Blocks(report_html(report, read, 5 * size + 10).decode())
    kept = [int(str(about["id"])[4:]) for about, _ in some.scripts if str(about.get("id", "")).startswith("run-")]
    assert len(kept) == 5 and len(asked) == 6
    newest = sorted(report.runs, key=lambda run: (run.created_utc or "", run.key))[-5:]
    assert {report.runs[at].key for at in kept} == {run.key for run in newest}


def test_a_run_shows_its_telemetry_and_the_two_ends_of_its_log(tmp_path: Path) -> None:
    run = next(fleet(1, 1))
    log = "I rkllm: first\n" + "answer \x1b[31m<b>red</b>\n" * 5000 + "I rkllm:  last   column\n"
    folder = write_evidence(tmp_path, run, log)
    (folder / "stderr.log").write_bytes(b"")
    detail = detail_of(RunFiles(run.campaign, run.board, run.run, folder, tmp_path))
    assert detail.drawing is not None and detail.files == ("spec.json", "stdout.log", "stderr.log", "telemetry.csv")
    ((name, text),) = detail.logs
    assert name == "stdout.log" and len(text) < LOG_BYTES[name] + 100
    assert text.startswith("I rkllm: first\n") and text.endswith("I rkllm:  last   column")
    assert "\x1b" not in text
    assert reader_of(tmp_path)(run.key) == detail
    assert reader_of(tmp_path)(("no", "such", "run")) is None


def test_a_moment_of_throttling_stays_in_a_drawing_however_long_the_run_was() -> None:
    drawing = drawing_of(io.BytesIO(telemetry(5000).encode()))
    assert drawing is not None and len(drawing.seconds) == POINTS
    charts = {chart.about: {one.name: one.values for one in chart.curves} for chart in drawing.charts}
    assert min(value for value in charts["clocks"]["npu"] if value) == 0.3
    assert list(charts["temperature"]) == ["npu", "soc", "ddr"]
    assert charts["memory"]["available"][-1] == pytest.approx(7 - 1200 / 1024, abs=0.01)
    assert charts["load"].keys() == {"NPU 0", "NPU 1", "NPU 2"}
    assert all(len(values) == POINTS for curves in charts.values() for values in curves.values())


@settings(max_examples=100)
@drawn(
    st.binary()
    | st.text("0123456789,.-\nnan/_mchz", max_size=400).map(lambda text: b"uptime_s,npu_mc\n" + text.encode())
)
def test_any_bytes_make_a_drawing_or_none(data: bytes) -> None:
    drawing = drawing_of(io.BytesIO(data))
    assert drawing is None or (len(drawing.seconds) <= POINTS and list(drawing.seconds) == sorted(drawing.seconds))
    json_for_script([one.values for chart in drawing.charts for one in chart.curves] if drawing else [])


def test_the_lines_of_a_log_keep_their_columns_and_lose_what_is_no_text() -> None:
    assert plain_lines("a   b\tc\r\n\x1b]0;title\x07x\u202ey\x00z\n") == "a   b    c\nxy\ufffdz"
