"""Thirty nights of four boards, and exactly the alarms that they should give. Read it from top to bottom."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import pytest

from analysis.nights import Cause, Night, NightVerdict, Series, again_name, judge_night, read_nights, suspects
from analysis.nights.fast import State
from analysis.runs import Run
from tests.unit.measured import FACTS, runs

BOARDS = ("ada", "bob", "cyd", "dan")
NEW_KERNEL = (("DRAM governor", "performance"), ("kernel", "6.1.99"))


def name_of(night: int) -> str:
    return f"night-{night:02d}"


@dataclass
class Lab:
    """Boards that are measured night after night. ``factor`` is what a fault makes of a board's 20 tok/s."""

    seed: int = 1
    sigma: float = 0.008
    factor: Callable[[int, str, bool], float] = lambda night, board, again: 1.0
    facts: Callable[[int, str], tuple[tuple[str, str], ...]] = lambda night, board: FACTS
    runtime: Callable[[int], str] = lambda night: "1.2.3"
    repeats: Callable[[int, str], int] = lambda night, board: 5
    collected: list[Run] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.drawn = random.Random(self.seed)

    def night(self, night: int) -> NightVerdict:
        """What the nightly does: measure, judge, measure once more what fell out, judge again."""
        for board in BOARDS:
            self.collected += self._measure(night, board, again=False)
        for series in suspects(self.nights()):
            self.collected += self._measure(night, series.board, again=True)
        return judge_night(self.nights())

    def nights(self) -> tuple[Night, ...]:
        return read_nights(self.collected)

    def all(self, last: int = 30) -> dict[int, NightVerdict]:
        return {night: self.night(night) for night in range(1, last + 1)}

    def _measure(self, night: int, board: str, *, again: bool) -> Iterator[Run]:
        level = 20.0 * self.factor(night, board, again) * self.drawn.gauss(1, self.sigma)
        speeds = [level * self.drawn.gauss(1, 0.006) for _ in range(5)]
        done = self.repeats(night, board)
        if done:
            yield from runs(
                again_name(name_of(night)) if again else name_of(night),
                board,
                [*speeds[:done], *[None] * (5 - done)],
                facts=self.facts(night, board),
                conditions={"runtime": self.runtime(night)},
                created_utc=f"2026-11-{night:02d}T02:{30 if again else 0:02d}:00Z",
            )


def alarms(verdicts: dict[int, NightVerdict]) -> dict[int, list[tuple[Cause, tuple[str, ...], bool]]]:
    return {night: [(a.cause, a.boards, a.new) for a in v.alarms] for night, v in verdicts.items() if v.alarms}


def test_thirty_nights_on_which_nothing_happens_give_no_alarm() -> None:
    verdicts = Lab().all()
    assert alarms(verdicts) == {}
    assert not any(verdict.cards or verdict.notes or verdict.unknown for verdict in verdicts.values())
    assert {judged.state for judged in verdicts[5].states.values()} == {State.LEARNING}
    assert {judged.state for judged in verdicts[6].states.values()} == {State.OK}


def test_a_regression_of_five_percent_on_every_board_is_the_softwares_from_its_first_night_on() -> None:
    lab = Lab(
        factor=lambda night, board, again: 0.95 if night >= 20 else 1.0,
        facts=lambda night, board: NEW_KERNEL if night >= 20 else FACTS,
    )
    verdicts = lab.all(22)
    assert alarms(verdicts) == {
        20: [(Cause.SOFTWARE, BOARDS, True)],
        21: [(Cause.SOFTWARE, BOARDS, False)],
        22: [(Cause.SOFTWARE, BOARDS, False)],
    }
    (alarm,) = verdicts[22].alarms
    assert (alarm.last_good, alarm.first_bad) == ("night-19", "night-20")
    assert alarm.changed == ("kernel 6.1.75 → 6.1.99",)
    assert alarm.command == "invoke compare campaign=night-19 campaign=night-20 --board ada,bob,cyd,dan"
    size = alarm.judged[0].size
    assert size is not None
    assert size.low is not None
    assert size.high is not None
    assert 0.92 < size.low < 0.95 < size.high < 0.98
    for said in ("generate", "% slower (-", "night-20", "kernel 6.1.75 → 6.1.99", "every board"):
        assert said in alarm.sentence
    # Nobody measures again what is known to be down: one second measurement of each board, on the first night.
    assert sum(run.campaign == again_name("night-20") for run in lab.collected) == 4 * 5
    assert not any(run.campaign == again_name("night-21") for run in lab.collected)


def test_one_bad_night_that_the_second_measurement_does_not_find_is_flaky_and_no_alarm() -> None:
    verdicts = Lab(factor=lambda night, board, again: 0.94 if (night, board, again) == (15, "bob", False) else 1.0).all(
        20
    )
    assert alarms(verdicts) == {}
    assert [series.board for series in verdicts[15].flaky] == ["bob"]
    assert not any(verdict.flaky for night, verdict in verdicts.items() if night != 15)


def test_a_new_runtime_begins_a_segment_and_is_a_card_and_no_alarm_even_when_it_is_slower() -> None:
    lab = Lab(
        factor=lambda night, board, again: 0.9 if night >= 12 else 1.0,
        runtime=lambda n: "1.3.0" if n >= 12 else "1.2.3",
    )
    verdicts = lab.all(20)
    assert alarms(verdicts) == {}
    assert [night for night, verdict in verdicts.items() if verdict.cards] == [12, 13, 14, 15, 16]
    (card,) = [card for card in verdicts[16].cards if card.series.board == "ada"]
    assert card.changed == ("runtime 1.2.3 → 1.3.0",)
    assert (card.last_before, card.first_after) == ("night-11", "night-12")
    assert card.ratio is not None
    assert card.ratio.between_nights
    assert card.ratio.value == pytest.approx(0.9, abs=0.015)
    assert verdicts[12].states[series_of("ada")].state is State.LEARNING


def test_a_sick_board_is_its_own_fault_until_it_is_well_again() -> None:
    verdicts = Lab(factor=lambda night, board, again: 0.9 if board == "cyd" and 18 <= night <= 20 else 1.0).all(24)
    assert alarms(verdicts) == {
        18: [(Cause.BOARD, ("cyd",), True)],
        19: [(Cause.BOARD, ("cyd",), False)],
        20: [(Cause.BOARD, ("cyd",), False)],
    }
    assert verdicts[18].alarms[0].changed == ()
    assert "nothing that the facts show" in verdicts[18].alarms[0].sentence


def test_a_night_cut_short_is_unknown_and_neither_good_nor_bad() -> None:
    # The supply failed on night 14: two runs of bob, none of cyd and dan.
    lab = Lab(repeats=lambda night, board: {"bob": 2, "cyd": 0, "dan": 0}.get(board, 5) if night == 14 else 5)
    verdicts = lab.all(18)
    assert alarms(verdicts) == {}
    assert [(series.board, why) for series, why in verdicts[14].unknown] == [
        ("bob", "2 of 5 repeats are valid, 3 are needed"),
        ("cyd", "not measured"),
        ("dan", "not measured"),
    ]
    assert not verdicts[15].unknown
    assert verdicts[15].states[series_of("cyd")].state is State.OK


def test_all_of_it_in_one_month_gives_exactly_these_alarms() -> None:
    """Runtime on 10, one bad night on 17, a short night on 19, a sick board from 21 to 22, a regression from 27."""

    def factor(night: int, board: str, again: bool) -> float:
        found = 1.08 if night >= 10 else 1.0
        if (night, board, again) == (17, "dan", False):
            found *= 0.94
        if board == "bob" and night in (21, 22):
            found *= 0.88
        return found * (0.95 if night >= 27 else 1.0)

    lab = Lab(
        factor=factor,
        facts=lambda night, board: NEW_KERNEL if night >= 27 else FACTS,
        runtime=lambda night: "1.3.0" if night >= 10 else "1.2.3",
        repeats=lambda night, board: 0 if night == 19 and board != "ada" else 5,
    )
    verdicts = lab.all()
    assert alarms(verdicts) == {
        21: [(Cause.BOARD, ("bob",), True)],
        22: [(Cause.BOARD, ("bob",), False)],
        27: [(Cause.SOFTWARE, BOARDS, True)],
        28: [(Cause.SOFTWARE, BOARDS, False)],
        29: [(Cause.SOFTWARE, BOARDS, False)],
        30: [(Cause.SOFTWARE, BOARDS, False)],
    }
    assert {
        night: [series.board for series in verdict.flaky] for night, verdict in verdicts.items() if verdict.flaky
    } == {17: ["dan"]}
    assert verdicts[27].alarms[0].changed == ("kernel 6.1.75 → 6.1.99",)


def test_the_verdict_follows_from_the_evidence_in_whatever_order_it_is_read() -> None:
    lab = Lab(factor=lambda night, board, again: 0.95 if night >= 10 else 1.0)
    lab.all(12)
    shuffled = list(lab.collected)
    random.Random(5).shuffle(shuffled)
    assert judge_night(read_nights(shuffled)) == judge_night(lab.nights())


def test_of_two_boards_nobody_can_say_whose_fault_it_is() -> None:
    lab = Lab(factor=lambda night, board, again: 0.9 if night == 10 and board == "ada" else 1.0)
    lab.repeats = lambda night, board: 5 if board in ("ada", "bob") else 0
    assert alarms(lab.all(10)) == {10: [(Cause.OPEN, ("ada",), True)]}


def test_two_nights_that_nobody_measured_again_confirm_each_other() -> None:
    lab = Lab(factor=lambda night, board, again: 0.9 if night >= 10 and board == "ada" else 1.0)
    lab.all(9)
    lab.collected += [run for board in BOARDS for run in lab._measure(10, board, again=False)]
    assert [series.board for series in judge_night(lab.nights()).suspects] == ["ada"]
    lab.collected += [run for board in BOARDS for run in lab._measure(11, board, again=False)]
    (alarm,) = judge_night(lab.nights()).alarms
    assert (alarm.first_bad, alarm.last_good, alarm.cause) == ("night-10", "night-09", Cause.BOARD)


def test_two_percent_for_a_week_are_a_note_and_no_alarm() -> None:
    lab = Lab(sigma=0.004, factor=lambda night, board, again: 0.975 if night >= 24 and board == "bob" else 1.0)
    verdicts = lab.all()
    assert alarms(verdicts) == {}
    (note,) = verdicts[30].notes
    assert note.series == series_of("bob")
    assert note.worse_by == pytest.approx(0.025, abs=0.01)
    assert note.began in [name_of(night) for night in range(23, 27)]


def test_simulated_nights_are_a_series_of_their_own() -> None:
    measured = runs("n1", "ada", [20.0] * 5)
    virtual = runs("n1", "ada", [90.0] * 5, conditions={"origin": "simulated"}, origin="simulated")
    (night,) = read_nights(measured + virtual)
    assert {series.origin: value.value for series, value in night.values.items()} == {
        "measured": 20.0,
        "simulated": 90.0,
    }


def test_a_cell_that_a_night_measures_under_two_clock_profiles_is_two_series() -> None:
    as_is = {"clocks": {"profile": "as_is", "pinned": [], "not_pinned": []}}
    both = runs("n1", "ada", [20.0] * 5) + runs("n1", "ada", [15.0] * 5, conditions=as_is, repeat=9)
    nights = read_nights(both + runs("n2", "ada", [20.0] * 5))
    cell = series_of("ada").cell
    assert {series.cell: value.value for series, value in nights[0].values.items()} == {
        f"{cell}, clocks pinned": 20.0,
        f"{cell}, clocks as_is": 15.0,
    }
    assert [series.cell for series in nights[1].values] == [f"{cell}, clocks pinned"]


def series_of(board: str) -> Series:
    return Series("qwen3-0.6b, 3 cores, basic/story, 64 new, ctx 4096", "generate_tps", "measured", board)
