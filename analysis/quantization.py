"""The dtypes of RKLLM: what a weight costs, and whether RK3588 can run it.

The converter's targets differ: RK3588 takes ``w8a8`` and its groups only. ``W4A16`` is a dtype of RK3576 (airockchip/
rknn-llm issues 107 and 186), so a plan that saves memory on RK3588 with it can not be carried out.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from analysis.constants import FP16_BYTES

_NAME = re.compile(r"w(\d+)a(\d+)(?:_g(\d+))?", re.IGNORECASE)
_RK3588_GROUPS = frozenset({None, 128, 256, 512})


@dataclass(frozen=True)
class Dtype:
    """How the layers' weights are kept. The head is int8 whatever the layers are."""

    name: str  # as the runtime prints it
    weight_bytes: float
    on_rk3588: bool
    grouped: bool


def dtype_of(name: str) -> Dtype | None:
    """The dtype of this name in any case; None when there is no such dtype.

    A group has a scale of its own. Its width is not published; fp16 is assumed, 1.6 % for groups of 128.
    """
    matched = _NAME.fullmatch(name.strip())
    if not matched or int(matched[1]) not in (4, 8, 16) or matched[3] == "0":
        return None
    bits, activations, group = int(matched[1]), int(matched[2]), int(matched[3]) if matched[3] else None
    scale = FP16_BYTES / group if group else 0.0
    runs = (bits, activations) == (8, 8) and group in _RK3588_GROUPS
    return Dtype(name.strip().upper(), bits / 8 + scale, runs, group is not None)
