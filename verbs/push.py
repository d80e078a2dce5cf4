"""Model files onto boards, ahead of a bench; and what lies there that no model needs."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from invoke import Context

from verbs.kit import BOARD, FORMAT, finish, headline, open_session, stderr, verb, width

if TYPE_CHECKING:
    from fleet.config.inventory import BoardEntry
    from fleet.session import Session


@verb(
    help={
        "board": BOARD,
        "model": "a model of models.yaml; default: the first one there",
        "cores": "NPU core counts, each is an artifact of its own; default: all there are",
        "unused": "push nothing; list what lies in the boards' stores and no model of models.yaml needs",
        "remove": "push nothing; remove this file name, or the bytes of this sha256; needs --board",
        "format": FORMAT,
    },
    iterable=["board"],
)
def push(
    _c: Context,
    board: Sequence[str] | None = None,
    model: str = "",
    cores: str = "",
    unused: bool = False,
    remove: str = "",
    format: str = "table",
) -> None:
    """Bring a model's files to boards; what is there already costs nothing.

    invoke push --board rk3588-a --model qwen3-0.6b --cores 1,2,3
    invoke push --unused
    invoke push --board rk3588-a --remove Old-Model_W8A8_RK3588_3core.rkllm
    """
    from analysis.listing import check_format
    from fleet.errors import ConfigError

    check_format(format)
    session = open_session()
    entries = session.select(board)
    if unused and remove:
        raise ConfigError("one of the two", key="--remove", hint="invoke push --unused shows what can go")
    if unused:
        show_unused(session, entries, format)
    elif remove:
        if not board:
            raise ConfigError("say which boards", key="--board", hint=f"invoke push --board NAME --remove {remove}")
        take_away(session, entries, remove)
    else:
        bring(session, entries, model, cores, format)


def bring(session: Session, entries: Sequence[BoardEntry], model: str, cores: str, format: str) -> None:
    """Push, followed live, and say what is where."""
    from contextlib import nullcontext

    from analysis.listing import listing
    from fleet.listener import Listeners
    from fleet.live import LiveTable, PlainLines
    from fleet.options import core_counts, named_model
    from fleet.push_boards import push as push_to

    chosen = named_model(session.catalogue(), model)
    if remark := session.catalogue().remark(model):
        print(f"{model}: {remark}", file=sys.stderr)
    console = stderr()
    live = LiveTable(console, headline, [entry.name for entry in entries]) if console.is_terminal else None
    with live or nullcontext():
        listener = Listeners([live or PlainLines(console, headline)])
        done = push_to(session, entries, chosen, core_counts(cores) if cores else None, listener)
    rows: list[dict[str, str | int | float | None]] = [
        {
            "board": one.board,
            "file": file,
            "MiB": round(placed.size_bytes / 2**20, 1),
            "sent MiB": round(placed.sent_bytes / 2**20, 1),
            "sha256": placed.sha256,
            "path": placed.path,
        }
        for one in done
        for file, placed in one.placed.items()
    ]
    print(listing(rows, format, width=width()))
    finish(one.error for one in done)


def show_unused(session: Session, entries: Sequence[BoardEntry], format: str) -> None:
    """The list, and how something of it goes."""
    from analysis.listing import listing
    from fleet import stored
    from fleet.errors import FleetError
    from fleet.push_boards import with_store

    catalogue = session.catalogue()
    needed = [file for one in catalogue.models for standin in (False, True) for file in one.files_for(standin=standin)]
    answers = with_store(session, entries, lambda _entry, board, store: stored.listed(board, store))
    rows = [
        stored.row(entry.name, thing)
        for entry, answer in zip(entries, answers, strict=True)
        if not isinstance(answer, FleetError)
        for thing in stored.unused(answer, needed)
    ]
    print(listing(rows, format, width=width()))
    if rows:
        print("remove one: invoke push --board NAME --remove FILE|SHA256", file=sys.stderr)
    finish(answer for answer in answers if isinstance(answer, FleetError))


def take_away(session: Session, entries: Sequence[BoardEntry], what: str) -> None:
    """Remove one thing from each of these boards."""
    from fleet.errors import FleetError
    from fleet.push_boards import remove

    answers = remove(session, entries, what)
    for entry, answer in zip(entries, answers, strict=True):
        if not isinstance(answer, FleetError):
            print(f"{entry.name}: {'removed' if answer else 'has nothing of that name'}")
    finish(answer for answer in answers if isinstance(answer, FleetError))
