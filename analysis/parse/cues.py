"""Which lines are worth looking at.

A *cue* is a lower-case literal without which a reader has nothing to find on a line. All cues are searched for at
once, by one regular expression over a whole block, each anchored at its rarest character: in prose and in logs alike
nine of ten bytes are none of those, and are passed over by the expression's own scanner.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, NamedTuple

Method = Callable[[Any, Any], None]

# Few, because each is tried wherever one of them stands; rarest first, as counted in logs and in prose. The last two
# are bytes of Chinese cues, in UTF-8. A cue without any of these is found through its own first character.
_RARITY = "^@`x/!]=bvgf_k:m\x80\xaf"
PLANS_KEPT = 4096  # a real log needs fifty; garbage could make any number


class Cue(NamedTuple):
    """A literal and who reads a line that holds it."""

    text: str
    owner: int  # the reader's place in the order of readers
    method: Method


Plan = tuple[tuple[int, Method], ...]  # who reads a line that holds certain cues, in the order of readers


class _Plans(dict[tuple[str, ...], Plan]):
    """The plan for each set of cues that was met on one line."""

    def __init__(self, cues: Sequence[Cue]) -> None:
        super().__init__()
        self._cues = cues

    def __missing__(self, names: tuple[str, ...]) -> Plan:
        plan = tuple(dict.fromkeys((cue.owner, cue.method) for cue in self._cues if cue.text in names))
        if len(self) < PLANS_KEPT:
            self[names] = plan
        return plan


class Index:
    """All cues, arranged for the search; made once."""

    def __init__(self, cues: Sequence[Cue]) -> None:
        self.plans = _Plans(cues)
        names = self.names = tuple(dict.fromkeys(cue.text for cue in cues))
        raw = {name.encode().decode("latin-1"): name for name in names}  # a character a byte
        groups = _anchored(raw)
        ordered: list[str] = []
        groups_of_pattern = [_group_pattern(anchor, group, set(groups), ordered) for anchor, group in groups.items()]
        self._pattern = re.compile("|".join(groups_of_pattern).encode("latin-1"))
        self._found = ("", *(raw[name] for name in ordered))  # by number of the group that matched

    def lines(self, low: bytes) -> Iterator[tuple[int, int, tuple[str, ...]]]:
        """The lines of a lower-case block that hold a cue: where each starts and ends, and its cues."""
        names = self._found
        start = end = 0
        held: tuple[str, ...] = ()
        for match in self._pattern.finditer(low):
            at = match.start()
            name = names[match.lastindex or 0]
            if at >= end:
                if held:
                    yield start, end, held
                start, end = low.rfind(b"\n", 0, at) + 1, low.find(b"\n", at) + 1 or len(low)
                held = (name,)
            elif name not in held:
                held += (name,)
        if held:
            yield start, end, held


def _anchored(cues: Iterable[str]) -> dict[str, list[str]]:
    """The cues under the character by which each is found: its rarest at which no other of them can stand."""
    groups: dict[str, list[str]] = {}
    for cue in sorted(cues, key=len):  # the short ones have little choice
        anchor = next(
            mark
            for mark in (*_RARITY, *cue)
            if mark in cue and not any(_meet(mark, cue, other) for other in groups.get(mark, ()))
        )
        groups.setdefault(anchor, []).append(cue)
    return groups


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


def _meet(anchor: str, cue: str, other: str) -> bool:
    """Whether one character can be the anchor of both cues: the search reports only one of them."""
    before, _, after = cue.partition(anchor)
    other_before, _, other_after = other.partition(anchor)
    return (before.endswith(other_before) or other_before.endswith(before)) and (
        after.startswith(other_after) or other_after.startswith(after)
    )
