"""Before each run of one board: ask how it stands, and again until its gates are open or the wait is over.

Only the waiting is here; what a gate is, is in ``fleet.gates``. The wait is in the workstation's time, also on a
virtual board whose chip cools at the pace of its demo.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from fleet import defaults
from fleet.gates import Limits, Seen


@dataclass(frozen=True)
class Passed:
    """How a run came through its gates; the ``gate`` of its spec. ``missed``: what was closed when it went on."""

    waited_s: float
    set_point_c: float | None
    seen: Seen
    missed: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        seen = asdict(self.seen)
        return {
            "waited_s": round(self.waited_s, 1),
            "set_point_c": self.set_point_c,
            **{key: seen[key] for key in ("temperature_c", "load_cores", "available_bytes", "swapped_pages")},
            "missed": list(self.missed),
        }


@dataclass
class GateWatch:
    """One board's gates during one campaign. ``set_point_c`` None: the first look sets it.

    A board that had just been switched on is colder then than it will ever be again, and a room warms up. So a set
    point that no suite gave moves up to where a waiting board has settled; the runs from there on share the new one.
    """

    limits: Limits
    set_point_c: float | None
    told: Callable[[str], None]
    pause: Callable[[float], object]
    clock: Callable[[], float] = time.monotonic

    def pass_(self, ask: Callable[[float | None], Seen], *, wait: bool) -> Passed:
        """Look until all gates are open or the limit is over. ``ask`` is given the set point.

        A warm-up does not ``wait``, since its numbers count nowhere: what comes after it does. Nor does a run that
        the board knows already.
        """
        began, pause_s = self.clock(), defaults.GATE_POLLS_S[0]
        cooling: list[tuple[float, float]] = []
        while True:
            seen = ask(self.set_point_c)
            if self.set_point_c is None:
                self.set_point_c = seen.temperature_c
            if seen.known or not wait:
                return Passed(0.0, self.set_point_c, seen, ())
            waited_s = self.clock() - began
            if not seen.waits or waited_s >= self.limits.wait_s:
                return Passed(waited_s, self.set_point_c, seen, seen.waits)
            if self.limits.temperature_c is None and self._settled(cooling, seen.temperature_c):
                self.told(f"settled at {seen.temperature_c} °C: that is the set point now, no more {self.set_point_c}")
                self.set_point_c = seen.temperature_c
                continue
            self.told(f"{'; '.join(seen.waits)}; {waited_s:.0f} of up to {self.limits.wait_s:g} s")
            self.pause(min(pause_s, self.limits.wait_s - waited_s))
            pause_s = min(2 * pause_s, defaults.GATE_POLLS_S[1])

    def _settled(self, cooling: list[tuple[float, float]], celsius: float | None) -> bool:
        """Is it too hot, and no cooler than some time ago? ``cooling`` are the looks of this wait."""
        if celsius is None or self.set_point_c is None or celsius <= self.set_point_c + self.limits.tolerance_k:
            return False
        now_s = self.clock()
        cooling.append((now_s, celsius))
        before = [then_c for then_s, then_c in cooling if now_s - then_s >= defaults.GATE_SETTLED_S]
        return bool(before) and before[-1] - celsius < defaults.GATE_SETTLED_K


def set_point(limits: Limits, runs: Path) -> float | None:
    """The suite's, else that of the last run of this campaign that has evidence in ``runs``, else None."""
    if limits.temperature_c is not None:
        return limits.temperature_c
    for path in sorted(runs.glob("[!.]*/spec.json"), reverse=True):
        try:
            found = json.loads(path.read_bytes())["gate"]["set_point_c"]
        except (OSError, ValueError, KeyError, TypeError):
            continue  # never started, or of a version without gates
        if isinstance(found, int | float):
            return float(found)
    return None
