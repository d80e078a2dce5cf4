"""Which lines are worth looking at.

A *cue* is a lower-case literal without which a reader has nothing to find on a line. Cues that share a part are
found through that part, their *stem*: a block is searched once for each stem, which is many times faster than
asking every line, and only a line that holds a stem is asked for its cues.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

Method = Callable[[Any, Any], None]

# Parts that several cues share. The first one that a cue holds is its stem; a cue with none is its own stem.
SHARED = ("rkllm", "rknn", "rknpu", "fail", "error", "kill", "driver", "initialized", "thermal", "memory", "target_")
_RARE = "`^_@=([]/!:"  # seldom in prose: where one of them is missing, so is every stem that has it


class Cue(NamedTuple):
    """A literal and who reads a line that holds it."""

    text: str
    owner: int  # the reader's place in the order of readers
    method: Method


class Plan(NamedTuple):
    """What to do with a line that holds certain cues."""

    cues: tuple[str, ...]
    methods: tuple[tuple[int, Method], ...]


def stem_of(cue: str) -> str:
    """The literal that leads to a cue."""
    return next((part for part in SHARED if part in cue), cue)


class Index:
    """All cues, arranged for the search; made once."""

    def __init__(self, cues: Sequence[Cue]) -> None:
        names = tuple(dict.fromkeys(cue.text for cue in cues))
        stems = tuple(dict.fromkeys(stem_of(name) for name in names))
        self._cues_of_stem = [tuple((n, n.encode()) for n in names if stem_of(n) == stem) for stem in stems]
        self._cues = cues
        self._plans: dict[tuple[str, ...], Plan] = {}
        plain: list[tuple[int, bytes]] = []
        gated: dict[bytes, list[tuple[int, bytes]]] = {}
        foreign: list[tuple[int, bytes]] = []
        for number, stem in enumerate(stems):
            rare = next((mark for mark in _RARE if mark in stem), None)
            if not stem.isascii():
                foreign.append((number, stem.encode()))
            elif rare:
                gated.setdefault(rare.encode(), []).append((number, stem.encode()))
            else:
                plain.append((number, stem.encode()))
        self._plain, self._gated, self._foreign = tuple(plain), tuple(gated.items()), tuple(foreign)

    def lines(self, low: bytes) -> dict[int, list[int]]:
        """For each line of a lower-case block that holds a stem: where it starts, and which stems."""
        needles = list(self._plain)
        for rare, more in self._gated:
            if rare in low:
                needles += more
        if not low.isascii():
            needles += self._foreign
        found: dict[int, list[int]] = {}
        find, rfind = low.find, low.rfind
        for number, stem in needles:
            at = find(stem)
            while at >= 0:
                start = rfind(b"\n", 0, at) + 1
                if start in found:
                    found[start].append(number)
                else:
                    found[start] = [number]
                end = find(b"\n", at)
                at = find(stem, end) if end >= 0 else -1
        return found

    def plan(self, stems: list[int], low_line: bytes) -> Plan:
        """What to do with a line that holds these stems."""
        names = tuple([name for number in stems for name, cue in self._cues_of_stem[number] if cue in low_line])
        plan = self._plans.get(names)
        if plan is None:
            holds = set(names)
            methods = dict.fromkeys((cue.owner, cue.method) for cue in self._cues if cue.text in holds)
            plan = Plan(names, tuple(methods))
            if len(self._plans) < PLANS_KEPT:
                self._plans[names] = plan
        return plan


PLANS_KEPT = 4096  # a real log needs fifty; garbage could make any number
