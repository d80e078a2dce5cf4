"""The workbook: runs, cells, and what every column means. Real tables with filters, headings that stay.

Text is always written as text, never as a formula or a link; the one link a row has is the path that we made.
The same evidence gives the same bytes: rows are sorted, and the workbook says no time of its own.
"""

from __future__ import annotations

import io
import os
from collections.abc import Iterable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import xlsxwriter
from xlsxwriter.url import Url

from analysis.cells import Cell
from analysis.metrics import CELL_COLUMNS, RUN_COLUMNS, Label, Metric
from analysis.runs import SIMULATED, Run
from analysis.text import spreadsheet
from analysis.writers.files import write_whole
from analysis.writers.rows import Value, cell_columns, cell_row, run_headings, run_row, sorted_runs

_CREATED = datetime(2000, 1, 1)  # XlsxWriter takes no zone; it would put the present otherwise
_WIDE = {
    "means": 90,
    "log": 60,
    "reason": 50,
    "reasons": 50,
    "advice": 40,
    "memory_note": 60,
    "run": 34,
    "workload": 34,
    "campaign": 24,
}
_LINKS = 65_000  # Excel has no more than 65,530 on a sheet


def write_summary(runs: Iterable[Run], cells: Sequence[Cell], path: Path) -> None:
    """Write the workbook. Raises CannotWrite."""
    out = io.BytesIO()
    options = {
        "in_memory": True,
        "strings_to_formulas": False,
        "strings_to_urls": False,
        "strings_to_numbers": False,
    }
    with xlsxwriter.Workbook(out, options) as book:
        book.set_properties({"title": "rkfleet: runs and cells", "created": _CREATED})
        formats = _Formats(book)
        _runs_sheet(book, formats, sorted_runs(runs), path)
        _cells_sheet(book, formats, cells)
        _columns_sheet(book, formats)
    write_whole(path, out.getvalue())


class _Formats:
    """Cell formats by number format; what is simulated is in grey italics wherever it stands."""

    def __init__(self, book: Any) -> None:
        self._book = book
        self._made: dict[tuple[str, bool, bool], Any] = {}

    def get(self, number: str = "General", *, simulated: bool = False, link: bool = False) -> Any:
        key = (number, simulated, link)
        if key not in self._made:
            style: dict[str, Any] = {"num_format": number, "valign": "top"}
            if simulated:
                style |= {"italic": True, "font_color": "#595959"}
            if link:
                style |= {"underline": 1, "font_color": "#0563C1"}
            self._made[key] = self._book.add_format(style)
        return self._made[key]


def _runs_sheet(book: Any, formats: _Formats, runs: Sequence[Run], path: Path) -> None:
    sheet = book.add_worksheet("Runs")
    columns = list(zip(run_headings(), RUN_COLUMNS, strict=True))
    rows = [run_row(run) for run in runs]
    _table(sheet, formats, columns, rows, "Runs", [run.origin == SIMULATED for run in runs], freeze=3)
    at = [column.name for column in RUN_COLUMNS].index("log")
    for line, run in enumerate(runs[:_LINKS], 1):
        target = _link(run, path)
        if target is not None:
            form = formats.get(simulated=run.simulated, link=True)
            link = _Slashed(target)
            link.text = spreadsheet(run.log or "")
            sheet.write_url(line, at, link, form)


class _Slashed(Url):  # type: ignore[misc]
    """A link to a file with slashes: XlsxWriter writes backslashes, which only Windows follows."""

    def _target(self) -> str:
        return str(super()._target()).replace("\\", "/")


def _link(run: Run, path: Path) -> str | None:
    """The log as seen from the workbook; None where a name in it is not one that we would give."""
    if run.log_file is None or run.log is None:
        return None
    relative = Path(os.path.relpath(run.log_file.absolute(), path.absolute().parent)).as_posix()
    harmless = relative.isascii() and relative.isprintable() and not set(relative) & set('#?%"<>|:*\\')
    return f"external:{relative}" if harmless and len(relative) < 1000 else None


def _cells_sheet(book: Any, formats: _Formats, cells: Sequence[Cell]) -> None:
    sheet = book.add_worksheet("Cells")
    _table(
        sheet,
        formats,
        cell_columns(),
        [cell_row(cell) for cell in cells],
        "Cells",
        [cell.simulated for cell in cells],
        freeze=3,
    )


def _columns_sheet(book: Any, formats: _Formats) -> None:
    """What every column of the two other sheets means."""
    sheet = book.add_worksheet("Columns")
    headings = [Label(name, name, "") for name in ("sheet", "column", "unit", "better", "decimals", "means")]
    rows: list[list[Value]] = []
    for name, columns in (("Runs", RUN_COLUMNS), ("Cells", CELL_COLUMNS)):
        for column in columns:
            if isinstance(column, Metric):
                rows.append([name, column.title, column.unit, column.better, column.digits, column.means])
            else:
                rows.append([name, column.title, None, None, None, column.means])
    _table(sheet, formats, [(h.heading, h) for h in headings], rows, "Columns", [False] * len(rows), freeze=0)


def _table(
    sheet: Any,
    formats: _Formats,
    columns: Sequence[tuple[str, Label | Metric]],
    rows: Sequence[Sequence[Value]],
    name: str,
    simulated: Sequence[bool],
    *,
    freeze: int,
) -> None:
    """Headings that stay, a filter on each, and a row a line; numbers as numbers."""
    sheet.freeze_panes(1, freeze)
    headings = [heading for heading, _ in columns]
    if rows:
        options = {
            "name": f"Table{name}",
            "style": "Table Style Light 1",
            "columns": [{"header": heading} for heading in headings],
        }
        sheet.add_table(0, 0, len(rows), len(columns) - 1, options)
    else:  # Excel knows no table without a row
        for at, heading in enumerate(headings):
            sheet.write_string(0, at, heading)
        sheet.autofilter(0, 0, 0, len(columns) - 1)
    for at, (heading, column) in enumerate(columns):
        sheet.set_column(at, at, _WIDE.get(column.name, max(9, len(heading) + 3)))
    for line, (row, is_simulated) in enumerate(zip(rows, simulated, strict=True), 1):
        for at, (value, (_, column)) in enumerate(zip(row, columns, strict=True)):
            if isinstance(value, str):
                sheet.write_string(line, at, spreadsheet(value), formats.get(simulated=is_simulated))
            elif value is not None:
                number = column.number_format if isinstance(column, Metric) else "0"
                sheet.write_number(line, at, value, formats.get(number, simulated=is_simulated))
