"""What is claimed, over what, and why: precedence, pooling, quarantine; nothing is lost and no two origins meet."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.claiming import claims, headlines
from analysis.claims import Basis, Claim, Subject
from analysis.constants import GIB
from analysis.interval import Interval
from analysis.outcome import Outcome
from analysis.predictions import Asked, Generic, KnownModel
from analysis.references import Reference
from analysis.runs import Run, Workload
from tests.unit.architectures import KNOWN, PUBLISHED

ASKED = Workload(prompt_set="basic", prompt_id="story", max_new_tokens=64, max_context_len=4096)
RUN = Run(
    campaign="c1",
    board="a",
    run="r1",
    outcome=Outcome.OK,
    origin="measured",
    model="qwen3-0.6b",
    npu_cores=3,
    workload=ASKED,
    clocks="pinned",
    condition="cond",
    runtime="1.2.3",
    created_utc="2026-01-01T00:00:00Z",
    log="collected/c1/a/r1/stdout.log",
)
MODELS = {"qwen3-0.6b": KnownModel("Qwen3-0.6B", KNOWN["Qwen3-0.6B"])}
VENDOR = Reference("Qwen3-0.6B", "vendor", "url", "abc", 3, runtime="1.2.3", clocks="pinned", generate_tps=32.16)


def runs(*tps: float, **more: object) -> list[Run]:
    base = replace(RUN, **more)  # type: ignore[arg-type]
    name = f"{base.board}-{base.origin}-{base.condition}"
    return [
        replace(base, run=f"{name}-{at}", log=f"{name}-{at}.log", generate_tps=value) for at, value in enumerate(tps)
    ]


def claim(made: Iterable[Claim], metric: str = "generate_tps", board: str | None = "a", **more: object) -> Claim:
    found = [
        one
        for one in made
        if one.subject.metric == metric
        and one.subject.board == board
        and all(getattr(one.subject, name) == value for name, value in more.items())
    ]
    assert len(found) == 1, found
    return found[0]


def test_a_measurement_replaces_what_was_believed_and_says_by_how_much() -> None:
    made = claim(claims(runs(30, 31, 32), [VENDOR], MODELS))
    assert (made.basis, made.value, made.low, made.high, made.n, made.origin) == (
        Basis.MEASURED, 31, 30, 32, 3, "measured",
    )  # fmt: skip
    assert made.coverage == 0.75
    assert made.evidence == ("a-measured-cond-0.log", "a-measured-cond-1.log", "a-measured-cond-2.log")
    reference, prediction = made.replaced
    assert (reference.basis, reference.value, reference.source) == (Basis.REFERENCE, 32.16, "vendor (abc)")
    assert reference.differs == pytest.approx(31 / 32.16 - 1)
    assert reference.conditions == "runtime 1.2.3, clocks pinned"
    assert prediction.basis is Basis.PREDICTION


class Fitted:
    basis = Basis.OWN_PREDICTION
    source = "fit of a"

    def predict(self, subject: Subject, _asked: Asked) -> Interval | None:
        return Interval(20, 19, 21) if subject.metric == "generate_tps" and subject.board == "a" else None


def test_the_order_of_the_bases() -> None:
    everything = [Fitted(), Generic(MODELS)]

    def bases(of: list[Run], references: list[Reference]) -> list[Basis]:
        made = claims(of, references, MODELS, predictors=everything, boards=["a"])
        one = next(one for one in made if one.subject == replace(one.subject, metric="generate_tps", board="a",
                                                               npu_cores=3))  # fmt: skip
        return [one.basis, *(other.basis for other in one.replaced)]

    assert bases(runs(30, 31, 32), [VENDOR]) == [
        Basis.MEASURED, Basis.OWN_PREDICTION, Basis.REFERENCE, Basis.PREDICTION,
    ]  # fmt: skip
    assert bases(runs(30, 31), [VENDOR])[:2] == [Basis.PROVISIONAL, Basis.OWN_PREDICTION]
    assert bases([], [VENDOR]) == [Basis.OWN_PREDICTION, Basis.REFERENCE, Basis.PREDICTION]
    assert bases([], []) == [Basis.OWN_PREDICTION, Basis.PREDICTION]


def test_without_runs_a_reference_is_claimed_and_else_the_generic_prediction() -> None:
    made = claims([], [VENDOR], MODELS)
    assert claim(made, board=None, npu_cores=3).basis is Basis.REFERENCE
    assert claim(made, board=None, npu_cores=3).n == 0
    one = claim(made, board=None, npu_cores=1)
    assert one.basis is Basis.PREDICTION and one.low and one.high and one.low < one.value < one.high
    assert claim(made, "peak_memory_bytes", None, npu_cores=3).subject.context == 4096


def test_warm_ups_and_failed_runs_are_behind_no_number() -> None:
    cold = replace(RUN, run="w", warmup=True, generate_tps=1.0)
    bad = replace(RUN, run="x", outcome=Outcome.FAILED, generate_tps=2.0)
    assert claim(claims([cold, bad, *runs(30, 31, 32)])).n == 3
    (failed,) = [one for one in claims([bad], [VENDOR], MODELS) if one.subject.board == "a"
                 and one.subject.metric == "generate_tps"]  # fmt: skip
    assert failed.basis is Basis.REFERENCE and failed.note == "of the runs: failed"


@pytest.mark.parametrize(
    ("tps", "tainted", "stable"),
    [((30, 30.1, 30.2, 30.1, 30), False, True), ((30, 30.1, 30.2, 30.1), False, False),
     ((30, 33, 27, 30, 30), False, False), ((30, 30.1, 30.2, 30.1, 30), True, False)],
)  # fmt: skip
def test_stable_is_five_repeats_that_agree_and_no_taint(tps: tuple[float, ...], tainted: bool, stable: bool) -> None:
    more = [replace(RUN, run="t", outcome=Outcome.TAINTED, generate_tps=9.0)] if tainted else []
    assert claim(claims([*runs(*tps), *more])).stable is stable


def test_simulated_manual_and_measured_never_share_a_statistic() -> None:
    made = claims([*runs(10, 10, 10, origin="simulated"), *runs(20, 20, 20, origin="manual"), *runs(30, 30, 30)])
    real = claim(made, simulated=False)
    assert (real.value, real.n, real.origin) == (30, 3, "measured")
    assert [(other.value, other.conditions) for other in real.replaced] == [
        (20, "manual, runtime 1.2.3, clocks pinned")
    ]
    simulated = claim(made, simulated=True)
    assert (simulated.value, simulated.origin, simulated.replaced) == (10, "simulated", ())


def test_a_simulation_never_stands_for_a_real_board() -> None:
    made = claims(runs(10, 10, 10, origin="simulated"), [VENDOR], MODELS)
    real = claim(made, board=None, npu_cores=3, simulated=False)
    assert (real.basis, real.value) == (Basis.REFERENCE, 32.16)
    assert all(other.value != 10 for other in real.replaced)
    assert claim(made, board=None, npu_cores=3, simulated=True).value == 10


def test_manual_runs_that_are_enough_come_before_measured_ones_that_are_not() -> None:
    made = claim(claims([*runs(20, 20, 20, origin="manual"), *runs(30, 30)]))
    assert (made.value, made.origin) == (20, "manual")


def test_runs_of_two_conditions_are_never_one_number_and_pinned_ones_are_preferred() -> None:
    as_is = runs(10, 10, 10, condition="other", clocks="as is", created_utc="2026-05-05T00:00:00Z")
    made = claim(claims([*as_is, *runs(30, 30, 30)]))
    assert (made.value, made.n, made.condition) == (30, 3, "cond")
    assert [(other.value, other.conditions) for other in made.replaced] == [(10, "runtime 1.2.3, clocks as is")]


def test_of_two_pinned_conditions_the_newer_is_claimed() -> None:
    newer = runs(40, 40, 40, condition="aaa", runtime="1.3.0", created_utc="2026-05-05T00:00:00Z")
    assert claim(claims([*runs(30, 30, 30), *newer])).value == 40
    assert claim(claims([*newer, *runs(30, 30, 30)])).value == 40


def test_the_class_has_the_median_of_the_boards_medians_with_the_boards_named() -> None:
    made = claims(
        [*runs(30, 30, 30), *runs(20, 20, 20, board="b"), *runs(10, 26, 29, board="c"), *runs(99, board="d")],
    )
    one = claim(made, board=None)
    assert (one.value, one.low, one.high, one.n) == (26, 20, 30, 9)
    assert one.source == "9 runs on a, b, c: c1"  # d has too few to count beside boards that have enough
    assert one.basis is Basis.MEASURED


def test_boards_of_different_conditions_are_not_pooled() -> None:
    lpddr5 = runs(40, 40, 40, board="x", condition="lpddr5")
    one = claim(claims([*runs(30, 30, 30), *runs(31, 31, 31, board="b"), *lpddr5]), board=None)
    assert one.value == 30.5
    assert [other.value for other in one.replaced] == [40]


def test_an_impossible_measurement_is_quarantined_with_its_reason_and_in_no_statistic() -> None:
    made = claim(claims([*runs(30, 30, 30), replace(RUN, run="x", generate_tps=500.0)], [], MODELS))
    assert (made.value, made.n) == (30, 3)
    (other,) = made.quarantined
    assert other.value == 500 and "43.8 GB/s" in other.reason and other.source == "1 of 4 runs on a"


def test_runs_of_unknown_origin_are_shown_and_not_believed() -> None:
    made = claim(claims([*runs(30, 30, 30), *runs(31, origin="unknown", condition="u")], [], MODELS))
    assert made.n == 3
    assert made.quarantined[0].reason == "the evidence does not say whether a real board made it"


def test_memory_is_what_the_board_lost_and_where_nobody_saw_that_what_the_process_had() -> None:
    seen = [replace(run, memory_vmhwm_bytes=1 * GIB, memory_rkllm_bytes=2 * GIB) for run in runs(30, 30, 30)]
    one = claim(claims(seen), "peak_memory_bytes")
    assert one.value == GIB
    assert one.note == "VmHWM of the process; RKLLM's own figure, VmHWM: 2.00 GiB"
    once = [replace(seen[0], memory_available_drop_bytes=3 * GIB), *seen[1:]]
    assert claim(claims(once), "peak_memory_bytes").value == GIB  # three of one kind rather than one of another
    always = [replace(run, memory_available_drop_bytes=3 * GIB) for run in seen]
    assert claim(claims(always), "peak_memory_bytes").note.startswith("what MemAvailable fell by; VmHWM")


def test_the_published_memory_whose_context_is_nearest_is_claimed() -> None:
    one = claim(claims([], PUBLISHED, MODELS), "peak_memory_bytes", None, npu_cores=3)
    assert one.value == round(1.24 * GIB) or one.value == round(1269.8 * 2**20)
    assert any(other.value == round(773.77 * 2**20) for other in one.replaced)


def test_a_doubted_reference_is_never_claimed_and_stays_visible() -> None:
    vl = {"qwen3-vl-4b": KnownModel("Qwen3-VL-4B", KNOWN["Qwen3-VL-4B"])}
    one = claim(claims([], PUBLISHED, vl), "peak_memory_bytes", None, npu_cores=3)
    assert one.value < 6 * GIB
    assert [round(other.value / GIB, 1) for other in one.quarantined] == [8.7]


def test_a_headline_is_one_claim_for_each_model_cores_metric_and_board() -> None:
    short = replace(ASKED, max_context_len=512)
    made = claims([*runs(30, 30, 30), *runs(33, 33, workload=short)], [VENDOR], MODELS)
    found = headlines(made)
    assert found[Subject("qwen3-0.6b", 3, "generate_tps", "a")].value == 30
    assert found[Subject("qwen3-0.6b", 1, "generate_tps")].basis is Basis.PREDICTION


some_runs = st.lists(
    st.builds(
        replace,
        st.just(RUN),
        run=st.text("abc", max_size=3),
        board=st.sampled_from("ab"),
        origin=st.sampled_from(("measured", "manual", "simulated", "unknown")),
        outcome=st.just(Outcome.OK) | st.sampled_from(Outcome),
        warmup=st.booleans(),
        condition=st.sampled_from(("x", "y", None)),
        clocks=st.sampled_from(("pinned", "as is", None)),
        created_utc=st.sampled_from(("2026-01-01", "2026-01-02", None)),
        generate_tps=st.none() | st.floats(1, 60),
        memory_rkllm_bytes=st.none() | st.integers(2**29, 2**31),
        memory_available_drop_bytes=st.none() | st.integers(2**29, 2**31),
    ),
    max_size=14,
    unique_by=lambda run: run.key,
)


@settings(max_examples=60)
@given(some_runs, st.randoms(use_true_random=False))
def test_the_order_of_the_runs_never_changes_a_claim(some: list[Run], random: object) -> None:
    shuffled = list(some)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert claims(shuffled, [VENDOR], MODELS) == claims(some, [VENDOR], MODELS)


@settings(max_examples=60)
@given(some_runs)
def test_every_valid_number_is_claimed_replaced_or_quarantined_and_no_origins_meet(some: list[Run]) -> None:
    made = claims(some, [VENDOR], MODELS)
    assert len({one.subject for one in made}) == len(made)
    for one in made:
        assert one.subject.simulated == (one.origin == "simulated")
        behind = {run.origin for run in some if run.log in one.evidence and run.counts}
        assert not one.n or one.origin in behind
        assert one.low is None or one.high is None or one.low <= one.value <= one.high
        bases = [list(Basis).index(basis) for basis in (one.basis, *(other.basis for other in one.replaced))]
        assert bases == sorted(bases)
