"""Two bodies of evidence side by side, or each board beside its peers."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from invoke import Context

from verbs.kit import BOARD, FORMAT, leave, open_session, verb

if TYPE_CHECKING:
    from analysis.compare import Comparison
    from analysis.runs import Run

ACROSS = "conditions that may differ, such as driver or artifact; those that a side is named by may anyway; repeatable"


@verb(
    help={
        "a": "what B is compared with: a campaign, a board, a runtime, or field=value,field=value with patterns",
        "b": "the other side",
        "across": ACROSS,
        "fleet": "each board against the median of its peers instead; with one side, only on its runs",
        "board": BOARD,
        "format": FORMAT,
    },
    positional=["a", "b"],
    iterable=["board", "across"],
)
def compare(
    _c: Context,
    a: str = "",
    b: str = "",
    across: Sequence[str] | None = None,
    fleet: bool = False,
    board: Sequence[str] | None = None,
    format: str = "table",
) -> None:
    """Two campaigns, boards or runtimes: ratios of medians with intervals, and a verdict on the second.

    invoke compare rk3588-a rk3588-b
    invoke compare 1.2.1 1.2.3 --across artifact
    invoke compare 20261120T020000Z-1a2b 20261121T020000Z-3f2a --board @lab1
    invoke compare board=rk3588-a,clocks=as_is* board=rk3588-a,clocks=pinned*
    invoke compare --fleet
    """
    from analysis.compare import compare as compared
    from analysis.compare import rows_of
    from analysis.errors import CannotCompare
    from analysis.listing import check_format, listing
    from analysis.runs import read_runs
    from analysis.sides import side

    check_format(format)
    session = open_session()
    runs: Sequence[Run] = [run for run in read_runs(session.collected) if run.counts]
    if board:
        names = {entry.name for entry in session.select(board)}
        runs = [run for run in runs if run.board in names]
    if fleet:
        if b:
            raise CannotCompare("--fleet takes one side at most", hint=f"invoke compare --fleet {a}")
        print(_peers(side(a, runs).runs if a else runs, format))
        return
    if not runs:
        raise CannotCompare("no run here may enter a statistic", hint="invoke bench, or invoke collect")
    rows = compared(side(a, runs), side(b, runs), [name for given in across or () for name in given.split(",")])
    print(listing(rows_of(rows), format, widths={"workload": 30, "why": 40, "across": 40, "also changed": 40}))
    leave(_refusals(rows))


def _peers(runs: Sequence[Run], format: str) -> str:
    from analysis.fleet_view import LEAST_BOARDS, fleet_view, rows_of
    from analysis.listing import listing

    none = f"no cell that {LEAST_BOARDS} boards have under one condition"
    return listing(rows_of(fleet_view(runs)), format, empty=none, widths={"workload": 30, "only here": 40})


def _refusals(rows: Sequence[Comparison]) -> int:
    """Say how to compare what was refused; the exit code is of usage where that is everything."""
    fields = sorted({name for row in rows for name in row.differing} - {"origin"})
    if fields:
        option = ",".join(fields)
        print(f"unlike conditions are not compared; if that is what you mean: --across {option}", file=sys.stderr)
    if any("origin" in row.differing for row in rows):
        print("measured, simulated and manual numbers are never compared with each other", file=sys.stderr)
    return 0 if any(row.metric for row in rows) else 2
