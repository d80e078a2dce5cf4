"""The table of ``bench`` for a terminal of known width: what is alike in every row is said once, below.

Numbers have their interval where there is room: all of them, or generate alone, or none; headings take a second line
before an interval goes. Behind a number is its origin's letter, so the column for it is not needed. What is still too
wide has its longest words broken.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from analysis.cells import Cell
from analysis.fitting import KEPT, LEAST, broken, draw, every_row, fits, noted
from analysis.metrics import Metric
from analysis.runs import MANUAL, SIMULATED
from analysis.text import plain
from analysis.writers.rows import Value
from analysis.writers.table import Column, Table

_LETTERS = {SIMULATED: "S", MANUAL: "M"}
_LEGEND = "M: manual, from a log made by hand."


def fitted(table: Table, cells: Sequence[Cell], width: int) -> str:
    """The table with its notes, no line of it wider than ``width`` if that can be."""
    if not table.rows:
        return "no runs"
    width = max(width, LEAST)
    alike = _alike(table)
    columns = [at for at, column in enumerate(table.columns) if at not in alike and not _by_letter(column)]
    right = [table.columns[at].right for at in columns]
    rows: list[list[str]] = []
    for with_interval, two_lines in _layouts(table):
        body = [[_field(table, cells, row, at, with_interval) for at in columns] for row in range(len(cells))]
        rows = [[_heading(table.columns[at], two_lines) for at in columns], *body]
        if fits(rows, width):
            break
    else:
        rows = broken(rows, right, width)
    notes = every_row(alike.values())
    notes += [f"[{number}] {plain(note)}" for number, note in enumerate(table.numbered, 1)]
    notes += [_LEGEND] if any(cell.origin == MANUAL for cell in cells) else []
    notes += [plain(note).replace(f"{SIMULATED}:", "S: simulated,", 1) for note in table.notes]
    return noted(draw(rows, right), notes, width)


def _alike(table: Table) -> dict[int, str]:
    """Columns that say the same in every row of several, with what they say."""
    if len(table.rows) < 2:
        return {}
    found = {}
    for at, column in enumerate(table.columns):
        values = {row[at] for row in table.rows}
        if column.metric is None and column.heading not in KEPT and not _by_letter(column) and len(values) == 1:
            (value,) = values
            if value not in (None, ""):
                found[at] = f"{column.heading} {plain(str(value))}"
    return found


def _by_letter(column: Column) -> bool:
    return column.heading == "origin"


def _layouts(table: Table) -> Iterator[tuple[tuple[Metric, ...], bool]]:
    """Which numbers have an interval, and whether headings have two lines; the best first."""
    metrics = tuple(column.metric for column in table.columns if column.metric is not None)
    generate = tuple(metric for metric in metrics if metric.name == "generate_tps")
    for with_interval in dict.fromkeys((metrics, generate, ())):
        yield with_interval, False
        yield with_interval, True


def _heading(column: Column, two_lines: bool) -> str:
    metric = column.metric
    if metric is None:
        return column.heading.replace(" ", "\n") if two_lines else column.heading
    parts = (*metric.title.split(" "), metric.unit) if two_lines else (metric.title, metric.unit)
    return "\n".join(parts) if two_lines else " ".join(parts)


def _field(table: Table, cells: Sequence[Cell], row: int, at: int, with_interval: Sequence[Metric]) -> str:
    column, value, cell = table.columns[at], table.rows[row][at], cells[row]
    if column.metric is None:
        marks = table.marks[row] if at == table.outcome_column else ()
        return _text(value) + (f" [{','.join(map(str, marks))}]" if marks else "")
    stat = cell.stat(column.metric.name)
    if stat is None:
        return _text(value)
    low, high = column.metric.text(stat.low), column.metric.text(stat.high)
    between = f" ({low}–{high})" if column.metric in with_interval and low != high else ""
    letter = _LETTERS.get(cell.origin, "" if cell.origin == "measured" else "?")
    return f"{_text(value)}{between}{' ' + letter if letter else ''}"


def _text(value: Value) -> str:
    return "" if value is None else plain(str(value))
