"""Were the clocks where they were to be, for all of a run? Read from the board's own ``clocks.json``.

A clock that could not be pinned is a condition of the run: it is said, and it is part of what runs are compared by. A
clock that was pinned and did not stay refutes the run, because then nobody knows at which speed it was measured. What
the kernel did not count is not judged: some devfreq drivers stop their statistics with the governor that they replace.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from analysis.evidence import Record, Unreadable

AS_IS = "as_is"
KINDS = ("npu", "dmc", "cpu", "idle")
NEAR = 0.01  # a clock that is derived from a PLL reads a little beside its name
# Of the time between the first and the last look. sbc-bench fails a benchmark below 99 % of CPU time at the top; a DRAM
# clock has a moment of its own at each retraining, and one below 95 % shows in the speed.
LEAST_SHARE = {"cpu": 0.99, "npu": 0.95, "dmc": 0.95}
LEAST_COUNTED_MS = 3000  # no model loads and answers in less; ticks of 10 ms and the pinning itself weigh too much then
MOST_CLOCKS = 200


@dataclass(frozen=True)
class Clock:
    """One clock domain or idle state. ``wanted``, ``start`` and ``end`` are Hz; of an idle state 1 is off."""

    kind: str
    name: str
    wanted: int | None
    not_pinned: str | None
    start: int | None
    end: int | None
    residency_ms: Mapping[int, float]

    @property
    def asked(self) -> bool:
        """Was it to be pinned."""
        return self.wanted is not None or self.not_pinned is not None

    @property
    def pinned(self) -> bool:
        """Was it, in so far as every write was accepted."""
        return self.wanted is not None and self.not_pinned is None

    @property
    def share(self) -> float | None:
        """The part of the counted time at the wanted frequency; None when nothing was counted."""
        total = sum(self.residency_ms.values())
        if self.wanted is None or total <= 0:
            return None
        return sum(ms for hz, ms in self.residency_ms.items() if _near(hz, self.wanted)) / total

    @property
    def left(self) -> tuple[str, int] | None:
        """When it was not where it had been pinned ("began", "ended"), and where it was then."""
        if self.pinned and self.wanted is not None:
            for when, seen in (("began", self.start), ("ended", self.end)):
                if seen is not None and not _near(seen, self.wanted):
                    return when, seen
        return None

    def broken(self) -> Iterator[str]:
        """Why a frequency was not where it had been pinned, a sentence each."""
        if not self.pinned or self.wanted is None:
            return
        if self.left is not None:
            when, seen = self.left
            yield f"{self.name} was pinned to {_mhz(self.wanted)} and ran at {_mhz(seen)} when the run {when}"
            return
        share, least = self.share, LEAST_SHARE.get(self.kind, 0.0)
        if share is not None and share < least and sum(self.residency_ms.values()) >= LEAST_COUNTED_MS:
            top = _mhz(self.wanted)
            yield f"{self.name} was pinned to {top} and was there {share:.1%} of the time, not {least:.0%}"


@dataclass(frozen=True)
class Clocks:
    """All clocks of one run, and the profile that was asked for."""

    profile: str
    clocks: tuple[Clock, ...] = ()
    missing: str | None = None  # why there is no record of them

    @property
    def pinned(self) -> tuple[str, ...]:
        """The kinds of which everything was pinned."""
        return tuple(kind for kind in KINDS if (of := self._asked(kind)) and all(clock.pinned for clock in of))

    @property
    def not_pinned(self) -> tuple[str, ...]:
        """The kinds that were to be pinned, and of which something was not."""
        return tuple(kind for kind in KINDS if any(not clock.pinned for clock in self._asked(kind)))

    @property
    def broken(self) -> tuple[str, ...]:
        """A sentence for each clock that did not stay where it was pinned, and one for all idle states that came on."""
        told = [sentence for clock in self.clocks if clock.kind != "idle" for sentence in clock.broken()]
        for moment in ("began", "ended"):
            on = [one.name for one in self.clocks if one.kind == "idle" and one.left and one.left[0] == moment]
            if on:
                states = f"idle state {on[0]} was" if len(on) == 1 else f"{len(on)} idle states ({', '.join(on)}) were"
                told.append(f"{states} switched off, and on when the run {moment}")
        return tuple(f"clocks: {sentence}" for sentence in told)

    @property
    def sentence(self) -> str:
        """For a table: pinned, as is, or what is not pinned and why."""
        if self.missing:
            return f"not pinned: {self.missing}" if self.profile != AS_IS else f"as is; {self.missing}"
        if self.profile == AS_IS:
            return "as is"
        reasons: dict[str, list[str]] = {}
        for kind in self.not_pinned:
            why = next(clock.not_pinned for clock in self._asked(kind) if not clock.pinned)
            reasons.setdefault(why or "nobody knows why", []).append(kind)
        told = "; ".join(f"{', '.join(kinds)}: {why}" for why, kinds in reasons.items())
        if not reasons:
            return "pinned" if self.profile == "pinned" else f"pinned ({self.profile})"
        if self.pinned:
            return f"partly: not {told}"
        return f"not pinned: {next(iter(reasons))}" if len(reasons) == 1 else f"not pinned: {told}"

    def condition(self) -> dict[str, Any]:
        """What two runs must have in common: the profile, and what of it took effect."""
        return {"profile": self.profile, "pinned": list(self.pinned), "not_pinned": list(self.not_pinned)}

    def _asked(self, kind: str) -> list[Clock]:
        return [clock for clock in self.clocks if clock.kind == kind and clock.asked]


def read_clocks(record: Record | Unreadable | None, planned: str | None) -> Clocks | None:
    """``clocks.json`` of a run whose plan names the profile ``planned``; None where nobody kept such a record yet."""
    if record is None:
        return None if planned is None else Clocks(planned, missing="there is no clocks.json")
    if isinstance(record, Unreadable):
        return Clocks(planned or AS_IS, missing=f"clocks.json {record.why}")
    rows = record.get("clocks")
    if not isinstance(rows, Sequence) or isinstance(rows, str):
        return Clocks(planned or AS_IS, missing="clocks.json holds no clocks")
    clocks = tuple(_clock(Record(row)) for row in rows[:MOST_CLOCKS] if isinstance(row, Mapping))
    return Clocks(record.text("profile") or planned or AS_IS, clocks)


def _clock(row: Record) -> Clock:
    kind = row.text("kind") or "unknown"
    times = row.get("residency_ms")
    return Clock(
        kind=kind,
        name=row.text("name") or kind,
        wanted=row.whole("wanted"),
        not_pinned=row.text("not_pinned"),
        start=row.whole("start.value"),
        end=row.whole("end.value"),
        residency_ms=dict(_times(Record(times))) if isinstance(times, Mapping) else {},
    )


def _times(times: Record) -> Iterator[tuple[int, float]]:
    for key in times.fields:
        ms = times.number(key) if "." not in key else None
        if key.isascii() and key.isdigit() and len(key) < 16 and ms is not None and ms > 0:
            yield int(key), ms


def _near(hz: int, wanted: int) -> bool:
    return abs(hz - wanted) <= NEAR * wanted


def _mhz(hz: int) -> str:
    return f"{hz / 1e6:.0f} MHz"
