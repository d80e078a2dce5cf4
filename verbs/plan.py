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
WHY = "skipped because"


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
        several_clocks = len({cell.clocks for cell in order.request.cells}) > 1
        probe = order.request.probe
        mine = [_row(state, of_cell[number], sees, several_clocks, probe) for number in sorted(of_cell)]
        seconds = sum(int(row["runs"] or 0) * float(row["seconds a run"] or 0) for row in mine)
        runs = sum(int(row["runs"] or 0) for row in mine)
        print(f"{state.entry.name}: {runs} runs, about {math.ceil(seconds / 60)} min by prediction", file=sys.stderr)
        rows += mine
    return rows, worst([state.error.exit_code for state in states if state.error])


def plan_listing(rows: list[Row], format: str, width: int = 0) -> str:
    """The rows as ``--format`` asks. A reason is a sentence that many cells share: a drawn table has them below it."""
    from analysis.listing import listing
    from analysis.text import LINE_LIMIT, plain

    if format not in ("table", "md"):
        return listing(rows, format)
    numbers: dict[str, int] = {}
    drawn: list[Row] = []
    for row in rows:
        why = row.get(WHY)
        seconds, gib = row["seconds a run"], row["memory GiB"]
        drawn.append(
            {
                **{key: value for key, value in row.items() if key != WHY},
                "seconds a run": None if seconds is None else f"{seconds:.1f}",
                "memory GiB": None if gib is None else f"{gib:.2f}",
                "skipped": f"[{numbers.setdefault(str(why), len(numbers) + 1)}]" if why else None,
            }
        )
    notes = [f"[{number}] {plain(why, LINE_LIMIT)}" for why, number in numbers.items()]
    between = "\n\n" if format == "md" else "\n"
    return "\n\n".join([listing(drawn, format, width=width), *([between.join(notes)] if notes else [])])


def _row(state: BoardState, runs: list[PlannedRun], sees: bool, several_clocks: bool, probe: bool) -> Row:
    from verbs.need import need

    cell = runs[0].cell
    needs = need(state.entry, state.facts or {}, runs[0], probe=probe)
    seeing: Row = {"vision cores": cell.vision_cores, "image": cell.image.name if cell.image else None}
    return {
        "board": state.entry.name,
        "model": cell.model.name,
        "cores": cell.npu_cores,
        **(seeing if sees else {}),
        **({"clocks": cell.clocks} if several_clocks else {}),
        "context": cell.max_context_len,
        "prompt": cell.prompt.id,
        "new tokens": cell.max_new_tokens,
        "runs": 0 if needs.skip else len(runs),
        "seconds a run": None if needs.skip or needs.expected_s is None else round(needs.expected_s, 1),
        "limit s": None if needs.skip else needs.limit_s,
        "memory GiB": None if needs.expected_bytes is None else round(needs.expected_bytes / 2**30, 2),
        **({"guarded": "yes" if needs.tripwire_bytes and not needs.skip else None} if probe else {}),
        WHY: needs.skip or (None if state.facts else "nobody knows: the board did not answer"),
    }
