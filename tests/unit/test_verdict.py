"""The state of a run, as a table: the board's words in, one verdict out."""

import itertools

import pytest

from fleet.verdict import End, Now, Outcome, Phase, Start, state_from_json, verdict

BEFORE = Start("boot-1", 100.0)


def now(boot_id: str = "boot-1", *, alive: bool = False) -> Now:
    return Now(boot_id, 200.0, alive)


def end(result: str = "success") -> End:
    return End(result, 0, 1.0)


@pytest.mark.parametrize(
    ("start", "ended", "seen", "expected"),
    [
        (None, None, None, Phase.UNKNOWN),
        (BEFORE, None, None, Phase.UNKNOWN),
        (None, None, now(), Phase.NOT_STARTED),
        (None, None, now(alive=True), Phase.RUNNING),
        (BEFORE, None, now(alive=True), Phase.RUNNING),
        (BEFORE, None, now(), Outcome.LOST),
        (BEFORE, None, now("boot-2"), Outcome.REBOOTED),
        (BEFORE, end(), now(), Outcome.OK),
        (BEFORE, end(), now("boot-2"), Outcome.OK),
        (BEFORE, end(), None, Outcome.OK),
        (BEFORE, end("timeout"), now(), Outcome.TIMEOUT),
        (BEFORE, end("cancelled"), now(), Outcome.CANCELLED),
        (BEFORE, end("oom-kill"), now(), Outcome.OOM),
        (BEFORE, end("tripwire"), now(), Outcome.OOM),
        (BEFORE, end("exit-code"), now(), Outcome.FAILED),
        (BEFORE, end("signal"), now(), Outcome.FAILED),
        (BEFORE, end("a word of a later version"), now(), Outcome.FAILED),
    ],
)
def test_what_became_of_a_run(start, ended, seen, expected):
    assert verdict(start, ended, seen) == expected


def test_a_run_that_may_still_be_alive_is_never_called_not_started():
    for start, alive in itertools.product((None, BEFORE), (True, False)):
        may_live = alive or start is not None
        assert (verdict(start, None, now(alive=alive)) is Phase.NOT_STARTED) == (not may_live)


def test_an_answer_of_the_board_is_read_as_it_is():
    state = state_from_json(
        {
            "start": {"boot_id": "b", "uptime_s": 5, "run": "x"},
            "end": {"result": "exit-code", "exit_code": 3, "duration_s": 2.5},
            "now": {"boot_id": "b", "uptime_s": 9.5, "run_alive": False},
        }
    )
    assert (state.start, state.end) == (Start("b", 5.0), End("exit-code", 3, 2.5))
    assert state.verdict is Outcome.FAILED


@pytest.mark.parametrize("answer", [{}, {"start": None, "end": None, "now": None}, {"start": 1, "end": 2, "now": 3}])
def test_an_answer_that_is_none_is_refused(answer):
    with pytest.raises((KeyError, TypeError, ValueError)):
        state_from_json(answer)
