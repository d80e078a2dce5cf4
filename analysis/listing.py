"""Any rows of plain values as ``--format`` asks: table, json, csv or md. Text from a board is made harmless.

A table that a terminal is too narrow for gets headings of two lines, says once what is alike in every row, and has its
words broken; what would be too narrow to read then is told below each row, the longest texts first.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence
from types import MappingProxyType

import wcwidth
from tabulate import tabulate

from analysis.errors import UnknownFormat
from analysis.fitting import KEPT, LEAST, broken, draw, every_row, fits, noted, wrapped
from analysis.text import markdown, plain, spreadsheet

Value = str | int | float | None
FORMATS = ("table", "json", "csv", "md")
_LEGIBLE = 16  # characters of a column of sentences; what would have fewer is told below its row


def check_format(form: str) -> None:
    """Refuse a format before any work is done for it. Raises UnknownFormat."""
    if form not in FORMATS:
        raise UnknownFormat(form, FORMATS)


def listing(
    rows: Sequence[Mapping[str, Value]],
    form: str = "table",
    *,
    empty: str = "nothing",
    widths: Mapping[str, int] = MappingProxyType({}),
    width: int = 0,
) -> str:
    """The rows, whose keys are the headings. Columns that are empty in every row are left out of a drawn table.

    ``widths``: characters after which a column of a table goes on in the next line. ``width``: columns of the terminal,
    which no line of a table is wider than; 0 is a pipe.
    """
    check_format(form)
    if form == "json":
        return json.dumps([dict(row) for row in rows], ensure_ascii=False, indent=1)
    headings = list(rows[0]) if rows else []
    if form == "csv":
        out = io.StringIO()
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow(headings)
        writer.writerows([_harmless(row[key], spreadsheet) for key in headings] for row in rows)
        return out.getvalue().rstrip("\n")
    if not rows:
        return empty
    shown = [key for key in headings if any(row[key] is not None for row in rows)]
    if form == "table" and width and shown:
        return _fitted(rows, shown, widths, max(width, LEAST))
    escape = markdown if form == "md" else plain
    return tabulate(
        [[_harmless(row[key], escape) for key in shown] for row in rows],
        headers=shown,
        tablefmt="github" if form == "md" else "simple",
        disable_numparse=True,
        maxcolwidths=[widths.get(key) for key in shown] if widths and form == "table" else None,
    )


def _harmless(value: Value, escape: object) -> Value:
    if value is None:
        return ""
    return escape(value) if isinstance(value, str) and callable(escape) else value


def _fitted(rows: Sequence[Mapping[str, Value]], shown: list[str], widths: Mapping[str, int], width: int) -> str:
    texts = {key: [str(_harmless(row[key], plain)) for row in rows] for key in shown}
    numbers = {key for key in shown if all(isinstance(row[key], int | float | None) for row in rows)}
    alike = {
        key: f"{key} {texts[key][0]}"
        for key in shown
        if len(rows) > 1 and key not in KEPT and texts[key][0] and len(set(texts[key])) == 1
    }
    differing = [key for key in shown if key not in alike] or shown
    for keys in (shown, differing):
        for two_lines in (False, True):
            drawn = _drawn(texts, keys, widths, two_lines)
            if fits(drawn, width):
                return _noted(draw(drawn, [key in numbers for key in keys]), alike, keys, width)
    return _told_below(texts, differing, numbers, alike, width)


def _told_below(
    texts: Mapping[str, list[str]], keys: list[str], numbers: set[str], alike: Mapping[str, str], width: int
) -> str:
    left = list(keys)
    while True:
        right = [key in numbers for key in left]
        drawn = broken(_drawn(texts, left, {}, True), right, width, _LEGIBLE)
        if len(left) == 1 or fits(drawn, width):
            break
        left.remove(max(left[1:], key=lambda key: (key not in KEPT, max(map(wcwidth.width, texts[key])))))
    below = [
        [line for key in keys if key not in left and texts[key][row] for line in _below(key, texts[key][row], width)]
        for row in range(len(texts[keys[0]]))
    ]
    return _noted(draw(drawn, right, below), alike, keys, width)


def _drawn(
    texts: Mapping[str, list[str]], keys: Sequence[str], widths: Mapping[str, int], two_lines: bool
) -> list[list[str]]:
    rows = [[key.replace(" ", "\n") if two_lines else key for key in keys]]
    for row in range(len(texts[keys[0]])):
        rows.append([wrapped(texts[key][row], widths[key]) if key in widths else texts[key][row] for key in keys])
    return rows


def _noted(drawn: str, alike: Mapping[str, str], keys: Sequence[str], width: int) -> str:
    return noted(drawn, every_row(said for key, said in alike.items() if key not in keys), width)


def _below(key: str, text: str, width: int) -> list[str]:
    return wcwidth.wrap(f"{key}: {text}", width, initial_indent="  ", subsequent_indent="    ", break_on_hyphens=False)
