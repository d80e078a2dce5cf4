"""The workbook: runs, cells, and what every column means. Real tables with filters, headings that stay.

Text is always written as text, never as a formula or a link; the one link a row has is the path that we made.
The same evidence gives the same bytes: rows are sorted, and the workbook says no time of its own.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import xlsxwriter

from analysis.cells import Cell
from analysis.metrics import Label, Metric
from analysis.runs import SIMULATED, Run
from analysis.text import spreadsheet
from analysis.writers.files import write_whole
from analysis.writers.log_links import LINKS, log_link
from analysis.writers.rows import Value, cell_columns, cell_row, run_columns, run_row, sorted_runs

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


def write_summary(runs: Iterable[Run], cells: Sequence[Cell], path: Path) -> None:
    """Write the workbook. Raises CannotWrite."""
    runs = list(runs)
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
        _columns_sheet(book, formats, run_columns(runs), [column for _, column in cell_columns(cells)])
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
    columns = run_columns(runs)
    rows = [run_row(run, columns) for run in runs]
    headed: list[tuple[str, Label | Metric]] = [(column.heading, column) for column in columns]
    _table(sheet, formats, headed, rows, "Runs", [run.origin == SIMULATED for run in runs], freeze=3)
    at = [column.name for column in columns].index("log")
    for line, run in enumerate(runs[:LINKS], 1):
        link = log_link(run, path.parent)
        if link is not None:
            sheet.write_url(line, at, link, formats.get(simulated=run.simulated, link=True))


def _cells_sheet(book: Any, formats: _Formats, cells: Sequence[Cell]) -> None:
    sheet = book.add_worksheet("Cells")
    columns = cell_columns(cells)
    _table(
        sheet,
        formats,
        columns,
        [cell_row(cell, columns) for cell in cells],
        "Cells",
        [cell.simulated for cell in cells],
        freeze=3,
    )


def _columns_sheet(
    book: Any, formats: _Formats, of_runs: Sequence[Label | Metric], of_cells: Sequence[Label | Metric]
) -> None:
    """What every column of the two other sheets means."""
    sheet = book.add_worksheet("Columns")
    headings = [Label(name, name, "") for name in ("sheet", "column", "unit", "better", "decimals", "means")]
    rows: list[list[Value]] = []
    for name, columns in (("Runs", of_runs), ("Cells", of_cells)):
        for column in dict.fromkeys(columns):
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
