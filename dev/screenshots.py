"""``python dev/screenshots.py [FOLDER]``: the README's pictures of the report page, from what is in collected/.

Run `invoke demo` first. Writes docs/images/report-light.png, report-dark.png and report-narrow.png (or into FOLDER).
Exit: 0 written, 1 there is nothing collected.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from pathlib import Path

PROJECT = Path(__file__).parents[1]
sys.path.insert(0, str(PROJECT))

from playwright.sync_api import Browser, sync_playwright  # noqa: E402

from analysis.writers.html import write_html  # noqa: E402
from fleet.session import Session  # noqa: E402
from verbs.report import made  # noqa: E402

ARGUMENTS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"]
# Name, colours, width and height, the section that is at the top, and whether a run is open.
PICTURES = (
    ("report-light", "light", 1280, 860, "verdicts", False),
    ("report-dark", "dark", 1280, 860, "speed", True),
    ("report-narrow", "light", 700, 860, "memory", False),
)


def main() -> int:
    """Take them."""
    session = Session.open(PROJECT)
    report = made(session, "en")
    if not report.runs:
        sys.stderr.write("screenshots: nothing is collected; run: invoke demo\n")
        return 1
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else PROJECT / "docs" / "images"
    folder.mkdir(parents=True, exist_ok=True)
    chromium = os.environ.get("CHROMIUM") or shutil.which("chromium") or "chromium"
    with tempfile.TemporaryDirectory() as there, sync_playwright() as playwright:
        page = write_html(report, session.collected, Path(there))
        browser = playwright.chromium.launch(executable_path=chromium, args=ARGUMENTS)
        for picture in PICTURES:
            _take(browser, page.as_uri(), folder, *picture)
        browser.close()
    return 0


def _take(
    browser: Browser,
    address: str,
    folder: Path,
    name: str,
    scheme: str,
    width: int,
    height: int,
    section: str,
    run: bool,
) -> None:
    context = browser.new_context(
        viewport={"width": width, "height": height},
        color_scheme="dark" if scheme == "dark" else "light",
    )
    page = context.new_page()
    page.goto(address)
    page.wait_for_selector("html[data-ready]", state="attached")
    if section != "verdicts":
        page.evaluate("(id) => document.getElementById(id).scrollIntoView()", section)
    if run:
        page.locator("#runs tbody button").nth(4).click()
    page.screenshot(path=folder / f"{name}.png")
    context.close()


if __name__ == "__main__":
    sys.exit(main())
