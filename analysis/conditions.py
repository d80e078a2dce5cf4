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


# What a field is called in a message and after --across; the others go by their own names.
_NAMES = {
    "dram_top_hz": "dram",
    "artifact_sha256": "artifact",
    "npu_cores": "cores",
    "prompt_set_sha256": "prompts",
    "prompt_id": "prompt",
    "max_new_tokens": "new-tokens",
    "max_context_len": "context",
    "image_sha256": "image",
    "encoder_sha256": "encoder",
    "vision_cores": "vision-cores",
    "vision_core_num": "vision-cores-in-log",
}
UNKNOWN = "unknown"


def condition_fields(conditions: Conditions) -> dict[str, str]:
    """Every compared field under the name that people type, as text; what the evidence does not say is ``unknown``."""
    flat = {key: value for key, value in vars(conditions).items() if key != "workload"} | dict(conditions.workload)
    return {_NAMES.get(key, key): _text(key, value) for key, value in flat.items()}


def differing(one: Mapping[str, str], other: Mapping[str, str]) -> dict[str, tuple[str, str]]:
    """The fields in which two conditions differ, each with both values."""
    names = [*one, *(name for name in other if name not in one)]
    pairs = {name: (one.get(name, UNKNOWN), other.get(name, UNKNOWN)) for name in names}
    return {name: (mine, theirs) for name, (mine, theirs) in pairs.items() if mine != theirs}


def _text(key: str, value: Any) -> str:
    if value is None:
        return UNKNOWN
    if key.endswith("sha256"):
        return str(value)[:DIGITS]
    if key == "dram_top_hz" and isinstance(value, int):
        return f"{value / 1e6:.0f} MHz"
    if isinstance(value, Mapping):  # of the clocks
        held = {what: ", ".join(map(str, value.get(what) or ())) for what in ("pinned", "not_pinned")}
        told = [f"{what.replace('_', ' ')}: {kinds}" for what, kinds in held.items() if kinds]
        return "; ".join([str(value.get("profile")), *told])
    return str(value)
