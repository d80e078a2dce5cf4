"""Boards brought to the state that a playbook describes."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from invoke import Context

from verbs.kit import BOARD, FORMAT, finish, headline, open_session, stderr, verb, width

if TYPE_CHECKING:
    from fleet.provision import Provisioned


@verb(
    help={
        "board": BOARD,
        "playbook": "base, benchmark, restore, one of your own in playbooks/, or a path",
        "dry-run": "change nothing on any board; say what would change",
        "diff": "show what changes: differences of files, and commands",
        "format": FORMAT,
    },
    iterable=["board"],
)
def provision(
    _c: Context,
    board: Sequence[str] | None = None,
    playbook: str = "benchmark",
    dry_run: bool = False,
    diff: bool = False,
    format: str = "table",
) -> None:
    """Bring boards to a playbook's state; what is right is left alone.

    invoke provision --board rk3588-a --dry-run --diff
    invoke provision --board '@lab1,!rk3588-c'
    invoke provision --board rk3588-a --playbook restore
    """
    from contextlib import nullcontext

    from analysis.listing import check_format, listing
    from fleet.listener import Listeners
    from fleet.live import LiveTable, PlainLines
    from fleet.provision import provision as bring

    check_format(format)
    session = open_session()
    entries = session.select(board)
    console = stderr()
    live = LiveTable(console, headline, [entry.name for entry in entries]) if console.is_terminal else None
    with live or nullcontext():
        listener = Listeners([live or PlainLines(console, headline)])
        done = bring(session, entries, playbook, listener, dry_run=dry_run, diff=diff)
    if diff:
        for one in done:
            show(one)
    print(listing([row(one, dry_run) for one in done], format, width=width()))
    finish(one.error for one in done)


def row(one: Provisioned, dry_run: bool) -> dict[str, str | int | float | None]:
    """One board of the table; the names of what changed are what a person looks for."""
    changed = [step.title for step in one.steps if step.outcome == "changed"]
    failed = one.failed_at
    return {
        "board": one.board,
        "would change" if dry_run else "changed": len(changed),
        "unchanged": one.count("unchanged"),
        "failed at": None if failed is None else f"{failed.number} {failed.title} ({failed.place})",
        "what": "; ".join(changed) or None,
        "why": None if one.error is None else one.error.what,
    }


def show(one: Provisioned) -> None:
    """What each step changes, on stderr: stdout is the table."""
    from fleet.text import readable

    for step in one.steps:
        if step.detail:
            print(f"--- {one.board}: {step.number} {step.title}", file=sys.stderr)
            print(readable(step.detail.encode()), file=sys.stderr)
