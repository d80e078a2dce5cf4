"""The rows that all writers share: a value a column, in the order of the registry, as it is to be shown.

A number is a number in the shown unit, rounded as its metric says; text is raw, each writer makes it harmless
in its own way; None is an empty field.
"""

from __future__ import annotations

from collections.abc import Iterable

from analysis.cells import Cell, Reason
from analysis.metrics import CELL_COLUMNS, RUN_COLUMNS, Label, Metric
from analysis.runs import Run

Value = str | int | float | None

_OF_WORKLOAD = frozenset({"prompt_set", "prompt_id", "max_new_tokens", "max_context_len"})


def sorted_runs(runs: Iterable[Run]) -> list[Run]:
    """Runs in the one order that every file has."""
    return sorted(runs, key=lambda run: run.key)


def run_headings() -> list[str]:
    """The headings of ``run_row``."""
    return [column.heading for column in RUN_COLUMNS]


def run_row(run: Run) -> list[Value]:
    """One run, one value a column of ``RUN_COLUMNS``."""
    return [_of_run(run, column) for column in RUN_COLUMNS]


def _of_run(run: Run, column: Label | Metric) -> Value:
    if isinstance(column, Metric):
        return column.shown(run.metric(column.name))
    if column.name == "warmup":
        return "yes" if run.warmup else "no"
    if column.name == "forced":
        return ", ".join(run.forced) or None
    value: Value = getattr(run.workload if column.name in _OF_WORKLOAD else run, column.name)
    return str(value) if isinstance(value, str) else value


def cell_columns() -> list[tuple[str, Label | Metric]]:
    """Heading and column of every value of ``cell_row``: a metric takes three."""
    found: list[tuple[str, Label | Metric]] = []
    for column in CELL_COLUMNS:
        if isinstance(column, Metric):
            found += [(f"{column.title}{part} ({column.unit})", column) for part in ("", " min", " max")]
        else:
            found.append((column.heading, column))
    return found


def cell_row(cell: Cell) -> list[Value]:
    """One cell, one value a column of ``cell_columns``: median, lowest and highest of each metric."""
    row: list[Value] = []
    for column in CELL_COLUMNS:
        if isinstance(column, Metric):
            stat = cell.stat(column.name)
            three = (stat.median, stat.low, stat.high) if stat else (None, None, None)
            row += [column.shown(value) for value in three]
        else:
            row.append(_of_cell(cell, column.name))
    return row


def _of_cell(cell: Cell, name: str) -> Value:
    made: dict[str, Value] = {
        "workload": cell.workload.sentence,
        "runtimes": ", ".join(cell.runtimes),
        "drivers": ", ".join(cell.drivers),
        "artifacts": ", ".join(sha256[:12] for sha256 in cell.artifacts),
        "campaigns": len(cell.campaigns),
        "forced": ", ".join(cell.forced) or None,
        "reasons": reasons_text(cell),
    }
    value: Value = made[name] if name in made else getattr(cell, name)
    return value


def reason_text(reason: Reason) -> str:
    """What happened and what to try, in one line."""
    said = f"{reason.outcome}: {reason.reason}" if reason.reason else str(reason.outcome)
    return f"{said}. Try: {reason.advice}" if reason.advice else said


def reasons_text(cell: Cell) -> str:
    """All reasons of a cell."""
    return " / ".join(f"{reason.count} x {reason_text(reason)}" for reason in cell.reasons)
