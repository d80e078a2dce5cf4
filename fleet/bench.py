"""A campaign: boards side by side, the runs of one board one after another, everything that ended is in collected/.

A board's trouble is that board's: its remaining runs keep a row with the reason, the others go on. Ctrl-C leaves the
runs on the boards alone (they are detached) and says which are still there.
"""

from __future__ import annotations

import json
import secrets
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import zip_longest
from pathlib import Path

from fleet import defaults, evidence, job, plan, virtual_boards
from fleet.boards import libraries_of
from fleet.config.inventory import BoardEntry
from fleet.deadline import Deadline
from fleet.errors import (
    BoardError,
    ConfigError,
    ConnectionDropped,
    ExitCode,
    FleetError,
    Unreachable,
    worst,
)
from fleet.facts import read_facts
from fleet.listener import Listener, Position
from fleet.plan import PlannedRun, Request
from fleet.pool import on_each
from fleet.push import Placed, place
from fleet.run import RunSpec, new_campaign_id, utc_now
from fleet.scripts import Store, prepare
from fleet.session import Session
from fleet.ssh.connection import Board
from fleet.verdict import Outcome

Connect = Callable[[BoardEntry], Board]


@dataclass(frozen=True)
class BoardResult:
    """What became of one board's list. ``left``: runs that may still go on there."""

    board: str
    error: FleetError | None
    left: tuple[str, ...]


@dataclass(frozen=True)
class CampaignResult:
    """``interrupted``: a person pressed Ctrl-C; what ended before is complete."""

    campaign: str
    boards: tuple[BoardResult, ...]
    interrupted: bool


class Interrupted(Exception):
    """Unwinds a board's thread after Ctrl-C."""


@dataclass
class Campaign:
    """One ``invoke bench``. ``connect`` opens a board; ``models`` is the workstation's folder of artifacts."""

    request: Request
    campaign: str
    collected: Path
    models: Path
    connect: Connect
    listener: Listener
    tool: str
    _stop: threading.Event = field(default_factory=threading.Event)
    _open: dict[str, Board] = field(default_factory=dict)
    _left: dict[str, str] = field(default_factory=dict)

    def run(self) -> CampaignResult:
        """Run it all. Raises ConfigError and NoSpace before anything was touched; later trouble is in the result."""
        plans = plan.check(self.request)
        evidence.check_space(self.collected)
        self._record(plans)
        interrupted = False
        ended: tuple[FleetError | None, ...] = ()
        try:
            ended = on_each(
                self.request.boards, lambda entry: self._board(entry, plans[entry.name]), interrupted=self._interrupt
            )
        except KeyboardInterrupt:
            interrupted = True
        names = [entry.name for entry in self.request.boards]
        return CampaignResult(
            self.campaign,
            tuple(
                BoardResult(name, error, (self._left[name],) if name in self._left else ())
                for name, error in zip_longest(names, ended)
            ),
            interrupted,
        )

    def _record(self, plans: dict[str, tuple[PlannedRun, ...]]) -> None:
        about = {"schema": 1, "campaign": self.campaign, "created_utc": utc_now(), "tool": self.tool}
        runs = {name: [planned.run for planned in runs] for name, runs in plans.items()}
        data = json.dumps(about | {"runs": runs}, indent=1) + "\n"
        with evidence.disk_errors(self.collected, "", "record the plan"):
            evidence.write_file(self.collected / self.campaign / "campaign.json", data.encode())

    def _interrupt(self) -> None:
        self._stop.set()
        for board in tuple(self._open.values()):
            board.abandon()

    def _board(self, entry: BoardEntry, runs: tuple[PlannedRun, ...]) -> FleetError | None:
        """One board's list; returns the error that ended it early."""
        done: set[str] = set()
        error: FleetError | None = None
        simulated = entry.virtual is not None
        try:
            self.listener.board_moved(entry.name, "connect")
            with self.connect(entry) as board:
                self._open[entry.name] = board
                error = self._runs(board, entry, runs, done)
        except Interrupted:
            pass
        except FleetError as problem:
            error = problem
        finally:
            self._open.pop(entry.name, None)
        if self._stop.is_set():
            error = None
        elif error is not None:
            outcome = Outcome.UNREACHABLE if isinstance(error, Unreachable | ConnectionDropped) else Outcome.FAILED
            for planned in runs:
                if planned.run not in done:
                    spec = self._spec(entry, planned, simulated)
                    evidence.write_unstarted(self.collected, spec, outcome, str(error))
        self.listener.board_ended(entry.name, error)
        return error

    def _runs(self, board: Board, entry: BoardEntry, runs: tuple[PlannedRun, ...], done: set[str]) -> FleetError | None:
        self.listener.board_moved(entry.name, "prepare")
        store = prepare(board, entry.paths.store, Deadline.after(defaults.PREPARE_S))
        facts = read_facts(board, Deadline.after(defaults.FACTS_S), disks=[store.path], libraries=libraries_of(entry))
        simulated = entry.virtual is not None or facts.get("simulated") is not None
        places: dict[str, Placed | FleetError] = {}
        first_error: FleetError | None = None
        for k, planned in enumerate(runs, start=1):
            if self._stop.is_set():
                raise Interrupted
            placed = places.get(planned.artifact.file)
            if placed is None:
                placed = places[planned.artifact.file] = self._place(board, entry, store, planned)
            at = Position(
                k,
                len(runs),
                f"{self.request.model.name} {planned.npu_cores}c",
                self.campaign,
                planned.run,
                planned.warmup,
            )
            if isinstance(placed, FleetError):
                first_error = first_error or placed
                spec = self._spec(entry, planned, simulated)
                folder = evidence.write_unstarted(self.collected, spec, Outcome.FAILED, str(placed))
            else:
                spec = self._spec(entry, planned, simulated, placed)
                folder = self._one(board, entry, store, spec, planned, placed, at, done)
            done.add(planned.run)
            self.listener.run_ended(entry.name, at, folder)
        return first_error

    def _place(self, board: Board, entry: BoardEntry, store: Store, planned: PlannedRun) -> Placed | FleetError:
        """Bring the artifact; what is wrong with one artifact does not end the board, a dropped connection does."""
        artifact = planned.artifact
        self.listener.board_moved(entry.name, "push", artifact.file)

        def moved(sent: int, total: int) -> None:
            if self._stop.is_set():
                raise Interrupted
            self.listener.push_moved(entry.name, artifact.file, sent, total)

        folders = plan.model_folders(entry, store)
        try:
            return place(
                board,
                store,
                artifact,
                self.models / artifact.file,
                folders,
                Deadline.after(defaults.PUSH_S),
                moved,
            )
        except ConnectionDropped:
            raise
        except (BoardError, ConfigError) as error:
            return error

    def _one(
        self,
        board: Board,
        entry: BoardEntry,
        store: Store,
        spec: RunSpec,
        planned: PlannedRun,
        placed: Placed,
        at: Position,
        done: set[str],
    ) -> Path:
        words = plan.program(self.request, planned, store=store, entry=entry, model=placed.path)
        deadline = Deadline.after(spec.limit_s + defaults.LIMIT_GRACE_S)
        job.submit(board, store, spec, words, deadline, self._stop)
        done.add(spec.run)  # from here on its truth is on the board
        self._left[entry.name] = spec.run
        self.listener.run_started(entry.name, at)
        with evidence.RunFolder(self.collected, spec.campaign, spec.board, spec.run) as folder:
            try:
                state = job.wait(
                    board,
                    store,
                    spec.campaign,
                    spec.run,
                    folder,
                    deadline=deadline,
                    moved=lambda size: self.listener.run_moved(entry.name, at, size),
                    stop=self._stop,
                )
            except FleetError:
                if self._stop.is_set():
                    folder.discard()  # it is complete on the board; collect brings it
                    raise Interrupted from None
                raise
            del self._left[entry.name]
            return job.keep(folder, state)

    def _spec(self, entry: BoardEntry, planned: PlannedRun, simulated: bool, placed: Placed | None = None) -> RunSpec:
        return plan.spec_of(
            self.request,
            planned,
            campaign=self.campaign,
            board=entry.name,
            simulated=simulated,
            created_utc=utc_now(),
            tool=self.tool,
            placed=(placed.sha256, placed.size_bytes) if placed else None,
        )


def start(session: Session, request: Request, listener: Listener) -> CampaignResult:
    """Make the stand-in files that virtual boards need, give the campaign its id, and run it."""
    plans = plan.check(request)
    for entry in request.boards:
        if entry.virtual and not all((session.models / one.artifact.file).exists() for one in plans[entry.name]):
            virtual_boards.make_artifacts(session.models, request.model.name)
    campaign = new_campaign_id(datetime.now(UTC), secrets.token_hex(2))
    return Campaign(
        request, campaign, session.collected, session.models, session.connect, listener, session.version
    ).run()


def epilogue(result: CampaignResult) -> list[str]:
    """What a person has to know after a campaign: what failed where, and what still runs where."""
    lines = [board.error.message() for board in result.boards if board.error]
    going = [(board.board, run) for board in result.boards for run in board.left]
    if going:
        lines.append(f"campaign {result.campaign}: still on the boards")
        lines += [
            f"  {board}: {run}   follow: invoke attach --board {board}   stop: invoke cancel --board {board}"
            for board, run in going
        ]
        lines.append("  what ends there meanwhile: invoke collect")
    elif result.interrupted:
        lines.append(f"campaign {result.campaign}: interrupted, nothing is running on the boards")
    return lines


def exit_code(result: CampaignResult, outcomes: Sequence[str]) -> ExitCode:
    """0 when every run ended ok or was skipped for a computed reason."""
    codes = [board.error.exit_code for board in result.boards if board.error]
    good = {Outcome.OK, Outcome.SKIPPED}
    codes += [ExitCode.FAILED for outcome in outcomes if outcome not in good]
    return worst(codes)
