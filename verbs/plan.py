"""What ``bench --dry-run`` shows: each cell on each board, with what it should take, or why it will be skipped."""

from __future__ import annotations

import math
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fleet.bench import Order
    from fleet.boards import BoardState
    from fleet.errors import ExitCode
    from fleet.plan import PlannedRun
    from fleet.session import Session

Row = dict[str, str | int | float | None]


def plan_rows(session: Session, order: Order) -> tuple[list[Row], ExitCode]:
    """By board and cell, in the order of the matrix. The boards are asked what they have; nothing is changed there."""
    from fleet.boards import read_states
    from fleet.errors import worst
    from fleet.plan import check

    plans = check(order.request)
    states = read_states(order.request.boards, session.connect)
    rows: list[Row] = []
    for state in states:
        if state.error:
            print(state.error.message(), file=sys.stderr)
        of_cell: dict[int, list[PlannedRun]] = {}
        for planned in plans[state.entry.name]:
            of_cell.setdefault(planned.number, []).append(planned)
        sees = any(cell.image for cell in order.request.cells)
        mine = [_row(state, of_cell[number], sees, probe=order.request.probe) for number in sorted(of_cell)]
        seconds = sum(int(row["runs"] or 0) * float(row["seconds a run"] or 0) for row in mine)
        runs = sum(int(row["runs"] or 0) for row in mine)
        print(f"{state.entry.name}: {runs} runs, about {math.ceil(seconds / 60)} min by prediction", file=sys.stderr)
        rows += mine
    return rows, worst([state.error.exit_code for state in states if state.error])


def _row(state: BoardState, runs: list[PlannedRun], sees: bool, *, probe: bool) -> Row:
    from verbs.need import need

    cell = runs[0].cell
    needs = need(state.entry, state.facts or {}, runs[0], probe=probe)
    seeing: Row = {"vision cores": cell.vision_cores, "image": cell.image.name if cell.image else None}
    return {
        "board": state.entry.name,
        "model": cell.model.name,
        "cores": cell.npu_cores,
        **(seeing if sees else {}),
        "context": cell.max_context_len,
        "prompt": cell.prompt.id,
        "new tokens": cell.max_new_tokens,
        "runs": 0 if needs.skip else len(runs),
        "seconds a run": None if needs.skip or needs.expected_s is None else round(needs.expected_s, 1),
        "limit s": None if needs.skip else needs.limit_s,
        "memory GiB": None if needs.expected_bytes is None else round(needs.expected_bytes / 2**30, 2),
        **({"guarded": "yes" if needs.tripwire_bytes and not needs.skip else None} if probe else {}),
        "skipped because": needs.skip or (None if state.facts else "nobody knows: the board did not answer"),
    }
