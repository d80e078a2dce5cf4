"""The plan as a person reads it: reasons that many cells share are told once, below; programs get them in each row."""

from __future__ import annotations

import json
from typing import Any

from verbs.plan import WHY, plan_listing


def row(model: str, why: str | None = None) -> dict[str, Any]:
    seconds = None if why else 5.06
    return {"board": "a", "model": model, "seconds a run": seconds, "memory GiB": 4.5, WHY: why}


ROWS = [row("small"), row("large", "needs 8 GiB"), row("larger", "needs 16 GiB"), row("large", "needs 8 GiB")]


def test_a_table_tells_each_reason_once() -> None:
    drawn, notes = plan_listing(ROWS, "table").split("\n\n")
    assert notes.splitlines() == ["[1] needs 8 GiB", "[2] needs 16 GiB"]
    assert [line.split()[-1] for line in drawn.splitlines()[3:]] == ["[1]", "[2]", "[1]"]
    assert drawn.splitlines()[2].split() == ["a", "small", "5.1", "4.50"]


def test_a_plan_without_reasons_has_no_notes() -> None:
    assert "\n\n" not in plan_listing(ROWS[:1], "table") and "skipped" not in plan_listing(ROWS[:1], "table")


def test_programs_get_the_numbers_and_each_reason_in_its_row() -> None:
    assert json.loads(plan_listing(ROWS, "json")) == ROWS


def test_what_a_board_said_does_not_reach_the_terminal_as_it_is() -> None:
    assert "\x1b" not in plan_listing([row("m", "bad \x1b[31m board")], "table")
