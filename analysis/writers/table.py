"""The table that ``bench`` ends with, before anyone formats it: headings, rows, and the notes below it.

Columns that say the same in every row are left out: ``workload`` and ``clocks`` when there is one, ``origin`` when all
is measured. Those of vision runs are there when there are any, TTFT of text runs then only when there are both.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from analysis.cells import Cell, Reason
from analysis.metrics import TABLE_METRICS, VISION, Metric
from analysis.runs import MEASURED, SIMULATED
from analysis.text import LINE_LIMIT, plain
from analysis.writers.rows import Value, doubt_text, reason_text

_SIMULATED_NOTE = "simulated: made by a virtual board; these numbers say nothing about any real one."
_UNKNOWN_NOTE = "unknown: the evidence does not say whether a real or a virtual board made it."


@dataclass(frozen=True)
class Column:
    """A column of the table; numbers stand right."""

    heading: str
    right: bool = False
    metric: Metric | None = None


@dataclass(frozen=True)
class Table:
    """Rows of raw values, one of each column; ``marks`` has the numbers of each row's notes."""

    columns: tuple[Column, ...]
    rows: tuple[tuple[Value, ...], ...]
    outcome_column: int
    marks: tuple[tuple[int, ...], ...]
    numbered: tuple[str, ...]  # notes that a row refers to: the first is [1]
    notes: tuple[str, ...]  # notes about the table as a whole


def table_of(cells: Sequence[Cell]) -> Table:
    """The table of these cells, in their order."""
    with_workload = len({cell.workload for cell in cells}) > 1
    with_clocks = len({cell.clock_profile for cell in cells}) > 1
    with_origin = any(cell.origin != MEASURED for cell in cells)
    with_vision = any(cell.vision_cores is not None for cell in cells)
    metrics = _metrics(cells)
    columns = [Column("board"), Column("model"), Column("cores", right=True)]
    columns += [Column("vision cores", right=True)] if with_vision else []
    columns += [Column("workload")] if with_workload else []
    columns += [Column("clocks")] if with_clocks else []
    outcome_column = len(columns)
    columns += [Column("outcome"), *(Column(f"{m.title} {m.unit}", right=True, metric=m) for m in metrics)]
    columns += [Column("n", right=True)]
    columns += [Column("origin")] if with_origin else []
    rows = []
    for cell in cells:
        row: list[Value] = [cell.board, cell.model, cell.npu_cores]
        row += [cell.vision_cores] if with_vision else []
        row += [cell.workload.sentence] if with_workload else []
        row += [cell.clock_profile] if with_clocks else []
        row += [cell.outcome, *(metric.text(cell.median(metric.name)) for metric in metrics), cell.n]
        row += [cell.origin] if with_origin else []
        rows.append(tuple(row))
    numbers: dict[str, int] = {}
    marks = tuple(
        tuple(numbers.setdefault(note, len(numbers) + 1) for note in dict.fromkeys(map(_note, cell.reasons)))
        for cell in cells
    )
    return Table(tuple(columns), tuple(rows), outcome_column, marks, tuple(numbers), _notes(cells))


def _metrics(cells: Sequence[Cell]) -> list[Metric]:
    has = {metric.name for metric in TABLE_METRICS for cell in cells if cell.stat(metric.name)}
    only_vision = bool(cells) and all(cell.vision_cores is not None for cell in cells)
    left_out = (VISION - has) | ({"ttft_ms"} - has if only_vision else set())
    return [metric for metric in TABLE_METRICS if metric.name not in left_out]


def _note(reason: Reason) -> str:
    return plain(reason_text(reason), LINE_LIMIT)


def _notes(cells: Sequence[Cell]) -> tuple[str, ...]:
    origins = {cell.origin for cell in cells}
    notes = []
    if SIMULATED in origins:
        notes.append(_SIMULATED_NOTE)
    if origins - {SIMULATED, MEASURED, "manual"}:
        notes.append(_UNKNOWN_NOTE)
    for board in dict.fromkeys(cell.board for cell in cells if cell.forced):
        checks = sorted({check for cell in cells if cell.board == board for check in cell.forced})
        told = f"{board}: measured although these checks failed (--force): {', '.join(checks)}"
        notes.append(plain(told, LINE_LIMIT))
    for cell in cells:
        mixed = [
            f"{what} {', '.join(values)}"
            for what, values in (
                ("runtimes", cell.runtimes),
                ("drivers", cell.drivers),
                ("clocks", cell.clocks),
                ("artifacts", tuple(sha256[:12] for sha256 in cell.artifacts)),
                ("encoders", tuple(sha256[:12] for sha256 in cell.encoders)),
            )
            if cell.n and len(values) > 1
        ]
        if mixed:
            name = f"{cell.board} {cell.model} {cell.npu_cores} cores"
            notes.append(plain(f"{name}: the median mixes {'; '.join(mixed)}", LINE_LIMIT))
        for doubt in cell.doubts:
            name = f"{cell.board} {cell.model} {cell.npu_cores} cores"
            notes.append(plain(f"{name}: quarantined in {doubt.count} runs: {doubt_text(doubt)}", LINE_LIMIT))
        if cell.memory_note is not None:
            notes.append(plain(f"{cell.board} {cell.model} {cell.npu_cores} cores: {cell.memory_note}", LINE_LIMIT))
    return tuple(notes)
