"""All boards side by side, each through its own steps: a board that fails ends, the others go on.

A board's part is: connect, take its lease, the steps in order, give it back. In a dry run nothing is written to it,
not even our scripts, and so no lease is taken.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gevent
from gevent.pool import Pool
from gevent.threadpool import ThreadPool
from pyinfra.api.host import Host

from fleet import defaults, virtual_boards
from fleet.alone import held
from fleet.config.inventory import BoardEntry
from fleet.deadline import Deadline
from fleet.errors import BoardError, DeadlinePassed, FleetError
from fleet.held_lease import HeldLease
from fleet.playbook import Playbook, Ready, find_playbook, load_playbook, prepared
from fleet.provisioning import steps
from fleet.provisioning.allowed import allowed
from fleet.provisioning.connector import Line, Stopped, thread_pool
from fleet.scripts import Store, prepare
from fleet.session import Session
from fleet.ssh.connection import Board

Tell = Callable[..., None]  # an event and what belongs to it
VENDOR = "vendor"  # the folder of this workstation with what the vendor ships


@dataclass
class Work:
    """Everything that the boards share."""

    session: Session
    playbook: Playbook
    wish: steps.Wish
    tell: Tell
    stop: threading.Event
    deadline: Deadline
    threads: ThreadPool
    state: steps.StrictState
    open_boards: dict[str, Board]

    def open(self, entry: BoardEntry) -> Board:
        """The board's one connection, from the first command to the return of its lease; or a new one after a cut."""
        if entry.name not in self.open_boards:
            self.open_boards[entry.name] = self.session.connect(entry)
        return self.open_boards[entry.name]


def run(session: Session, request: dict[str, Any], tell: Tell, stop: threading.Event) -> None:
    """Do what was asked for. Raises ConfigError before the first board is touched."""
    entries = {name: session.inventory.board(name) for name in request["boards"]}
    wish = steps.Wish(dry_run=bool(request["dry_run"]), diff=bool(request["diff"]))
    folders = [session.home / "playbooks", session.project / "playbooks"]
    playbook = load_playbook(find_playbook(str(request["playbook"]), folders), allowed())
    for folder, runtime in {(vendor_of(session, one), one.virtual.runtime) for one in entries.values() if one.virtual}:
        virtual_boards.make_vendor(folder, runtime)
    for entry in entries.values():
        ready_for(session, playbook, entry, None)
    tell("checked", steps=len(playbook.steps))
    work = Work(
        session,
        playbook,
        wish,
        tell,
        stop,
        Deadline.after(float(request["limit_s"])),
        thread_pool(len(entries)),
        steps.make_state(entries, wish),
        {},
    )
    watch = gevent.spawn(_cut_when_stopped, work)
    pool = Pool(defaults.BOARDS_AT_ONCE)
    greenlets = [pool.spawn(_board, work, entry) for entry in entries.values()]
    gevent.joinall(greenlets)
    watch.kill()
    for greenlet in greenlets:
        greenlet.get()  # a bug of ours is a traceback


def ready_for(session: Session, playbook: Playbook, entry: BoardEntry, store: Store | None) -> tuple[Ready, ...]:
    """The steps for one board; before it is reached (``store`` is None) its folders have names that nobody uses."""

    def local(path: str) -> Path:
        """A file of the team's own, else the project's."""
        return session.file(path).absolute()

    home = store.home if store else "/home/unknown"
    libraries = entry.paths.libraries or ((_beside(entry.paths.llm_demo),) if entry.paths.llm_demo else ())
    board: dict[str, object] = {
        "board": entry.name,
        "user": entry.user,
        "home": home,
        "store": store.path if store else _under(home, entry.paths.store),
        "llm_demo": _under(home, entry.paths.llm_demo),
        "libraries": _under(home, libraries[0] if libraries else None),
    }
    if entry.virtual is not None:
        board |= {"vendor": str(vendor_of(session, entry)), "runtime": entry.virtual.runtime}
    lacking = "{} is not in the inventory\nset boards.{}.paths.llm_demo in inventory.yaml to where the demo is to be"
    missing = {key: lacking.format(key, entry.name) for key in ("llm_demo", "libraries")}
    return prepared(playbook, allowed(), board, local, missing=missing)


def vendor_of(session: Session, entry: BoardEntry) -> Path:
    """Where the stand-ins lie for what a vendor ships for a real board."""
    assert entry.virtual is not None
    return session.virtual_state.absolute() / VENDOR / f"rkllm-{entry.virtual.runtime}"


def _under(home: str, path: str | None) -> str | None:
    return path if path is None or path.startswith("/") else f"{home}/{path}"


def _beside(demo: str) -> str:
    """Where the benchmark looks first for a demo's libraries."""
    return f"{demo.rpartition('/')[0] or '.'}/lib"


def _board(work: Work, entry: BoardEntry) -> None:
    """One board's whole part; what ends it early is told, not raised."""
    error: FleetError | None = None
    try:
        work.tell("moved", board=entry.name, phase="connect")
        host = work.state.inventory.get_host(entry.name)
        if work.wish.dry_run:
            _on_board(work, entry, host, None)
        else:
            lease = held(work.session, entry, "provision", work.open)
            own = work.threads.apply(lease.__enter__)
            try:
                _on_board(work, entry, host, own)
            finally:  # giving back talks to the board, and closes the connection
                work.threads.apply(lease.__exit__, (None, None, None))
    except FleetError as problem:
        error = problem
    except Stopped:
        if work.deadline.expired:
            error = DeadlinePassed(
                f"not done within {defaults.PROVISION_S:g} s",
                proven_dead=False,
                hint="the same again goes on from there",
            )
        else:
            error = BoardError("stopped", hint="the same again goes on from there")
    if error is not None:
        error.board = error.board or entry.name
    work.tell("ended", board=entry.name, error=error)


def _on_board(work: Work, entry: BoardEntry, host: Host, own: HeldLease | None) -> None:
    board: Board = work.threads.apply(work.open, (entry,))
    renewing = None
    try:
        line = Line(board, work.threads, work.deadline, work.stop)
        if own is None:
            store = line.wait_for(lambda: _look(board, entry))
        else:
            store = line.wait_for(lambda: prepare(board, entry.paths.store, Deadline.after(defaults.PREPARE_S)))
            line.wait_for(lambda: own.take(board, store))
            renewing = gevent.spawn(_renew, work, own, board, store)
        steps.take_line(host, line)
        _steps(work, entry, host, ready_for(work.session, work.playbook, entry, store))
    finally:
        if renewing is not None:
            renewing.kill()


def _steps(work: Work, entry: BoardEntry, host: Host, ready: Sequence[Ready]) -> None:
    for one in ready:
        at = {
            "board": entry.name,
            "number": one.number,
            "of": len(ready),
            "step": one.step.title,
            "place": one.step.place,
        }
        work.tell("moved", board=entry.name, phase=f"step {one.number} of {len(ready)}", detail=one.step.title)
        try:
            done = steps.do(work.state, host, one, work.wish)
        except FleetError as error:
            work.tell("step", **at, outcome="failed", detail="")
            error.doing = f"step {one.number} ({one.step.title}, {one.step.place})"
            raise
        except Stopped:
            work.tell("step", **at, outcome="failed", detail="")
            raise
        work.tell("step", **at, outcome=done.outcome, detail=done.detail)


def _look(board: Board, entry: BoardEntry) -> Store:
    """Where things are on a board that nothing may be written to."""
    said = board.run(["sh", "-c", "cd && pwd"], deadline=Deadline.after(defaults.COMMAND_S), doing="connect")
    home = said.stdout.decode(errors="replace").strip()
    if not home.startswith("/"):
        raise BoardError("its login shell does not say where the home folder is", board=board.name, doing="connect")
    path = _under(home, entry.paths.store) or home
    return Store(home, path, f"{path}/scripts")


def _renew(work: Work, own: HeldLease, board: Board, store: Store) -> None:
    """Keep the lease while a step takes long. One that can not be renewed now is asked for again; it lasts longer."""
    while True:
        gevent.sleep(defaults.LEASE_RENEW_S)
        try:
            work.threads.apply(own.renew, (board, store))
        except FleetError as error:
            work.tell("moved", board=board.name, phase="lease", detail=error.what)


def _cut_when_stopped(work: Work) -> None:
    """No command begins after a stop; those under way may end, and are left to themselves when they take too long."""
    while not work.stop.is_set() and not work.deadline.expired:
        gevent.sleep(0.2)
    work.stop.set()
    gevent.sleep(defaults.PROVISION_STOP_S)
    while work.open_boards:
        work.open_boards.popitem()[1].abandon()
