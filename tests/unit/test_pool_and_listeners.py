"""Boards side by side, and events that can not hurt."""

import threading

import pytest

from fleet.errors import BoardError
from fleet.listener import Listeners
from fleet.pool import on_each


def test_results_come_in_the_order_of_the_boards_whoever_is_first():
    gates = {name: threading.Event() for name in "abc"}
    order = {"c": None, "b": "c", "a": "b"}

    def work(name: str) -> str:
        if order[name]:
            assert gates[order[name]].wait(10)
        gates[name].set()
        return name.upper()

    assert on_each("abc", work) == ("A", "B", "C")


def test_one_board_that_fails_is_its_own_result():
    def work(name: str) -> str:
        if name == "b":
            raise BoardError("broken", board=name)
        return name

    a, b, c = on_each("abc", work)
    assert (a, c) == ("a", "c") and isinstance(b, BoardError)


def test_a_bug_is_not_swallowed():
    with pytest.raises(ZeroDivisionError):
        on_each([1, 0], lambda number: 1 // number)


def test_no_more_boards_are_worked_on_at_once_than_allowed():
    running, most, lock, full = 0, 0, threading.Lock(), threading.Barrier(3)

    def work(_: int) -> None:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        full.wait(10)
        with lock:
            running -= 1

    on_each(range(9), work, at_once=3)
    assert most == 3


def test_a_listener_that_raises_is_dropped_and_the_others_go_on(caplog):
    class Broken:
        def board_moved(self, board, phase, detail=""):
            raise RuntimeError("drawing bug")

    class Good:
        def __init__(self):
            self.seen = []

        def board_moved(self, board, phase, detail=""):
            self.seen.append(phase)

    good = Good()
    listeners = Listeners([Broken(), good])
    listeners.board_moved("a", "connect")
    listeners.board_moved("a", "prepare")
    assert good.seen == ["connect", "prepare"]
    assert caplog.text.count("listener dropped") == 1
