"""The two doors to a run on a board: ``submit`` and ``wait``; all else asks the board the same questions.

A run is detached and its truth is on the board, so each of these may be called again after anything: ``submit``
starts a run id at most once, ``wait`` goes on at the byte where the last connection dropped. A queue that calls the
same two functions needs nothing more.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

from fleet import defaults
from fleet.deadline import Deadline
from fleet.errors import (
    BoardBusy,
    BoardError,
    ConnectionDropped,
    DeadlinePassed,
    EvidenceBroken,
    FleetError,
    HostKeyProblem,
    Unreachable,
)
from fleet.evidence import FILES, LOGS, RunFolder
from fleet.frames import FrameError, read_frames
from fleet.lease import refused
from fleet.run import RunSpec
from fleet.scripts import Store
from fleet.space import no_space
from fleet.ssh.connection import Board
from fleet.text import tail
from fleet.verdict import Outcome, Phase, RunState, state_from_json

BUSY = 75  # EX_TEMPFAIL: another run holds the board
CANTCREAT = 73  # EX_CANTCREAT: the run directory can not be written

T = TypeVar("T")


def submit(
    board: Board,
    store: Store,
    spec: RunSpec,
    program: Sequence[str],
    deadline: Deadline,
    stop: threading.Event | None = None,
    *,
    lease: str | None = None,
) -> bool:
    """Start a run on the board, detached. False when this run id was started before; it is never started twice.

    A connection that drops in the middle is tried again, which is safe for the same reason. ``lease`` is our token;
    a run that starts makes that lease last until after its limit.
    Raises LeaseHeld (somebody else's, or our token is void), BoardBusy, NoSpace, BoardError (no rights), and
    Unreachable when it was certainly not started; ConnectionDropped when nobody knows: it may be going on there.
    """
    doing = f"start {spec.run}"
    argv = [
        "sh",
        store.script("job.sh"),
        "start",
        store.run_dir(spec.campaign, spec.run),
        str(spec.limit_s),
        *(["--lease", lease] if lease is not None else []),
        *("--clocks", spec.clocks),
        *(["--memory", str(spec.memory_limit_bytes)] if spec.memory_limit_bytes is not None else []),
        *(["--tripwire", str(spec.tripwire_bytes)] if spec.tripwire_bytes is not None else []),
        "--",
    ]

    asked = False

    def start() -> bool:
        nonlocal asked
        try:
            done = board.run(
                [*argv, *program],
                stdin=spec.to_json(),
                deadline=deadline.cap(defaults.START_S),
                check=False,
                doing=doing,
            )
        except ConnectionDropped:
            asked = True
            raise
        except DeadlinePassed as error:  # a board that was frozen for half a minute is worth another question
            asked = True
            raise ConnectionDropped(error.what, board=board.name, doing=doing) from None
        answer = _answer(done.stdout)
        if done.exit_code == BUSY:
            held = refused(board, answer, doing)
            if held is not None:
                raise held
            holder = str(answer.get("busy") or "another run")
            raise BoardBusy(
                holder,
                board=board.name,
                doing=doing,
                hint=f"invoke attach --board {board.name}   or: invoke cancel --board {board.name}",
            )
        if done.exit_code != 0 or not isinstance(answer.get("started"), bool):
            said = tail(done.stderr)
            what = said or f"job.sh ended with {done.exit_code} and said nothing"
            full = no_space(said, board=board.name, doing=doing)
            if full is not None:
                raise full
            hint = f"free some space on {board.name}" if done.exit_code == CANTCREAT else ""
            raise BoardError(what, board=board.name, doing=doing, hint=hint)
        return bool(answer["started"])

    try:
        return _again(start, deadline, stop)
    except Unreachable as error:
        if not asked:
            raise
        raise ConnectionDropped(f"it may have been started: {error.what}", board=board.name, doing=doing) from None


def wait(
    board: Board,
    store: Store,
    campaign: str,
    run: str,
    folder: RunFolder,
    *,
    deadline: Deadline,
    moved: Callable[[int], object] = lambda _bytes: None,
    away: Callable[[FleetError], object] = lambda _error: None,
    stop: threading.Event | None = None,
) -> RunState:
    """Pull the logs of a run while it goes on and, when it is over, its other evidence, all of it verified.

    ``moved`` hears how many bytes of log are here, ``away`` each time that the board does not answer. Connections
    that drop are made anew, until ``deadline`` or until the board has been away for AWAY_S in one piece.
    Raises Unreachable or ConnectionDropped when the board stays away (the run may still be going), DeadlinePassed
    when it never ends, EvidenceBroken when what arrives does not fit together.
    """
    heard_s = time.monotonic()

    def heard() -> None:
        nonlocal heard_s
        heard_s = time.monotonic()

    def missed(error: FleetError) -> None:
        if time.monotonic() - heard_s > defaults.AWAY_S:
            raise error
        away(error)

    return _again(lambda: _follow(board, store, campaign, run, folder, deadline, moved, heard), deadline, stop, missed)


def bring(
    board: Board,
    store: Store,
    campaign: str,
    run: str,
    collected: Path,
    *,
    deadline: Deadline,
    moved: Callable[[int], object] = lambda _bytes: None,
    away: Callable[[FleetError], object] = lambda _error: None,
    stop: threading.Event | None = None,
    add: Callable[[RunFolder], object] = lambda _folder: None,
) -> Path:
    """``wait`` for a run and make its evidence visible; returns its folder. ``add`` may put more into it first.

    What does not fit together is thrown away and pulled anew, PULL_TRIES times: the original is on the board.
    """
    for left in reversed(range(defaults.PULL_TRIES)):
        with RunFolder(collected, campaign, board.name, run) as folder:
            try:
                state = wait(board, store, campaign, run, folder, deadline=deadline, moved=moved, away=away, stop=stop)
                add(folder)
                return keep(folder, state)
            except EvidenceBroken as error:
                if not left:
                    raise
                away(error)
                folder.discard()
            except FleetError:
                if stop is not None and stop.is_set():
                    folder.discard()  # it is complete on the board; collect brings it
                raise
    raise AssertionError("unreachable: the last try returns or raises")


def read_state(board: Board, store: Store, campaign: str, run: str, deadline: Deadline) -> RunState:
    """The state of one run now. Raises BoardError and Unreachable."""
    argv = ["sh", store.script("job.sh"), "state", store.run_dir(campaign, run)]
    return _state(board, board.run(argv, deadline=deadline.cap(defaults.COMMAND_S), doing=f"ask for {run}").stdout)


def cancel(board: Board, store: Store, campaign: str, run: str, deadline: Deadline) -> tuple[bool, str]:
    """Stop a run: when this returns True it is gone on the board, its lock free, its logs kept."""
    argv = ["sh", store.script("job.sh"), "cancel", store.run_dir(campaign, run)]
    answer = _answer(board.run(argv, deadline=deadline.cap(defaults.CANCEL_S), doing=f"cancel {run}").stdout)
    return answer.get("cancelled") is True, str(answer.get("reason") or "")


def list_runs(board: Board, store: Store, deadline: Deadline) -> tuple[tuple[str, str, RunState], ...]:
    """Every run on the board as (campaign, run, state), oldest first. Raises BoardError and Unreachable."""
    argv = ["sh", store.script("job.sh"), "list", store.runs]
    done = board.run(
        argv, deadline=deadline.cap(defaults.COMMAND_S), max_bytes=defaults.LIST_BYTES, doing="list the runs"
    )
    answer = _answer(done.stdout)
    try:
        now = {"boot_id": answer["boot_id"], "uptime_s": answer["uptime_s"]}
        return tuple(
            (
                str(row["campaign"]),
                str(row["run"]),
                state_from_json(
                    {"start": row["start"], "end": row["end"], "now": now | {"run_alive": row["run_alive"]}}
                ),
            )
            for row in answer["runs"]
        )
    except (KeyError, TypeError, ValueError) as error:
        raise BoardError(f"the list can not be read: {error!r}", board=board.name, doing="list the runs") from None


def tidy(board: Board, store: Store, deadline: Deadline) -> None:
    """Let the board take away what dead runs and pushes left in its store; evidence stays. Raises as ``run`` does."""
    argv = ["sh", store.script("job.sh"), "tidy", store.runs]
    board.run(argv, deadline=deadline.cap(defaults.COMMAND_S), doing="tidy the store")


def is_over(state: RunState) -> bool:
    """Has the run ended, in whatever way: nothing of it will change on the board any more."""
    return isinstance(state.verdict, Outcome)


def keep(folder: RunFolder, state: RunState) -> Path:
    """Make the evidence of an ended run visible; where the board left no end record, say what became of it."""
    outcome = state.verdict
    reasons = {
        Outcome.REBOOTED: "the board started anew while the run was going",
        Outcome.LOST: "the run is gone without an end record, and the board did not reboot",
        Phase.NOT_STARTED: "the board has no trace of the run",
    }
    if state.end is None and outcome in reasons:
        folder.put_outcome(outcome if isinstance(outcome, Outcome) else Outcome.LOST, reasons[outcome])
    return folder.finish()


def _follow(
    board: Board,
    store: Store,
    campaign: str,
    run: str,
    folder: RunFolder,
    deadline: Deadline,
    moved: Callable[[int], object],
    heard: Callable[[], object],
) -> RunState:
    doing = f"follow {run}"
    argv = ["sh", store.script("job.sh"), "follow", store.run_dir(campaign, run)]
    argv += [str(folder.size(log)) for log in LOGS] + ["--files"]
    try:
        for frame in read_frames(board.stream(argv, idle_s=defaults.SILENCE_S, deadline=deadline, doing=doing)):
            header = frame.header
            heard()
            if "done" in header:
                return _state(board, json.dumps(header.get("state")).encode())
            name = header.get("file")
            if name in LOGS and "sha256" in header:
                folder.check_log(str(name), header.get("size"), header["sha256"])
            elif name in LOGS:
                offset = header.get("offset")
                folder.append(str(name), offset if isinstance(offset, int) else -1, frame.body)
                moved(sum(folder.size(log) for log in LOGS))
            elif name in FILES:
                folder.put(str(name), frame.body, str(header.get("sha256")))
    except FrameError as error:
        raise ConnectionDropped(str(error), board=board.name, doing=doing) from None
    raise ConnectionDropped("the board stopped sending", board=board.name, doing=doing)


def _again(
    attempt: Callable[[], T],
    deadline: Deadline,
    stop: threading.Event | None,
    missed: Callable[[FleetError], object] = lambda _error: None,
) -> T:
    """Repeat ``attempt`` while the connection drops, until ``deadline``: pauses of 0.2, 0.4, … up to 5 s.

    ``missed`` hears of each time, and may give up by raising.
    """
    stop = stop or threading.Event()
    delay_s = 0.2
    while True:
        try:
            return attempt()
        except HostKeyProblem:
            raise  # waiting does not make a stranger a friend
        except (ConnectionDropped, Unreachable) as error:
            if deadline.left_s < delay_s or stop.is_set():
                raise
            missed(error)
        stop.wait(min(delay_s, deadline.left_s))
        delay_s = min(2 * delay_s, 5.0)


def _state(board: Board, answer: bytes) -> RunState:
    try:
        return state_from_json(_answer(answer))
    except (KeyError, TypeError, ValueError) as error:
        raise BoardError(f"its answer can not be read: {error!r}", board=board.name, doing="ask for a run") from None


def _answer(stdout: bytes) -> dict[str, Any]:
    """The one JSON object that our scripts print; an empty one when they did not."""
    try:
        answer = json.loads(stdout)
    except (ValueError, RecursionError):
        return {}
    return answer if isinstance(answer, dict) else {}
