"""How long a board that went away in the middle of its list is worth waiting for."""

from __future__ import annotations

from dataclasses import dataclass

from fleet import defaults
from fleet.errors import AuthenticationFailed, FleetError, HostKeyProblem


@dataclass
class Patience:
    """How often a board's list is taken up again: only after it was met at all, and as long as it moves on.

    ``drops`` counts the hiccups since something last came to its end.
    """

    known: bool = False
    drops: int = 0
    spent: bool = False

    def met(self) -> None:
        """The board answered; from now on it is worth waiting for."""
        self.known = True

    def moved(self) -> None:
        """Something came to its end."""
        self.drops = 0

    def over(self) -> None:
        """The next error is not to be waited for: somebody did."""
        self.spent = True

    def pause_s(self, error: FleetError) -> float | None:
        """How long to pause before the list is taken up again; None when it should not be."""
        if not self.known or self.spent or isinstance(error, AuthenticationFailed | HostKeyProblem):
            return None
        self.drops += 1
        return None if self.drops > defaults.DROPS else min(defaults.DROP_PAUSE_S * 2 ** (self.drops - 1), 60.0)
