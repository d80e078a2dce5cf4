"""What a board was like when it was measured, beyond what runs are compared by: kernel, firmware, governors, memory.

None of it stops a comparison. When a number changes from one night to the next, whatever changed here between the two
is where to look first.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from analysis.evidence import TEXTS_LIMIT, Record

Environment = tuple[tuple[str, str], ...]  # name and value; a name that the board did not answer is not there

_FACTS = {
    "kernel": "kernel.release",
    "kernel build": "kernel.version",
    "OS": "os.pretty_name",
    "board model": "board.model",
    "rknpu driver": "npu.driver",
    "NPU governor": "npu.governor",
    "NPU clock limit": "npu.max_hz",
    "DRAM governor": "dmc.governor",
    "DRAM clock limit": "dmc.max_hz",
    "RAM": "memory.total_bytes",
    "swap": "memory.swap_total_bytes",
    "CMA": "memory.cma_total_bytes",
}


def environment_of(facts: Record, *, tool: str | None = None) -> Environment:
    """From the facts before a run; ``tool`` is the version of rkfleet that planned it."""
    found = {name: value for name, path in _FACTS.items() if (value := _text(facts.get(path))) is not None}
    found |= dict(_libraries(facts))
    found |= dict(_processors(facts))
    return tuple(sorted((found | ({"rkfleet": tool} if tool else {})).items()))


def changes(before: Environment, after: Environment) -> tuple[str, ...]:
    """``kernel 6.1.75 → 6.1.99``, an entry for each that changed; unknown on one side is a change, too."""
    old, new = dict(before), dict(after)
    names = sorted({*old, *new})
    pairs = ((name, old.get(name, "unknown"), new.get(name, "unknown")) for name in names)
    return tuple(f"{name} {was} → {now}" for name, was, now in pairs if was != now)


def _libraries(facts: Record) -> Iterator[tuple[str, str]]:
    for kind, name in (("rkllm", "RKLLM library"), ("rknn", "RKNN library")):
        versions = [_text(one.get("version")) or "unknown" for one in _listed(facts.get(f"runtime.{kind}"))]
        if versions:
            yield name, ", ".join(versions)


def _processors(facts: Record) -> Iterator[tuple[str, str]]:
    for policy in _listed(facts.get("cpu")):
        name = _text(policy.get("policy"))
        for key, what in (("governor", "governor"), ("max_hz", "clock limit")):
            value = _text(policy.get(key))
            if name is not None and value is not None:
                yield f"{name} {what}", value


def _listed(value: Any) -> list[Mapping[str, Any]]:
    return [one for one in value[:TEXTS_LIMIT] if isinstance(one, Mapping)] if isinstance(value, list) else []


def _text(value: Any) -> str | None:
    if isinstance(value, bool) or not isinstance(value, str | int | float) or value == "":
        return None
    return str(value)[:200]
