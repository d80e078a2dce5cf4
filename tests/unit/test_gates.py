"""Each gate's rule by itself, and the wait for it with a clock that the test moves."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleet.config.inventory import BoardEntry
from fleet.config.suite import Suite
from fleet.gate_watch import GateWatch, set_point
from fleet.gates import Limits, Seen, look

GIB = 2**30
OURS, OTHERS = "[/home/x/rkfleet/runs/night/001-a-r1]", "[/home/x/rkfleet/runs/day/001-a-r1]"


def facts(**other: Any) -> dict[str, Any]:
    """A board that every gate is open for."""
    fit = {
        "gate": {"known": False, "cores": 0.05, "swapped_pages": 0},
        "memory": {"available_bytes": 7 * GIB},
        "thermal": {
            "zones": [{"type": "soc-thermal", "temp_mc": 44_000}, {"type": "npu-thermal", "temp_mc": 45_000}],
            "cooling": [{"type": "cpufreq-cpu4", "cur_state": 0}, {"type": "pwm-fan", "cur_state": 3}],
        },
        "npu_users": [],
    }
    return fit | other


def waits(set_point_c: float | None = 44.0, limits: Limits = Limits(), **other: Any) -> tuple[str, ...]:  # noqa: B008
    return look(limits, facts(**other), set_point_c, BoardEntry(name="a", address="10.0.0.2"), campaign="night").waits


def heat(mc: int) -> dict[str, Any]:
    return {"zones": [{"type": "soc-thermal", "temp_mc": mc}], "cooling": []}


def test_a_board_that_is_as_it_should_be_does_not_wait() -> None:
    seen = look(Limits(), facts(), 44.0, BoardEntry(name="a", address="10.0.0.2"), campaign="night")
    assert seen == Seen(False, 45.0, 0.05, 7 * GIB, 0, ())


@pytest.mark.parametrize(
    ("other", "says"),
    [
        ({"thermal": heat(46_100)}, "46.1 °C, 2.1 K above the set point of 44.0 °C (starts at 46.0)"),
        (
            {"thermal": {"zones": [], "cooling": [{"type": "devfreq-npu", "cur_state": 1}]}},
            "clocks held down against heat: devfreq-npu",
        ),
        ({"gate": {"cores": 0.6}}, "others use 0.6 cores (starts at 0.5)"),
        ({"memory": {"available_bytes": GIB // 2}}, "512 MiB of memory available (starts at 1.0 GiB)"),
        ({"gate": {"swapped_pages": 3}}, "3 pages of swap moved in a moment (starts at 0)"),
        ({"npu_users": [{"pid": 7, "comm": "vlm", "run": OTHERS}]}, "the NPU is used by vlm (7)"),
    ],
)
def test_each_gate_closes_with_a_sentence(other: dict[str, Any], says: str) -> None:
    assert waits(**other) == (says,)


@pytest.mark.parametrize(
    "other",
    [
        {"thermal": heat(46_000)},  # 2 K are allowed
        {"thermal": heat(20_000)},  # a board does not get warmer by waiting
        {"gate": {"cores": 0.5}},
        {"memory": {"available_bytes": GIB}},
        {"npu_users": [{"pid": 7, "comm": "llm_demo", "run": OURS}]},
        {"gate": None, "memory": None, "thermal": None, "npu_users": None},  # nobody knows, and waiting does not help
    ],
)
def test_what_keeps_to_the_limits_or_is_not_known_closes_no_gate(other: dict[str, Any]) -> None:
    assert waits(**other) == ()


def test_without_a_set_point_no_temperature_is_too_hot() -> None:
    assert waits(None, thermal=heat(84_000)) == ()


@given(st.recursive(st.none() | st.booleans() | st.floats() | st.text(), lambda more: st.lists(more)))
def test_whatever_a_board_says_it_is_judged(any_value: Any) -> None:
    for key in ("gate", "memory", "thermal", "npu_users"):
        waits(**{key: any_value})
        waits(**{key: {"zones": any_value, "cooling": any_value, "cores": any_value, "available_bytes": any_value}})


def seen(celsius: float, *waiting: str, known: bool = False) -> Seen:
    return Seen(known, celsius, 0.0, 0.0, 0.0, waiting)


class Wait:
    """A watch whose time passes in its pauses alone."""

    def __init__(self, looks: list[Seen], wait_s: float = 10.0) -> None:
        self.now_s = 0.0
        self.told: list[str] = []
        self.asked: list[float | None] = []
        self._looks: Iterator[Seen] = iter(looks)
        self.watch = GateWatch(Limits(wait_s=wait_s), None, self.told.append, self._pause, lambda: self.now_s)

    def ask(self, set_point_c: float | None) -> Seen:
        self.asked.append(set_point_c)
        return next(self._looks)

    def _pause(self, seconds: float) -> None:
        assert seconds > 0
        self.now_s += seconds


def test_the_first_look_sets_the_point_for_all_that_come_after_it() -> None:
    wait = Wait([seen(40.0), seen(41.0), seen(42.0)])
    for _ in range(3):
        assert wait.watch.pass_(wait.ask, wait=True).set_point_c == 40.0
    assert wait.asked == [None, 40.0, 40.0]


def test_it_waits_until_the_gate_opens_and_tells_the_reason_each_time() -> None:
    wait = Wait([seen(50.0, "too hot"), seen(45.0, "too hot"), seen(41.0)])
    passed = wait.watch.pass_(wait.ask, wait=True)
    assert passed.waited_s == wait.now_s > 0 and passed.missed == () and passed.seen.temperature_c == 41.0
    assert wait.told == ["too hot; 0 of up to 10 s", "too hot; 0 of up to 10 s"]


def test_a_set_point_moves_up_to_where_a_board_has_settled_and_stays_there() -> None:
    cooling = [60.0, 55.0, 51.0, 48.0, 47.0] + [46.5] * 20
    wait = Wait([seen(33.0), *(seen(celsius, "too hot") for celsius in cooling)], wait_s=300.0)
    wait.watch.pass_(wait.ask, wait=True)

    def ask(set_point_c: float | None) -> Seen:
        wait.asked.append(set_point_c)
        return seen(46.5) if set_point_c == 46.5 else next(wait._looks)

    passed = wait.watch.pass_(ask, wait=True)
    assert passed.set_point_c == 46.5 and passed.missed == () and 30.0 <= passed.waited_s < 90.0
    assert wait.told[-1] == "settled at 46.5 °C: that is the set point now, no more 33.0"
    assert wait.watch.pass_(ask, wait=True).waited_s == 0.0


def test_a_set_point_of_the_suite_does_not_move() -> None:
    wait = Wait([seen(46.5, "too hot")] * 99, wait_s=100.0)
    wait.watch.limits = Limits(temperature_c=33.0, wait_s=100.0)
    wait.watch.set_point_c = 33.0
    passed = wait.watch.pass_(wait.ask, wait=True)
    assert (passed.set_point_c, passed.missed) == (33.0, ("too hot",))


def test_after_the_limit_it_goes_on_and_says_what_was_closed() -> None:
    wait = Wait([seen(50.0, "too hot", "too busy")] * 99)
    passed = wait.watch.pass_(wait.ask, wait=True)
    assert passed.waited_s == 10.0 and passed.missed == ("too hot", "too busy")
    assert passed.to_json()["missed"] == ["too hot", "too busy"]


@pytest.mark.parametrize(("wait", "known"), [(False, False), (True, True)])
def test_a_warm_up_and_a_run_that_was_begun_before_do_not_wait(wait: bool, known: bool) -> None:
    watched = Wait([seen(50.0, "too hot", known=known)])
    passed = watched.watch.pass_(watched.ask, wait=wait)
    assert (passed.waited_s, passed.missed, watched.told) == (0.0, (), [])


def test_a_campaign_that_goes_on_keeps_its_set_point_and_a_suite_has_the_last_word(tmp_path: Path) -> None:
    assert set_point(Limits(), tmp_path / "nothing") is None
    for run, text in {"001": "{", "002": '{"gate": null}', "003": '{"gate": {"set_point_c": 41.5}}'}.items():
        (tmp_path / run).mkdir()
        (tmp_path / run / "spec.json").write_text(text)
    assert set_point(Limits(), tmp_path) == 41.5
    assert set_point(Limits(temperature_c=50), tmp_path) == 50


def test_a_suite_says_each_limit_and_what_it_leaves_out_is_the_default() -> None:
    limits = Suite.model_validate({"gates": {"temperature_c": 47, "wait_s": 60, "swap_pages": 8}}).gates.limits
    assert limits == Limits(temperature_c=47, wait_s=60, swap_pages=8)
    assert json.loads(json.dumps(limits.to_json()))["tolerance_k"] == 2.0
