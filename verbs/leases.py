"""Leases: reserve boards for a while, give them back, see whose they are."""

from __future__ import annotations

from collections.abc import Sequence

from invoke import Context

from verbs.kit import BOARD, FORMAT, finish, open_session, verb, width


@verb(
    help={
        "board": "which boards; must be named",
        "for": "how long: 90s, 30m, 2h, 1d; at most 7d; default 2h",
        "purpose": "what for, so that others know",
        "steal": "take it over from whom `invoke who` showed with this token",
        "cancel": "with --steal: cancel what runs there first",
    },
    iterable=["board"],
)
def reserve(
    _c: Context,
    board: Sequence[str] | None = None,
    for_: str = "2h",
    purpose: str = "",
    steal: str = "",
    cancel: bool = False,
) -> None:
    """Keep boards for yourself for a while.

    invoke reserve --board rk3588-a --for 2h --purpose 'prompt tests'
    invoke reserve --board rk3588-a --steal 3f2a9c01d4e8
    """
    from fleet import reservations
    from fleet.errors import ConfigError, FleetError
    from fleet.lease import duration

    for_s = reservations.for_seconds(for_)
    session = open_session()
    if not board:
        raise ConfigError("say which boards", key="--board", hint="invoke reserve --board rk3588-a")
    entries = session.select(board)
    if cancel and not steal:
        raise ConfigError("it goes with --steal TOKEN", key="--cancel", hint="invoke who shows the token")
    answers = reservations.reserve(
        entries, session.home, session.connect, for_s=for_s, purpose=purpose, steal=steal, cancel=cancel
    )
    for entry, answer in zip(entries, answers, strict=True):
        if not isinstance(answer, FleetError) and answer.lease:
            print(f"{entry.name}: yours for {duration(answer.left_s)} (token {answer.lease.token})")
    finish(answer for answer in answers if isinstance(answer, FleetError))


@verb(help={"board": "which boards; must be named"}, iterable=["board"])
def release(_c: Context, board: Sequence[str] | None = None) -> None:
    """Give back boards that were reserved from here.

    invoke release --board rk3588-a
    """
    from fleet import reservations
    from fleet.errors import ConfigError, FleetError

    session = open_session()
    if not board:
        raise ConfigError("say which boards", key="--board", hint="invoke release --board rk3588-a")
    answers = reservations.release(session.select(board), session.home, session.connect)
    for answer in answers:
        if not isinstance(answer, FleetError):
            print(answer.sentence)
    finish(answer for answer in answers if isinstance(answer, FleetError))


@verb(help={"board": BOARD, "format": FORMAT}, iterable=["board"])
def who(_c: Context, board: Sequence[str] | None = None, format: str = "table") -> None:
    """Show who has which board, until when, and what runs there.

    invoke who
    invoke who --board '@lab1' --format json
    """
    from datetime import datetime

    from analysis.listing import check_format, listing
    from fleet import reservations
    from fleet.errors import FleetError

    check_format(format)
    session = open_session()
    entries = session.select(board)
    answers = reservations.who(entries, session.connect)
    rows = [
        reservations.who_row(entry.name, answer, datetime.now())
        for entry, answer in zip(entries, answers, strict=True)
        if not isinstance(answer, FleetError)
    ]
    print(listing(rows, format, empty="no board answered", width=width()))
    finish(answer for answer in answers if isinstance(answer, FleetError))
