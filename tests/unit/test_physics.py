"""What can not be is found without anybody's doubt; what is true is left alone."""

from __future__ import annotations

from dataclasses import replace

import pytest

from analysis.constants import GIB
from analysis.memory_model import predict_memory
from analysis.outcome import Outcome
from analysis.physics import check_reference, check_run, gated
from analysis.references import Reference
from analysis.runs import Run, Workload
from tests.unit.architectures import KNOWN, PUBLISHED

ARCH = KNOWN["Qwen3-4B"]
RUN = Run("c", "b", "r", Outcome.OK, model="qwen3-4b", workload=Workload(max_context_len=4096), dtype="W8A8")
NEEDS = predict_memory(ARCH, "w8a8", 4096).total


def found(run: Run) -> dict[str, str]:
    return {one.metric: one.reason for one in check_run(run, ARCH)}


def caught(row: Reference) -> set[str]:
    return {one.metric for one in check_reference(replace(row, suspect=None), KNOWN[row.model])}


def test_nothing_that_is_believed_is_impossible() -> None:
    believed = [row for row in PUBLISHED if row.model in KNOWN and not row.suspect]
    assert len(believed) > 70
    assert [row for row in believed if caught(row)] == []


def test_the_reversed_rows_are_all_caught_by_physics_alone() -> None:
    rows = [row for row in PUBLISHED if row.suspect and "reversed" in row.suspect]
    assert len(rows) == 8
    assert all("memory_bytes" in caught(row) for row in rows)
    assert {row.model for row in rows if "generate_tps" in caught(row)} == {"InternVL3.5-4B", "InternVL3.5-8B"}
    # 24 tok/s of an 8B model: 5.4 times what LPDDR4X has.
    (worst,) = {one.reason for row in rows if row.model == "InternVL3.5-8B"
                for one in check_reference(row, KNOWN[row.model]) if one.metric == "generate_tps"}  # fmt: skip
    assert "181.6 GB/s" in worst


@pytest.mark.parametrize(
    ("model", "value_gib", "says"),
    [("Qwen3-VL-4B", 8.7, "62% above"), ("Qwen3-VL-2B", 1892 / 1024, "below"), ("InternVL3.5-2B", 3.9, "above"),
     ("Qwen3-1.7B", 1566.7 / 1024, "less than the weights alone")],
)  # fmt: skip
def test_memory_that_can_not_be_is_caught_by_physics_alone(model: str, value_gib: float, says: str) -> None:
    rows = [row for row in PUBLISHED if row.model == model and row.suspect
            and row.memory_bytes == pytest.approx(value_gib * GIB, rel=1e-6)]  # fmt: skip
    assert rows
    for row in rows:
        assert any(says in one.reason for one in check_reference(row, KNOWN[model]))


def test_what_physics_can_not_know_rests_on_its_reason() -> None:
    """A load time is one that an encoder could reach, an estimate may be near, and touched pages may be few."""
    missed = [row for row in PUBLISHED if row.model in KNOWN and row.suspect and not caught(row)]
    said = {word for row in missed for word in ("load time", "estimate", "not touched") if word in str(row.suspect)}
    assert said == {"load time", "estimate", "not touched"}
    assert all(any(word in str(row.suspect) for word in said) for row in missed)


def test_faster_than_the_memory_of_this_board_and_of_any() -> None:
    at_lpddr4x = replace(RUN, generate_tps=9.0, dram_top_hz=2_112_000_000)  # 4.02 GB a token: 36.2 GB/s
    assert "33.8 GB/s" in found(at_lpddr4x)["generate_tps"]
    assert found(replace(at_lpddr4x, dram_top_hz=2_736_000_000)) == {}
    assert found(replace(at_lpddr4x, dram_top_hz=None)) == {}  # it may be LPDDR5
    assert "any RK3588" in found(replace(at_lpddr4x, generate_tps=11.2, dram_top_hz=None))["generate_tps"]


def test_a_prompt_that_a_cache_answered() -> None:
    normal = replace(RUN, prefill_tps=120.0, ttft_ms=1000.0)  # 0.87 TOPS
    assert found(normal) == {}
    hit = replace(RUN, prefill_tps=300.0, ttft_ms=75.0)  # 2.2
    assert found(hit).keys() == {"prefill_tps", "ttft_ms"}
    assert "cache seems to answer" in found(hit)["ttft_ms"]
    assert "the NPU has 6" in found(replace(hit, prefill_tps=2820.0))["ttft_ms"]


@pytest.mark.parametrize(("share", "fits"), [(1.0, True), (0.95, True), (1.24, True), (0.74, False), (1.26, False)])
def test_memory_of_the_board_is_held_against_the_model_at_this_context(share: float, fits: bool) -> None:
    run = replace(RUN, memory_available_drop_bytes=round(NEEDS * share))
    assert (found(run) == {}) is fits
    assert found(replace(run, workload=Workload(max_context_len=65536))).keys() == {"memory_available_drop_bytes"}


def test_a_process_may_have_touched_little_of_its_context_but_not_less_than_its_weights() -> None:
    long = replace(RUN, workload=Workload(max_context_len=16384))
    assert found(replace(long, memory_rkllm_bytes=round(3.95 * GIB))) == {}  # 6.2 GiB with all of the cache
    assert "weights alone" in found(replace(long, memory_rkllm_bytes=round(3.5 * GIB)))["memory_rkllm_bytes"]


def test_without_an_architecture_nothing_is_judged_and_judging_twice_is_the_same() -> None:
    wrong = replace(RUN, generate_tps=500.0)
    assert gated([wrong], {}) == (wrong,)
    (once,) = gated([wrong], {"qwen3-4b": ARCH})
    assert once.believed("generate_tps") is None and once.metric("generate_tps") == 500.0
    assert gated([once], {"qwen3-4b": ARCH}) == (once,)
    titled = replace(wrong, model="mine", model_title="Qwen3-4B")
    assert gated([titled], KNOWN)[0].quarantined
