"""One scenario as it happens: drivers are started, actions come when their moment is there, and all of it is noted."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from tests.chaos import processes
from tests.chaos.referee import Driver, Span
from tests.chaos.scenario import CONNECT_S, OVERDUE_S, Action, Moment, Scenario
from tests.chaos.world import Later, Refused, World
from tests.driver import with_patience
from virtual.control import NotOn

STEP_S = 0.02
LOOK_S = 0.06  # between two looks at what the boards have come to
DRIVER_S = 100.0  # for a campaign of these with PATIENCE, on a busy machine
MARK = "RKFLEET_CHAOS"
PATIENCE = {
    "CONNECT_S": 5.0,
    "OPEN_S": 5.0,
    "DEAD_PEER_S": 6.0,
    "COMMAND_S": 12.0,
    "FACTS_S": 12.0,
    "PREPARE_S": 20.0,
    "HASH_S": 20.0,
    "PUSH_S": 30.0,
    "START_S": 12.0,
    "CANCEL_S": 25.0,
    "SILENCE_S": 8.0,
    "LIMIT_GRACE_S": 20.0,
    "PULL_S": 30.0,
    "AWAY_S": 5.0,
    "DROPS": 5,
    "RELEASE_S": 5.0,
    "RECOVER_WAIT_S": 4.0,
    "RECOVER_PAUSE_S": 0.3,
    "RECOVER_ASK_S": 6.0,
    "POWER_OFF_S": 0.3,
    "POWER_LIMIT_S": 15.0,
}


@dataclass
class Started:
    """A process of ours, and what was done to it. ``must``: the exit code that it has to end with."""

    home: int
    words: tuple[str, ...]
    process: subprocess.Popen[bytes]
    output: Path
    began_s: float
    must: int | None
    killed: bool = False
    overdue: bool = False
    ended_s: float | None = None


@dataclass
class Stage:
    """One seed's time: ``play`` lets everything happen, ``alone`` runs one command to its end."""

    scenario: Scenario
    world: World
    folder: Path
    notes: list[str] = field(default_factory=list)
    fired: list[str] = field(default_factory=list)
    drivers: list[Started] = field(default_factory=list)
    cancels: dict[str, list[tuple[float, Started]]] = field(default_factory=dict)
    spoilt: set[str] = field(default_factory=set)
    _began_s: float = field(default_factory=time.time)
    _later: list[tuple[float, Callable[[], Later | None]]] = field(default_factory=list)
    _connected_s: float | None = None

    @property
    def mark(self) -> str:
        """In the environment of every driver of this seed."""
        return f"{os.getpid()}-{threading.get_ident()}-{self.scenario.seed}"

    def play(self) -> None:
        """The campaign, and what befalls it, until the drivers have ended and nothing is to come."""
        main = self.start(0, "bench", "--campaign", self.scenario.campaign, *self._asked())
        waiting: list[tuple[Action, float | None]] = [(action, None) for action in self.scenario.actions]
        looked_s, reached = 0.0, dict[str, dict[str, int]]()
        while waiting or self._later or any(one.process.poll() is None for one in self.drivers):
            now_s = time.time()
            if waiting and now_s - looked_s > LOOK_S:
                looked_s = now_s
                reached = {board: self.world.progress(board) for board in self.scenario.boards}
            over = all(one.process.poll() is not None for one in self.drivers)
            still: list[tuple[Action, float | None]] = []
            for action, due_s in waiting:
                due_s = due_s if due_s is not None else self._due(action.moment, reached, now_s)
                if over or (due_s is not None and due_s <= now_s):
                    self._fire(action, main)
                else:
                    still.append((action, due_s))
            waiting = still
            self._do_what_is_due(now_s)
            self._end_what_hangs(now_s)
            time.sleep(STEP_S)
        self._note_ends()

    def alone(self, home: int, *words: str, must: int | None = None) -> Started:
        """A command, and nothing else befalls."""
        one = self.start(home, *words, must=must)
        while one.process.poll() is None:
            self._end_what_hangs(time.time())
            time.sleep(STEP_S)
        self._note_ends()
        return one

    def start(self, home: int, *words: str, must: int | None = None) -> Started:
        """A driver in one of the homes."""
        folder = self.world.homes[home]
        output = self.folder / f"driver-{len(self.drivers)}.txt"
        environment = {**os.environ, "HOME": str(folder / "user"), "COLUMNS": "200", "NO_COLOR": "1", MARK: self.mark}
        with output.open("wb") as file:
            process = subprocess.Popen(
                with_patience(PATIENCE, *words),
                cwd=folder,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=file,
                start_new_session=True,
            )
        self.drivers.append(Started(home, (f"home-{home + 1}", *words), process, output, time.time(), must))
        self._note(f"start {' '.join(self.drivers[-1].words)}")
        return self.drivers[-1]

    def told(self) -> tuple[Driver, ...]:
        """What the referee gets to know of the drivers."""
        return tuple(
            Driver(
                " ".join(one.words),
                None if one.overdue else one.process.returncode,
                one.output.read_text(errors="replace"),
                one.killed,
                one.must,
            )
            for one in self.drivers
        )

    def cancelled(self) -> dict[str, list[Span]]:
        """When somebody was cancelling, by board."""
        return {
            board: [(began_s, one.ended_s or time.time()) for began_s, one in list_]
            for board, list_ in self.cancels.items()
        }

    def left(self) -> tuple[str, ...]:
        """Processes of our drivers that are still there; a virtual board that one of them started is none."""
        mark = f"{MARK}={self.mark}".encode()
        every = processes.everything().values()
        return tuple(one.shown for one in every if mark in one.environment and b"virtual.board" not in one.words)

    def end(self) -> None:
        """Whatever went wrong: no driver is left."""
        for one in self.drivers:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(one.process.pid, signal.SIGKILL)
            one.process.wait()

    # --- moments ------------------------------------------------------------------------------------------------

    def _due(self, moment: Moment, reached: dict[str, dict[str, int]], now_s: float) -> float | None:
        """When, once that is known: the moment is there, or it is overdue."""
        start_s = self._began_s
        if moment.what == "start":
            return start_s + moment.delay_s
        if any(counts.get(moment.what, 0) >= moment.count for counts in reached.values()):
            return now_s + moment.delay_s
        if self._connected_s is None and any(counts["session"] for counts in reached.values()):
            self._connected_s = now_s
        return now_s if now_s - (self._connected_s or start_s + CONNECT_S) > OVERDUE_S else None

    def _fire(self, action: Action, main: Started) -> None:
        try:
            self._note(f"fire {action}")
            if action.board is None:
                self._hit(action, main)
            elif action.what == "second":
                self.start(1, "bench", "--campaign", f"{self.scenario.campaign}-second", *self._asked())
            elif action.what == "cancel":
                one = self.start(1, "cancel", "--board", action.board)
                self.cancels.setdefault(action.board, []).append((time.time(), one))
            else:
                if action.what in ("corrupt", "disk_full"):
                    self.spoilt.add(action.board)
                self._note_later(self.world.strike(action))
        except (Refused, NotOn) as reason:
            self._note(f"  refused: {reason}")
            return
        self.fired.append(action.what)

    def _hit(self, action: Action, one: Started) -> None:
        """A signal to the driver of the campaign."""
        if one.process.poll() is not None:
            raise Refused("the driver has ended")
        if action.what == "driver_killed":
            one.killed = True
            one.process.kill()
        elif action.what == "driver_interrupted":
            one.process.send_signal(signal.SIGINT)
        else:
            one.process.send_signal(signal.SIGSTOP)

            def go_on() -> None:
                if one.process.poll() is None:
                    one.process.send_signal(signal.SIGCONT)

            self._note_later((action.details["for_s"], go_on))

    def _note_later(self, later: Later | None) -> None:
        if later is not None:
            self._later.append((time.time() + later[0], later[1]))

    def _do_what_is_due(self, now_s: float) -> None:
        due = [one for one in self._later if one[0] <= now_s]
        self._later = [one for one in self._later if one[0] > now_s]
        for _, work in due:
            if now_s - self._began_s < DRIVER_S:
                self._note_later(work())

    def _end_what_hangs(self, now_s: float) -> None:
        for one in self.drivers:
            if one.process.poll() is None and now_s - one.began_s > DRIVER_S:
                one.overdue = True
                self._note(f"hangs: {' '.join(one.words)}")
                self._stacks(one)
                os.killpg(one.process.pid, signal.SIGKILL)
                one.process.wait()
            if one.process.poll() is not None and one.ended_s is None:
                one.ended_s = now_s
                self._note(f"ended with {one.process.returncode}: {' '.join(one.words)}")

    def _stacks(self, one: Started) -> None:
        """Where a driver hangs, in its own output."""
        with contextlib.suppress(OSError, subprocess.TimeoutExpired):
            one.process.send_signal(signal.SIGUSR1)  # faulthandler: see driver.py
            one.process.wait(1)

    def _note_ends(self) -> None:
        self._end_what_hangs(time.time())

    def _note(self, what: str) -> None:
        self.notes.append(f"{time.time() - self._began_s:7.2f} s  {what}")

    def _asked(self) -> Iterator[str]:
        yield from self.scenario.words
