"""What a night does on boards beside measuring: it takes them, asks whether they are fit, brings files, gives back.

One lease a board spans the night, under the night's own token. It names no campaign: a lease that does is given back
by the next ``collect`` once nobody drives that campaign, and between two stages nobody does.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from fleet import campaign as campaigns
from fleet import checking, defaults, recovery
from fleet.boards import libraries_of
from fleet.collect import collect
from fleet.config.inventory import BoardEntry
from fleet.deadline import Deadline
from fleet.errors import BoardBusy, ConfigError, FleetError, LeaseHeld, NoFile
from fleet.facts import read_facts
from fleet.held_lease import HeldLease
from fleet.listener import Listener
from fleet.need import NeedOf
from fleet.nightly.night import Done, Status
from fleet.one_board import AWAY
from fleet.placing import Placing
from fleet.plan import PlannedRun
from fleet.pool import on_each
from fleet.prune import prune
from fleet.scripts import Store, prepare
from fleet.session import Session
from fleet.ssh.connection import Board

T = TypeVar("T")

Results = dict[str, Done]
NOT_ITS_OWN = (LeaseHeld, BoardBusy, ConfigError)  # trouble that says nothing of the board's health


@dataclass
class OnBoards:
    """The boards of one night. ``listener`` hears what moves."""

    session: Session
    token: str
    need: NeedOf
    listener: Listener
    recover: bool = False
    force: bool = False
    stop: threading.Event = field(default_factory=threading.Event)
    _held: dict[str, HeldLease] = field(default_factory=dict)

    @property
    def tokens(self) -> Mapping[str, str]:
        """What a campaign of this night shows to the boards that the night has."""
        return {name: held.token for name, held in self._held.items() if held.token}

    def lease(self, entries: Sequence[BoardEntry]) -> Results:
        """Take these boards, or make what we have of them last longer."""

        def one(entry: BoardEntry) -> Done:
            try:
                self._with(entry, lambda *_: None)
            except AWAY as error:
                if not (self.recover and self._brought_back(entry, error)):
                    raise
                self._with(entry, lambda *_: None)
                return Done(Status.OK, f"brought back: {error.what}")
            return Done(Status.OK)

        return self._each(entries, one)

    def check(self, entries: Sequence[BoardEntry]) -> Results:
        """Judge these boards as ``invoke check`` does."""

        def one(entry: BoardEntry) -> Done:
            (checked,) = checking.check_boards(self.session, [entry], None)
            if checked.error is not None:
                raise checked.error
            error = checking.refusal(entry, checked.findings)
            if error is None:
                return Done(Status.OK)
            if self.force:
                return Done(Status.OK, f"failed, and measured all the same: {', '.join(error.checks)}")
            raise error

        return self._each(entries, one)

    def push(self, entries: Sequence[BoardEntry], plans: Mapping[str, Sequence[PlannedRun]]) -> Results:
        """Bring what the suite needs before anything is timed. What fails is tried once more by the bench, which has
        the last word: here it costs no board its night."""

        def one(entry: BoardEntry) -> Done:
            try:
                lacking = self._with(
                    entry, lambda board, store, own: self._bring(entry, board, store, own, plans[entry.name])
                )
            except FleetError as error:
                return Done(Status.FAILED, f"{error.what} (the bench tries again)")
            return Done(Status.OK, f"not there: {', '.join(lacking)}" if lacking else "")

        return self._each(entries, one)

    def collect(self, entries: Sequence[BoardEntry]) -> Results:
        """Bring home whatever lies on these boards, of earlier nights too, and prune what is proven to be here."""
        found: Results = {}
        for answer in collect(tuple(entries), self.session.collected, self.session.connect):
            going = f", {len(answer.running)} still going" if answer.running else ""
            what = f"{len(answer.pulled)} new{going}" if answer.pulled or going else ""
            found[answer.board] = of_error(answer.errors[0]) if answer.errors else Done(Status.OK, what)
        well = [entry for entry in entries if found[entry.name].status is Status.OK]
        for one in prune(tuple(well), self.session.collected, self.session.connect):
            if one.error is not None:
                found[one.board] = of_error(one.error)
        return found

    def release(self) -> Results:
        """Give back what we have; a board that is away forgets its lease by itself."""
        held = dict(self._held)
        self._held.clear()

        def one(name: str) -> Done:
            held[name].give_back(self.session.connect)
            return Done(Status.OK)

        return {name: _done(answer) for name, answer in zip(held, on_each(list(held), one), strict=True)}

    def _each(self, entries: Sequence[BoardEntry], work: Callable[[BoardEntry], Done]) -> Results:
        answers = on_each(entries, work, interrupted=self.stop.set)
        return {entry.name: _done(answer) for entry, answer in zip(entries, answers, strict=True)}

    def _with(self, entry: BoardEntry, work: Callable[[Board, Store, HeldLease], T]) -> T:
        """Do something on a board under the night's lease."""
        held = self._held.get(entry.name)
        if held is None:
            # Not what a person here has reserved: somebody sits at that board.
            held = HeldLease(
                entry,
                self.token,
                None,
                purpose="nightly",
                campaign=None,
                left_behind=lambda now: campaigns.left_behind(self.session.collected, now),
            )
        with self.session.connect(entry) as board:
            store = prepare(board, entry.paths.store, Deadline.after(defaults.PREPARE_S))
            held.take(board, store)
            self._held[entry.name] = held
            return work(board, store, held)

    def _bring(
        self, entry: BoardEntry, board: Board, store: Store, held: HeldLease, runs: Sequence[PlannedRun]
    ) -> list[str]:
        """The files that are nowhere; what can not fit asks for none."""
        facts = read_facts(board, Deadline.after(defaults.FACTS_S), disks=[store.path], libraries=libraries_of(entry))
        placing = Placing(board, store, entry, self.session.models, held, self.listener, self.stop)
        lacking = []
        for planned in runs:
            if planned.artifact is None or self.need(entry, facts, planned).skip is not None:
                continue
            if isinstance(problem := placing.for_run(planned), NoFile):
                lacking.append(problem.what)
        if placing.failed is not None:
            raise placing.failed
        return list(dict.fromkeys(lacking))

    def _brought_back(self, entry: BoardEntry, error: FleetError) -> bool:
        log = recovery.RecoveryLog()
        log.tell = lambda step, what: self.listener.board_moved(entry.name, "recover:", f"{step}: {what}")
        return recovery.recover(entry, self.session.connect, why=error.what, was=None, log=log, stop=self.stop)


def of_error(error: FleetError) -> Done:
    """What an error makes of a board: sick, unless it is somebody else's doing."""
    status = Status.FAILED if isinstance(error, NOT_ITS_OWN) else Status.SICK
    return Done(status, str(error), int(error.exit_code))


def _done(answer: Done | FleetError) -> Done:
    return of_error(answer) if isinstance(answer, FleetError) else answer
