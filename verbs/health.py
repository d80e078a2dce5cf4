"""The boards' health from night to night, and a person's word on it."""

from __future__ import annotations

from collections.abc import Sequence

from invoke import Context

from verbs.kit import BOARD, FORMAT, open_session, verb, width


@verb(
    help={
        "board": BOARD + "; must be named with --state",
        "state": "what it is from now on: good, unknown (clears a quarantine), bad, maintenance or retired",
        "reason": "why, so that others know",
        "format": FORMAT,
    },
    iterable=["board"],
)
def health(
    _c: Context, board: Sequence[str] | None = None, state: str = "", reason: str = "", format: str = "table"
) -> None:
    """Show which boards the nights trust, and say otherwise.

    invoke health
    invoke health --board rk3588-a --state unknown
    invoke health --board rk3588-b --state maintenance --reason 'new heatsink'
    """
    from datetime import UTC, datetime

    from analysis.listing import check_format, listing
    from fleet.errors import ConfigError
    from fleet.lease import owner
    from fleet.nightly.health import Health, HealthBook, State
    from fleet.nightly.night import stamp

    check_format(format)
    session = open_session()
    entries = session.select(board)
    book = HealthBook(session.home)
    if state or reason:
        if state not in set(State):
            raise ConfigError(f"{state!r} is no state: {', '.join(State)}", key="--state")
        if not board:
            raise ConfigError("say which boards", key="--board", hint=f"invoke health --board NAME --state {state}")
        said = Health(State(state), reason or f"said {owner()}", stamp(datetime.now(UTC)))
        for entry in entries:
            book.update(entry.name, lambda _before: said)
    known = book.read()
    rows: list[dict[str, str | int | float | None]] = [
        {
            "board": entry.name,
            "state": str(one.state),
            "since": one.since or None,
            "reason": one.reason or None,
            "last night": one.night or None,
        }
        for entry in entries
        for one in [known.get(entry.name, Health())]
    ]
    print(listing(rows, format, widths={"reason": 60}, width=width()))
