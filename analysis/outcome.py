"""What became of one run? One pure function of how it ended and what its logs say; no files, no clock.

The board's ``end.json`` is the first witness, the logs refine it: exit code 0 with a complete table is ``ok``
only when nothing in the logs refutes the numbers. Where there is no ``end.json`` the workstation's
``outcome.json`` speaks; of a log made by hand there is neither, and the log alone decides.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass

from analysis.reboot import Why

SIGKILL, SIGTERM = 9, 15
TRIPWIRE = "tripwire"  # of tripwire.sh: the program was killed because the board's memory ran out
TIMEOUT_EXIT = 124  # of coreutils' timeout; busybox 1.35 gives the signal's
ENOMEM = 12  # errno of a failed NPU allocation: no RAM. 14 is a matter of the driver, 24 a limit on files


class Outcome(enum.StrEnum):
    """How a run ended. Only ``ok`` runs enter a statistic."""

    OK = "ok"  # ended by itself with 0, and nothing refutes its numbers
    TAINTED = "tainted"  # ended with 0, and its numbers or conditions are refuted
    FAILED = "failed"  # the program or our evidence of it is broken
    OOM = "oom"  # it needed more memory than there was
    TIMEOUT = "timeout"  # it was stopped at its time limit
    REBOOTED = "rebooted"  # the board started anew while it ran
    LOST = "lost"  # it is gone without a word
    CANCELLED = "cancelled"  # a person stopped it
    UNREACHABLE = "unreachable"  # the board did not answer, so it was never started
    SKIPPED = "skipped"  # not tried, for a reason that was computed


ADVICE = {
    Outcome.OOM: "a smaller model or context, or a board with more RAM",
    Outcome.TIMEOUT: "look at the end of its stdout.log, then a longer limit or fewer new tokens",
    Outcome.REBOOTED: "check power supply and cooling of the board, then run it again",
    Outcome.LOST: "run it again; if it is lost again, look at the kernel's log on the board",
    Outcome.UNREACHABLE: "invoke boards",
}
WRONG_ARTIFACT_ADVICE = "convert the model for as many cores as planned, or correct npu_core_num in models.yaml"
_NO_TABLE = "run it again with RKLLM_LOG_LEVEL=1 in its environment, and keep the whole of stdout and stderr"


@dataclass(frozen=True)
class End:
    """``end.json``. ``result`` is a word of systemd's SERVICE_RESULT, ``tripwire`` or ``cancelled``."""

    result: str | None
    exit_code: int | None = None
    signal: int | None = None
    duration_s: float | None = None
    limit_s: float | None = None
    boot_id: str | None = None

    @property
    def timed_out(self) -> bool:
        """Stopped at the limit, by the job or by the ``timeout`` within it: the two run down at the same moment."""
        if self.result == "cancelled":
            return False
        if self.result == "timeout" or self.exit_code == TIMEOUT_EXIT:
            return True
        if self.duration_s is None or self.limit_s is None:
            return False
        return self.exit_code in (128 + SIGKILL, 128 + SIGTERM) and self.duration_s >= self.limit_s


@dataclass(frozen=True)
class Logs:
    """What the parser found in the logs of one run, as far as it bears on the outcome.

    ``failure`` is the class of the root cause and ``means`` says it in words; ``refuted`` holds a sentence
    for each reason not to believe the numbers.
    """

    has_table: bool = False
    failure: str | None = None
    means: str | None = None
    advice: str | None = None
    errno: int | None = None
    driver_too_old: bool = False
    refuted: tuple[str, ...] = ()
    wrong_artifact: str | None = None  # what the banner says of the model file, and the plan does not
    memory: str | None = None  # how much it had at its highest, for who ran out of it


@dataclass(frozen=True)
class Judgement:
    """The outcome with its reason, which only ``ok`` can do without, and the next thing to try."""

    outcome: Outcome
    reason: str | None = None
    advice: str | None = None


def judge(
    *,
    end: End | None,
    logs: Logs,
    start_boot_id: str | None = None,
    told: Judgement | None = None,
    by_hand: bool = False,
    rebooted: Why | None = None,
) -> Judgement:
    """The outcome of one run. ``told`` is what the workstation recorded of a run without an end.

    ``by_hand``: a person brought the log, so there was never anybody to record an end. ``rebooted`` is what the
    board's own logs show of a boot that ended under the run.
    """
    if end is None:
        if by_hand:
            return told or _by_logs(logs)
        if told is not None and told.outcome is Outcome.REBOOTED and rebooted is not None:
            advice = rebooted.advice or told.advice or ADVICE[Outcome.REBOOTED]
            return Judgement(Outcome.REBOOTED, f"{told.reason}; {rebooted.sentence}", advice)
        return told or _why(Outcome.LOST, "there is no end.json: the run never said how it ended")
    if start_boot_id and end.boot_id and start_boot_id != end.boot_id:
        return _why(Outcome.REBOOTED, "start.json and end.json are of two boots of the board")
    if end.result == "cancelled":
        return _why(Outcome.CANCELLED, f"cancelled{_after(end)}")
    if logs.wrong_artifact and not by_hand:
        # Whatever became of it says nothing of the cell that was planned.
        return _why(Outcome.FAILED, f"wrong artifact: {logs.wrong_artifact}", WRONG_ARTIFACT_ADVICE)
    ended_well = end.result == "success" and end.exit_code in (0, None)
    if end.result == TRIPWIRE:
        return _why(Outcome.OOM, _with_memory("stopped by the tripwire before the kernel had to", logs))
    if not ended_well and (end.result == "oom-kill" or _out_of_memory(end, logs)):
        return _why(Outcome.OOM, _with_memory(logs.means or "killed by the kernel: out of memory", logs), logs.advice)
    if end.timed_out:
        limit = f" of {end.limit_s:g} s" if end.limit_s is not None else ""
        return _why(Outcome.TIMEOUT, f"stopped at its time limit{limit}" + _cause(logs), logs.advice)
    if not ended_well:
        return _why(Outcome.FAILED, _exit(end) + _cause(logs), logs.advice)
    if not logs.has_table:
        if _out_of_memory(end, logs):  # old demos end with 0 after a failed allocation
            return _why(Outcome.OOM, _with_memory(logs.means or "out of memory", logs), logs.advice)
        return _why(Outcome.FAILED, "exit code 0 without a performance table" + _cause(logs), logs.advice)
    return _by_table(logs)


def _by_table(logs: Logs) -> Judgement:
    """There is a complete table: is it to be believed."""
    refuted = list(logs.refuted)
    if logs.failure and not refuted:
        refuted.append(_name(logs))
    if refuted:
        return _why(Outcome.TAINTED, "; ".join(refuted), logs.advice)
    return Judgement(Outcome.OK)


def _by_logs(logs: Logs) -> Judgement:
    """Nobody said how it ended, and nobody was there to be lost to: what is in the log is all there is."""
    if logs.has_table:
        return _by_table(logs)
    if _out_of_memory(End(None), logs):
        return _why(Outcome.OOM, logs.means or "out of memory", logs.advice)
    if logs.failure == "timeout_or_stdin":  # the log itself holds the exit code of a time limit
        return _why(Outcome.TIMEOUT, _name(logs), logs.advice)
    return _why(Outcome.FAILED, "no performance table in the log" + _cause(logs), logs.advice or _NO_TABLE)


def _why(outcome: Outcome, reason: str, advice: str | None = None) -> Judgement:
    return Judgement(outcome, reason, advice or ADVICE.get(outcome))


def _out_of_memory(end: End, logs: Logs) -> bool:
    if logs.failure == "oom_task_table":  # says that the kernel was short of memory, not whom it killed
        return end.signal == SIGKILL or end.exit_code == 128 + SIGKILL
    return logs.failure == "oom_kill" or (logs.failure == "npu_malloc" and logs.errno == ENOMEM)


def _with_memory(what: str, logs: Logs) -> str:
    return f"{what}; {logs.memory}" if logs.memory else what


def _name(logs: Logs) -> str:
    return f"{logs.failure}: {logs.means}" if logs.means else str(logs.failure)


def _cause(logs: Logs) -> str:
    parts = [_name(logs)] if logs.failure else []
    parts += ["the runtime says that the rknpu driver is too old"] if logs.driver_too_old else []
    return "".join(f"; {part}" for part in parts)


def _after(end: End) -> str:
    return f" after {end.duration_s:.0f} s" if end.duration_s is not None else ""


def _exit(end: End) -> str:
    if end.signal is not None:
        return f"ended by signal {end.signal}"
    if end.result is None:
        return "end.json does not say how it ended"
    return f"exit code {end.exit_code}" if end.exit_code is not None else f"{end.result} without an exit code"
