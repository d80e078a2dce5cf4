"""Measuring: a campaign of one's own, and the whole pipeline on virtual boards."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from invoke import Context, Exit

from verbs.kit import BOARD, FORMAT, INTERRUPTED, headline, leave, open_session, stderr, verb
from verbs.results import pull, summaries

if TYPE_CHECKING:
    from fleet.session import Session


@verb(
    help={
        "board": BOARD,
        "model": "a model of models.yaml; may be left out when there is one",
        "cores": "NPU core counts, each is an artifact of its own; default 1,2,3",
        "repeats": "measured runs of each cell, on top of a warm-up; default 3",
        "prompts": "file of prompts, one 'id: text' a line; default suites/prompts/default.txt",
        "new-tokens": "longest answer in tokens; default 128",
        "context": "max_context_len of the run; default 4096",
        "limit": "seconds after which a run is stopped; default 600",
        "format": FORMAT,
    },
    iterable=["board"],
)
def bench(
    _c: Context,
    board: Sequence[str] | None = None,
    model: str = "",
    cores: str = "1,2,3",
    repeats: str = "",
    prompts: str = "",
    new_tokens: str = "",
    context: str = "",
    limit: str = "",
    format: str = "table",
) -> None:
    """Measure a model on boards: run, follow, collect, print the table.

    invoke bench --board rk3588-a --model qwen3-0.6b --cores 1,2,3 --repeats 3
    invoke bench --board @lab1 --cores 3 --format csv
    """
    from analysis.listing import check_format
    from fleet.options import Bench

    check_format(format)
    session = open_session()
    wanted = Bench(model, cores, repeats, prompts, new_tokens, context, limit)
    campaign, code = measure(session, wanted, board)
    print(table(session, format, campaign))
    leave(code)


@verb(help={"format": FORMAT})
def demo(_c: Context, format: str = "table") -> None:
    """Run the whole pipeline on the virtual boards of the inventory.

    invoke demo
    """
    from fleet import virtual_boards
    from fleet.errors import ConfigError
    from fleet.options import Bench

    session = open_session()
    names = [entry.name for entry in session.inventory.boards if entry.virtual is not None]
    if not names:
        raise ConfigError("there is no virtual board", file="inventory.yaml", hint="give a board `virtual: true`")
    try:
        campaign, code = measure(session, Bench(), names)
        code = max(code, pull(session, names))
        print(table(session, format, campaign))
        for path in summaries(session):
            print(f"wrote {path}", file=sys.stderr)
        print(f"raw logs in {session.shown(session.collected / campaign)}", file=sys.stderr)
    finally:
        virtual_boards.stop(names, session.virtual_state)
    leave(code)


def measure(session: Session, wanted: Any, board: Sequence[str] | None) -> tuple[str, int]:
    """One campaign, followed live; returns its id and the exit code that it has so far."""
    from contextlib import nullcontext

    from fleet import bench as campaigns
    from fleet.listener import Listeners
    from fleet.live import LiveTable, PlainLines

    request = wanted.request(session, session.select(board))
    console = stderr()
    names = [entry.name for entry in request.boards]
    live = LiveTable(console, headline, names) if console.is_terminal else None
    with live or nullcontext():
        listener = Listeners([live or PlainLines(console, headline)])
        result = campaigns.start(session, request, listener)
    for line in campaigns.epilogue(result):
        print(line, file=sys.stderr)
    if result.interrupted:
        raise Exit(code=INTERRUPTED)
    from analysis.reading import read_campaign

    outcomes = [str(run.outcome) for run in read_campaign(session.collected, result.campaign)]
    return result.campaign, int(campaigns.exit_code(result, outcomes))


def table(session: Session, format: str, campaign: str) -> str:
    """What a campaign gave, cell by cell."""
    from analysis.cells import cells
    from analysis.reading import read_campaign
    from analysis.writers import bench as bench_table

    return bench_table(cells(read_campaign(session.collected, campaign)), format)
