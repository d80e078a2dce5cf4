"""What bench makes of a prediction: a run that can not be, or how long and with how much memory it may go on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from fleet import defaults
from fleet.cell import Matrix, Ordering, Workload
from fleet.config.catalogue import Model, load_catalogue
from fleet.config.inventory import load_inventory
from fleet.config.prompts import Prompt, PromptSet
from fleet.plan import Request, plan_board
from verbs.need import need

PROJECT = Path(__file__).parents[2]
CATALOGUE = load_catalogue(PROJECT / "models.yaml", PROJECT / "none")
BOARD = load_inventory(PROJECT / "inventory.yaml").boards[0]
GIB = 2**30


def facts(available_gib: float | None, runtime: str = "1.2.3") -> dict[str, Any]:
    available = None if available_gib is None else int(available_gib * GIB)
    return {"memory": {"available_bytes": available}, "runtime": {"rkllm": [{"version": runtime}]}}


def asked(model: Model | str, cores: int = 3, context: int = 4096, tokens: int = 128) -> Any:
    found = CATALOGUE.model(model) if isinstance(model, str) else model
    prompts = PromptSet("p", "0" * 64, (Prompt("a", "How are you?"),))
    asked = (Workload(prompts, tokens),)
    part = Matrix((found,), (cores,), (context,), asked)
    request = Request((BOARD,), (part,), 1, 1, Ordering.INTERLEAVED, 0, None)
    return plan_board(request, BOARD)[0]


def test_a_model_that_can_not_fit_is_skipped_with_the_numbers():
    planned = asked("qwen3-8b")
    said = need(BOARD, facts(6.9), planned).skip
    assert said is not None
    assert "needs 7.80 GiB" in said and "at 4096 tokens" in said and "6.5" in said


@pytest.mark.parametrize("available", [9.0, 16.0])  # only a run can tell; with room
def test_a_model_that_may_fit_is_run(available):
    planned = asked("qwen3-8b")
    assert need(BOARD, facts(available), planned).skip is None


@pytest.mark.parametrize(
    ("available", "guarded"),
    [
        (8.3, True),  # the budget lies inside the interval
        (7.5, True),  # even the low end is over the budget, and within what is there without the reserve
        (7.0, None),  # no run is needed to tell
        (9.0, False),
        (16.0, False),
    ],
)
def test_what_is_borderline_runs_only_when_it_is_asked_for_and_guarded(available: float, guarded: bool | None) -> None:
    planned = asked("qwen3-8b")
    unasked, probed = need(BOARD, facts(available), planned), need(BOARD, facts(available), planned, probe=True)
    if guarded is None:
        assert unasked == probed and unasked.skip is not None and "--probe" not in unasked.skip
    elif guarded:
        assert unasked.skip is not None and unasked.skip.endswith("; --probe runs it guarded")
        assert (probed.skip, probed.tripwire_bytes) == (None, defaults.TRIPWIRE_BYTES)
        assert probed.memory_bytes is not None and probed.limit_s > defaults.LEAST_LIMIT_S
    else:
        assert unasked == probed and (unasked.skip, unasked.tripwire_bytes) == (None, None)


def test_no_probe_helps_against_a_runtime_that_is_too_old():
    said = need(BOARD, facts(6.9, "1.1.4"), asked("qwen3-0.6b"), probe=True)
    assert said.skip is not None and "too old" in said.skip and said.tripwire_bytes is None


def test_a_runtime_that_is_too_old_is_a_reason():
    planned = asked("qwen3-0.6b")
    said = need(BOARD, facts(6.9, "1.1.4"), planned).skip
    assert said is not None and "runtime 1.1.4 is too old" in said


def test_limits_follow_from_what_the_run_needs():
    small, large = (need(BOARD, facts(6.9), asked(name)) for name in ("qwen3-0.6b", "qwen3-4b"))
    assert small.limit_s == defaults.LEAST_LIMIT_S
    assert 150 < large.limit_s < 300
    assert small.memory_bytes is not None and large.memory_bytes is not None
    assert 1.2 * GIB < small.memory_bytes < 2 * GIB < 5 * GIB < large.memory_bytes < 7 * GIB
    assert need(BOARD, facts(6.9), asked("qwen3-4b", cores=1)).limit_s > large.limit_s
    assert need(BOARD, facts(6.9), asked("qwen3-4b", tokens=1024)).limit_s > 2 * large.limit_s


def test_a_board_that_does_not_tell_its_memory_is_tried():
    assert need(BOARD, facts(None), asked("qwen3-8b")).skip is None


def test_a_model_without_numbers_is_run_as_ever():
    model = CATALOGUE.model("qwen3-0.6b").model_copy(update={"architecture": None})
    assert need(BOARD, facts(0.1), asked(model)) == need(BOARD, {}, asked(model))
    assert need(BOARD, {}, asked(model)).limit_s == defaults.RUN_LIMIT_S


def test_what_could_not_fit_anyway_is_said_of_a_model_without_a_file_too():
    lacking = asked(CATALOGUE.model("qwen3-4b").model_copy(update={"artifacts": ()}))
    assert lacking.artifact is None
    assert "no stand-in artifact" in str(need(BOARD, facts(6.9), lacking).skip)
    assert "too large even at the low end" in str(need(BOARD, facts(3.0), lacking).skip)
