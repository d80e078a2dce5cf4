"""Two ways to measure wrongly that are no fault of the hardware: a runtime on little cores, a prompt from a cache.

Both have numbers of their own, drawn per board, so that whoever explains them can not know them beforehand.
"""

from __future__ import annotations

import hashlib
import random

FIRST_DEMO = 1  # since the board's disk was made: it fills the cache


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


def _dice(what: str, name: str, seed: int) -> random.Random:
    return random.Random(hashlib.sha256(f"{what}/{name}/{seed}".encode()).digest())
