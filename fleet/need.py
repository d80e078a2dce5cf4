"""What a run needs on a board: computed by ``analysis`` from the board's facts, handed in by ``verbs``, obeyed here.

Fleet judges no model. It asks before each run, and skips it, or gives it the limits that it is told.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from fleet import defaults

if TYPE_CHECKING:
    from fleet.config.inventory import BoardEntry
    from fleet.facts import Facts
    from fleet.plan import PlannedRun


@dataclass(frozen=True)
class Need:
    """``skip`` is the sentence that says why the run can not be; None lets it run."""

    limit_s: int = defaults.RUN_LIMIT_S
    memory_bytes: int | None = None  # what it may not exceed; None is not known
    tripwire_bytes: int | None = None  # the run is guarded: killed when its board has less available than this
    skip: str | None = None
    expected_s: float | None = None  # how long it should take, and with how much memory; None is not known
    expected_bytes: float | None = None


NeedOf = Callable[["BoardEntry", "Facts", "PlannedRun"], Need]
Again = Callable[["PlannedRun"], bool]  # does this cell call for another repeat?
