"""The odd one out among boards: found without history, never among two, and never by a rounding."""

from __future__ import annotations

import pytest

from analysis.fleet_view import against_peers, fleet_view, only_here, rows_of, verdict
from tests.unit.measured import FACTS, runs


def test_the_distance_is_from_the_median_of_the_others() -> None:
    # Median of all four 20.05, MAD 0.1 (0.05, 0.15, 0.05, 2.05 in order: 0.05 0.05 0.15 2.05), unit 0.2005 by the floor
    found = {one.board: one for one in against_peers("generate_tps", {"a": 20.0, "b": 20.1, "c": 18.0, "d": 20.2})}
    sick = found["c"]
    assert sick.peers == 20.1
    assert sick.worse_by == pytest.approx(1 - 18 / 20.1)
    assert sick.z == pytest.approx((18 - 20.05) / (0.01 * 20.05))
    assert [board for board, one in found.items() if one.odd] == ["c"]


def test_two_boards_can_not_outvote_each_other() -> None:
    assert against_peers("generate_tps", {"a": 20.0, "b": 10.0}) == ()


def test_boards_that_agree_to_a_hair_make_no_fault_of_two_percent() -> None:
    assert not any(one.odd for one in against_peers("generate_tps", {"a": 20.0, "b": 20.0, "c": 19.6}))


def test_boards_that_lie_far_apart_have_no_odd_one() -> None:
    assert not any(one.odd for one in against_peers("generate_tps", {"a": 16.0, "b": 18.0, "c": 20.0, "d": 22.0}))


def test_the_odd_board_is_named_with_what_only_it_has() -> None:
    old = (("DRAM governor", "powersave"), ("kernel", "6.1.75"))
    some = [run for board in "abd" for run in runs("c1", board, [20.0, 20.1, 19.9])]
    some += runs("c1", "c", [15.0, 15.1, 14.9], facts=old)
    rows = fleet_view(some)
    assert {row.against.board: verdict(row) for row in rows} == {
        **dict.fromkeys("abd", "as its peers"),
        "c": "25.0% slower than its peers",
    }
    (odd,) = [row for row in rows_of(rows) if row["board"] == "c"]
    assert odd["only here"] == "DRAM governor powersave, peers performance"
    assert odd["off"] == "-25.0%"


def test_boards_under_other_conditions_or_of_another_origin_are_no_peers() -> None:
    some = [run for board in "ab" for run in runs("c1", board, [20.0] * 3)]
    assert fleet_view(some + runs("c1", "c", [15.0] * 3, conditions={"runtime": "1.2.1"})) == ()
    assert fleet_view(some + runs("c1", "c", [15.0] * 3, conditions={"origin": "simulated"}, origin="simulated")) == ()


def test_only_what_the_others_agree_on_tells_one_apart() -> None:
    facts = {"a": FACTS, "b": (("kernel", "6.1.99"),), "c": (("kernel", "6.1.43"),)}
    assert only_here("c", facts) == ()
