"""A run as the checks see it, with round numbers: a token is 10 ms of host and 20 ms of bus, a prompt 50 and 100 ms."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from analysis.clocks import Clock, Clocks
from analysis.diagnosis.expected import Expected
from analysis.diagnosis.observed import Observed
from analysis.evidence import Record
from tests.unit.test_board_fit import KNOWN
from tests.unit.test_cells import OK

EXPECTED = Expected(0.010, 0.020, 600e6, 2_112_000_000, 0.050, 0.100)
ARCH = KNOWN["Qwen3-0.6B"]
TOP = {"policy4": 2_304_000_000, "policy6": 2_304_000_000, "npu": 1_000_000_000, "dmc": 2_112_000_000}


def facts(**more: Any) -> Record:
    policies = [
        {"policy": "policy0", "cpus": "0 1 2 3", "available_hz": [408_000_000, 1_800_000_000]},
        {"policy": "policy4", "cpus": "4 5", "available_hz": [408_000_000, TOP["policy4"]], "governor": "ondemand"},
        {"policy": "policy6", "cpus": "6 7", "available_hz": [408_000_000, TOP["policy6"]], "governor": "ondemand"},
    ]
    devices = {
        "npu": {"available_hz": [300_000_000, TOP["npu"]]},
        "dmc": {"node": "dmc", "available_hz": [528_000_000, TOP["dmc"]], "governor": "dmc_ondemand"},
    }
    return Record({"cpu": policies, **devices, **more})


def clocks(*, pinned: bool = True, **hz: int) -> Clocks:
    """Each clock all the time at its top, or at what ``hz`` says."""
    kinds = {"policy4": "cpu", "policy6": "cpu", "npu": "npu", "dmc": "dmc"}
    rows = []
    for name, top in TOP.items():
        at = hz.get(name, top)
        rows.append(Clock(kinds[name], name, top if pinned else None, None, top if pinned else at, at, {at: 10_000.0}))
    return Clocks("pinned" if pinned else "as_is", tuple(rows))


def seen(token_ms: float = 30.0, prompt_ms: float = 150.0, **more: Any) -> Observed:
    """A run of 64 tokens on three cores that is as fast as predicted, unless told otherwise."""
    parsed = {
        "generate": {"total_ms": token_ms * 63, "tokens": 63, "tps": 1000 / token_ms},
        "prefill": {"total_ms": prompt_ms, "tokens": 128},
        "npu_core_num": 3,
        "enabled_cpus": [4, 5, 6, 7],
        "runtime": "1.2.3",
        "driver": "0.9.8",
        "max_context_limit": 4096,
        **more.pop("parsed", {}),
    }
    given = {"expected": EXPECTED, "arch": ARCH, "before": facts(), "clocks": clocks(), "run": replace(OK, npu_cores=3)}
    return Observed(parsed=Record(parsed), **{**given, **more})
