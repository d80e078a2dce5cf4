"""The table of ``bench`` for a terminal of known width: what is alike in every row is said once, below.

Numbers have their interval where there is room: all of them, or generate alone, or none; headings take a second line
before an interval goes. Behind a number is its origin's letter, so the column for it is not needed. What is still too
wide has its longest words broken.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence

from tabulate import tabulate

from analysis.cells import Cell
from analysis.metrics import Metric
from analysis.runs import MANUAL, SIMULATED
from analysis.text import plain
from analysis.writers.rows import Value
from analysis.writers.table import Column, Table

_LETTERS = {SIMULATED: "S", MANUAL: "M"}
_LEGEND = "M: manual, from a log made by hand."
_KEPT = ("outcome",)  # how it ended is never said below only
_NARROWEST = 8  # characters of a broken word
_BETWEEN = 2  # blanks between two columns, as tabulate has them
_LEAST = 40  # narrower terminals get this


def fitted(table: Table, cells: Sequence[Cell], width: int) -> str:
    """The table with its notes, no line of it wider than ``width`` if that can be."""
    if not table.rows:
        return "no runs"
    width = max(width, _LEAST)
    alike = _alike(table)
    columns = [at for at, column in enumerate(table.columns) if at not in alike and not _by_letter(column)]
    right = [table.columns[at].right for at in columns]
    rows: list[list[str]] = []
    for with_interval, two_lines in _layouts(table):
        body = [[_field(table, cells, row, at, with_interval) for at in columns] for row in range(len(cells))]
        rows = [[_heading(table.columns[at], two_lines) for at in columns], *body]
        if sum(_widths(rows)) + _BETWEEN * (len(columns) - 1) <= width:
            break
    else:
        rows = _broken(rows, right, width)
    drawn = _draw(rows, right)
    notes = [f"every row: {', '.join(alike.values())}"] if alike else []
    notes += [f"[{number}] {plain(note)}" for number, note in enumerate(table.numbered, 1)]
    notes += [_LEGEND] if any(cell.origin == MANUAL for cell in cells) else []
    notes += [plain(note).replace(f"{SIMULATED}:", "S: simulated,", 1) for note in table.notes]
    told = (textwrap.fill(note, width, subsequent_indent="  ", break_on_hyphens=False) for note in notes)
    return "\n\n".join([drawn, "\n".join(told)]) if notes else drawn


def _alike(table: Table) -> dict[int, str]:
    """Columns that say the same in every row of several, with what they say."""
    if len(table.rows) < 2:
        return {}
    found = {}
    for at, column in enumerate(table.columns):
        values = {row[at] for row in table.rows}
        if column.metric is None and column.heading not in _KEPT and not _by_letter(column) and len(values) == 1:
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


def _broken(rows: list[list[str]], right: Sequence[bool], width: int) -> list[list[str]]:
    """Columns of words become narrower, the widest first, until the table fits or nothing more can be broken."""
    widths = _widths(rows)
    while sum(widths) + _BETWEEN * (len(widths) - 1) > width:
        place = max((at for at in range(len(widths)) if not right[at]), key=lambda at: widths[at], default=None)
        if place is None or widths[place] <= _NARROWEST:
            break
        widths[place] -= 1
    return [
        [text if right[at] else "\n".join(textwrap.wrap(text, widths[at])) for at, text in enumerate(row)]
        for row in rows
    ]


def _draw(rows: list[list[str]], right: Sequence[bool]) -> str:
    """Headings, a rule, the rows. Drawn without tabulate's own headings, which would have each column two wider."""
    drawn = tabulate(
        rows,
        tablefmt="plain",
        colalign=["right" if one else "left" for one in right],
        disable_numparse=True,
    ).splitlines()
    rule = (" " * _BETWEEN).join("-" * wide for wide in _widths(rows))
    height = max(text.count("\n") for text in rows[0]) + 1
    return "\n".join(line.rstrip() for line in (*drawn[:height], rule, *drawn[height:]))


def _widths(rows: list[list[str]]) -> list[int]:
    return [max(len(part) for row in rows for part in row[at].split("\n")) for at in range(len(rows[0]))]
