"""The page of 2,000 runs: how long it takes to write, to open, to filter and to sort; and how large it is.

There is nothing to compare with, so each number is measured against what a person takes for at once. Times are the CPU
time of the page's own thread, for script, layout and paint together: what the page can be blamed for, on a machine that
is busy, too.
"""

from __future__ import annotations

import os
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.measure import Failed
from benchmarks.report import Row

if TYPE_CHECKING:
    from playwright.sync_api import CDPSession, Page

ROUNDS = 5
RUNS = 2000
SAMPLES = 120  # of telemetry, a run of two minutes
OPEN_MS, ANSWER_MS, SIZE_MB = 3000, 300, 20

_PAINTED = "new Promise((done) => requestAnimationFrame(() => setTimeout(done)))"


def run(rounds: int, big: bool) -> list[Row]:
    """Nothing is bigger with ``big``."""
    chromium = os.environ.get("CHROMIUM") or shutil.which("chromium")
    if chromium is None:
        raise Failed("chromium is not here: apt-get install --no-install-recommends chromium")
    with tempfile.TemporaryDirectory() as folder:
        path, wrote_s = _page(Path(folder))
        size_mb = path.stat().st_size / 1e6
        opened, filtered, sorted_, shown = _used(chromium, path, rounds)
    return [
        Row("html", f"page of {RUNS} runs, written from the report", f"{wrote_s:.1f} s", ""),
        Row("html", "its size", f"{size_mb:.1f} MB", f"allowed: {SIZE_MB} MB", size_mb / SIZE_MB, 1.0),
        _row("opened, until every row is there", opened, OPEN_MS),
        _row("a filter, until it is painted", filtered, ANSWER_MS),
        _row("a sort, until it is painted", sorted_, ANSWER_MS),
        _row("a run's telemetry and log", shown, ANSWER_MS),
    ]


def _row(what: str, seen_ms: list[float], most_ms: int) -> Row:
    middle = statistics.median(seen_ms)
    text = f"{middle:.0f} ms ({min(seen_ms):.0f} to {max(seen_ms):.0f})"
    return Row("html", what, text, f"allowed: {most_ms} ms", middle / most_ms, 1.0)


def _page(folder: Path) -> tuple[Path, float]:
    from analysis.writers.html import reader_of, report_html
    from fleet.session import Session
    from tests.made_fleet import fleet, report_of, write_evidence
    from verbs.report import given

    base = list(fleet(10, 4))
    runs = [
        replace(base[at % len(base)], campaign=f"c{at // len(base)}-{base[at % len(base)].campaign}")
        for at in range(RUNS)
    ]
    for one in runs:
        write_evidence(folder / "collected", one, "I rkllm: a line of a log that is as long as usual\n" * 60, SAMPLES)
    report = report_of(replace(given(Session.open(Path.cwd())), runs=(), claims=()), base)
    began_s = time.process_time()
    data = report_html(replace(report, runs=tuple(runs)), reader_of(folder / "collected"))
    wrote_s = time.process_time() - began_s
    path = folder / "report.html"
    path.write_bytes(data)
    return path, wrote_s


def _used(chromium: str, path: Path, rounds: int) -> tuple[list[float], list[float], list[float], list[float]]:
    from playwright.sync_api import sync_playwright

    opened, filtered, sorted_, shown = [], [], [], []
    arguments = ["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=arguments)
        for _ in range(rounds):
            page = browser.new_page(viewport={"width": 1280, "height": 900})
            session = page.context.new_cdp_session(page)
            session.send("Performance.enable", {"timeDomain": "threadTicks"})

            def spent_ms(act: Callable[[], object], session: CDPSession = session, page: Page = page) -> float:
                before = _thread_s(session)
                act()
                page.evaluate(_PAINTED)
                return (_thread_s(session) - before) * 1000

            def click(selector: str, page: Page = page, spent_ms: Callable[..., float] = spent_ms) -> float:
                return spent_ms(lambda: page.evaluate("(what) => document.querySelector(what).click()", selector))

            opened.append(spent_ms(lambda page=page: page.goto(path.as_uri())))  # type: ignore[misc]
            if page.locator("#runs tbody tr").count() != RUNS:
                raise Failed(f"the page has not all of {RUNS} runs")
            filtered += [click("[data-key=board][value=rk3588-b]"), click("#reset")]
            sorted_.append(click("#runs thead th:nth-child(8) button"))
            shown.append(click("#runs tbody tr:nth-child(5) button"))
            page.close()
        browser.close()
    return opened, filtered, sorted_, shown


def _thread_s(session: CDPSession) -> float:
    metrics = session.send("Performance.getMetrics")["metrics"]
    return float(next(one["value"] for one in metrics if one["name"] == "TaskDuration"))
