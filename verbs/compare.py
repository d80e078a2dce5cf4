"""Two bodies of evidence side by side, or each board beside its peers."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from invoke import Context

from verbs.kit import BOARD, FORMAT, leave, open_session, verb, width

if TYPE_CHECKING:
    from analysis.compare import Comparison
    from analysis.runs import Run

ACROSS = "conditions that may differ, such as driver or artifact; those that a side is named by may anyway; repeatable"


@verb(
    help={
        "a": "a campaign, a board, a runtime, or field=value,field=value with patterns; `all` with peers",
        "b": "the other side, which the verdict is on; or `peers`: A against the median of the other boards",
        "across": ACROSS,
        "board": BOARD,
        "format": FORMAT,
    },
    positional=["a", "b"],
    iterable=["board", "across"],
)
def compare(
    _c: Context,
    a: str | None = None,
    b: str | None = None,
    across: Sequence[str] | None = None,
    board: Sequence[str] | None = None,
    format: str = "table",
) -> None:
    """Compare two campaigns, boards or runtimes, and judge the second.

    invoke compare rk3588-a rk3588-b
    invoke compare 1.2.1 1.2.3 --across artifact
    invoke compare 20261120T020000Z-1a2b 20261121T020000Z-3f2a --board @lab1
    invoke compare 'clocks=as_is*' 'clocks=pinned*' --format md
    invoke compare all peers
    """
    from analysis.errors import CannotCompare
    from analysis.listing import check_format
    from analysis.sides import PEERS
    from verbs.evidence import read_through_store

    check_format(format)
    session = open_session()
    runs = [run for run in read_through_store(session) if run.counts]
    if board:
        names = {entry.name for entry in session.select(board)}
        runs = [run for run in runs if run.board in names]
    if not runs:
        raise CannotCompare("no run here may enter a statistic", hint="invoke bench, or invoke collect")
    if b == PEERS:
        print(_peers(a or "", runs, format))
        return
    leave(_sides(a or "", b or "", runs, [name for given in across or () for name in given.split(",")], format))


def _sides(a: str, b: str, runs: Sequence[Run], across: Sequence[str], format: str) -> int:
    from analysis.compare import compare as compared
    from analysis.compare import rows_of
    from analysis.listing import listing
    from analysis.sides import side

    rows = compared(side(a, runs), side(b, runs), across)
    print(
        listing(
            rows_of(rows), format, widths={"workload": 30, "why": 40, "across": 40, "also changed": 40}, width=width()
        )
    )
    return _refusals(rows)


def _peers(a: str, runs: Sequence[Run], format: str) -> str:
    from analysis.fleet_view import LEAST_BOARDS, fleet_view, rows_of
    from analysis.listing import listing
    from analysis.sides import among_peers

    peers, boards = among_peers(a, runs)
    rows = [row for row in fleet_view(peers) if row.against.board in boards]
    none = f"no cell that {LEAST_BOARDS} boards have under one condition"
    return listing(rows_of(rows), format, empty=none, widths={"workload": 30, "only here": 40}, width=width())


def _refusals(rows: Sequence[Comparison]) -> int:
    """Say how to compare what was refused; the exit code is of usage where that is everything."""
    fields = sorted({name for row in rows for name in row.differing} - {"origin"})
    if fields:
        option = ",".join(fields)
        print(f"unlike conditions are not compared; if that is what you mean: --across {option}", file=sys.stderr)
    if any("origin" in row.differing for row in rows):
        print("measured, simulated and manual numbers are never compared with each other", file=sys.stderr)
    return 0 if any(row.metric for row in rows) else 2
