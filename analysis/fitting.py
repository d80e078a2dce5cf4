"""How a table is made to fit a terminal, for every table that a verb prints.

A row is a list of fields, the first row has the headings, and a field may have several lines. Columns of words can be
broken into more lines, columns of numbers can not. What is alike in every row is said once, below the table. Widths are
those of a terminal, where a Chinese character takes two columns.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import wcwidth
from tabulate import tabulate

LEAST = 40  # narrower terminals get this
NARROWEST = 8  # characters of a broken word
KEPT = ("outcome", "state", "verdict")  # how it ended is never said below only
_BETWEEN = 2  # blanks between two columns, as tabulate has them

Rows = Sequence[Sequence[str]]


def fits(rows: Rows, width: int) -> bool:
    """Whether the table is no wider than this as it stands."""
    return _total(_widths(rows)) <= width


def broken(rows: Rows, right: Sequence[bool], width: int, narrowest: int = NARROWEST) -> list[list[str]]:
    """Columns of words become narrower, the widest first, until the table fits or nothing more can be broken."""
    widths = _widths(rows)
    while _total(widths) > width:
        place = max((at for at in range(len(widths)) if not right[at]), key=lambda at: widths[at], default=None)
        if place is None or widths[place] <= narrowest:
            break
        widths[place] -= 1
    return [[text if right[at] else wrapped(text, widths[at]) for at, text in enumerate(row)] for row in rows]


def wrapped(text: str, width: int) -> str:
    """One field, no line of it wider than this."""
    return text if wcwidth.width(text) <= width else "\n".join(wcwidth.wrap(text, width))


def draw(rows: Rows, right: Sequence[bool], below: Sequence[Sequence[str]] = ()) -> str:
    """Headings, a rule, the rows; ``below`` has the lines that stand under each row.

    Drawn without tabulate's own headings, which would have each column two wider.
    """
    drawn = tabulate(
        rows,
        tablefmt="plain",
        colalign=["right" if one else "left" for one in right],
        disable_numparse=True,
    ).splitlines()
    rule = (" " * _BETWEEN).join("-" * wide for wide in _widths(rows))
    heights = [max(text.count("\n") for text in row) + 1 for row in rows]
    lines, at = [*drawn[: heights[0]], rule], heights[0]
    for number, height in enumerate(heights[1:]):
        lines += drawn[at : at + height]
        lines += below[number] if below else ()
        at += height
    return "\n".join(line.rstrip() for line in lines)


def noted(drawn: str, notes: Iterable[str], width: int) -> str:
    """The table with notes below it."""
    told = [
        line for note in notes for line in wcwidth.wrap(note, width, subsequent_indent="  ", break_on_hyphens=False)
    ]
    return "\n\n".join([drawn, "\n".join(told)]) if told else drawn


def every_row(said: Iterable[str]) -> list[str]:
    """The note of what is alike in every row, if there is any."""
    told = ", ".join(said)
    return [f"every row: {told}"] if told else []


def _widths(rows: Rows) -> list[int]:
    return [max(wcwidth.width(part) for row in rows for part in row[at].split("\n")) for at in range(len(rows[0]))]


def _total(widths: Sequence[int]) -> int:
    return sum(widths) + _BETWEEN * (len(widths) - 1)
