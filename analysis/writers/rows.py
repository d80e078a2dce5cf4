"""The rows that all writers share: a value a column, in the order of the registry, as it is to be shown.

A number is a number in the shown unit, rounded as its metric says; text is raw, each writer makes it harmless
in its own way; None is an empty field.
"""

from __future__ import annotations

from collections.abc import Iterable

from analysis.cells import Cell, Doubt, Reason
from analysis.metrics import BY_NAME, CELL_COLUMNS, RUN_COLUMNS, VISION, Label, Metric
from analysis.runs import Run

Value = str | int | float | None

Column = Label | Metric

_OF_WORKLOAD = frozenset({"prompt_set", "prompt_id", "max_new_tokens", "max_context_len", "image", "image_sha256"})


def sorted_runs(runs: Iterable[Run]) -> list[Run]:
    """Runs in the one order that every file has."""
    return sorted(runs, key=lambda run: run.key)


def run_columns(runs: Iterable[Run]) -> list[Column]:
    """The columns of these runs: those of vision only where one of them has something to say there."""
    runs = list(runs)
    return [
        column
        for column in RUN_COLUMNS
        if column.name not in VISION or any(_of_run(run, column) is not None for run in runs)
    ]


def run_row(run: Run, columns: Iterable[Column]) -> list[Value]:
    """One run, one value a column."""
    return [_of_run(run, column) for column in columns]


def _of_run(run: Run, column: Column) -> Value:
    if isinstance(column, Metric):
        return column.shown(run.metric(column.name))
    if column.name == "warmup":
        return "yes" if run.warmup else "no"
    if column.name == "forced":
        return ", ".join(run.forced) or None
    if column.name == "quarantined":
        return " / ".join(f"{BY_NAME[metric].title}: {reason}" for metric, reason in run.quarantined) or None
    value: Value = getattr(run.workload if column.name in _OF_WORKLOAD else run, column.name)
    return str(value) if isinstance(value, str) else value


def cell_columns(cells: Iterable[Cell]) -> list[tuple[str, Column]]:
    """Heading and column of every value of ``cell_row``: a metric takes three."""
    cells = list(cells)
    found: list[tuple[str, Column]] = []
    for column in CELL_COLUMNS:
        if column.name in VISION and not any(_has(cell, column) for cell in cells):
            continue
        if isinstance(column, Metric):
            found += [(f"{column.title}{part} ({column.unit})", column) for part in _PARTS]
        else:
            found.append((column.heading, column))
    return found


def cell_row(cell: Cell, columns: Iterable[tuple[str, Column]]) -> list[Value]:
    """One cell, one value a column of ``cell_columns``: median, lowest and highest of each metric."""
    row: list[Value] = []
    for heading, column in columns:
        if isinstance(column, Metric):
            stat = cell.stat(column.name)
            part = heading.removeprefix(column.title).partition(" (")[0]
            row.append(column.shown(getattr(stat, _PARTS[part]) if stat else None))
        else:
            row.append(_of_cell(cell, column.name))
    return row


_PARTS = {"": "median", " min": "least", " max": "most"}


def _has(cell: Cell, column: Column) -> bool:
    return (cell.stat(column.name) if isinstance(column, Metric) else _of_cell(cell, column.name)) is not None


def _of_cell(cell: Cell, name: str) -> Value:
    made: dict[str, Value] = {
        "workload": cell.workload.sentence,
        "runtimes": ", ".join(cell.runtimes),
        "drivers": ", ".join(cell.drivers),
        "artifacts": ", ".join(sha256[:12] for sha256 in cell.artifacts),
        "encoders": ", ".join(sha256[:12] for sha256 in cell.encoders) or None,
        "campaigns": len(cell.campaigns),
        "forced": ", ".join(cell.forced) or None,
        "reasons": reasons_text(cell),
        "quarantined": " / ".join(f"{doubt.count} x {doubt_text(doubt)}" for doubt in cell.doubts) or None,
    }
    value: Value = made[name] if name in made else getattr(cell, name)
    return value


def reason_text(reason: Reason) -> str:
    """What happened and what to try, in one line."""
    said = f"{reason.outcome}: {reason.reason}" if reason.reason else str(reason.outcome)
    return f"{said}. Try: {reason.advice}" if reason.advice else said


def doubt_text(doubt: Doubt) -> str:
    """Which number is quarantined, and why, in one line."""
    return f"{BY_NAME[doubt.metric].title}: {doubt.reason}"


def reasons_text(cell: Cell) -> str:
    """All reasons of a cell."""
    return " / ".join(f"{reason.count} x {reason_text(reason)}" for reason in cell.reasons)
