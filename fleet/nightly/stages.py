"""The stages of a night, one after another; what each came to is on disk before the next begins.

A board that drops out costs the others nothing, and so does a stage that fails as a whole: those behind it do what
they can with what there is. What is over is not done again when a night is gone on with, except the lease, which may
have run out meanwhile.
"""

from __future__ import annotations

import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from fleet import campaign as campaigns
from fleet import plan
from fleet.bench import CampaignResult, Order, make_standins, order_again
from fleet.config.inventory import BoardEntry
from fleet.errors import ExitCode, FleetError
from fleet.nightly.health import LEFT_ALONE, Health, HealthBook, State, after
from fleet.nightly.night import FLEET, Done, Finding, Night, Nights, Stage, Status, stamp
from fleet.nightly.on_boards import Results, of_error
from fleet.nightly.until import Clock
from fleet.one_board import AWAY
from fleet.plan import Request
from fleet.session import Session


class Boards(Protocol):
    """What a night needs of boards: ``fleet.nightly.on_boards``, or a stand-in for it."""

    def lease(self, entries: Sequence[BoardEntry]) -> Results: ...
    def check(self, entries: Sequence[BoardEntry]) -> Results: ...
    def push(self, entries: Sequence[BoardEntry], plans: Mapping[str, Sequence[plan.PlannedRun]]) -> Results: ...
    def collect(self, entries: Sequence[BoardEntry]) -> Results: ...
    def release(self) -> Results: ...


@dataclass(frozen=True)
class Canary:
    """What ``judge`` says of one board's canary: ``trouble`` None is a pass, ``seen`` the numbers."""

    trouble: str | None
    seen: str = ""


@dataclass(frozen=True)
class Means:
    """What is handed in: what can only be known by reading logs, and what tells people.

    ``drive`` works through a campaign; ``order_of`` brings the cells of a request into the order in which they are due;
    ``canary`` judges a board's canary of a campaign; ``judge`` judges a night, its second argument being the campaign
    in which what it suspected was measured again; ``report`` writes what is derived from all evidence, ``page`` what is
    to be said of this night, and both name their files; ``tell`` sends that, and says what went wrong in doing so;
    ``say`` is told what is begun.
    """

    now: Clock
    drive: Callable[[Order], CampaignResult]
    order_of: Callable[[Request], Request]
    canary: Callable[[str, str], Canary]
    judge: Callable[[str, str | None], Sequence[Finding]]
    report: Callable[[], Sequence[str]]
    page: Callable[[Night], Sequence[str]]
    tell: Callable[[Night], str | None]
    say: Callable[[str], object]


@dataclass
class NightWork:
    """One night while it is worked through. ``suite`` and ``canary`` are asked for as requests for all its boards."""

    session: Session
    night: Night
    nights: Nights
    health: HealthBook
    boards: Boards
    means: Means
    suite: Callable[[Sequence[BoardEntry]], Request]
    canary: Callable[[Sequence[BoardEntry]], Request]
    returns: int

    def run(self) -> None:
        """All stages, to the end. Ctrl-C gives the boards back, and the page says so. Raises NoSpace and EvidenceBroken
        when the night itself can not be kept."""
        try:
            self._stages()
        except KeyboardInterrupt:
            self.means.say(f"{self.night.name}: interrupted, the boards are given back")
            self.boards.release()
            self.night.interrupted_in = next((stage for stage in Stage if stage not in self.night.over), Stage.RELEASE)
            self._guarded(lambda: {FLEET: Done(Status.OK, ", ".join(self.means.page(self.night)))})
            raise

    def _stages(self) -> None:
        for stage, work in (
            (Stage.LEASE, self._lease),
            (Stage.CHECK, lambda: self.boards.check(self._in(Stage.CHECK))),
            (Stage.CANARY, self._canary),
            (Stage.PUSH, self._push),
            (Stage.BENCH, self._bench),
            (Stage.COLLECT, lambda: self.boards.collect(self._answering())),
            (Stage.JUDGE, self._judge),
            (Stage.REPORT, self._report),
            (Stage.NOTIFY, self._notify),
            (Stage.RELEASE, self.boards.release),
        ):
            if stage in self.night.over and stage is not Stage.LEASE:
                continue
            self.means.say(f"{self.night.name}: {stage}")
            self.night.put(stage, self._guarded(work))
            if stage is Stage.CANARY:
                self.night.put(stage, self._guarded(self._judge_health))
            if stage not in self.night.over:
                self.night.over.append(stage)
            self.nights.save(self.night)
        self.night.ended_utc = stamp(self.means.now())
        self.nights.save(self.night)
        self.means.page(self.night)  # once more: how the last stages went belongs on the page

    def _guarded(self, work: Callable[[], Results]) -> Results:
        """What a stage came to. Nobody watches, so not even a bug may cost the page that would tell of it."""
        try:
            return work()
        except FleetError as error:
            return {FLEET: Done(Status.FAILED, str(error), int(error.exit_code))}
        except Exception as error:
            self.means.say(traceback.format_exc())
            return {FLEET: Done(Status.FAILED, f"{type(error).__name__}: {error}", int(ExitCode.FAILED))}

    # --- who takes part -----------------------------------------------------------------------------------------

    @property
    def entries(self) -> tuple[BoardEntry, ...]:
        return tuple(entry for entry in self.session.inventory.boards if entry.name in self.night.boards)

    def _in(self, stage: Stage) -> list[BoardEntry]:
        """Who did not drop out before this stage, and was not done in it."""
        return [e for e in self.entries if self.night.out(e.name) is None and self.night.done(stage, e.name) is None]

    def _answering(self) -> list[BoardEntry]:
        """Who answered when the night took its boards, be it that somebody else had it."""
        found = []
        for entry in self.entries:
            done = self.night.done(Stage.LEASE, entry.name)
            if done is None or (done.status is not Status.LEFT_OUT and done.code != ExitCode.UNREACHABLE):
                found.append(entry)
        return found

    # --- the stages ---------------------------------------------------------------------------------------------

    def _lease(self) -> Results:
        if Stage.LEASE in self.night.over:  # gone on with: what was taken may have run out meanwhile
            measured = Stage.JUDGE in self.night.over
            return {} if measured else self.boards.lease([e for e in self.entries if self.night.out(e.name) is None])
        known, results = self.health.read(), {}
        for entry in self.entries:
            if reason := _left_alone(known.get(entry.name, Health()), self.returns):
                results[entry.name] = reason
        return results | self.boards.lease([entry for entry in self.entries if entry.name not in results])

    def _canary(self) -> Results:
        """Once, and for whom it went wrong once more: one unlucky canary is no sick board."""
        results: Results = {}
        suspects = self._in(Stage.CANARY)
        for name in canaries_of(self.night.name):
            if suspects:
                entries = suspects
                results |= self._canaries(name, entries)
                suspects = [entry for entry in entries if results[entry.name].code == ExitCode.VERDICT]
        return results

    def _canaries(self, campaign: str, entries: Sequence[BoardEntry]) -> Results:
        driven = self._drive(campaign, lambda: self.canary(entries))
        results: Results = {}
        for entry in entries:
            error = driven.get(entry.name)
            if error is not None:
                results[entry.name] = of_error(error)
                continue
            judged = self.means.canary(campaign, entry.name)
            sick = judged.trouble is not None
            code = ExitCode.VERDICT if sick else ExitCode.GOOD
            results[entry.name] = Done(Status.SICK if sick else Status.OK, judged.trouble or judged.seen, int(code))
        return results

    def _judge_health(self) -> Results:
        """Each board's health after lease, check and canary; who has not passed often enough yet is left out."""
        results: Results = {}
        for board in self.night.boards:
            out = self.night.out(board)
            if out is None and self.night.done(Stage.CANARY, board) is None:
                continue  # the stage failed as a whole: no word on this board
            if out is not None and out[1].status is not Status.SICK:
                continue
            now = self._note_health(board, None if out is None else f"{out[0]}: {out[1].what}")
            if out is None and now.state is State.BAD:
                what = f"it passed, {now.passes} of the {self.returns} nights in a row after which it is good again"
                results[board] = Done(Status.LEFT_OUT, what, int(ExitCode.VERDICT))
        return results

    def _note_health(self, board: str, trouble: str | None) -> Health:
        night, when = self.night.name, stamp(self.means.now())
        return self.health.update(board, lambda before: after(before, trouble, night, when, self.returns))

    def _record(self) -> campaigns.Record | None:
        """The night's campaign, once its plan is on disk."""
        return campaigns.load(self.session.collected, self.night.name)

    def _push(self) -> Results:
        entries = self._in(Stage.PUSH)
        if not entries or self._record() is not None:
            return {}
        request = self.suite(entries)
        plans = plan.check(request)
        make_standins(self.session, request, plans)
        return self.boards.push(entries, plans)

    def _bench(self) -> Results:
        entries = self._in(Stage.BENCH)
        if not entries and self._record() is None:
            return {}
        driven = self._drive(self.night.name, lambda: self.means.order_of(self.suite(entries)))
        results: Results = {}
        for board, error in driven.items():
            results[board] = Done(Status.OK) if error is None else of_error(error)
            if isinstance(error, AWAY):
                self._note_health(board, f"{Stage.BENCH}: {error}")
        return results

    def _judge(self) -> Results:
        record = self._record()
        if record is None:
            return {FLEET: Done(Status.LEFT_OUT, "nothing was measured")}
        found = self.means.judge(self.night.name, None)
        again = again_of(self.night.name)
        suspects = {finding.board: finding.again for finding in found if finding.again}
        if suspects:
            left_s = self.night.left_s(self.means.now())
            if left_s is None or left_s > 0 or campaigns.load(self.session.collected, again) is not None:
                self._drive(again, lambda: self._again(record, found))
                found = self.means.judge(self.night.name, again)
            else:
                self.night.notes.append("the night was over before what got worse could be measured again")
        self.night.findings = tuple(found)
        bad = len(self.night.alarms)
        return {FLEET: Done(Status.OK, f"{bad} alarms, {len(found) - bad} remarks" if found else "")}

    def _again(self, record: campaigns.Record, found: Sequence[Finding]) -> Request:
        """The suspicious runs alone, each with its warm-up, after the board has cooled to where the night began."""
        request = campaigns.request_of(
            record, self.session.inventory.boards, self.session.catalogue(), self.session.collected
        )
        only: dict[str, frozenset[str]] = {}
        for finding in found:
            if finding.again:
                only[finding.board] = only.get(finding.board, frozenset()) | set(finding.again)
        boards = tuple(entry for entry in request.boards if entry.name in only)
        return replace(request, boards=boards, only=only, most_repeats=request.repeats, set_point_of=record.campaign)

    def _report(self) -> Results:
        return {FLEET: Done(Status.OK, ", ".join([*self.means.report(), *self.means.page(self.night)]))}

    def _notify(self) -> Results:
        problem = self.means.tell(self.night)
        # People who are not told will miss a night that they should hear of; the night itself is no worse for it.
        return {FLEET: Done(Status.OK) if problem is None else Done(Status.FAILED, problem)}

    def _drive(self, campaign: str, request: Callable[[], Request]) -> dict[str, FleetError | None]:
        """Begin a campaign, or go on with it; what became of each board's list."""
        record = campaigns.load(self.session.collected, campaign)
        order = Order(request(), campaign) if record is None else order_again(self.session, record)
        result = self.means.drive(order)
        if result.interrupted:
            raise KeyboardInterrupt
        return {one.board: one.error for one in result.boards}


def canaries_of(night: str) -> tuple[str, str]:
    """The names of the campaigns of a night's canaries: of all, and of those that went wrong in the first."""
    return f"{night}-canary", f"{night}-canary-2"


def again_of(night: str) -> str:
    """The name of the campaign in which a night measures again what it suspects."""
    return f"{night}-again"


def _left_alone(health: Health, returns: int) -> Done | None:
    """Why a board is not even asked tonight."""
    if health.state in LEFT_ALONE:
        return Done(Status.LEFT_OUT, f"{health.state} since {health.since}: {health.reason}".rstrip(": "))
    if health.state is State.BAD and not returns:
        return Done(Status.LEFT_OUT, f"bad since {health.since}: {health.reason}", int(ExitCode.VERDICT))
    return None
