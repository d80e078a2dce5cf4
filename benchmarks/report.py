"""Rows for a person to paste and for a program to keep; both say what was asked for and whether it was met."""

from __future__ import annotations

import datetime
import json
import os
import platform
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass

from benchmarks.measure import Turns, column, ratio, spread


@dataclass(frozen=True)
class Row:
    """One comparison. ``target`` is the most that ``ratio`` may be, or with ``at_least`` the least; None asks nothing.

    Where there is nothing to compare with, ``ratio`` is the measured number as a part of what is allowed.
    """

    benchmark: str
    what: str
    ours: str
    alternative: str
    ratio: float | None = None
    target: float | None = None
    at_least: bool = False

    @property
    def met(self) -> bool | None:
        """None where nothing was asked for."""
        if self.target is None or self.ratio is None:
            return None
        return self.ratio >= self.target if self.at_least else self.ratio <= self.target


def compared(
    benchmark: str,
    what: str,
    turns: Turns,
    ours: str,
    theirs: str,
    column_name: str,
    *,
    target: float | None = None,
    unit: str = "s",
    scale: float = 1.0,
    digits: int = 2,
) -> Row:
    """A row from the turns of two contestants."""
    mine, other = ([value * scale for value in column(turns[name], column_name)] for name in (ours, theirs))
    return Row(
        benchmark,
        what,
        spread(mine, unit, digits),
        f"{theirs}: {spread(other, unit, digits)}",
        ratio(mine, other),
        target,
    )


def markdown(rows: Sequence[Row]) -> str:
    """The table."""
    heads = ("benchmark", "what", "ours", "alternative", "ratio", "target", "met")
    lines = ["| " + " | ".join(heads) + " |", "|---" * len(heads) + "|"]
    for row in rows:
        shown_ratio = "" if row.ratio is None else f"{row.ratio:.2f}"
        target = "" if row.target is None else f"{'≥' if row.at_least else '≤'} {row.target:g}"
        met = {True: "yes", False: "**no**", None: ""}[row.met]
        cells = (row.benchmark, row.what, row.ours, row.alternative, shown_ratio, target, met)
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def as_json(rows: Iterable[Row]) -> str:
    """The same for a program, with what it was measured on."""
    about = {
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "python": platform.python_version(),
        "cpus": os.cpu_count(),
        "machine": platform.machine(),
    }
    return json.dumps(about | {"rows": [asdict(row) | {"met": row.met} for row in rows]}, ensure_ascii=False, indent=1)
