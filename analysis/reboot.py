"""Why did a board start anew under a run? One pure function of ``reboot.log``; no files, no clock.

Only what is unmistakable is named. A sign counts where the right program says it: a panic in the kernel's lines, a
shutdown in systemd's, of exactly the boot in which the run began, or in what the kernel saved after that. A crash from
before the run, and a line that merely quotes such words, explain nothing. Where the log of that boot is there and just
ends, that is said; where there is none, that too.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise

JUST_BEFORE_S = (
    60.0  # between a sign of trouble and the last line; what hangs a chip does so at once, the rest got over it
)
LINE_CHARS = 1024  # of a line; no message of a kernel is longer
BOOT_SLACK_S = 120.0  # between a boot and its record in wtmp, on a clock that nobody set meanwhile

_HEADER = re.compile(r"^== (.{1,280}): ([^:\n]{0,280}) ==$", re.MULTILINE)
# short-monotonic: [  171.000000] host program[pid]: words; the kernel's own: <0>[  171.000000] words
_JOURNAL = re.compile(r"\[ {0,12}(\d{1,10}\.\d{1,9})\] \S{1,255} ([^\s:\[]{1,64})(?:\[(\d{1,10})\])?: (.*)")
_SAVED = re.compile(r"(?:<\d{1,3}>)?\[ {0,12}(\d{1,10}\.\d{1,9})\](?:\[ {0,8}[TC]\d{1,8}\])? (.*)")
_LAST = re.compile(
    r"(reboot|shutdown) +system (?:boot|down) .{0,200}?([A-Z][a-z]{2} [A-Z][a-z]{2} [ \d]\d [\d:]{8} \d{4})"
)


@dataclass(frozen=True)
class Line:
    """One line of a log: how long before its last line, which program (``kernel``, ``systemd``, …), what it said."""

    before_end_s: float
    program: str
    text: str


@dataclass(frozen=True)
class Sign:
    """One cause: who has to say what, what that means, and what to do next; the first of the table wins."""

    name: str
    programs: tuple[str, ...]
    pattern: re.Pattern[str]
    means: str
    advice: str
    just_before: bool = False  # counts only at the end of a log: boards live on after it

    def shows(self, line: Line) -> bool:
        """Is it this line."""
        if line.program not in self.programs or (self.just_before and line.before_end_s > JUST_BEFORE_S):
            return False
        return self.pattern.search(line.text) is not None


@dataclass(frozen=True)
class Why:
    """What the log shows, as the end of a sentence, and the next thing to try where that is known."""

    means: str
    advice: str | None = None
    seen: str | None = None  # the line itself

    @property
    def sentence(self) -> str:
        """With the line that says so."""
        return f"{self.means} ({self.seen})" if self.seen else self.means


_KERNEL = ("kernel",)
_SYSTEMD = ("systemd", "systemd-logind", "systemd-shutdown")

SIGNS: tuple[Sign, ...] = (
    Sign(
        "panic_on_oom",
        _KERNEL,
        re.compile(r"Kernel panic - not syncing: (?:Out of memory\b|System is deadlocked on memory)"),
        "memory ran out, and this kernel panics then",
        "a smaller model or context; or sysctl vm.panic_on_oom=0 on the board",
    ),
    Sign(
        "thermal_shutdown",
        (*_KERNEL, *_SYSTEMD),
        re.compile(r"(?i)critical temperature reached|HARDWARE PROTECTION shutdown \(Temperature too high\)"),
        "the chip was too hot and was switched off",
        "better cooling before the next run; `invoke boards` shows the temperature",
    ),
    Sign(
        "watchdog",
        _KERNEL,
        re.compile(r"Kernel panic - not syncing: (?:softlockup|hung_task|Hard LOCKUP|[Ww]atchdog)"),
        "the kernel's watchdog found a processor or a task that hangs, and ended it all",
        "power supply and NPU clock first, then another kernel; read reboot.log for what hung",
    ),
    Sign(
        "panic",
        _KERNEL,
        re.compile(r"Kernel panic - not syncing"),
        "the kernel panicked",
        "read reboot.log for where; power supply and RAM first, then another kernel",
    ),
    Sign(
        "orderly",
        _SYSTEMD,
        re.compile(
            r"Reached target (?:\S{1,64} - )?(?:System )?(?:Reboot|Power[ -]Off|Poweroff|Shutdown|Halt)\b"
            r"|System is (?:rebooting|powering down|halting)|The system (?:will|is going to) (?:reboot|power off)"
        ),
        "it was shut down in order: a person or a program asked for that",
        "find out who restarts it: `last -x` and the end of the journal in reboot.log",
    ),
    Sign(
        "lockup",
        _KERNEL,
        re.compile(r"watchdog: BUG: soft lockup|Watchdog detected hard LOCKUP"),
        "a processor hung just before the log ends",
        "power supply and NPU clock first, then another kernel; read reboot.log for what hung",
        just_before=True,
    ),
    Sign(
        "npu_timeout",
        _KERNEL,
        re.compile(r"(?i)rknpu\b.{0,200}(?:job timeout|soft reset)|failed to wait job"),
        "the NPU lost a job just before the log ends",
        "power supply and NPU clock first, then the driver's version",
        just_before=True,
    ),
)
_ORDERLY = next(sign for sign in SIGNS if sign.name == "orderly")

SILENT = Why("there is no word in its logs: power loss or a hang")
UNKNOWN = Why("no log of that boot is left on the board, so nobody knows why")


def explain(log: bytes, *, epoch_s: float | None = None, uptime_s: float | None = None) -> Why:
    """What ``reboot.log`` shows; the two times are those of ``start.json``. Takes any bytes."""
    sections = tuple(_sections(log.decode("utf-8", "replace")))
    journal = [line for name, text in sections if name in ("journal", "kernel") for line in _lines(text, _journal)]
    saved = [
        line for name, text in sections if name.startswith(("pstore ", "last_kmsg")) for line in _lines(text, _saved)
    ]
    for sign in SIGNS:
        seen = next((line for line in (*journal, *saved) if sign.shows(line)), None)
        if seen is not None:
            return Why(sign.means, sign.advice, seen.text.strip()[:200])
    if any(_was_orderly(text, epoch_s, uptime_s) for name, text in sections if name.startswith("last -x")):
        return Why(_ORDERLY.means, _ORDERLY.advice, "last -x has the shutdown")
    return SILENT if journal else UNKNOWN


def _sections(text: str) -> Iterator[tuple[str, str]]:
    """Name and text of those sections that speak of the run's boot."""
    for header, following in pairwise((*_HEADER.finditer(text), None)):
        if header is not None and header[2] == "ok":
            yield header[1], text[header.end() : following.start() if following else len(text)]


def _lines(text: str, read: Callable[[str], tuple[float, str, str] | None]) -> list[Line]:
    """The lines of one section that ``read`` understands as (seconds since boot, program, words)."""
    found = [line for row in text.split("\n") if (line := read(row)) is not None]
    end_s = max((at_s for at_s, _, _ in found), default=0.0)
    return [Line(end_s - at_s, program, words[:LINE_CHARS]) for at_s, program, words in found]


def _journal(row: str) -> tuple[float, str, str] | None:
    found = _JOURNAL.match(row)
    # A user's own manager is no PID 1, and reaches its targets at every logout.
    if found is None or (found[2] == "systemd" and found[3] != "1"):
        return None
    return float(found[1]), found[2], found[4]


def _saved(row: str) -> tuple[float, str, str] | None:
    found = _SAVED.match(row)
    return (float(found[1]), "kernel", found[2]) if found else None


def _was_orderly(text: str, epoch_s: float | None, uptime_s: float | None) -> bool:
    """Does wtmp have the shutdown of exactly the run's boot? Without a clock that held still nobody can tell."""
    if epoch_s is None or uptime_s is None:
        return False
    records = [(found[1], at_s) for found in _LAST.finditer(text) if (at_s := _epoch_s(found[2])) is not None]
    records.reverse()  # the oldest first
    boots = [k for k, (kind, at_s) in enumerate(records) if kind == "reboot" and _near(at_s, epoch_s - uptime_s)]
    if len(boots) != 1 or boots[0] + 1 >= len(records):
        return False
    kind, at_s = records[boots[0] + 1]
    return kind == "shutdown" and at_s >= epoch_s


def _near(one_s: float, other_s: float) -> bool:
    return abs(one_s - other_s) <= BOOT_SLACK_S


def _epoch_s(text: str) -> float | None:
    try:
        return datetime.strptime(text, "%a %b %d %H:%M:%S %Y").replace(tzinfo=UTC).timestamp()
    except ValueError:
        return None
