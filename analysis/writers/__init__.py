"""One set of rows, many formats. A writer formats and never computes, so no two can disagree."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from analysis.cells import Cell
from analysis.errors import UnknownFormat
from analysis.writers.csv import bench_csv
from analysis.writers.json import bench_json
from analysis.writers.term import bench_markdown, bench_table

FORMATS: dict[str, Callable[[Sequence[Cell]], str]] = {
    "table": bench_table,
    "json": bench_json,
    "csv": bench_csv,
    "md": bench_markdown,
}


def bench(cells: Sequence[Cell], form: str = "table", width: int = 0) -> str:
    """The table of ``bench`` as ``--format`` asks for it, drawn ``width`` columns wide. Raises UnknownFormat."""
    if form not in FORMATS:
        raise UnknownFormat(form, tuple(FORMATS))
    return bench_table(cells, width) if form == "table" else FORMATS[form](cells)
