"""A board that answered is waited for after a hiccup; one that never did, or was waited for, is given up at once."""

from __future__ import annotations

import pytest

from fleet import defaults
from fleet.errors import AuthenticationFailed, ConnectionDropped, HostKeyChanged, HostKeyUnknown, Unreachable
from fleet.patience import Patience

DROPPED = ConnectionDropped("gone")


def test_a_board_that_never_answered_is_not_waited_for() -> None:
    assert Patience().pause_s(Unreachable("no route")) is None


def test_a_board_that_answered_is_waited_for_longer_each_time_and_not_for_ever() -> None:
    patience = Patience()
    patience.met()
    pauses = []
    while (pause := patience.pause_s(DROPPED)) is not None:
        pauses.append(pause)
    assert len(pauses) == defaults.DROPS
    assert pauses == sorted(pauses) and pauses[0] == defaults.DROP_PAUSE_S and pauses[-1] <= 60
    assert 180 < sum(pauses) < 300


def test_what_comes_to_its_end_in_between_makes_patience_new() -> None:
    patience = Patience(known=True)
    for _ in range(defaults.DROPS):
        assert patience.pause_s(DROPPED) is not None
    patience.moved()
    assert patience.pause_s(DROPPED) == defaults.DROP_PAUSE_S


def test_what_was_waited_for_already_is_not_waited_for_again() -> None:
    patience = Patience(known=True)
    patience.over()
    assert patience.pause_s(DROPPED) is None


@pytest.mark.parametrize("kind", [AuthenticationFailed, HostKeyUnknown, HostKeyChanged])
def test_a_stranger_does_not_become_a_friend_by_waiting(kind: type[Unreachable]) -> None:
    error = kind.__new__(kind)
    Exception.__init__(error, "who is this")
    assert Patience(known=True).pause_s(error) is None
