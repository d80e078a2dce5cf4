"""Any rows of plain values as ``--format`` asks: table, json, csv or md. Text from a board is made harmless."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence
from types import MappingProxyType

from tabulate import tabulate

from analysis.errors import UnknownFormat
from analysis.text import markdown, plain, spreadsheet

Value = str | int | float | None
FORMATS = ("table", "json", "csv", "md")


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
) -> str:
    """The rows, whose keys are the headings. Columns that are empty in every row are left out of a drawn table.

    ``widths``: characters after which a column of a terminal's table goes on in the next line.
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
