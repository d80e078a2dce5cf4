"""Bring back a board that does not answer, or answers and needs a restart: wait, restart, switch its power, give up.

Which step comes next is a pure function of what was tried and what the board can do. A restart counts when the
board's boot id is another one afterwards, and nothing else does. Each step is told as it begins or ends, and the whole
list goes into the run's evidence as ``recovery.json``. Power is never switched at a host that shows a stranger's key,
refuses ours, or still answers when only silence was to be mended.
"""

from __future__ import annotations

import contextlib
import enum
import json
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from fleet import defaults, power
from fleet.config.inventory import BoardEntry
from fleet.deadline import Clock, Deadline
from fleet.errors import AuthenticationFailed, CommandFailed, FleetError, HostKeyProblem
from fleet.run import utc_now
from fleet.ssh.connection import Board
from fleet.text import tail

# The boot id under a sysroot, as all of our scripts find it.
_BOOT_ID = 'cat -- "${RK_SYSROOT:-}/proc/sys/kernel/random/boot_id"'
_RESTART = """
if [ "$(id -u)" = 0 ]; then set --
elif command -v sudo >/dev/null && sudo -n true 2>/dev/null; then set -- sudo -n
else echo "this user is not root and has no sudo without a password" >&2; exit 77
fi
if [ -d "${RK_SYSROOT:-}/run/systemd/system" ]; then "$@" systemctl reboot; else "$@" reboot; fi
"""


class Step(enum.StrEnum):
    """The rungs, gentlest first."""

    WAIT = "wait"  # it may be starting right now
    REBOOT = "reboot"  # asked of the board itself
    POWER = "power"  # by the inventory's commands
    GIVE_UP = "give up"


@dataclass(frozen=True)
class Limits:
    """How long each rung may take; tests shorten them."""

    wait_s: float = defaults.RECOVER_WAIT_S
    pause_s: float = defaults.RECOVER_PAUSE_S
    ask_s: float = defaults.RECOVER_ASK_S
    off_s: float = defaults.POWER_OFF_S
    power_s: float = defaults.POWER_LIMIT_S


@dataclass
class RecoveryLog:
    """What was done for a board, oldest first; ``tell`` hears (step, what happened) at once."""

    tell: Callable[[str, str], object] = lambda _step, _what: None
    now_utc: Callable[[], str] = utc_now
    steps: list[dict[str, str]] = field(default_factory=list)

    def __bool__(self) -> bool:
        """Was anything done at all."""
        return bool(self.steps)

    def add(self, step: str, what: str) -> None:
        """Note one step."""
        self.steps.append({"t_utc": self.now_utc(), "step": step, "what": what})
        self.tell(step, what)

    def to_json(self) -> bytes:
        """The bytes of ``recovery.json``."""
        return (json.dumps({"schema": 1, "steps": self.steps}, ensure_ascii=False, indent=1) + "\n").encode()


def next_step(tried: Sequence[Step], *, answers: bool, restart: bool, has_power: bool, barred: bool) -> Step:
    """Which rung comes after ``tried``.

    ``answers``: SSH answers now; ``restart``: answering is not enough; ``barred``: what answers is not ours to switch.
    """
    if barred:
        return Step.GIVE_UP
    if not tried:
        return Step.REBOOT if restart and answers else Step.WAIT
    if tried[-1] in (Step.REBOOT, Step.POWER):
        return Step.WAIT
    if restart and answers and Step.REBOOT not in tried and Step.POWER not in tried:
        return Step.REBOOT  # it was away at first, and is back without having started anew
    return Step.POWER if has_power and Step.POWER not in tried else Step.GIVE_UP


def recover(
    entry: BoardEntry,
    connect: Callable[[BoardEntry], Board],
    *,
    why: str,
    was: str | None,
    log: RecoveryLog,
    stop: threading.Event,
    restart: bool = False,
    limits: Limits | None = None,
    clock: Clock = time.monotonic,
) -> bool:
    """True when the board answers again; with ``restart``, when it answers after a start of its own.

    ``was`` is the boot id before the trouble, where it is known; ``restart`` is for a board that answers and yet can
    not go on (a run that can not be killed, a wedged NPU). Never raises for what the board does. When ``stop`` is set
    it returns False at the next moment at which that leaves no board without power.
    """
    patient = _Patient(entry, connect, was, log, stop, restart, limits or Limits(), clock)
    log.add("begin", why)
    tried: list[Step] = []
    patient.look()
    if restart and patient.was is None:
        patient.was = patient.boot_id
    while not stop.is_set():
        if patient.well:
            log.add("back", patient.how_it_is_back())
            return True
        step = next_step(
            tried,
            answers=patient.boot_id is not None,
            restart=restart,
            has_power=entry.power is not None,
            # A key that is refused can be that of a system in the middle of its start: only after a wait it counts.
            barred=isinstance(patient.barred, HostKeyProblem) or (patient.barred is not None and bool(tried)),
        )
        tried.append(step)
        if step is Step.GIVE_UP:
            log.add(step, patient.why_given_up())
            return False
        patient.take(step)
    log.add("stopped", "asked to stop")
    return False


@dataclass
class _Patient:
    """One board during its recovery: what is known of it and what can be done to it."""

    entry: BoardEntry
    connect: Callable[[BoardEntry], Board]
    was: str | None
    log: RecoveryLog
    stop: threading.Event
    restart: bool
    limits: Limits
    clock: Clock
    boot_id: str | None = None  # of the board that answers now
    last_error: str = ""
    barred: FleetError | None = None

    @property
    def well(self) -> bool:
        """Is there nothing left to mend."""
        return self.boot_id is not None and not (self.restart and self.boot_id == self.was)

    def take(self, step: Step) -> None:
        if step is Step.WAIT:
            self.log.add(step, f"up to {self.limits.wait_s:g} s for the board to answer" + self._anew())
            self._wait()
        elif step is Step.REBOOT:
            self.log.add(step, self._ask_for_a_restart())
        else:
            assert self.entry.power is not None
            self.log.add(step, f"power off, {self.limits.off_s:g} s, power on")
            switched = power.cycle(self.entry.power, self.stop, off_s=self.limits.off_s, limit_s=self.limits.power_s)
            for one in switched:
                if not one.worked:
                    self.log.add(step, one.sentence)
            self.boot_id = None

    def look(self) -> None:
        """Ask for the boot id once."""
        self.boot_id = None
        deadline = Deadline.after(self.limits.ask_s)
        try:
            with self._board() as board:
                done = board.run(["sh", "-c", _BOOT_ID], deadline=deadline, doing="see whether it is back")
        except (HostKeyProblem, AuthenticationFailed) as error:
            self.last_error, self.barred = error.what, error
        except FleetError as error:
            self.last_error, self.barred = error.what, None
        else:
            self.boot_id, self.last_error, self.barred = tail(done.stdout), "", None

    def how_it_is_back(self) -> str:
        """With or without a start in between."""
        if self.was is None:
            return "the board answers"
        return "the board answers" + (", it has started anew" if self.boot_id != self.was else ", it did not restart")

    def why_given_up(self) -> str:
        """And what a person can do."""
        name = self.entry.name
        if isinstance(self.barred, HostKeyProblem):
            return f"what answers shows a host key that is not this board's; look: invoke trust --board {name} --rotate"
        if self.barred is not None:
            return f"it answers and refuses our keys ({self.last_error}); switching its power does not mend that"
        state = "it answers, and has not started anew" if self.boot_id else f"no answer ({self.last_error})"
        if self.entry.power is None:
            add = f"to have it switched from here, add boards.{name}.power: {{off: [COMMAND], on: [COMMAND]}}"
            return f"{state}; {add} to inventory.yaml"
        return f"{state}, after its power was switched too; somebody has to look at it"

    def _wait(self) -> None:
        deadline = Deadline.after(self.limits.wait_s, clock=self.clock)
        while not self.stop.is_set():
            self.look()
            if self.well or isinstance(self.barred, HostKeyProblem) or deadline.expired:
                return
            self.stop.wait(min(self.limits.pause_s, deadline.left_s))

    def _ask_for_a_restart(self) -> str:
        try:
            with self._board() as board:
                board.run(["sh", "-c", _RESTART], deadline=Deadline.after(self.limits.ask_s), doing="restart the board")
        except CommandFailed as error:
            return f"could not be asked to restart: {error.stderr_tail or error.what}"
        except FleetError as error:
            return f"asked to restart, and the connection ended: {error.what}"
        return "asked to restart"

    def _anew(self) -> str:
        return " after a start of its own" if self.restart else ""

    @contextlib.contextmanager
    def _board(self) -> Iterator[Board]:
        """The board, opened for one question; ``stop`` ends the question too."""
        over = threading.Event()
        with self.connect(self.entry) as board:

            def watch() -> None:
                while not over.is_set():
                    if self.stop.wait(_WATCH_S):
                        board.abandon()
                        return

            watcher = threading.Thread(target=watch, name=f"recovery of {self.entry.name}", daemon=True)
            watcher.start()
            try:
                yield board
            finally:
                over.set()


_WATCH_S = 0.25  # until Ctrl-C is noticed in the middle of a question
