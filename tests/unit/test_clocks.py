"""What clocks.json means: pinned and held, partly, not at all; and what runs are compared by."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.clocks import Clocks, read_clocks
from analysis.conditions import Conditions, condition_fingerprint, soc_of, top_hz
from analysis.evidence import Record, Unreadable

TOP = {"npu": 1_000_000_000, "dmc": 2_112_000_000, "cpu": 2_400_000_000, "idle": 1}
NAMES = {"npu": "fdab0000.npu", "dmc": "dmc", "cpu": "policy6", "idle": "cpu4/state1"}


def clock(kind: str, **changed: Any) -> dict[str, Any]:
    top = TOP[kind]
    whole: dict[str, Any] = {"kind": kind, "name": NAMES[kind], "wanted": top, "how": "userspace", "not_pinned": None}
    whole |= {"start": {"value": top}, "end": {"value": top}, "restored": {"value": top}}
    return whole | {"residency_ms": {} if kind == "idle" else {str(top): 10_000}} | changed


def clocks(*changed: dict[str, Any], profile: str = "pinned") -> Clocks:
    rows = {row["name"]: row for row in (*map(clock, TOP), *changed)}
    found = read_clocks(Record({"schema": 1, "profile": profile, "clocks": list(rows.values())}), profile)
    assert found is not None
    return found


def test_all_that_is_pinned_and_stays_is_pinned() -> None:
    found = clocks()
    assert (found.sentence, found.broken, found.pinned) == ("pinned", (), ("npu", "dmc", "cpu", "idle"))


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        (
            clock("dmc", end={"value": 528_000_000}),
            "clocks: dmc was pinned to 2112 MHz and ran at 528 MHz when the run ended",
        ),
        (
            clock("cpu", start={"value": 1_608_000_000}),
            "clocks: policy6 was pinned to 2400 MHz and ran at 1608 MHz when the run began",
        ),
        (
            clock("cpu", residency_ms={"2400000000": 9800, "1608000000": 200}),
            "clocks: policy6 was pinned to 2400 MHz and was there 98.0% of the time, not 99%",
        ),
        (
            clock("dmc", residency_ms={"2112000000": 9400, "528000000": 600}),
            "clocks: dmc was pinned to 2112 MHz and was there 94.0% of the time, not 95%",
        ),
        (
            clock("idle", end={"value": 0}),
            "clocks: idle state cpu4/state1 was switched off, and on when the run ended",
        ),
    ],
)
def test_a_clock_that_did_not_stay_refutes_the_run(changed: dict[str, Any], said: str) -> None:
    assert clocks(changed).broken == (said,)


def test_idle_states_that_came_on_together_are_one_sentence() -> None:
    record = clock("idle", end={"value": 0})
    states = [{**record, "name": name} for name in ("cpu4/state1", "cpu5/state1")]
    said = "clocks: 2 idle states (cpu4/state1, cpu5/state1) were switched off, and on when the run ended"
    assert clocks(*states).broken == (said,)


@pytest.mark.parametrize(
    "changed",
    [
        clock("dmc", residency_ms={"2112000000": 960, "528000000": 40}),
        clock("cpu", residency_ms={"2400000000": 9950, "1608000000": 50}),
        clock("cpu", residency_ms={"2400000000": 1900, "1608000000": 1000}),  # too short for a run
        clock("dmc", residency_ms={}),  # statistics stop with the governor that had them
        clock("cpu", end={"value": 2_399_000_000}, residency_ms={"2399000000": 5}),  # what the PLL really does
        clock("npu", end=None),
        clock("npu", end={"value": None}, residency_ms={"1000000000": "x", "-1": 5, "7.5": 9}),
    ],
)
def test_what_stayed_near_enough_or_was_not_counted_refutes_nothing(changed: dict[str, Any]) -> None:
    assert clocks(changed).broken == ()


def test_what_can_not_be_pinned_is_said_and_refutes_nothing() -> None:
    no_node = {"wanted": None, "how": None, "not_pinned": "no devfreq node dmc", "residency_ms": {}}
    partly = clocks(clock("dmc", **no_node, start=None, end=None))
    assert (partly.sentence, partly.broken) == ("partly: not dmc: no devfreq node dmc", ())
    why = "no right to write: this user is not root"
    nothing = clocks(*(clock(kind, how=None, not_pinned=why, start={"value": 408_000_000}) for kind in TOP))
    assert (nothing.sentence, nothing.broken, nothing.pinned) == (f"not pinned: {why}", (), ())


def test_a_profile_is_named_where_it_is_not_the_usual_one() -> None:
    left = clock("dmc", wanted=None, how=None, residency_ms={"528000000": 9})
    assert clocks(left, profile="no_dmc").sentence == "pinned (no_dmc)"
    alone = [clock(kind, wanted=None, how=None) for kind in TOP]
    assert clocks(*alone, profile="as_is").sentence == "as is"


@pytest.mark.parametrize(
    ("record", "planned", "sentence"),
    [
        (None, "pinned", "not pinned: there is no clocks.json"),
        (None, "as_is", "as is; there is no clocks.json"),
        (Unreadable("is no JSON: x"), "pinned", "not pinned: clocks.json is no JSON: x"),
        (Record({"clocks": "text"}), "pinned", "not pinned: clocks.json holds no clocks"),
        (None, None, None),  # a run from before there were profiles
    ],
)
def test_without_a_record_nothing_is_taken_for_pinned(
    record: Record | Unreadable | None, planned: str | None, sentence: str | None
) -> None:
    found = read_clocks(record, planned)
    assert (found.sentence if found else None) == sentence


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(("clocks", "kind", "name", "wanted", "start", "value", "residency_ms", "1.5", "7")),
            inner,
            max_size=5,
        )
    ),
    max_leaves=20,
)


@given(st.dictionaries(st.sampled_from(("profile", "clocks", "schema")), json_values))
def test_whatever_a_board_wrote_is_an_answer(fields: dict[str, Any]) -> None:
    found = read_clocks(Record(fields), "pinned")
    assert found is not None and isinstance(found.sentence, str)
    assert all(isinstance(sentence, str) for sentence in found.broken)
    condition_fingerprint(dataclasses.replace(CONDITIONS, clocks=found.condition()))


CONDITIONS = Conditions(
    origin="measured",
    soc="rk3588",
    dram_top_hz=2_112_000_000,
    model="qwen3-0.6b",
    artifact_sha256="ab" * 32,
    npu_cores=3,
    dtype="W8A8",
    runtime="1.2.3",
    driver="0.9.8",
    workload={"prompt_id": "story", "max_new_tokens": 128},
    clocks={"profile": "pinned", "pinned": ["npu", "dmc", "cpu", "idle"], "not_pinned": []},
)


def test_the_fingerprint_is_the_same_on_every_day() -> None:
    assert condition_fingerprint(CONDITIONS) == "e3001372dfba"
    turned = dict(reversed(CONDITIONS.workload.items()))
    assert condition_fingerprint(dataclasses.replace(CONDITIONS, workload=turned)) == condition_fingerprint(CONDITIONS)


@pytest.mark.parametrize("field", [field.name for field in dataclasses.fields(Conditions)])
def test_each_condition_counts(field: str) -> None:
    other = dataclasses.replace(CONDITIONS, **{field: None})  # type: ignore[arg-type]
    assert condition_fingerprint(other) != condition_fingerprint(CONDITIONS)


def test_a_pin_that_took_effect_in_part_is_another_condition() -> None:
    partly = clocks(clock("dmc", wanted=None, not_pinned="no devfreq node dmc"))
    fingerprints = {
        condition_fingerprint(dataclasses.replace(CONDITIONS, clocks=found.condition())) for found in (clocks(), partly)
    }
    assert len(fingerprints) == 2


def test_chip_and_memory_are_read_from_what_the_board_says() -> None:
    assert soc_of(["radxa,rock-5c", "rockchip,rk3588s-orangepi-5", "rockchip,rk3588"]) == "rk3588"
    assert soc_of(["raspberrypi,5"]) is None and soc_of("rockchip,rk3588") is None
    assert top_hz([528, 2112, 1068]) == 2112
    assert top_hz([True, "9"]) is None and top_hz(None) is None
