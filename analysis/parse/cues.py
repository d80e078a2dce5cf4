"""Which lines are worth looking at.

A *cue* is a lower-case literal without which a reader has nothing to find on a line. All cues are searched for at
once, by one regular expression over a whole block, each anchored at its rarest character: in prose and in logs alike
nine of ten bytes are none of those, and are passed over by the expression's own scanner. What it finds are lines;
which cues they hold is asked of the line.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

Method = Callable[[Any, Any], None]

# Rarest first, as counted in logs and in prose; a cue without any of these is found through its first character.
_RARITY = "^@!zj`xq(y]_=v/gwbkf:m"
PLANS_KEPT = 4096  # a real log needs fifty; garbage could make any number


class Cue(NamedTuple):
    """A literal and who reads a line that holds it."""

    text: str
    owner: int  # the reader's place in the order of readers
    method: Method


class Plan(NamedTuple):
    """What to do with a line that holds certain cues."""

    cues: tuple[str, ...]
    methods: tuple[tuple[int, Method], ...]


def anchor_of(cue: str) -> str:
    """The character by which a cue is found."""
    return next((mark for mark in _RARITY if mark in cue), cue[0])


class Index:
    """All cues, arranged for the search; made once."""

    def __init__(self, cues: Sequence[Cue]) -> None:
        self._cues = cues
        self._plans: dict[tuple[str, ...], Plan] = {}
        names = self.names = tuple(dict.fromkeys(cue.text for cue in cues))
        # In UTF-8 no byte of a Chinese character is rare in Chinese: these few are searched for one by one.
        self._foreign = tuple((name, name.encode()) for name in names if not name.isascii())
        groups: dict[str, list[str]] = {}
        for name in names:
            if name.isascii():
                groups.setdefault(anchor_of(name), []).append(name)
        ordered: list[str] = []
        groups_of_pattern = [_group_pattern(anchor, group, set(groups), ordered) for anchor, group in groups.items()]
        self._pattern = re.compile("|".join(groups_of_pattern).encode())
        # By number of the group that matched: its cue, and those that may stand at the very same place.
        self._found = ("", *ordered)
        self._hidden = ((), *(tuple(other for other in ordered if _meet(name, other)) for name in ordered))

    def lines(self, low: bytes) -> list[tuple[int, list[str]]]:
        """The lines of a lower-case block that hold a cue: where each starts, and its cues."""
        found: list[tuple[int, list[str]]] = []
        names, hidden = self._found, self._hidden
        end = 0
        held: list[str] = []
        for match in self._pattern.finditer(low):
            at = match.start()
            number = match.lastindex or 0
            if at >= end:
                held = []
                start = low.rfind(b"\n", 0, at) + 1
                end = low.find(b"\n", at) + 1 or len(low)
                found.append((start, held))
            if names[number] not in held:
                held.append(names[number])
                for name in hidden[number]:
                    if name not in held and low.find(name.encode(), start, end) >= 0:
                        held.append(name)
        return found if low.isascii() else self._with_foreign(low, found)

    def _with_foreign(self, low: bytes, found: list[tuple[int, list[str]]]) -> list[tuple[int, list[str]]]:
        more: dict[int, list[str]] = {}
        for name, cue in self._foreign:
            at = low.find(cue)
            while at >= 0:
                more.setdefault(low.rfind(b"\n", 0, at) + 1, []).append(name)
                end = low.find(b"\n", at)
                at = low.find(cue, end) if end >= 0 else -1
        if not more:
            return found
        for start, held in found:
            more[start] = held + more.get(start, [])
        return sorted(more.items(), key=lambda pair: pair[0])

    def plan(self, held: list[str]) -> Plan:
        """What to do with a line that holds these cues."""
        names = tuple(held)
        plan = self._plans.get(names)
        if plan is None:
            methods = dict.fromkeys((cue.owner, cue.method) for cue in self._cues if cue.text in names)
            plan = Plan(tuple(dict.fromkeys(names)), tuple(methods))
            if len(self._plans) < PLANS_KEPT:
                self._plans[names] = plan
        return plan


def _group_pattern(anchor: str, cues: Iterable[str], anchors: set[str], ordered: list[str]) -> str:
    """``k(?:i(?:(?=lled)())|l(?:(?=lm-runtime)(?<=rkl)()|…))``, and its cues in the order of the empty groups.

    The character behind the anchor is asked for first, because the expression's engine does that at no cost; it is
    consumed only where it is no anchor itself. Empty groups tell which cue was found.
    """
    by_next: dict[str, list[str]] = {}
    for cue in cues:
        after = cue.partition(anchor)[2]
        by_next.setdefault(after[:1], []).append(cue)
    branches = []
    for following, some in by_next.items():
        eaten = following if following not in anchors else ""
        tests = []
        for cue in some:
            before, _, after = cue.partition(anchor)
            rest = after[len(eaten) :]
            ahead = f"(?={re.escape(rest)})" if rest else ""
            behind = f"(?<={re.escape(before + anchor + eaten)})" if before else ""
            tests.append(f"{ahead}{behind}()")
            ordered.append(cue)
        branches.append(f"{re.escape(eaten)}(?:{'|'.join(tests)})")
    return f"{re.escape(anchor)}(?:{'|'.join(branches)})"


def _meet(name: str, other: str) -> bool:
    """Whether both cues can stand at one place, so that the search, which reports one, may hide the other."""
    anchor = anchor_of(name)
    if name == other or anchor_of(other) != anchor:
        return False
    before, _, after = name.partition(anchor)
    other_before, _, other_after = other.partition(anchor)
    return (before.endswith(other_before) or other_before.endswith(before)) and (
        after.startswith(other_after) or other_after.startswith(after)
    )
