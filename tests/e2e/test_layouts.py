"""``invoke bench`` on boards of four runtimes: each prints another layout, and all are read into the same numbers."""

from __future__ import annotations

import json

import pytest

from analysis.runs import read_runs
from tests.e2e.home import virtual

RUNTIMES = {"a": "1.1.4", "b": "1.2.0", "c": "1.2.3", "d": "1.3.0"}
OLD = "a"  # has neither core count nor memory in what it prints
BENCH = ("bench", "--cores", "2", "--repeats", "1", "--format", "json")


def test_boards_of_four_runtimes_give_the_same_kind_of_numbers(home):
    home.catalogue_without("qwen3-0.6b", "runtime")  # the oldest is too old for it
    home.inventory({name: virtual(runtime=runtime) for name, runtime in RUNTIMES.items()})
    cells = {cell["board"]: cell for cell in json.loads(home.invoke(*BENCH).stdout)}
    assert {name: (cell["outcome"], cell["n"]) for name, cell in cells.items()} == dict.fromkeys(RUNTIMES, ("ok", 1))
    assert {name: cell["runtimes"] for name, cell in cells.items()} == {name: [RUNTIMES[name]] for name in RUNTIMES}
    for name, cell in cells.items():
        truth = [line for line in home.truth(name) if line["event"] == "turn"][-1]
        assert cell["npu_cores"] == truth["npu_core_num"] == 2
        assert cell["generate_tps"] == pytest.approx(1000 * truth["generate_tokens"] / truth["generate_ms"], abs=0.006)
        assert cell["ttft_ms"] == pytest.approx(truth["prefill_ms"], abs=0.006)
        if name == OLD:
            assert (cell["memory_rkllm_bytes"], cell["init_ms"]) == (None, None)
        else:
            unit_bytes = 2**20 if RUNTIMES[name] == "1.3.0" else 2**30
            assert cell["memory_rkllm_bytes"] == pytest.approx(truth["peak_bytes"], abs=0.006 * unit_bytes)
            assert cell["init_ms"] == pytest.approx(truth["init_ms"], abs=0.006)
    # what a banner does not say is not known, whatever was planned
    admitted = {run.board: (run.npu_core_num, run.toolkit, run.dtype) for run in read_runs(home.collected)}
    assert admitted == {name: (None, None, None) if name == OLD else (2, "1.2.3", "W8A8") for name in RUNTIMES}


def test_a_model_that_does_not_load_is_a_failure_in_every_layout(home):
    home.catalogue_without("qwen3-0.6b", "runtime")  # the oldest is too old for it
    home.inventory({name: virtual("driver_too_old", runtime=runtime) for name, runtime in RUNTIMES.items()})
    cells = {cell["board"]: cell for cell in json.loads(home.invoke(*BENCH, "--force", code=1).stdout)}
    assert {name: (cell["outcome"], cell["n"]) for name, cell in cells.items()} == dict.fromkeys(
        RUNTIMES, ("failed", 0)
    )
    for cell in cells.values():
        assert "npu_malloc" in json.dumps(cell["reasons"]) and "driver is too old" in json.dumps(cell["reasons"])
