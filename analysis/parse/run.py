"""The streams of one run, read together.

Each file has its own first cause; between files, which share no order, the order of the table of failures
decides, and the rest are consequences. What the kernel and the exit code say settles what a word in a stream
can not: ``Killed`` printed by a program that ended with 0 was part of its answer.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any

from analysis.parse.failures import BY_NAME, by_exit_code, root_between_files
from analysis.parse.integrity import (
    UNDER_PRESSURE,
    Check,
    Planned,
    check_of_artifact,
    checks_of_log,
    checks_of_plan,
    observations,
)
from analysis.parse.lines import pieces
from analysis.parse.reader import read
from analysis.parse.records import SINGLE_VALUES, ParsedLog

TIMEOUT_EXIT = 124
_FROM_EITHER_STREAM = (*SINGLE_VALUES, "init_ok")


@dataclass(frozen=True)
class ParsedRun:
    """One run: its numbers, its root cause, and the reasons not to believe it.

    ``log`` is what the streams say together. ``failure`` may be set beside a complete table: then the numbers are
    there, and ``tainted`` says whether they can be used.
    """

    log: ParsedLog
    failure: str | None = None
    also: tuple[str, ...] = ()
    advice: str | None = None
    checks: tuple[Check, ...] = ()
    observations: tuple[Check, ...] = ()
    exit_code: int | None = None
    result: str | None = None
    streams: dict[str, ParsedLog] = field(default_factory=dict)
    wrong_artifact: Check | None = None  # another model file than the planned one; known without a table, too

    @property
    def tainted(self) -> bool:
        """Whether an integrity check failed."""
        return any(not check.ok for check in self.checks)

    @property
    def reasons(self) -> tuple[str, ...]:
        """Why it is tainted, a sentence each."""
        return tuple(check.sentence for check in self.checks if not check.ok)

    @property
    def means(self) -> str | None:
        """The root cause in words."""
        return BY_NAME[self.failure].means if self.failure else None

    @property
    def advices(self) -> tuple[str, ...]:
        """What to do next, for the root cause and for each of the others."""
        return tuple(BY_NAME[name].advice for name in (self.failure, *self.also) if name)

    def as_dict(self) -> dict[str, Any]:
        """The keys of a log, then those of the run."""
        answer = self.log.as_dict()
        answer.update(
            failure=self.failure,
            also=list(self.also) or None,
            means=self.means,
            advice=self.advice,
            tainted=self.tainted,
            reasons=list(self.reasons),
            checks=[vars(check).copy() for check in self.checks],
            observations=[vars(check).copy() for check in self.observations],
            exit_code=self.exit_code,
            result=self.result,
        )
        return answer


def parse_run(
    *,
    stdout: bytes | None,
    stderr: bytes | None,
    dmesg: bytes | None,
    exit_code: int | None,
    result: str | None = None,
    planned: Planned | None = None,
) -> ParsedRun:
    """Read what one run left behind; anything may be missing.

    ``result`` is the end record's word: success, exit-code, signal, timeout, tripwire or cancelled.
    """
    planned = planned or Planned()
    code = 128 - exit_code if exit_code is not None and exit_code < 0 else exit_code
    named = (("stdout", stdout), ("stderr", stderr), ("dmesg", dmesg))
    streams = {name: read(pieces(data)) for name, data in named if data is not None}
    ended_well = code == 0 and result in (None, "success")
    together = _together(streams)
    classes = list(
        root_between_files(
            name for stream, log in streams.items() for name in _classes(log, code, ended_well, stream == "dmesg")
        )
    )
    if not classes and (name := _from_the_end(code, result, together, stderr)):
        classes = [name]
    failure = classes[0] if classes else None
    checks = (
        [*checks_of_log(together, frozenset(classes)), *checks_of_plan(together, planned)] if together.turns else []
    )
    if together.turns and "dmesg" in streams:
        checks.append(_kernel_check(streams["dmesg"]))
    artifact = check_of_artifact(together, planned)
    details = {key: value for log in reversed(streams.values()) for key, value in log.details.items()}
    return ParsedRun(
        log=replace(together, failure=failure, also=tuple(classes[1:]), details=details, exit_code=exit_code),
        failure=failure,
        also=tuple(classes[1:]),
        advice=BY_NAME[failure].advice if failure else None,
        checks=tuple(checks),
        observations=tuple(observations(together, planned)),
        exit_code=exit_code,
        result=result,
        streams=streams,
        wrong_artifact=artifact if artifact is not None and not artifact.ok else None,
    )


def _classes(log: ParsedLog, code: int | None, ended_well: bool, is_kernels: bool) -> Iterable[str]:
    """The classes of one stream that stand beside the exit code."""
    for name in (log.failure, *log.also):
        if name is None or (name in log.weak and code is not None and code not in BY_NAME[name].exit_codes):
            continue
        if is_kernels and ended_well and name in UNDER_PRESSURE:
            continue  # it hit somebody else; a check keeps it
        yield name


def _from_the_end(code: int | None, result: str | None, log: ParsedLog, stderr: bytes | None) -> str | None:
    """The class that the way of ending gives, where no line does."""
    if result in ("cancelled", "tripwire"):
        return None  # not the kernel killed it
    if result == "timeout":
        code = TIMEOUT_EXIT  # a program that ignores TERM is killed at last, and that is no lack of memory
    usage = b"usage" in (stderr or b"").lower()
    return by_exit_code(code, has_table=log.perf_present, has_error_line=log.has_error_line, of_a_run=not usage)


def _kernel_check(dmesg: ParsedLog) -> Check:
    troubles = sorted({dmesg.failure or "", *dmesg.also} & UNDER_PRESSURE)
    quiet = "a kernel log without NPU timeouts and kills for memory"
    return Check("kernel_is_quiet", ", ".join(troubles) or quiet, quiet, not troubles)


def _together(streams: dict[str, ParsedLog]) -> ParsedLog:
    """One log out of the program's two streams; the kernel adds the driver and its own facts."""
    programs = [streams[name] for name in ("stdout", "stderr") if name in streams]
    if not programs and "dmesg" not in streams:
        return ParsedLog()
    base = next((log for log in programs if log.turns), programs[0] if programs else ParsedLog())
    values: dict[str, Any] = {}
    for name in _FROM_EITHER_STREAM:
        values[name] = next((value for log in programs if (value := getattr(log, name)) is not None), None)
    kernel = streams.get("dmesg")
    if values["driver"] is None and kernel is not None:
        values["driver"] = kernel.driver
    warnings = dict.fromkeys(warning for log in programs for warning in log.warnings)
    facts = {key: value for log in reversed(streams.values()) for key, value in log.facts.items()}
    return replace(
        base,
        **values,
        warnings=tuple(warnings),
        facts=facts,
        has_error_line=any(log.has_error_line for log in programs),
    )
