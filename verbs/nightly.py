"""The unattended run: what a timer starts, what it leaves for the morning, and the timer itself."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from invoke import Context

from verbs.kit import BOARD, PROJECT, leave, open_session, stderr, verb

if TYPE_CHECKING:
    from datetime import datetime

    from fleet.config.suite import Suite
    from fleet.nightly.health import HealthBook
    from fleet.nightly.night import Night, Nights
    from fleet.nightly.notify import Addresses
    from fleet.nightly.page import Morning
    from fleet.nightly.stages import NightWork
    from fleet.session import Session


@verb(
    help={
        "board": BOARD,
        "suite": "a file of suites/ that says what to measure; default nightly",
        "until": "time of day after which nothing is begun, such as 06:00; what was measured longest ago goes first",
        "recover": "reboot or power-cycle a board that does not come back",
        "force": "measure also on boards that fail their checks; the runs say so",
        "format": "page, or json",
        "install": "have it started every night with these options, by systemd or else by cron",
        "uninstall": "undo that",
        "at": "with --install: when; default 02:00",
        "dry-run": "with --install or --uninstall: show what would be written; write nothing",
    },
    iterable=["board"],
)
def nightly(
    _c: Context,
    board: Sequence[str] | None = None,
    suite: str = "nightly",
    until: str = "",
    recover: bool = False,
    force: bool = False,
    format: str = "page",
    install: bool = False,
    uninstall: bool = False,
    at: str = "02:00",
    dry_run: bool = False,
) -> None:
    """Measure a suite unattended, judge it, and write the morning page.

    invoke nightly
    invoke nightly --board '@lab1' --until 06:00 --recover
    invoke nightly --install --at 02:00 --until 06:00
    """
    from datetime import UTC, datetime

    from fleet.errors import ConfigError
    from fleet.nightly import notify
    from fleet.nightly.health import HealthBook
    from fleet.nightly.night import Nights
    from fleet.nightly.until import next_time
    from fleet.options import named_suite

    told = notify.take(os.environ)
    if format not in ("page", "json"):
        raise ConfigError(f"{format!r} is neither page nor json", key="--format")
    session = open_session()
    session.check_folders()
    now = datetime.now(UTC)
    end = next_time(until, now) if until else None
    chosen = named_suite(session, suite)
    boards = [entry.name for entry in session.select(board)]
    if install or uninstall:
        words = [word for name in board or () for word in ("--board", name)]
        words += ["--suite", suite] if suite != "nightly" else []
        words += ["--until", until] if until else []
        words += [flag for flag, given in (("--recover", recover), ("--force", force)) if given]
        start_every_night(session, words, at, undo=uninstall, dry_run=dry_run)
        return
    if dry_run:
        raise ConfigError("it goes with --install or --uninstall", key="--dry-run", hint="invoke bench --dry-run")
    nights, health = Nights(session.home), HealthBook(session.home)
    health.read()  # what can not be read is said before anything has begun
    with nights.alone():
        night = tonight(nights, suite, boards, now, end)
        work = prepared(session, night, nights, health, chosen, told, recover=recover, force=force)
        work.run()
        found = morning(session, night, health)
    if format == "json":
        import json

        print(json.dumps(found.as_dict(), ensure_ascii=False, indent=1))
    else:
        print(found.markdown(), end="")
    leave(int(found.exit_code))


def tonight(nights: Nights, suite: str, boards: Sequence[str], now: datetime, until: datetime | None) -> Night:
    """The night that was killed and is not over, or a new one."""
    from fleet.nightly.night import begin, to_go_on_with

    known = nights.load()
    night = to_go_on_with(known, suite, boards, now)
    if night is not None:
        print(f"{night.name}: goes on where it was", file=sys.stderr)
        return night
    night = begin(suite, boards, now, until)
    if known and known[-1].ended_utc is None:
        night.notes.append(f"{known[-1].name} was cut short; what it left on the boards comes home with this one")
    nights.save(night)
    return night


def prepared(
    session: Session,
    night: Night,
    nights: Nights,
    health: HealthBook,
    suite: Suite,
    told: Addresses,
    *,
    recover: bool,
    force: bool,
) -> NightWork:
    """All that a night's stages need."""
    from datetime import UTC, datetime
    from functools import partial

    from analysis.metrics import BY_NAME
    from fleet.errors import ConfigError
    from fleet.listener import Listeners
    from fleet.live import PlainLines
    from fleet.nightly.night import instant
    from fleet.nightly.on_boards import OnBoards
    from fleet.nightly.stages import Means, NightWork, canaries_of
    from fleet.nightly.until import bounded, settled
    from fleet.options import Bench
    from verbs import judging
    from verbs.kit import headline
    from verbs.measure import drive
    from verbs.need import again, need

    if unknown := set(suite.canary.band) - set(BY_NAME):
        raise ConfigError(f"{', '.join(sorted(unknown))} is no metric", file=f"{night.suite}.yaml", key="canary.band")
    end = None if night.until_utc is None else instant(night.until_utc)
    archive = judging.Archive(session, nights, night.name)

    def now() -> datetime:
        return datetime.now(UTC)

    def needs(probe: bool, until: datetime | None = end) -> Any:
        return bounded(partial(need, probe=probe), until, now)

    listener = Listeners([PlainLines(stderr(), headline)])
    boards = OnBoards(session, night.token, needs(suite.probe), listener, recover=recover, force=force)

    def driven(order: Any) -> Any:
        # Without a canary no board is trusted, so a canary that has begun is not bounded.
        until = None if order.campaign in canaries_of(night.name) else end
        return drive(
            session,
            order,
            need=needs(order.request.probe, until),
            again=settled(again(session, order.campaign), end, now),
            recover=recover,
            force=force,
            leases=boards.tokens,
        )

    means = Means(
        now=now,
        drive=driven,
        order_of=lambda request: request if end is None else judging.due(archive, request),
        canary=judging.canary(archive, suite.canary.band),
        judge=judging.judge(archive),
        report=lambda: write_reports(session),
        page=lambda one: write_page(session, morning(session, one, health)),
        tell=lambda one: tell(told, morning(session, one, health)),
        say=lambda text: print(text, file=sys.stderr),
    )
    return NightWork(
        session,
        night,
        nights,
        health,
        boards,
        means,
        suite=lambda entries: Bench().request(session, tuple(entries), suite),
        canary=lambda entries: canary_request(session, suite, entries),
        returns=suite.canary.returns,
    )


def canary_request(session: Session, suite: Suite, entries: Sequence[Any]) -> Any:
    """One small cell on these boards: the suite's first model on most of its cores, unless the suite says otherwise."""
    from fleet.config.suite import Suite as Plain
    from fleet.options import Bench

    boards, said = tuple(entries), suite.canary
    cells = Bench().request(session, boards, suite).cells
    model = said.model or cells[0].model.name
    cores = said.cores or max([cell.npu_cores for cell in cells if cell.model.name == model], default=3)
    asked = Bench(
        model=model,
        cores=str(cores),
        repeats=str(said.repeats),
        new_tokens=str(said.new_tokens),
        clocks=suite.clocks or "",
    )
    return asked.request(session, boards, Plain(gates=suite.gates))


def morning(session: Session, night: Night, health: HealthBook) -> Morning:
    """What there is to be said of a night now."""
    from analysis.reading import read_campaign
    from fleet import campaign as campaigns
    from fleet.nightly.page import Morning
    from fleet.rows import planned_rows

    record = campaigns.load(session.collected, night.name)
    runs = read_campaign(session.collected, night.name)
    ended = {(run.board, run.run): (str(run.outcome), run.reason) for run in runs}
    rows = [] if record is None else planned_rows(record, ended)
    probe = record is not None and record.asked["probe"] is True
    return Morning(night, health.read(), rows, any(run.simulated for run in runs), probe)


def write_reports(session: Session) -> list[str]:
    """Whatever is derived from all evidence, as ``collect`` and ``report`` write it; the names of the files."""
    from verbs.report import write_report
    from verbs.results import summaries

    return [*summaries(session), *(session.shown(path) for path in write_report(session))]


def write_page(session: Session, found: Morning) -> list[str]:
    """The page for people, programs and CI systems; the names of the files."""
    import json

    from analysis.writers.files import write_whole
    from fleet.nightly.junit import junit

    files = {
        "nightly.md": found.markdown().encode(),
        "nightly.json": (json.dumps(found.as_dict(), ensure_ascii=False, indent=1) + "\n").encode(),
        "nightly.xml": junit(found),
    }
    for name, data in files.items():
        write_whole(session.reports / name, data)
    return [session.shown(session.reports / name) for name in files]


def tell(told: Addresses, found: Morning) -> str | None:
    """Send the page; what went wrong in doing so."""
    from fleet.nightly import notify

    problem = notify.tell(told, found.headline, found.markdown())
    if problem is not None:
        print(problem, file=sys.stderr)
    return problem


def start_every_night(session: Session, words: Sequence[str], at: str, *, undo: bool, dry_run: bool) -> None:
    """Write the timer, or take it away, and say what was done."""
    from datetime import UTC, datetime

    from fleet.nightly import units
    from fleet.nightly.until import next_time

    if undo:
        lines = units.uninstall(os.environ, dry_run=dry_run)
    else:
        local = next_time(at, datetime.now(UTC), "--at").astimezone()
        command = (sys.executable, "-m", "invoke", "--search-root", str(PROJECT), "nightly", *words)
        secrets = Path.home() / ".config" / "rkfleet" / "notify.env"
        timer = units.Timer(command, session.home.absolute(), f"{local:%H:%M}", secrets)
        lines = units.install(timer, os.environ, dry_run=dry_run)
    for line in lines:
        print(line)
