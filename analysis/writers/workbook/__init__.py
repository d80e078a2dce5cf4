"""The report as a workbook, ``report.xlsx``: for who sorts, filters, draws and calculates.

``grid``      a sheet before it is drawn: headings, numbers with their formats and marks
``judged``    verdicts and feasibility
``speeds``    speed, cores, fleet
``evidence``  nights, diagnostics, runs, references, conditions and definitions
``drawing``   the only part that knows XlsxWriter

The same report gives the same bytes: it has an order of its own, and the workbook says no time.
"""

from __future__ import annotations

import io
from datetime import datetime
from pathlib import Path

import xlsxwriter

from analysis.report.model import Report
from analysis.report.words import Words
from analysis.writers.files import write_whole
from analysis.writers.workbook import evidence, judged, speeds
from analysis.writers.workbook.drawing import Drawer
from analysis.writers.workbook.grid import Grid

NAME = "report.xlsx"
_CREATED = datetime(2000, 1, 1)  # XlsxWriter takes no zone; it would put the present otherwise


def write_workbook(report: Report, folder: Path) -> Path:
    """Write the workbook into ``folder``. Raises CannotWrite."""
    path = folder / NAME
    write_whole(path, workbook_bytes(report, folder))
    return path


def workbook_bytes(report: Report, folder: Path) -> bytes:
    """The workbook; its links to logs are as seen from ``folder``."""
    say, out = Words(report.lang), io.BytesIO()
    options = {
        "in_memory": True,
        "strings_to_formulas": False,
        "strings_to_urls": False,
        "strings_to_numbers": False,
    }
    warning = say(
        "含仿真数据（虚拟板，标记 S）：不代表任何真实板子，也不取代其他数字。",
        "Contains simulated numbers (virtual boards, marked S): they say nothing about any real board and replace no "
        "other number.",
    )
    with xlsxwriter.Workbook(out, options) as book:
        book.set_properties({"title": say("RK3588 测试报告", "RK3588 report"), "created": _CREATED})
        drawer = Drawer(book)
        for grid in grids(report, folder):
            drawer.draw(grid, warning if report.simulated else "")
    return out.getvalue()


def grids(report: Report, folder: Path) -> tuple[Grid, ...]:
    """Every sheet, in the order in which they are read."""
    say = Words(report.lang)
    return (
        judged.verdicts(report, say),
        judged.feasibility(report, say),
        speeds.speeds(report, say),
        speeds.cores(report, say),
        speeds.fleet(report, say),
        evidence.nightly(report, say),
        evidence.diagnostics(report, say, folder),
        evidence.runs(report, say, folder),
        evidence.references(report, say),
        evidence.conditions(report, say),
    )
