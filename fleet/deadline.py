"""A timeout is a point in time: made once per verb and handed down, so that ten retries share one limit."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

Clock = Callable[[], float]


@dataclass(frozen=True)
class Deadline:
    """The moment ``at_s`` on ``clock`` (monotonic seconds) after which nobody waits any longer."""

    at_s: float
    clock: Clock = time.monotonic

    @classmethod
    def after(cls, seconds: float, *, clock: Clock = time.monotonic) -> Deadline:
        """The moment ``seconds`` from now."""
        return cls(clock() + seconds, clock)

    @property
    def left_s(self) -> float:
        """Seconds that remain; 0.0 when it has passed, never negative."""
        return max(0.0, self.at_s - self.clock())

    @property
    def expired(self) -> bool:
        """Has the moment passed."""
        return self.clock() >= self.at_s

    def cap(self, seconds: float) -> Deadline:
        """This moment, or ``seconds`` from now if that is sooner."""
        return Deadline(min(self.at_s, self.clock() + seconds), self.clock)
