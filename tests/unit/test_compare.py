"""Two sides: what each means, what is paired, what is refused and why, and what may be said of the rest."""

from __future__ import annotations

from dataclasses import replace

import pytest

from analysis.compare import Comparison, Verdict, compare, rows_of
from analysis.errors import CannotCompare
from analysis.runs import Run
from analysis.sides import side
from tests.unit.measured import runs

STEADY = (20.0, 20.1, 19.9, 20.05, 19.95)
NEWER = {"runtime": "1.3.0"}


def scaled(factor: float) -> list[float]:
    return [value * factor for value in STEADY]


def between(a: str, b: str, some: list[Run], *across: str) -> list[Comparison]:
    return list(compare(side(a, some), side(b, some), across))


@pytest.mark.parametrize(
    ("factor", "word"),
    [
        (1.0, "same"),
        (1.015, "same"),  # the interval is 1.005 … 1.025
        (0.94, "slower"),
        (1.06, "faster"),
        (0.965, "can not tell"),  # 0.955 … 0.975 is beyond 1 and not beyond 3 %: one night can do that
    ],
)
def test_the_verdict_on_one_campaign_a_side_needs_more_than_a_night_can_make(factor: float, word: str) -> None:
    (row,) = between("c1", "c2", runs("c1", "a", STEADY) + runs("c2", "a", scaled(factor)))
    assert row.word == word
    assert row.ratio is not None
    assert row.ratio.value == pytest.approx(factor)
    assert (row.runs, row.nights) == ((5, 5), (1, 1))


def test_with_five_nights_a_side_two_percent_can_be_told() -> None:
    some = [run for n in range(5) for run in runs(f"a{n}", "a", scaled(1 + n / 1000))]
    some += [run for n in range(5) for run in runs(f"b{n}", "a", scaled(0.965 + n / 1000))]
    (row,) = between("a?", "b?", some)
    assert (row.word, row.nights) == ("slower", (5, 5))
    assert row.ratio is not None
    assert row.ratio.between_nights


def test_fewer_milliseconds_are_faster_and_fewer_bytes_are_smaller() -> None:
    some = runs("c1", "a", STEADY, ttft_ms=300.0, memory_rkllm_bytes=2**30)
    some += runs("c2", "a", STEADY, ttft_ms=200.0, memory_rkllm_bytes=2**30 - 2**25)
    words = {row.metric: row.word for row in between("c1", "c2", some)}
    assert words == {"ttft_ms": "faster", "generate_tps": "same", "memory_rkllm_bytes": "smaller"}


def test_sixteen_mebibytes_are_the_same_memory() -> None:
    some = runs("c1", "a", STEADY, memory_rkllm_bytes=2**30) + runs("c2", "a", STEADY, memory_rkllm_bytes=2**30 + 2**24)
    assert {row.metric: row.word for row in between("c1", "c2", some)}["memory_rkllm_bytes"] == "same"


def test_two_runs_are_too_few_to_say_anything() -> None:
    (row,) = between("c1", "c2", runs("c1", "a", STEADY[:2]) + runs("c2", "a", scaled(0.5)))
    assert (row.word, row.why) == ("can not tell", "fewer than 3 runs on a side")


def test_unlike_conditions_are_refused_by_name() -> None:
    some = runs("c1", "a", STEADY) + runs("c2", "a", STEADY, conditions=NEWER | {"driver": "0.9.7"})
    (row,) = between("c1", "c2", some)
    assert (row.verdict, row.metric, row.ratio) == (Verdict.NOT_COMPARABLE, None, None)
    assert row.differing == ("runtime", "driver")
    assert row.why == "runtime 1.2.3 / 1.3.0; driver 0.9.8 / 0.9.7"


def test_what_may_differ_is_said_beside_the_verdict() -> None:
    some = runs("c1", "a", STEADY) + runs("c2", "a", STEADY, conditions=NEWER)
    (row,) = between("c1", "c2", some, "runtime")
    assert (row.word, row.across) == ("same", ("runtime 1.2.3 → 1.3.0",))


def test_the_field_that_the_sides_are_named_by_may_differ() -> None:
    some = runs("c1", "a", STEADY) + runs("c2", "a", scaled(1.1), conditions=NEWER)
    for a, b in (("1.2.3", "1.3.0"), ("runtime=1.2.*", "runtime=1.3.*")):
        (row,) = between(a, b, some)
        assert row.word == "faster"


def test_another_artifact_is_not_another_runtime() -> None:
    some = runs("c1", "a", STEADY) + runs("c2", "a", STEADY, conditions=NEWER | {"artifact_sha256": "ff" * 32})
    assert between("1.2.3", "1.3.0", some)[0].differing == ("artifact",)
    assert between("1.2.3", "1.3.0", some, "artifact")[0].word == "same"


def test_two_boards_are_laid_side_by_side_and_two_campaigns_board_by_board() -> None:
    some = [run for board in "ab" for run in runs("c1", board, STEADY)]
    (row,) = between("a", "b", some)
    assert row.board == "a → b"
    some += [run for board in "ab" for run in runs("c2", board, STEADY)]
    assert [row.board for row in between("c1", "c2", some)] == ["a", "b"]


@pytest.mark.parametrize("origin", ["simulated", "manual", "unknown"])
def test_numbers_of_unlike_origin_are_never_compared_whatever_is_allowed(origin: str) -> None:
    virtual = runs("c2", "a", STEADY, conditions={"origin": origin}, origin=origin)
    some = runs("c1", "a", STEADY) + virtual
    (row,) = between("c1", "c2", some)
    assert (row.verdict, row.differing) == (Verdict.NOT_COMPARABLE, ("origin",))
    with pytest.raises(CannotCompare, match="never compared"):
        between("c1", "c2", some, "origin")
    with pytest.raises(CannotCompare, match="never compared"):
        between("origin=measured", f"origin={origin}", some)


def test_a_cell_that_one_side_lacks_is_said_to_be_lacking() -> None:
    some = runs("c1", "a", STEADY) + runs("c1", "a", STEADY, cores=1) + runs("c2", "a", STEADY)
    found = {row.npu_cores: row for row in between("c1", "c2", some)}
    assert found["3"].word == "same"
    assert (found["1"].verdict, found["1"].why) == (Verdict.NOT_COMPARABLE, "only A has this cell")
    assert found["1"].runs == (5, 0)


def test_a_side_with_two_runtimes_is_compared_with_its_like() -> None:
    some = runs("c1", "a", STEADY) + runs("c1", "a", scaled(2), conditions=NEWER) + runs("c2", "a", STEADY)
    found = between("c1", "c2", some)
    assert [(row.verdict, row.differing) for row in found] == [
        (Verdict.SAME, ()),
        (Verdict.NOT_COMPARABLE, ("runtime",)),
    ]


def test_what_else_changed_on_the_board_is_shown_and_forbids_nothing() -> None:
    newer = (("DRAM governor", "performance"), ("kernel", "6.1.99"))
    (row,) = between("c1", "c2", runs("c1", "a", STEADY) + runs("c2", "a", STEADY, facts=newer))
    assert (row.word, row.environment) == ("same", ("kernel 6.1.75 → 6.1.99",))


def test_a_word_that_two_fields_have_is_asked_back() -> None:
    some = runs("x", "a", STEADY) + runs("c2", "x", STEADY)
    with pytest.raises(CannotCompare, match="campaign and of a board") as caught:
        side("x", some)
    assert caught.value.hint == "campaign=x or board=x"


@pytest.mark.parametrize("text", ["nosuch", "board=nosuch", "flavour=x", "board=", ""])
def test_a_side_that_means_nothing_says_what_there_is(text: str) -> None:
    with pytest.raises(CannotCompare) as caught:
        side(text, runs("c1", "a", STEADY))
    assert caught.value.hint
    assert caught.value.exit_code == 2


def test_a_run_on_both_sides_is_no_comparison() -> None:
    some = runs("c1", "a", STEADY) + runs("c2", "a", STEADY)
    with pytest.raises(CannotCompare, match="5 runs are on both sides"):
        between("c?", "c2", some)


def test_a_field_that_there_is_not_can_not_be_allowed() -> None:
    some = runs("c1", "a", STEADY) + runs("c2", "a", STEADY)
    with pytest.raises(CannotCompare, match="flavour is no condition") as caught:
        between("c1", "c2", some, "flavour")
    assert "runtime" in caught.value.hint
    assert "origin" not in caught.value.hint


def test_the_listing_is_in_shown_units() -> None:
    some = runs("c1", "a", [None, None, None], memory_rkllm_bytes=2**30)
    some = [replace(run, outcome="ok") for run in some]  # type: ignore[arg-type]
    some += runs("c2", "a", STEADY, memory_rkllm_bytes=2**30)
    listed = {row["metric"]: row for row in rows_of(between("c1", "c2", some))}
    assert listed["peak memory (GiB)"]["A"] == 1.0
    assert listed["peak memory (GiB)"]["B/A"] == 1.0
    assert listed["generate (tok/s)"]["n"] == "0/5"
    assert listed["generate (tok/s)"]["verdict"] == "can not tell"


def test_a_number_that_physics_does_not_allow_is_in_no_comparison() -> None:
    doubt = (("generate_tps", "more than the memory can read"),)
    some = runs("c1", "a", STEADY) + runs("c2", "a", scaled(5), quarantined=doubt)
    (row,) = between("c1", "c2", some)
    assert (row.word, row.why) == ("can not tell", "quarantined: more than the memory can read")
    assert row.runs == (5, 0)
