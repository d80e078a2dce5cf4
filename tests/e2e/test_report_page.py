"""The page in a real browser: it renders, filters, opens a run, works by keyboard, and asks the network for nothing."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from dataclasses import replace
from itertools import islice
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from analysis.report.given import Given
from analysis.runs import Run
from analysis.writers.html import reader_of, report_html
from fleet.session import Session
from tests.made_fleet import fleet, report_of, write_evidence
from verbs.report import given as given_by

PROJECT = Path(__file__).parents[2]
CHROMIUM = os.environ.get("CHROMIUM") or shutil.which("chromium") or "/usr/bin/chromium"
ARGUMENTS = [
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
]
HOSTILE = "</script><script>window.broken=1</script><img src=x onerror='window.broken=2'>"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """One for all tests: starting it takes longer than most of them."""
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield started
        started.close()


@pytest.fixture(scope="module")
def given(tmp_path_factory: pytest.TempPathFactory) -> Given:
    """The shipped catalogue and references, without any evidence."""
    folder = tmp_path_factory.mktemp("home")
    shutil.copy(PROJECT / "inventory.yaml", folder)
    with pytest.MonkeyPatch.context() as patched:
        patched.chdir(folder)
        return given_by(Session.open(PROJECT))


def written(folder: Path, given: Given, runs: list[Run], lang: str = "en") -> Path:
    """The page of these runs; the first has evidence, of a board that means no good."""
    collected = folder / "collected"
    write_evidence(collected, runs[0], f"I rkllm: the log of the first run\n{HOSTILE}\n\x1b[31mend\u2028\n")
    path = folder / "reports" / "report.html"
    path.parent.mkdir()
    path.write_bytes(report_html(report_of(given, runs, lang), reader_of(collected)))  # type: ignore[arg-type]
    return path


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory, given: Given) -> str:
    """Four boards of which two are virtual and one has logs made by hand only, on two nights."""
    runs = list(fleet(4, 2, 2))
    runs[1] = replace(runs[1], runtime=HOSTILE, clocks=HOSTILE)
    return written(tmp_path_factory.mktemp("project"), given, runs).as_uri()


class Opened:
    """A page with all that it said and asked for."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.said: list[str] = []
        self.asked: list[str] = []
        page.on("console", lambda message: self.said.append(message.text))
        page.on("pageerror", lambda error: self.said.append(str(error)))
        page.on("request", lambda request: self.asked.append(request.url))

    def go(self, address: str) -> Page:
        self.page.goto(address)
        self.page.wait_for_selector("html[data-ready]", state="attached")
        return self.page


@pytest.fixture
def opened(browser: Browser) -> Iterator[Opened]:
    """Whatever a test does in it, no error is said and nothing is loaded but the file."""
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    made = Opened(context.new_page())
    yield made
    context.close()
    assert made.said == []
    assert {url.partition("#")[0].startswith("file:///") for url in made.asked} == {True}
    assert len({url.partition("#")[0] for url in made.asked}) == 1


def rows(page: Page, section: str) -> int:
    return page.locator(f"#{section} tbody tr").count()


def choose(page: Page, key: str, value: str) -> None:
    page.locator("details.filter", has=page.locator(f"[data-key={key}]")).locator("summary").click()
    page.locator(f"[data-key={key}][value='{value}']").click()
    page.keyboard.press("Escape")


def test_every_section_has_its_rows_and_nothing_is_wider_than_the_window(opened: Opened, address: str) -> None:
    page = opened.go(address)
    for section in ("verdicts", "speed", "memory", "cores", "fleet", "nights", "runs"):
        assert rows(page, section) > 3, section
    assert rows(page, "runs") == len(list(fleet(4, 2, 2)))
    # What is out of sight is not laid out, and what is wider than its section would be cut there.
    page.evaluate("document.querySelectorAll('section').forEach((one) => one.style.contentVisibility = 'visible')")
    for width in (1280, 700, 400):
        page.set_viewport_size({"width": width, "height": 900})
        assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.locator("table:not([aria-label])").count() == 0
    assert page.locator("#verdicts tbody tr").first.locator("th[scope=row]").count() == 1


def test_what_a_number_rests_on_is_told_by_letter_and_pattern_not_by_colour_alone(opened: Opened, address: str) -> None:
    page = opened.go(address)
    fills = {}
    for origin in ("measured", "manual", "simulated", "reference", "predicted"):
        bar = page.locator(f"#speed rect.fill.{origin}").first
        fills[origin] = bar.evaluate("(rect) => getComputedStyle(rect).fill.replace(/rgb.*/, 'plain')")
    assert len(set(fills.values())) == 5
    for origin, letter in (("manual", "M"), ("simulated", "S"), ("reference", "R"), ("predicted", "P")):
        words = str(page.locator(f"#speed .value.o-{origin}").first.text_content()).split()
        assert letter in words
    measured = str(page.locator("#speed .value.o-measured").first.text_content()).split()
    assert not {"M", "S", "R", "P"} & set(measured)


def test_filters_live_in_the_address(opened: Opened, address: str) -> None:
    page = opened.go(address)
    everything = rows(page, "runs")
    choose(page, "board", "rk3588-a")
    choose(page, "cores", "3")
    assert page.url.endswith("#board=rk3588-a&cores=3")
    some = rows(page, "runs")
    assert 0 < some < everything
    boards = {cell.strip() for cell in page.locator("#runs tbody tr td:nth-child(3)").all_text_contents()}
    assert boards == {"rk3588-a"}
    again = page.context.new_page()
    again.goto(page.url)
    again.wait_for_selector("html[data-ready]", state="attached")
    assert rows(again, "runs") == some
    assert again.locator("[data-key=board][value=rk3588-a]").is_checked()
    page.locator("#reset").click()
    assert rows(page, "runs") == everything and page.url.endswith("#")


def test_an_origin_takes_its_numbers_with_it(opened: Opened, address: str) -> None:
    page = opened.go(f"{address}#origin=simulated")
    assert page.locator("#speed .value").count() == page.locator("#speed .value.o-simulated").count() > 0
    assert set(page.locator("#runs tbody .chip").all_text_contents()) == {"simulated S"}
    page = opened.go(f"{address}#basis=reference")
    page.reload()
    page.wait_for_selector("html[data-ready]", state="attached")
    assert page.locator("#speed .value").count() == page.locator("#speed .value.o-reference").count() > 0


def test_what_an_address_asks_for_and_is_not_there_is_left_out(opened: Opened, address: str) -> None:
    page = opened.go(f"{address}#board=nobody&model=%3Cscript%3E&run=no/such/run&origin=")
    assert rows(page, "runs") == len(list(fleet(4, 2, 2)))
    assert not page.locator("#run").is_visible()


def test_a_click_shows_a_runs_telemetry_log_and_files(opened: Opened, address: str) -> None:
    page = opened.go(address)
    first = page.locator("#runs tbody button").first
    first.click()
    dialog = page.locator("#run")
    expect(dialog).to_be_visible()
    assert dialog.locator("figure").count() == 4
    assert dialog.locator("figure path.line").count() >= 6
    text = dialog.locator("pre").inner_text()
    assert "the log of the first run" in text and HOSTILE in text and "\x1b" not in text
    links = dialog.locator("ul.files a").evaluate_all("(all) => all.map((one) => one.getAttribute('href'))")
    run = next(fleet(4, 2, 2))
    assert f"../collected/{run.campaign}/{run.board}/{run.run}/stdout.log" in links
    for link in links:
        assert (Path(address.removeprefix("file://")).parent / link).is_file()
    expect(page).to_have_url(re.compile(re.escape(f"run={run.campaign}%2F{run.board}%2F{run.run}")))
    page.keyboard.press("Escape")
    expect(dialog).not_to_be_visible()
    expect(page).not_to_have_url(re.compile("run="))
    assert page.evaluate("document.activeElement === document.querySelector('#runs tbody button')")


def test_an_address_opens_a_run_and_one_without_evidence_says_so(opened: Opened, address: str) -> None:
    run = next(islice(fleet(4, 2, 2), 1, None))
    page = opened.go(f"{address}#run={run.campaign}/{run.board}/{run.run}")
    dialog = page.locator("#run")
    expect(dialog).to_be_visible()
    assert dialog.locator("figure, pre").count() == 0
    assert dialog.locator("ul.files a").get_attribute("href") == f"../collected/{run.campaign}/{run.board}/{run.run}/"
    assert HOSTILE in dialog.locator("dl.facts").inner_text()  # a board's words, as words
    assert page.evaluate("window.broken") is None


def test_all_of_it_works_by_keyboard(opened: Opened, address: str) -> None:
    page = opened.go(address)

    def tab_to(condition: str) -> None:
        for _ in range(400):
            page.keyboard.press("Tab")
            if page.evaluate(f"(() => {{ const at = document.activeElement; return {condition}; }})()"):
                break
        else:
            raise AssertionError(f"never came to {condition}")
        outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
        assert outline == "solid"

    tab_to("at.tagName === 'SUMMARY' && at.textContent.startsWith('cores')")
    page.keyboard.press("Enter")
    tab_to("at.dataset.key === 'cores' && at.value === '1'")
    page.keyboard.press("Space")
    expect(page).to_have_url(re.compile("#cores=1$"))
    page.keyboard.press("Escape")
    assert page.evaluate("document.activeElement.tagName") == "SUMMARY"
    page.locator("#runs thead button").first.focus()
    page.keyboard.press("Shift+Tab")
    tab_to("at.classList.contains('sort') && at.closest('#runs')")
    page.keyboard.press("Enter")
    page.keyboard.press("Enter")
    assert page.locator("#runs thead th").first.get_attribute("aria-sort") == "descending"
    names = page.locator("#runs tbody th").all_text_contents()
    assert len(names) == rows(page, "runs")
    tab_to("at.dataset.run")
    page.keyboard.press("Enter")
    expect(page.locator("#run")).to_be_visible()


def test_light_dark_and_paper(opened: Opened, address: str) -> None:
    page = opened.go(address)

    def paper() -> str:
        return str(page.evaluate("getComputedStyle(document.body).backgroundColor"))

    page.emulate_media(color_scheme="dark")
    dark = paper()
    page.emulate_media(color_scheme="light")
    light = paper()
    assert light == "rgb(255, 255, 255)" and dark != light
    page.locator("#theme").click()
    page.locator("#theme").click()
    assert paper() == dark  # chosen, whatever the machine's own is
    page.emulate_media(media="print")
    assert paper() == light
    assert not page.locator("nav").is_visible() and page.locator("#verdicts table").is_visible()


def test_two_thousand_runs_are_all_there_and_found(opened: Opened, tmp_path: Path, given: Given) -> None:
    base = list(fleet(4, 1, 1))
    runs = tuple(replace(base[at % len(base)], run=f"{at:05d}", repeat=at) for at in range(2000))
    path = tmp_path / "report.html"
    # The rest of the report is of fewer runs: what is asked here is whether the page holds so many rows.
    path.write_bytes(report_html(replace(report_of(given, base), runs=runs), reader_of(tmp_path / "collected")))
    page = opened.go(path.as_uri())
    assert rows(page, "runs") == 2000
    choose(page, "board", "rk3588-b")
    assert rows(page, "runs") == sum(run.board == "rk3588-b" for run in runs)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_words_can_be_read_against_their_ground(opened: Opened, address: str, scheme: str) -> None:
    page = opened.go(address)
    page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
    # WCAG's ratio, over the page's own ground: 4.5 is what normal text needs.
    worst = page.evaluate(
        """() => {
          const part = (value) => (value /= 255) <= 0.03928 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
          const bright = (colour) => { const [r, g, b] = colour.match(/[0-9.]+/g).map(Number);
            return 0.2126 * part(r) + 0.7152 * part(g) + 0.0722 * part(b); };
          const ground = bright(getComputedStyle(document.body).backgroundColor);
          const said = (one) => [...one.childNodes].some((node) => node.nodeType === 3 && node.data.trim());
          const all = [...document.querySelectorAll("body *")].filter((one) => said(one)
            && !one.closest("svg, script, dialog, tr:nth-child(n + 12)"));
          return Math.min(...all.map((one) => { const ink = bright(getComputedStyle(one).color);
            return (Math.max(ink, ground) + 0.05) / (Math.min(ink, ground) + 0.05); }));
        }"""
    )
    assert worst >= 4.5
