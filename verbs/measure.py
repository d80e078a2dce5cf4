"""Measuring: a campaign of one's own, and the whole pipeline on virtual boards."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from invoke import Context

from verbs.kit import BOARD, FORMAT, headline, leave, open_session, stderr, stopped, verb, width
from verbs.results import pull, summaries

if TYPE_CHECKING:
    from fleet.bench import CampaignResult, Order
    from fleet.session import Session


@verb(
    help={
        "board": BOARD,
        "suite": "a file of suites/ that says what to measure; the options below win over it",
        "model": "models of models.yaml, with commas between them; default: the first one there",
        "cores": "NPU core counts, each is an artifact of its own; default 1,2,3",
        "vision-cores": "NPU core counts of the vision encoder, which is told at run time; default 3",
        "repeats": "measured runs of each cell, on top of a warm-up; default 3",
        "prompts": "file of prompts, one 'id: text' a line; default suites/prompts/default.txt, vision.txt for images",
        "image": "image for vision models, PNG or JPEG; default suites/images/house.png",
        "new-tokens": "longest answer in tokens; default 128",
        "context": "max_context_len of the run; default 4096",
        "limit": "seconds after which a run is stopped; default: twice what it may need by prediction",
        "clocks": "pinned, no-dmc (all but the DRAM) or as-is while a run lasts; default pinned",
        "campaign": "name of the campaign; one that was begun before goes on where it was",
        "failed-from": "a campaign: repeat only what did not end well in it",
        "recover": "reboot or power-cycle a board that does not come back",
        "probe": "run also what may not fit into memory, guarded: stopped before the kernel has to",
        "dry-run": "show what would be run, for how long, and what would be skipped; run nothing",
        "force": "measure also on boards that fail their checks; the runs say so",
        "format": FORMAT,
    },
    iterable=["board"],
)
def bench(
    _c: Context,
    board: Sequence[str] | None = None,
    suite: str = "",
    model: str = "",
    cores: str = "",
    repeats: str = "",
    prompts: str = "",
    new_tokens: str = "",
    context: str = "",
    limit: str = "",
    clocks: str = "",
    vision_cores: str = "",
    image: str = "",
    campaign: str = "",
    failed_from: str = "",
    recover: bool = False,
    probe: bool = False,
    dry_run: bool = False,
    force: bool = False,
    format: str = "table",
) -> None:
    """Measure a model on boards: run, follow, collect, print the table.

    invoke bench --board rk3588-a --model qwen3-0.6b --cores 1,2,3 --repeats 3
    invoke bench --board @lab1 --cores 3 --format csv
    invoke bench --model qwen3-vl-4b --cores 3 --vision-cores 1,3
    invoke bench --suite nightly --dry-run
    invoke bench --model qwen3-8b --cores 3 --probe
    invoke bench --campaign 20261121T190000Z-3f2a   (goes on after a crash, a Ctrl-C, a lost network)
    invoke bench --failed-from 20261121T190000Z-3f2a
    """
    from analysis.listing import check_format
    from analysis.reading import read_campaign
    from fleet.options import Bench, named_suite, order

    check_format(format)
    session = open_session()
    session.check_folders()
    for name in model.split(","):
        if remark := session.catalogue().remark(name.strip()):
            print(f"{name.strip()}: {remark}", file=sys.stderr)
    asked = order(
        session,
        Bench(model, cores, repeats, prompts, new_tokens, context, limit, clocks, vision_cores, image, probe),
        board,
        suite=named_suite(session, suite) if suite else None,
        campaign=campaign,
        failed_from=failed_from,
        outcomes=lambda name: {
            (run.board, run.run): str(run.outcome) for run in read_campaign(session.collected, name)
        },
    )
    if dry_run:
        from verbs.plan import plan_listing, plan_rows

        rows, trouble = plan_rows(session, asked)
        print(plan_listing(rows, format, width()))
        leave(trouble)
        return
    code = measure(session, asked, recover=recover, force=force)
    print(table(session, format, asked.campaign))
    leave(code)


@verb(help={"format": FORMAT})
def demo(_c: Context, format: str = "table") -> None:
    """Run everything on the virtual boards of the inventory.

    invoke demo
    """
    from fleet import virtual_boards
    from fleet.errors import ConfigError
    from fleet.options import Bench, order
    from verbs.report import write_report

    session = open_session()
    session.check_folders()
    names = [entry.name for entry in session.inventory.boards if entry.virtual is not None]
    if not names:
        raise ConfigError("there is no virtual board", file="inventory.yaml", hint="give a board `virtual: true`")
    try:
        asked = order(session, Bench(), names)
        code = max(measure(session, asked), pull(session, names))
        print(table(session, format, asked.campaign))
        for path in summaries(session):
            print(f"wrote {path}", file=sys.stderr)
        for written in write_report(session):
            print(f"wrote {session.shown(written)}", file=sys.stderr)
        print(f"raw logs in {session.shown(session.collected / asked.campaign)}", file=sys.stderr)
    finally:
        virtual_boards.stop(names, session.virtual_state)
    leave(code)


def measure(session: Session, order: Order, *, recover: bool = False, force: bool = False) -> int:
    """One campaign, followed live; returns the exit code that it has so far."""
    from functools import partial

    from analysis.reading import read_campaign
    from fleet import bench as campaigns
    from verbs.need import again, need

    needs, probe = partial(need, probe=order.request.probe), order.request.probe
    result = drive(session, order, need=needs, again=again(session, order.campaign), recover=recover, force=force)
    if result.interrupted:
        raise stopped()
    outcomes = [str(run.outcome) for run in read_campaign(session.collected, result.campaign)]
    return int(campaigns.exit_code(result, outcomes, probe=probe))


def drive(session: Session, order: Order, **how: Any) -> CampaignResult:
    """One campaign, followed live, and said what a person has to know after it; ``how``: see ``fleet.bench.start``."""
    from contextlib import nullcontext

    from fleet import bench as campaigns
    from fleet.listener import Listeners
    from fleet.live import LiveTable, PlainLines

    console = stderr()
    names = [entry.name for entry in order.request.boards]
    print(f"campaign {order.campaign}{'' if order.record is None else ', going on'}", file=sys.stderr)
    live = LiveTable(console, headline, names) if console.is_terminal else None
    with live or nullcontext():
        listener = Listeners([live or PlainLines(console, headline)])
        result = campaigns.start(session, order, listener, **how)
    for line in campaigns.epilogue(result):
        print(line, file=sys.stderr)
    return result


def table(session: Session, format: str, campaign: str) -> str:
    """What a campaign gave, cell by cell."""
    from analysis.cells import cells
    from analysis.writers import bench as bench_table
    from verbs.evidence import read_through_store

    return bench_table(cells(read_through_store(session, campaign)), format, width())
