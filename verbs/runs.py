"""Runs that lie on boards: list them, follow them, stop them."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from invoke import Context

from verbs.kit import BOARD, FORMAT, finish, headline, open_session, stderr, verb, width


@verb(help={"board": BOARD, "format": FORMAT}, iterable=["board"])
def status(_c: Context, board: Sequence[str] | None = None, format: str = "table") -> None:
    """List the runs that lie on boards, going or ended.

    invoke status
    invoke status --board rk3588-a --format json
    """
    from analysis.listing import check_format, listing
    from fleet.board_runs import status as read_status
    from fleet.errors import FleetError
    from fleet.rows import run_row

    check_format(format)
    session = open_session()
    answers = read_status(session.select(board), session.collected, session.connect)
    rows = [run_row(run) for answer in answers if not isinstance(answer, FleetError) for run in answer]
    print(listing(rows, format, empty="no runs on these boards", width=width()))
    finish(answer for answer in answers if isinstance(answer, FleetError))


@verb(help={"board": BOARD}, iterable=["board"])
def attach(_c: Context, board: Sequence[str] | None = None) -> None:
    """Follow the runs that are going on boards, and collect them.

    invoke attach --board rk3588-a
    """
    from fleet.board_runs import attach as follow
    from fleet.live import PlainLines

    session = open_session()
    listener = PlainLines(stderr(), headline)
    finish(follow(session.select(board), session.collected, session.connect, listener))


@verb(help={"board": "which boards; must be named"}, iterable=["board"])
def cancel(_c: Context, board: Sequence[str] | None = None) -> None:
    """Stop the runs that are going on boards, for certain.

    invoke cancel --board rk3588-a
    """
    from fleet.board_runs import cancel as stop
    from fleet.errors import ConfigError, FleetError
    from fleet.lease import told as told_of

    session = open_session()
    if not board:
        raise ConfigError("say which boards: this stops runs", key="--board", hint="invoke cancel --board rk3588-a")
    answers = stop(session.select(board), session.collected, session.connect)
    ended = [told for answer in answers if not isinstance(answer, FleetError) for told in answer.runs]
    for run, gone, reason in ended:
        print(f"{run.board}: {run.campaign}/{run.run} {'cancelled' if gone else f'not cancelled: {reason}'}")
    if not ended:
        print("nothing was running")
    for answer in answers:
        if not isinstance(answer, FleetError) and answer.runs and answer.holding.lease is not None:
            take = f"invoke reserve --board {answer.board} --steal {answer.holding.lease.token} --cancel"
            whose = f"{answer.board} is still reserved by {told_of(answer.holding)}"
            print(f"{whose}; its driver goes on with the next run. To stop that too: {take}", file=sys.stderr)
    finish((answer for answer in answers if isinstance(answer, FleetError)), failed=any(not told[1] for told in ended))
