"""How a class of failure is told to the reader.

A ``Sign`` is a lower-case literal, its cue, with what has to follow it; it costs nothing until
that literal turns up. Where words like ``rknpu`` lead the pattern, which half of all lines hold, a rarer literal of
the same line is the cue.

Signs are read without regard to case and hold anywhere on a line, except in a model's answer, where only lines that
begin as the runtime's own count. ``own`` is for programs that print no such mark (the shell, libc, GGML): there it
must match from the line's start on, word for word; ``glued`` may stand behind the answer's last word.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Sign:
    """One way in which a failure shows in a log; ``pattern`` begins with ``start`` and is for lower-case text."""

    cue: str
    start: str
    pattern: re.Pattern[str]
    at_start: bool = False  # of the line, behind its prefixes
    own: re.Pattern[str] | None = None
    glued: re.Pattern[str] | None = None


def sign(
    start: str,
    rest: str = "",
    *,
    cue: str | None = None,
    at_start: bool = False,
    own: str | None = None,
    glued: str | None = None,
) -> Sign:
    """The literal, and what has to follow it; it is its own cue unless another is given."""
    return Sign(
        cue=cue or start,
        start=start,
        pattern=re.compile(re.escape(start) + f"(?:{rest})"),
        at_start=at_start,
        own=re.compile(own) if own else None,
        glued=re.compile(glued) if glued else None,
    )


def details(**patterns: str) -> dict[str, re.Pattern[str]]:
    """Names and patterns of the numbers that a class carries, for lines as they are printed."""
    return {name: re.compile(pattern, re.IGNORECASE) for name, pattern in patterns.items()}


@dataclass(frozen=True)
class FailureClass:
    """One row: the class, its signs, what it means and what to do next."""

    name: str
    means: str
    advice: str
    signs: tuple[Sign, ...] = ()
    exit_codes: tuple[int, ...] = ()  # give the class where no line does
    run_exit_codes: tuple[int, ...] = ()  # the same, but only for a run's own record: in a log they are ambiguous
    takes_over: tuple[str, ...] = ()  # classes that are the same cause under a weaker name
    yields_to: tuple[str, ...] = ()  # classes that make this one superfluous
    at_least: int = 1  # lines before it counts
    last_resort: bool = False  # counts only where nothing else was found
    needs_no_table: bool = False  # a complete table and an E line speak against it
    details: dict[str, re.Pattern[str]] = field(default_factory=dict)  # what else such a line tells
