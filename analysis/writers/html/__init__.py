"""The report as one HTML file that needs nothing else: no network, no library, no other file.

The data is JSON in the page, and a script of our own makes text nodes and drawings of it, so that nothing a board sent
is ever parsed as markup. The page's policy allows this one script and this one style sheet, by their hashes, and no
request. What is shown was worded and rounded by ``analysis.report``, as in every other format.
"""

from __future__ import annotations

from pathlib import Path

from analysis.report.model import Report
from analysis.writers.files import write_whole
from analysis.writers.html.details import EMBED_LIMIT_BYTES, Detail, Reader, embedded, reader_of
from analysis.writers.html.page import page
from analysis.writers.html.view import view

NAME = "report.html"


def write_html(report: Report, collected: Path, folder: Path) -> Path:
    """The page with the runs' telemetry and logs, in ``folder``, which is beside ``collected``. Raises CannotWrite."""
    path = folder / NAME
    write_whole(path, report_html(report, reader_of(collected)))
    return path


def report_html(report: Report, read: Reader, limit_bytes: int = EMBED_LIMIT_BYTES) -> bytes:
    """The page. ``read`` is asked for the newest runs first; those beyond the limit go without telemetry and log."""
    return page(view(report), embedded(report.runs, read, limit_bytes))


__all__ = ["Detail", "reader_of", "report_html", "write_html"]
