"""What state is a run in? One pure function of what the board says now; no clock, no socket.

The truth about a run lies on the board: ``start.json`` written before it, ``end.json`` after it, a ``flock`` that
the run itself holds while it lives, and the board's ``boot_id``. Whoever asks, after a dropped connection, a killed
workstation or a power cut, gets the same answer from the same four facts.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


class Outcome(enum.StrEnum):
    """How a run ended. Only ``ok`` runs enter a statistic."""

    OK = "ok"  # ended by itself with 0, and its numbers passed every gate
    TAINTED = "tainted"  # ended with 0, and its numbers contradict themselves
    FAILED = "failed"  # the program said no
    OOM = "oom"  # it needed more memory than there was
    TIMEOUT = "timeout"  # it was stopped at its time limit
    REBOOTED = "rebooted"  # the board started anew while it ran
    LOST = "lost"  # it is gone without a word, and the board did not reboot
    CANCELLED = "cancelled"  # a person stopped it
    UNREACHABLE = "unreachable"  # the board did not answer, or was somebody else's, so it was never started
    SKIPPED = "skipped"  # not tried, for a reason that was computed


class Phase(enum.StrEnum):
    """Where a run is that has not ended."""

    UNKNOWN = "unknown"  # the board does not answer: never start it again on this
    NOT_STARTED = "not started"  # the board knows nothing of it: the same run id may be started
    RUNNING = "running"  # its own lock is held


@dataclass(frozen=True)
class Start:
    """``start.json``: written by the run before its program."""

    boot_id: str
    uptime_s: float


@dataclass(frozen=True)
class End:
    """``end.json``: written by the run as its last act. ``result`` is a word of systemd's SERVICE_RESULT,
    ``tripwire`` or ``cancelled``; ``exit_code`` is the program's (128 + n when signal n ended it)."""

    result: str
    exit_code: int | None
    duration_s: float | None

    @property
    def outcome(self) -> Outcome:
        """What the board alone can say; the analyst refines ``ok`` and ``failed`` from the logs."""
        words = {
            "success": Outcome.OK,
            "timeout": Outcome.TIMEOUT,
            "oom-kill": Outcome.OOM,
            "tripwire": Outcome.OOM,
            "cancelled": Outcome.CANCELLED,
        }
        return words.get(self.result, Outcome.FAILED)


@dataclass(frozen=True)
class Now:
    """What the board says at this moment. ``run_alive``: this run's own lock is held, not just the board's."""

    boot_id: str
    uptime_s: float
    run_alive: bool


@dataclass(frozen=True)
class RunState:
    """The answer of ``job.sh state``; ``now`` is None when the board did not answer."""

    start: Start | None
    end: End | None
    now: Now | None

    @property
    def verdict(self) -> Outcome | Phase:
        """What became of the run."""
        return verdict(self.start, self.end, self.now)


def verdict(start: Start | None, end: End | None, now: Now | None) -> Outcome | Phase:
    """What became of one run; ``now`` is None when the board does not answer."""
    if end is not None:
        return end.outcome  # the board's own word outlives a reboot
    if now is None:
        return Phase.UNKNOWN
    if now.run_alive:
        return Phase.RUNNING  # its lock is held: alive, even in the moment before start.json is there
    if start is None:
        return Phase.NOT_STARTED
    if start.boot_id != now.boot_id:
        return Outcome.REBOOTED
    return Outcome.LOST


def state_from_json(answer: Mapping[str, Any]) -> RunState:
    """Read the answer of ``job.sh state``.

    Raises ``KeyError``, ``TypeError`` or ``ValueError`` when the board sent something else.
    """
    start, end, now = answer["start"], answer["end"], answer["now"]
    return RunState(
        start=None if start is None else Start(str(start["boot_id"]), float(start["uptime_s"])),
        end=None
        if end is None
        else End(
            str(end["result"]),
            None if end.get("exit_code") is None else int(end["exit_code"]),
            None if end.get("duration_s") is None else float(end["duration_s"]),
        ),
        now=Now(str(now["boot_id"]), float(now["uptime_s"]), now["run_alive"] is True),
    )
