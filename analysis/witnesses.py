"""How much memory did a run take? Three witnesses, each of whom sees something else, and none is taken for another.

``rkllm``  the runtime's own figure: VmHWM of its process as it reads it after the answer
``vmhwm``  the same counter as the sampler read it, from outside
``drop``   MemAvailable before the run minus its least during it: what the whole board had less. This one also sees the
           pages of the context that the process has not touched yet and what the driver takes, so it is the one that
           says whether a model fits; it also sees every other program on the board.
"""

from __future__ import annotations

from analysis.metrics import GIB

DISAGREE = 0.10  # of the largest: rounding, and pages that are touched at the end, are a few per cent


def available_drop(before: int | None, first: int | None, least: int | None) -> int | None:
    """Bytes that the board had less; None when nobody saw it, and when others freed more than the run took.

    ``before`` is of the moment before the run began; ``first`` is the first sample of the run, where there is no other.
    """
    start = before if before is not None else first
    if start is None or least is None or least >= start:
        return None
    return start - least


def disagreement(rkllm: float | None, vmhwm: float | None, drop: float | None) -> str | None:
    """One sentence when two of the witnesses are further apart than ``DISAGREE``, else None."""
    said = {"RKLLM says": rkllm, "VmHWM was": vmhwm, "MemAvailable fell by": drop}
    seen = {words: value for words, value in said.items() if value is not None and value > 0}
    if len(seen) < 2 or max(seen.values()) - min(seen.values()) <= DISAGREE * max(seen.values()):
        return None
    return "memory: " + ", ".join(f"{words} {value / GIB:.2f} GiB" for words, value in seen.items())
