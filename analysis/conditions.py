"""What must be the same before two runs may be compared, as one short word: the condition fingerprint.

What is in it decides the speed and was somebody's choice: the model file, its cores, the workload, the software, the
kind of memory, and which clocks were pinned. What merely differs from board to board is not in it: the board's name,
its silicon (a CPU that is binned at 2256 or 2400 MHz), its kernel, the room's temperature. Those are shown instead.

A field that the evidence does not say is None, and None is a condition of its own: unknown is not the same as equal.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

DIGITS = 12  # of the hash: a billion conditions until two of them are likely to share one


@dataclass(frozen=True)
class Conditions:
    """The conditions of one run; every field here is compared."""

    origin: str  # measured, simulated and manual numbers never meet
    soc: str | None  # rk3588, rk3588s, rk3582, as the device tree says
    dram_top_hz: int | None  # 2112 MHz is LPDDR4X, 2400 LPDDR5: other peaks
    model: str | None
    artifact_sha256: str | None
    npu_cores: int | None
    dtype: str | None
    runtime: str | None
    driver: str | None
    workload: Mapping[str, Any]
    clocks: Mapping[str, Any] | None  # the profile, and the kinds of clock that were pinned and that were not


def condition_fingerprint(conditions: Conditions) -> str:
    """A hash of the conditions that is the same on every machine and in every version that has the same fields."""
    text = json.dumps(asdict(conditions), sort_keys=True, ensure_ascii=True, separators=(",", ":"), default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:DIGITS]


def soc_of(compatible: object) -> str | None:
    """The chip in a device tree's ``compatible``: its last entry of the vendor. S boards say rk3588 too."""
    if not isinstance(compatible, list):
        return None
    chips = [word.partition(",")[2] for word in compatible if isinstance(word, str) and word.startswith("rockchip,")]
    return chips[-1][:40] if chips else None


def top_hz(available: object) -> int | None:
    """The highest frequency of a list."""
    if not isinstance(available, list):
        return None
    return max((hz for hz in available if isinstance(hz, int) and not isinstance(hz, bool)), default=None)
