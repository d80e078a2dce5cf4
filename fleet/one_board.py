"""One board's list of runs within a campaign: lease, push, run, bring home, one after another.

The list can be taken up again at any point: what has evidence here is done, a run that the board knows is followed
and not started again. A board that goes away in the middle is tried again as long as that makes sense; what then has
not been started keeps a row with the reason, and what may still be going is left to ``collect``.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from fleet import campaign as campaigns
from fleet import checking, defaults, evidence, job, plan, recovery
from fleet.boards import libraries_of
from fleet.checks import Verdict, judge
from fleet.config.inventory import BoardEntry
from fleet.deadline import Deadline
from fleet.errors import (
    BoardBusy,
    CheckFailed,
    ConnectionDropped,
    DeadlinePassed,
    FleetError,
    Interrupted,
    LeaseHeld,
    NoFile,
    Unreachable,
)
from fleet.facts import Facts, read_facts, read_gate
from fleet.gate_watch import GateWatch, Passed, set_point
from fleet.gates import Seen, look
from fleet.held_lease import HeldLease
from fleet.listener import Listener, Position
from fleet.need import Again, Need, NeedOf
from fleet.patience import Patience
from fleet.placing import Placing
from fleet.plan import PlannedRun, Request
from fleet.push import Placed
from fleet.run import RunSpec, utc_now
from fleet.scripts import Store, prepare
from fleet.ssh.connection import Board
from fleet.verdict import Outcome

Connect = Callable[[BoardEntry], Board]
AWAY = (Unreachable, ConnectionDropped, DeadlinePassed)  # what a recovery may help against


@dataclass(frozen=True)
class Setting:
    """What is the same for all boards of a campaign. ``reserved``: tokens of leases that a person took, by board."""

    request: Request
    campaign: str
    token: str
    collected: Path
    models: Path
    connect: Connect
    listener: Listener
    tool: str
    reserved: Mapping[str, str]
    recover: bool
    need: NeedOf
    again: Callable[[str], Again]
    force: bool = False  # measure although checks fail
    resumed: bool = False  # the campaign was begun before


@dataclass
class _There:
    """One board while it is connected. ``ran``: it had the files of one run at least."""

    board: Board
    store: Store
    facts: Facts
    simulated: bool
    placing: Placing
    ran: bool = False


@dataclass
class BoardList:
    """One board's list while it is worked through."""

    setting: Setting
    entry: BoardEntry
    runs: tuple[PlannedRun, ...]
    stop: threading.Event
    left: str | None = None  # a run that may still be going when this is over
    _open: Board | None = None
    _boot_id: str | None = None
    _held: HeldLease = field(init=False)
    _gates: GateWatch = field(init=False)
    _steps: recovery.RecoveryLog = field(default_factory=recovery.RecoveryLog)
    _begun: frozenset[str] = frozenset()  # runs that a board knows on which nothing more is started
    _forced: tuple[str, ...] | None = None  # the checks that failed; None until the board was checked

    def __post_init__(self) -> None:
        setting = self.setting
        self._held = HeldLease(
            self.entry,
            setting.token,
            setting.reserved.get(self.entry.name),
            purpose="bench",
            campaign=setting.campaign,
            left_behind=lambda lease: campaigns.left_behind(setting.collected, lease),
        )
        limits, told = setting.request.gates, partial(setting.listener.board_moved, self.entry.name, "waits:")
        began = setting.request.set_point_of or setting.campaign
        known = set_point(limits, setting.collected / began / self.entry.name)
        self._gates = GateWatch(limits, known, told, self.stop.wait)

    def run(self) -> FleetError | None:
        """Work through it; returns the error that ended it early. Raises nothing but bugs."""
        error: FleetError | None = None
        try:
            error = self._tried()
        except Interrupted:
            pass
        except FleetError as problem:
            error = problem
        if self.stop.is_set():
            error = None
        elif error is not None:
            self._give_up(error)
        self._held.give_back(self.setting.connect)
        if self.stop.is_set():
            self.setting.listener.board_moved(self.entry.name, "interrupted")
        else:
            self.setting.listener.board_ended(self.entry.name, error)
        return error

    def abandon(self) -> None:
        """Let go of the connection under the feet of the thread that uses it."""
        board = self._open
        if board is not None:
            board.abandon()

    def _tried(self) -> FleetError | None:
        """The list, taken up again after every hiccup, and with ``recover`` after every successful recovery."""
        patience = Patience()
        recoveries = 0
        while True:
            try:
                self.setting.listener.board_moved(self.entry.name, "connect")
                with self.setting.connect(self.entry) as board:
                    self._open = board
                    return self._list(board, patience)
            except AWAY as error:
                if self.stop.is_set():
                    raise Interrupted from None
                pause_s = patience.pause_s(error)
                if pause_s is not None:
                    self.setting.listener.board_moved(self.entry.name, "away", error.what)
                    self.stop.wait(pause_s)
                elif self.setting.recover and recoveries < defaults.RECOVERIES and self._recovered(error, patience):
                    recoveries += 1
                    patience = Patience(known=True)
                else:
                    raise
            finally:
                self._open = None

    def _recovered(self, error: FleetError, patience: Patience) -> bool:
        name = self.entry.name
        self._steps.tell = lambda step, what: self.setting.listener.board_moved(name, "recover:", f"{step}: {what}")
        return recovery.recover(
            self.entry,
            self.setting.connect,
            why=error.what,
            was=self._boot_id,
            log=self._steps,
            stop=self.stop,
            restart=patience.spent and isinstance(error, DeadlinePassed),  # it answers, and a run of it does not end
        )

    def _list(self, board: Board, patience: Patience) -> FleetError | None:
        todo = self._undone(self.runs)
        more = plan.plan_more(self.setting.request, self.entry)
        if not todo and not self._round(more):
            return None
        self.setting.listener.board_moved(self.entry.name, "prepare")
        store = prepare(board, self.entry.paths.store, Deadline.after(defaults.PREPARE_S))
        self._held.take(board, store)
        facts = read_facts(
            board,
            Deadline.after(defaults.FACTS_S),
            disks=[store.path],
            libraries=libraries_of(self.entry),
            # Once: what a reboot in the middle of a campaign leaves behind is no reason to lose the rest of it.
            more=[] if self._forced is not None else self._check_options(store, todo),
        )
        patience.met()
        self._boot_id = str(facts.get("boot_id") or "") or None
        setting = self.setting
        simulated = self.entry.virtual is not None or facts.get("simulated") is not None
        placing = Placing(board, store, self.entry, setting.models, self._held, setting.listener, self.stop)
        there = _There(board, store, facts, simulated, placing)
        more = plan.plan_more(self.setting.request, self.entry)
        todo = todo or self._round(more)
        if self._forced is None:
            self._forced = self._check(there, todo)
        while todo:
            for planned in todo:
                if self.stop.is_set():
                    raise Interrupted
                folder = self._run(there, planned, patience)
                patience.moved()
                self.setting.listener.run_ended(self.entry.name, self._position(planned), folder)
            todo = self._round(more)
        # One file less than was planned is a row; a board on which nothing could be run for want of files is an error.
        return placing.failed or (None if there.ran else placing.no_file)

    def _undone(self, runs: Iterable[PlannedRun]) -> list[PlannedRun]:
        return [planned for planned in runs if not self._folder(planned).is_dir()]

    def _round(self, more: Iterator[tuple[PlannedRun, ...]]) -> list[PlannedRun]:
        """The next repeats of the cells whose repeats differ too much; empty when there are none."""
        for further in more:
            again = self.setting.again(self.entry.name)
            if todo := [planned for planned in self._undone(further) if again(planned)]:
                return todo
        return []

    def _run(self, there: _There, planned: PlannedRun, patience: Patience) -> Path:
        """One run, or the reason why not."""
        need = self.setting.need(self.entry, there.facts, planned)
        if need.skip is not None or planned.artifact is None:
            lacking = planned.lacking.what if planned.lacking else ""
            return self._unstarted(planned, there.simulated, Outcome.SKIPPED, need.skip or lacking)
        places = there.placing.for_run(planned)
        if not isinstance(places, dict):
            outcome = Outcome.SKIPPED if isinstance(places, NoFile) else Outcome.FAILED
            return self._unstarted(planned, there.simulated, outcome, str(places))
        there.ran = True
        spec = self._spec(planned, there.simulated, need, places, self._gate(there, planned))
        return self._one(there.board, there.store, planned, spec, places, patience)

    def _check_options(self, store: Store, todo: Sequence[PlannedRun]) -> list[str]:
        models = list({one.cell.model.name: one.cell.model for one in todo}.values())
        return checking.options(self.entry, store.path, checking.files_of(todo), models)

    def _gate(self, there: _There, planned: PlannedRun) -> Passed:
        """Wait until the board is as it should be before this run, or for as long as the suite allows."""

        def ask(set_point_c: float | None) -> Seen:
            if self.stop.is_set():
                raise Interrupted
            self._held.renew(there.board, there.store)
            facts = read_gate(there.board, there.store, self.setting.campaign, planned.run)
            return look(self._gates.limits, facts, set_point_c, self.entry, campaign=self.setting.campaign)

        return self._gates.pass_(ask, wait=not planned.warmup)

    def _check(self, there: _There, todo: Sequence[PlannedRun]) -> tuple[str, ...]:
        """Judge the board as ``invoke check`` does. Raises CheckFailed, unless it is to be measured all the same."""
        setting, name = self.setting, self.entry.name
        # What can not fit is skipped, and asks for no file.
        fitting = [one for one in todo if setting.need(self.entry, there.facts, one).skip is None]
        subject = checking.before_runs(
            self.entry, there.facts, fitting, setting.models, campaign=setting.campaign, resumed=setting.resumed
        )
        findings = judge(subject)
        if warned := [finding.check for finding in findings if finding.verdict is Verdict.WARN]:
            setting.listener.board_moved(name, "check warns:", ", ".join(warned))
        error = checking.refusal(self.entry, findings)
        if error is None:
            return ()
        if not setting.force:
            # A run that the board knows has an end of its own, which `collect` brings: it was not skipped.
            if setting.resumed:
                known = job.list_runs(there.board, there.store, Deadline.after(defaults.COMMAND_S))
                self._begun = frozenset(run for its, run, _ in known if its == setting.campaign)
            raise error
        setting.listener.board_moved(name, "check failed, and it goes on:", error.what)
        return error.checks

    def _one(
        self,
        board: Board,
        store: Store,
        planned: PlannedRun,
        spec: RunSpec,
        places: Mapping[str, Placed],
        patience: Patience,
    ) -> Path:
        paths = {file: placed.path for file, placed in places.items()}
        words = plan.program(planned, store=store, entry=self.entry, paths=paths, limit_s=spec.limit_s)
        self.left = spec.run
        try:
            self._held.under(
                board,
                store,
                lambda: job.submit(
                    board, store, spec, words, Deadline.after(defaults.AWAY_S), self.stop, lease=self._held.token
                ),
            )
        except ConnectionDropped:
            patience.over()  # it was tried again and again, and nobody knows whether it was started
            raise
        except FleetError:
            self.left = None
            raise
        at = self._position(planned)
        self.setting.listener.run_started(self.entry.name, at)
        try:
            folder = job.bring(
                board,
                store,
                spec.campaign,
                spec.run,
                self.setting.collected,
                deadline=Deadline.after(spec.limit_s + defaults.LIMIT_GRACE_S),
                moved=lambda size: self.setting.listener.run_moved(self.entry.name, at, size),
                away=lambda error: self.setting.listener.board_moved(self.entry.name, "away", error.what),
                stop=self.stop,
                add=self._add,
            )
        except FleetError:
            if self.stop.is_set():
                raise Interrupted from None
            patience.over()  # it was waited for as long as makes sense
            raise
        self.left = None
        return folder

    def _give_up(self, error: FleetError) -> None:
        """What was not started keeps its row, with the reason."""
        never_had = isinstance(error, Unreachable | ConnectionDropped | DeadlinePassed | BoardBusy | LeaseHeld)
        for planned in self.runs:
            if planned.run != self.left and planned.run not in self._begun and not self._folder(planned).is_dir():
                unfit = Outcome.SKIPPED if isinstance(error, CheckFailed) else Outcome.FAILED
                outcome = Outcome.UNREACHABLE if never_had else unfit
                self._unstarted(planned, self.entry.virtual is not None, outcome, str(error))

    def _unstarted(self, planned: PlannedRun, simulated: bool, outcome: Outcome, reason: str) -> Path:
        spec = self._spec(planned, simulated, Need())
        return evidence.write_unstarted(self.setting.collected, spec, outcome, reason, self._add)

    def _add(self, folder: evidence.RunFolder) -> None:
        """What was done to bring the board back belongs to the first evidence that comes after it."""
        if self._steps:
            folder.put_recovery(self._steps.to_json())
            self._steps = recovery.RecoveryLog()

    def _folder(self, planned: PlannedRun) -> Path:
        return evidence.final_folder(self.setting.collected, self.setting.campaign, self.entry.name, planned.run)

    def _position(self, planned: PlannedRun) -> Position:
        k = self.runs.index(planned) + 1 if planned in self.runs else planned.repeat
        n = len(self.runs) if planned in self.runs else self.setting.request.most_repeats
        label = self.setting.request.labels[planned.number]
        cell = f"{planned.cell.model.name} {planned.cell.npu_cores}c" + label.removeprefix(
            f"{planned.cell.model.name}-{planned.cell.npu_cores}core"
        ).replace("-", " ", 1)
        return Position(k, n, cell, self.setting.campaign, planned.run, planned.warmup)

    def _spec(
        self,
        planned: PlannedRun,
        simulated: bool,
        need: Need,
        places: Mapping[str, Placed] | None = None,
        gate: Passed | None = None,
    ) -> RunSpec:
        return plan.spec_of(
            self.setting.request,
            planned,
            campaign=self.setting.campaign,
            board=self.entry.name,
            simulated=simulated,
            created_utc=utc_now(),
            tool=self.setting.tool,
            need=need,
            placed={file: (one.sha256, one.size_bytes) for file, one in (places or {}).items()},
            forced=self._forced or () if self.setting.force else (),
            gate=gate,
        )
