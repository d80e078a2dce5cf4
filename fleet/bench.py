"""A campaign: boards side by side, the runs of one board one after another, everything that ended is in collected/.

A board's trouble is that board's: its remaining runs keep a row with the reason, the others go on. Ctrl-C leaves the
runs on the boards alone (they are detached) and says which are still there. A campaign that was begun before goes on
where it was: what has evidence is not repeated.
"""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import zip_longest

from fleet import campaign as campaigns
from fleet import evidence, lease, plan, reservations, virtual_boards
from fleet.campaign import Record
from fleet.errors import CheckFailed, ConfigError, ExitCode, FleetError, worst
from fleet.listener import Listener
from fleet.need import Again, NeedOf
from fleet.one_board import BoardList, Setting
from fleet.plan import PlannedRun, Request
from fleet.pool import on_each
from fleet.run import new_campaign_id
from fleet.session import Session
from fleet.verdict import Outcome


@dataclass(frozen=True)
class Order:
    """What ``bench`` is to do, and under which name; ``record`` is there when the campaign was begun before."""

    request: Request
    campaign: str
    record: Record | None = None


@dataclass(frozen=True)
class BoardResult:
    """What became of one board's list. ``left``: runs that may still go on there."""

    board: str
    error: FleetError | None
    left: tuple[str, ...]


@dataclass(frozen=True)
class CampaignResult:
    """``interrupted``: a person pressed Ctrl-C; what ended before is complete. ``open``: runs without evidence."""

    campaign: str
    boards: tuple[BoardResult, ...]
    interrupted: bool
    open: int


def new_name() -> str:
    """A name for a campaign that nobody named."""
    return new_campaign_id(datetime.now(UTC), secrets.token_hex(2))


def start(
    session: Session,
    order: Order,
    listener: Listener,
    *,
    need: NeedOf,
    again: Callable[[str], Again],
    recover: bool = False,
    force: bool = False,
    leases: Mapping[str, str] | None = None,
) -> CampaignResult:
    """Drive a campaign to its end, alone on this workstation; ``force``: also on boards that fail their checks.

    ``need`` says what a run needs on a board with these facts, or why it can not be; ``again`` which cells of a board
    call for another repeat, after what is collected so far. ``leases``: tokens of boards that the caller has leased for
    this, and gives back itself.
    Raises ConfigError, NoSpace and BeingDriven before anything was touched; later trouble is in the result.
    """
    request = order.request
    plans = plan.check(request)
    make_standins(session, request, plans)
    evidence.check_space(session.collected)
    with campaigns.driving(session.collected, order.campaign):
        record = order.record or campaigns.write(
            session.collected, order.campaign, request, plans, tool=session.version, token=lease.new_token()
        )
        stop = threading.Event()
        setting = Setting(
            request=request,
            campaign=record.campaign,
            token=record.token,
            collected=session.collected,
            models=session.models,
            connect=session.connect,
            listener=listener,
            tool=session.version,
            reserved={**reservations.tokens(session.home), **(leases or {})},
            recover=recover,
            need=need,
            again=again,
            force=force,
            resumed=order.record is not None,
        )
        lists = [BoardList(setting, entry, plans[entry.name], stop) for entry in request.boards]
        return _drive(setting, lists, stop, record)


def make_standins(session: Session, request: Request, plans: Mapping[str, Sequence[PlannedRun]]) -> None:
    """The model files that virtual boards need and that are not here yet."""
    for entry in request.boards:
        if entry.virtual:
            needed = {
                (file.file, one.cell.model.name)
                for one in plans[entry.name]
                for file in (one.artifact, one.encoder)
                if file
            }
            for model in sorted({name for file, name in needed if not (session.models / file).exists()}):
                virtual_boards.make_artifacts(session.models, model)


def order_again(session: Session, record: Record) -> Order:
    """A campaign that was begun before, as it was begun. Raises ConfigError when its models or boards have changed."""
    request = campaigns.request_of(record, session.inventory.boards, session.catalogue(), session.collected)
    now = {name: tuple(planned.run for planned in runs) for name, runs in plan.check(request).items()}
    if now != dict(record.runs):
        raise ConfigError(
            f"campaign {record.campaign} was planned with another models.yaml: its runs would not be the same",
            key="--campaign",
            hint="begin a new campaign",
        )
    return Order(request, record.campaign, record)


def epilogue(result: CampaignResult) -> list[str]:
    """What a person has to know after a campaign: what failed where, what still runs where, how to go on."""
    lines = [board.error.message() for board in result.boards if board.error]
    going = [(board.board, run) for board in result.boards for run in board.left]
    if going:
        lines.append(f"campaign {result.campaign}: still on the boards")
        lines += [
            f"  {board}: {run}   follow: invoke attach --board {board}   stop: invoke cancel --board {board}"
            for board, run in going
        ]
    elif result.interrupted:
        lines.append(f"campaign {result.campaign}: interrupted, nothing is running on the boards")
    if any(isinstance(board.error, CheckFailed) for board in result.boards):
        lines.append(f"what was skipped, when it is mended: invoke bench --failed-from {result.campaign}")
    if result.open:
        lines.append(f"  {result.open} runs have no evidence yet; go on: invoke bench --campaign {result.campaign}")
    return lines


def exit_code(result: CampaignResult, outcomes: Sequence[str], *, probe: bool = False) -> ExitCode:
    """0 when every run ended ok or was skipped for a computed reason; out of memory is what a probe may find."""
    codes = [board.error.exit_code for board in result.boards if board.error]
    good = {Outcome.OK, Outcome.SKIPPED, *([Outcome.OOM] if probe else [])}
    codes += [ExitCode.FAILED for outcome in outcomes if outcome not in good]
    codes += [ExitCode.FAILED] if result.open else []
    return worst(codes)


def _drive(setting: Setting, lists: Sequence[BoardList], stop: threading.Event, record: Record) -> CampaignResult:
    interrupted = False
    ended: tuple[FleetError | None, ...] = ()

    def leave() -> None:
        stop.set()
        for one in lists:
            one.abandon()

    try:
        ended = on_each(lists, BoardList.run, interrupted=leave)
    except KeyboardInterrupt:
        interrupted = True
    return CampaignResult(
        setting.campaign,
        tuple(
            BoardResult(one.entry.name, error, (one.left,) if one.left else ())
            for one, error in zip_longest(lists, ended)
        ),
        interrupted,
        sum(map(len, record.missing(setting.collected).values())),
    )
