"""A check's answer: what was seen, what should be, what it costs, and what to do about it."""

from __future__ import annotations

import enum
from collections.abc import Callable
from dataclasses import dataclass

from analysis.diagnosis.observed import Observed


class State(enum.StrEnum):
    """Of one check."""

    FOUND = "found"
    FINE = "fine"
    UNKNOWN = "unknown"  # and ``needs`` says what would have to be recorded


@dataclass(frozen=True)
class Cost:
    """Seconds that a cause adds to a token and to the prompt; both on this run."""

    token_s: float = 0.0
    prompt_s: float = 0.0

    def __add__(self, other: Cost) -> Cost:
        return Cost(self.token_s + other.token_s, self.prompt_s + other.prompt_s)


@dataclass(frozen=True)
class Finding:
    """``decides``: it is why there is no number, or why the number is of something else; it goes before any cost."""

    check: str
    state: State
    observed: str
    expected: str = ""
    action: str = ""
    cost: Cost = Cost()
    decides: bool = False
    needs: str = ""


@dataclass(frozen=True)
class Left:
    """What the checks that know their own cost leave unexplained of a run: seconds a token, and of the prompt."""

    token_s: float
    prompt_s: float


Direct = Callable[[Observed], Finding]
Residual = Callable[[Observed, Left], Finding]


def found(
    check: str, observed: str, expected: str, action: str, cost: Cost = Cost(), *, decides: bool = False
) -> Finding:
    return Finding(check, State.FOUND, observed, expected, action, cost, decides)


def fine(check: str, observed: str, expected: str = "") -> Finding:
    return Finding(check, State.FINE, observed, expected)


def unknown(check: str, needs: str) -> Finding:
    return Finding(check, State.UNKNOWN, "not recorded", needs=needs)
