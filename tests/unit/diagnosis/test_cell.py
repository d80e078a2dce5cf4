"""Which campaign explain speaks of: the newest in which the cell has a number that counts."""

from __future__ import annotations

from dataclasses import replace

from analysis.diagnosis.cell import newest_cell
from analysis.outcome import Outcome
from analysis.runs import Run
from tests.unit.test_cells import OK


def run(campaign: str, place: int = 1, **more: object) -> Run:
    """``campaign`` begins with the day of November on which it was made."""
    name, created = f"{place:03d}-r", f"2026-11-{campaign[:2]}T02:00:{place:02d}Z"
    given = {"model": "qwen3-0.6b", "npu_cores": 3, "generate_tps": 30.0, "warmup": False} | more
    return replace(OK, board="a", campaign=campaign, run=name, created_utc=created, **given)


FAILED = {"outcome": Outcome.FAILED, "generate_tps": None}
NO_NUMBER = {"generate_tps": None, "ttft_ms": None, "prefill_tps": None, "memory_rkllm_bytes": None}


def test_a_newer_smoke_run_without_a_number_does_not_hide_what_was_measured() -> None:
    runs = [run("01-old"), run("02-night"), run("02-night", 2), run("03-smoke", **FAILED), run("04-mute", **NO_NUMBER)]
    chosen = newest_cell(runs, "a", "qwen3-0.6b", None)
    assert chosen is not None
    assert [one.key for one in chosen.runs] == [("02-night", "a", "001-r"), ("02-night", "a", "002-r")]
    assert chosen.passed_over == ("04-mute", "03-smoke")


def test_a_number_that_is_tainted_quarantined_or_of_a_warm_up_does_not_count() -> None:
    for more in ({"outcome": Outcome.TAINTED}, {"warmup": True}):
        chosen = newest_cell([run("01-old"), run("02-new", **more)], "a", "qwen3-0.6b", 3)
        assert chosen is not None and chosen.runs[0].campaign == "01-old"
    reason = tuple((name, "too fast") for name in ("generate_tps", "ttft_ms", "prefill_tps", "memory_rkllm_bytes"))
    chosen = newest_cell([run("01-old"), run("02-new", quarantined=reason)], "a", "qwen3-0.6b", 3)
    assert chosen is not None and chosen.runs[0].campaign == "01-old"


def test_where_no_number_counts_it_is_the_newest_that_is_explained() -> None:
    runs = [run("01-old", **FAILED), run("02-new", **FAILED), run("02-new", 2, outcome=Outcome.TAINTED)]
    chosen = newest_cell(runs, "a", "qwen3-0.6b", None)
    assert chosen is not None and chosen.passed_over == ()
    assert [one.outcome for one in chosen.runs] == [Outcome.TAINTED]


def test_a_campaign_of_other_cells_or_boards_is_neither_taken_nor_told_of() -> None:
    runs = [run("01-a"), run("02-b", npu_cores=1), run("03-c", model="qwen3-4b"), replace(run("04-d"), board="b")]
    chosen = newest_cell(runs, "a", "qwen3-0.6b", None)
    assert chosen is not None and chosen.runs[0].campaign == "01-a" and chosen.passed_over == ()
    assert newest_cell(runs, "a", "qwen3-0.6b", 2) is None


def test_the_order_in_which_runs_are_found_does_not_matter() -> None:
    runs = [run("02-night", place) for place in (1, 2, 3)] + [run("03-smoke", **FAILED)]
    assert newest_cell(runs, "a", "qwen3-0.6b", 3) == newest_cell(runs[::-1], "a", "qwen3-0.6b", 3)
