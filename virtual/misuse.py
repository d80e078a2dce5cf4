"""Ways to get wrong numbers from good hardware: a runtime on little cores, a prompt from a cache, a demo that asks
itself something first, a table that is not what was printed.

The first two have numbers of their own, drawn per board, so that whoever explains them can not know them beforehand.
"""

from __future__ import annotations

import hashlib
import random
import re

FIRST_DEMO = 1  # since the board's disk was made: it fills the cache
WARM_UP = "0"  # the preset that a demo of its own build asks itself
_RATE = re.compile(r"( (?:Prefill|Generate) .* )([0-9])([0-9]*\.[0-9]{2} *)")


def little_worth(name: str, seed: int) -> float:
    """What a cycle of a little core is worth beside a cycle of a big one."""
    return _dice("little", name, seed).uniform(0.42, 0.62)


def cached_prompt(name: str, seed: int, asked: int) -> tuple[int, int]:
    """Tokens that are read although the rest is in the cache, and the tokens that the table counts.

    Some runtimes count what was asked and some what was read.
    """
    dice = _dice("cache", name, seed)
    read = max(1, round(asked * dice.uniform(0.02, 0.12)))
    return read, asked if dice.random() < 0.5 else read


def damaged(line: str) -> str:
    """A line of the table; in a stage's rate, the last column, the lowest bit of the first digit is not what it was."""
    found = _RATE.search(line)
    if found is None:
        return line
    return f"{line[: found.start(2)]}{int(found[2]) ^ 1}{line[found.end(2) :]}"


def _dice(what: str, name: str, seed: int) -> random.Random:
    return random.Random(hashlib.sha256(f"{what}/{name}/{seed}".encode()).digest())
