"""The matrix of a campaign and its order: what is run where, when, and under which name."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from fleet.cell import Matrix, Ordering, Workload
from fleet.config.catalogue import load_catalogue
from fleet.config.inventory import load_inventory
from fleet.config.prompts import Prompt, PromptSet
from fleet.errors import ConfigError
from fleet.plan import Request, check, plan_board, plan_more

PROJECT = Path(__file__).parents[2]
CATALOGUE = load_catalogue(PROJECT / "models.yaml", PROJECT / "none")
A, B = load_inventory(PROJECT / "inventory.yaml").boards[:2]
ONE = PromptSet("one", "1" * 64, (Prompt("hen", "Why?"),))
TWO = PromptSet("two", "2" * 64, (Prompt("hen", "Why?"), Prompt("row", "What?")))


def request(*models: str, **more: Any) -> Request:
    named = tuple(CATALOGUE.model(name) for name in models or ("qwen3-0.6b", "qwen3-1.7b"))
    part = Matrix(named, (1, 3), (4096,), (Workload(ONE, 64),))
    of_part = {key: more.pop(key) for key in Matrix.__dataclass_fields__ if key in more}
    asked = Request((A, B), (replace(part, **of_part),), 2, 2, Ordering.INTERLEAVED, 0, None)
    return replace(asked, **more)


def cells(runs: Any) -> list[tuple[str, int]]:
    return [(one.cell.model.name, one.cell.npu_cores) for one in runs]


def test_each_round_runs_every_cell_once_and_the_first_round_warms_up() -> None:
    planned = plan_board(request(), A)
    assert len(planned) == 4 * 3
    for repeat in range(3):
        round_ = planned[4 * repeat : 4 * repeat + 4]
        assert {one.repeat for one in round_} == {repeat} and {one.warmup for one in round_} == {repeat == 0}
        assert set(Counter(cells(round_)).values()) == {1}


def test_the_order_is_the_same_every_time_and_another_one_by_round_board_and_seed() -> None:
    first = cells(plan_board(request(), A))
    assert first == cells(plan_board(request(), A))
    orders = {tuple(first[0:4]), tuple(first[4:8]), tuple(first[8:12])}
    orders |= {tuple(cells(plan_board(request(), B))[:4]), tuple(cells(plan_board(request(seed=1), A))[:4])}
    assert len(orders) > 2


def test_cell_by_cell_where_a_suite_says_so() -> None:
    planned = plan_board(request(ordering=Ordering.LISTED), A)
    assert [one.repeat for one in planned] == [0, 1, 2] * 4
    assert cells(planned)[:4] == [("qwen3-0.6b", 1)] * 3 + [("qwen3-0.6b", 3)]


def test_a_run_is_named_by_its_place_and_by_what_differs() -> None:
    (first, *_) = plan_board(request("qwen3-0.6b", cores=(3,)), A)
    assert first.run == "001-qwen3-0.6b-3core-warmup"
    asked = request("qwen3-0.6b", cores=(3,), contexts=(512, 4096), workloads=(Workload(TWO, 64), Workload(ONE, 8)))
    names = {one.run[4:] for one in plan_board(asked, A)}
    assert {"qwen3-0.6b-3core-512ctx-64new-row-r1", "qwen3-0.6b-3core-4096ctx-8new-hen-warmup"} <= names
    assert len({one.run for one in plan_board(asked, A)}) == 2 * 3 * 3


def test_parts_are_one_campaign_and_what_two_of_them_ask_for_is_measured_once() -> None:
    part = request("qwen3-0.6b").parts[0]
    other = replace(part, cores=(3,), clocks="no_dmc")
    asked = request("qwen3-0.6b", parts=(part, replace(part, cores=(2, 3)), other))
    names = {one.run[4:] for one in plan_board(asked, A) if one.warmup}
    assert names == {
        *(f"qwen3-0.6b-{cores}core-pinned-warmup" for cores in (1, 2, 3)),
        "qwen3-0.6b-3core-no_dmc-warmup",
    }


def test_more_repeats_have_their_names_for_good() -> None:
    asked = request(most_repeats=4)
    rounds = list(plan_more(asked, A))
    assert [[one.repeat for one in round_] for round_ in rounds] == [[3] * 4, [4] * 4]
    every = [one.run for one in (*plan_board(asked, A), *rounds[0], *rounds[1])]
    assert [int(run[:3]) for run in every] == list(range(1, 21))
    assert list(plan_more(replace(asked, only={}), A)) == []


def test_what_failed_is_taken_with_the_warm_up_of_its_cell() -> None:
    runs = plan_board(request(), A)
    failed = runs[-1]
    taken = plan_board(request(only={A.name: frozenset({failed.run})}), A)
    assert [one.run for one in taken] == [next(o.run for o in runs if o.number == failed.number), failed.run]


def test_a_cell_without_an_artifact_keeps_its_place_with_the_reason() -> None:
    planned = check(request("qwen3-0.6b", "qwen3-14b"))[A.name]
    why = {one.cell.model.name: str(one.lacking) for one in planned if one.lacking}
    assert "no stand-in artifact" in why["qwen3-14b"]
    assert "qwen3-0.6b" not in why and len(planned) == 2 * 2 * 3


def test_a_plan_of_nothing_that_could_be_run_is_an_error() -> None:
    with pytest.raises(ConfigError, match="no stand-in artifact"):
        check(request("qwen3-14b"))
