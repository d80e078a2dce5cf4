"""The four verdicts, the sentences that defend them, and the largest context."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.architecture import Architecture
from analysis.constants import GIB, MIB
from analysis.feasibility import Verdict, feasibility
from analysis.memory_model import predict_memory
from tests.unit.architectures import KNOWN, architectures

# Qwen3-4B at 4096 tokens on 1.2.3 needs 4.50 GiB, 4.23 to 4.86; the reserve is 0.375 GiB.
FOUR = KNOWN["Qwen3-4B"]


@pytest.mark.parametrize(
    ("available_gib", "verdict", "says"),
    [
        (6.2, Verdict.FITS, "needs 4.50 GiB (4.23 to 4.86) at 4096 tokens of context, 5.83 GiB are there"),
        (5.4, Verdict.TIGHT, "with little to spare"),
        (4.9, Verdict.RISK, "only a run can tell; up to 1824 tokens fit"),
        (4.6, Verdict.NO, "too large even at the low end"),
        (0.0, Verdict.NO, "0.00 GiB are there"),
    ],
)
def test_the_verdict_follows_from_the_boards_own_memory(available_gib: float, verdict: Verdict, says: str) -> None:
    found = feasibility(FOUR, "w8a8", 4096, available_gib * GIB, "1.2.3")
    assert found.verdict is verdict
    assert says in found.reason
    assert "\n" not in found.reason


def test_what_can_run_has_a_context_at_least_as_large_as_asked_for() -> None:
    assert feasibility(FOUR, "w8a8", 4096, 5.4 * GIB, "1.2.3").largest_context >= 4096
    # (4.9 - 0.375) / 1.08 GiB, less 3836 MiB of weights and 196 of the runtime, are 1837 tokens of 144 KiB.
    assert feasibility(FOUR, "w8a8", 4096, 4.9 * GIB, "1.2.3").largest_context == 1824
    assert feasibility(FOUR, "w8a8", 4096, 20 * GIB, "1.2.3", context_limit=8192).largest_context == 8192


def test_a_dtype_of_another_chip_is_no_whatever_the_memory() -> None:
    found = feasibility(KNOWN["Qwen3-8B"], "W4A16", 4096, 64 * GIB, "1.2.3")
    assert found.verdict is Verdict.NO
    assert found.reason == "RK3588 can not run W4A16: it takes W8A8 and its groups (4-bit weights are for RK3576)"
    assert found.largest_context == 0
    assert feasibility(FOUR, "W8A8_G128", 4096, 8 * GIB).verdict is Verdict.FITS
    assert feasibility(FOUR, "q4_0", 4096, 8 * GIB).memory is None


@pytest.mark.parametrize(
    ("runtime", "first", "verdict"),
    [
        ("1.2.1", "1.2.3", Verdict.NO),
        ("1.1.4", "1.2.1", Verdict.NO),
        ("1.2.3", "1.2.3", Verdict.FITS),
        ("1.10.0", "1.2.3", Verdict.FITS),
        ("1.2.1b1", "1.2.1", Verdict.FITS),
        (None, "1.2.3", Verdict.FITS),
        ("1.2.3", None, Verdict.FITS),
        ("unknown", "1.2.3", Verdict.FITS),
    ],
)
def test_a_runtime_that_is_known_to_be_too_old_is_no(runtime: str | None, first: str | None, verdict: Verdict) -> None:
    found = feasibility(KNOWN["Qwen3-0.6B"], "w8a8", 4096, 8 * GIB, runtime, first_runtime=first)
    assert found.verdict is verdict
    if verdict is Verdict.NO:
        assert found.reason == f"runtime {runtime} is too old: the model needs {first} or later"


@given(architectures(), st.integers(0, 16384), st.floats(0, 64 * GIB))
@settings(max_examples=80)
def test_verdict_interval_and_largest_context_never_contradict(
    arch: Architecture, context: int, available: float
) -> None:
    found = feasibility(arch, "w8a8", context, available, "1.2.3")
    need = predict_memory(arch, "w8a8", context, "1.2.3")
    assert found.budget_bytes == max(0.0, available - 384 * MIB)
    assert found.memory == need
    runs = found.verdict in (Verdict.FITS, Verdict.TIGHT)
    assert runs == (need.high <= found.budget_bytes)
    assert (found.verdict is Verdict.NO) == (need.low > found.budget_bytes)
    assert runs or found.largest_context <= context
    assert not runs or found.largest_context >= context - context % 32
    assert re.search(rf"needs \d+\.\d\d GiB .* at {context} tokens of context, \d+\.\d\d GiB are there", found.reason)


@given(architectures(), st.floats(0, 64 * GIB), st.floats(0, 8 * GIB))
@settings(max_examples=60)
def test_more_memory_never_makes_a_verdict_worse(arch: Architecture, available: float, more: float) -> None:
    order = list(Verdict)
    less, much = (feasibility(arch, "w8a8", 4096, memory) for memory in (available, available + more))
    assert order.index(much.verdict) <= order.index(less.verdict)
    assert much.largest_context >= less.largest_context
