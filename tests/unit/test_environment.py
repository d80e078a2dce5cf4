"""What a board was like, as far as it said so, and what of it changed; and conditions by the names that people type."""

from __future__ import annotations

from dataclasses import replace

from analysis.conditions import Conditions, condition_fields, differing
from analysis.environment import changes, environment_of
from analysis.evidence import Record

FACTS = {
    "kernel": {"release": "6.1.75", "version": "#1 SMP"},
    "npu": {"driver": "0.9.8", "governor": "rknpu_ondemand", "max_hz": 1_000_000_000},
    "dmc": {"governor": None},
    "cpu": [{"policy": "policy4", "governor": "ondemand", "max_hz": 2_256_000_000}, "nonsense", {"governor": "x"}],
    "runtime": {"rkllm": [{"path": "/usr/lib/librkllmrt.so", "version": "1.2.3"}], "rknn": []},
}
CONDITIONS = Conditions(
    origin="measured",
    soc="rk3588",
    dram_top_hz=2_112_000_000,
    model="m",
    artifact_sha256="ab" * 32,
    npu_cores=3,
    dtype="W8A8",
    runtime="1.2.3",
    driver=None,
    workload={"prompt_set_sha256": "cd" * 32, "prompt_id": "p", "max_new_tokens": 64, "max_context_len": 4096},
    clocks={"profile": "pinned", "pinned": ["npu", "cpu"], "not_pinned": ["dmc"]},
)


def test_the_environment_is_what_the_board_said_and_no_more() -> None:
    assert dict(environment_of(Record(FACTS), tool="0.1.0")) == {
        "kernel": "6.1.75",
        "kernel build": "#1 SMP",
        "rknpu driver": "0.9.8",
        "NPU governor": "rknpu_ondemand",
        "NPU clock limit": "1000000000",
        "policy4 governor": "ondemand",
        "policy4 clock limit": "2256000000",
        "RKLLM library": "1.2.3",
        "rkfleet": "0.1.0",
    }
    assert environment_of(Record({"kernel": [], "cpu": {"policy": "x"}, "runtime": 3})) == ()


def test_a_change_has_both_values_and_silence_is_one() -> None:
    before, after = (("kernel", "6.1.75"), ("swap", "0")), (("kernel", "6.1.99"), ("RAM", "8"), ("swap", "0"))
    assert changes(before, after) == ("RAM unknown → 8", "kernel 6.1.75 → 6.1.99")


def test_conditions_have_short_names_and_readable_values() -> None:
    fields = condition_fields(CONDITIONS)
    assert fields["artifact"] == "ab" * 6
    assert fields["dram"] == "2112 MHz"
    assert fields["context"] == "4096"
    assert fields["driver"] == "unknown"
    assert fields["clocks"] == "pinned; pinned: npu, cpu; not pinned: dmc"
    other = condition_fields(replace(CONDITIONS, runtime="1.3.0", driver="0.9.8"))
    assert differing(fields, other) == {"runtime": ("1.2.3", "1.3.0"), "driver": ("unknown", "0.9.8")}


def test_every_field_of_the_fingerprint_is_among_the_fields() -> None:
    assert len(condition_fields(CONDITIONS)) == len(vars(CONDITIONS)) - 1 + len(CONDITIONS.workload)
