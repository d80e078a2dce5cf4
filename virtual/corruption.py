"""One bit of what passes through the board's memory turns over, once: below SSH's own checks, as bad RAM does it."""

from __future__ import annotations

import random
from typing import Literal

Way = Literal["out", "in"]  # what sessions say on standard output; what they get on standard input
KIB = 1024


class Corruption:
    """Waits for its byte: a seeded one of the KiB that begins ``skip`` bytes from now."""

    def __init__(self, way: Way, skip: int, seed: int) -> None:
        dice = random.Random(seed)
        self.way: Way = way
        self._before = skip + dice.randrange(KIB)
        self._bit = 1 << dice.randrange(8)
        self._offset = self._before

    def through(self, data: bytes) -> tuple[bytes, dict[str, int] | None]:
        """The data as it comes out, and what happened to it when this was the moment."""
        if self._before >= len(data):
            self._before -= len(data)
            return data, None
        at, spoilt = self._before, bytearray(data)
        spoilt[at] ^= self._bit
        return bytes(spoilt), {"offset": self._offset, "was": data[at], "became": spoilt[at]}
