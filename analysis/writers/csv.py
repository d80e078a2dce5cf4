"""Runs and cells as comma-separated values: UTF-8, a heading line with units, a dot as the decimal mark.

No text in it becomes a formula in a spreadsheet: see ``analysis.text.spreadsheet``.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from pathlib import Path

from analysis.cells import Cell
from analysis.runs import Run
from analysis.text import spreadsheet
from analysis.writers.files import write_whole
from analysis.writers.rows import Value, reasons_text, run_columns, run_row, sorted_runs
from analysis.writers.table import table_of


def write_summary(runs: Iterable[Run], path: Path) -> None:
    """One row a run. Raises CannotWrite. The same runs give the same bytes, in whatever order they come."""
    ordered = sorted_runs(runs)
    columns = run_columns(ordered)
    rows = (run_row(run, columns) for run in ordered)
    write_whole(path, _csv([column.heading for column in columns], rows).encode())


def bench_csv(cells: Sequence[Cell]) -> str:
    """The table of ``bench`` with its reasons in a column of their own."""
    table = table_of(cells)
    headings = [*(column.heading for column in table.columns), "reasons"]
    return _csv(headings, ([*row, reasons_text(cell)] for row, cell in zip(table.rows, cells, strict=True)))


def _csv(headings: Sequence[str], rows: Iterable[Sequence[Value]]) -> str:
    out = io.StringIO(newline="")
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(headings)
    for row in rows:
        writer.writerow([spreadsheet(value) if isinstance(value, str) else value for value in row])
    return out.getvalue()
