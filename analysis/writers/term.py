"""Tables for a terminal and for Markdown, by tabulate; text goes through ``plain`` or ``markdown`` first."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from tabulate import tabulate

from analysis.cells import Cell
from analysis.text import markdown, plain
from analysis.writers.fitted import fitted
from analysis.writers.rows import Value
from analysis.writers.table import Table, table_of

_CELL_LIMIT = 60  # characters; a board name is at most 121, and a table wider than the screen is no table


def bench_table(cells: Sequence[Cell], width: int = 0) -> str:
    """The table of these cells with its notes, ``width`` columns wide; 0 is as wide as it gets."""
    if width:
        return fitted(table_of(cells), cells, width)
    return _render(table_of(cells), "simple", lambda text: plain(text, _CELL_LIMIT), plain)


def bench_markdown(cells: Sequence[Cell]) -> str:
    """The same as Markdown."""
    return _render(table_of(cells), "github", markdown, markdown)


def _render(table: Table, style: str, in_cell: Callable[[str], str], in_note: Callable[[str], str]) -> str:
    if not table.rows:
        return "no runs"
    lines = [[_text(value, in_cell) for value in row] for row in table.rows]
    for line, marks in zip(lines, table.marks, strict=True):
        line[table.outcome_column] += _mark(marks)
    drawn = tabulate(
        lines,
        headers=[column.heading for column in table.columns],
        tablefmt=style,
        colalign=["right" if column.right else "left" for column in table.columns],
        disable_numparse=True,  # 15.30 stays 15.30, and a board named 1e5 stays itself
    )
    between = "\n\n" if style == "github" else "\n"  # one line a note in Markdown needs an empty line between
    notes = [f"[{number}] {in_note(note)}" for number, note in enumerate(table.numbered, 1)]
    notes += [in_note(note) for note in table.notes]
    return "\n\n".join([drawn, between.join(notes)]) if notes else drawn


def _text(value: Value, harmless: Callable[[str], str]) -> str:
    return "" if value is None else harmless(str(value))


def _mark(marks: tuple[int, ...]) -> str:
    return f" [{','.join(map(str, marks))}]" if marks else ""
