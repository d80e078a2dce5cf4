"""A timeout is a point in time, shared by everything that happens before it."""

from __future__ import annotations

import math
import threading
import time

from fleet.deadline import Deadline
from fleet.ssh.watchdog import Watchdog, later


class Clock:
    """Time that passes when it is told to."""

    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


def test_what_is_left_shrinks_and_is_never_negative() -> None:
    clock = Clock()
    deadline = Deadline.after(10, clock=clock)
    assert (deadline.left_s, deadline.expired) == (10, False)
    clock.now_s += 4
    assert (deadline.left_s, deadline.expired) == (6, False)
    clock.now_s += 6
    assert (deadline.left_s, deadline.expired) == (0, True)
    clock.now_s += 100
    assert (deadline.left_s, deadline.expired) == (0, True)


def test_a_cap_can_only_bring_it_forward() -> None:
    clock = Clock()
    deadline = Deadline.after(10, clock=clock)
    assert deadline.cap(3).left_s == 3
    assert deadline.cap(30).left_s == 10
    clock.now_s += 9
    assert deadline.cap(3).left_s == 1


def test_no_limit_is_a_deadline_too() -> None:
    assert Deadline.after(math.inf).left_s == math.inf
    assert Deadline.after(math.inf).cap(1).left_s <= 1


def test_a_later_moment_is_on_the_same_clock() -> None:
    clock = Clock()
    deadline = Deadline.after(10, clock=clock)
    clock.now_s += 10
    assert later(deadline, 4).left_s == 4


def test_the_watchdog_cuts_what_is_late_and_only_that() -> None:
    watchdog = Watchdog()
    cut = threading.Event()
    with (
        watchdog.limit(Deadline.after(3600), lambda: None) as patient,
        watchdog.limit(Deadline.after(0.05), cut.set) as late,
    ):
        assert cut.wait(10)
        assert (late.fired, patient.fired) == (True, False)


def test_what_is_over_in_time_is_not_cut() -> None:
    watchdog = Watchdog()
    early, second = threading.Event(), threading.Event()
    with watchdog.limit(Deadline.after(1), early.set) as watch:
        pass
    with watchdog.limit(Deadline.after(1.2), second.set):
        assert second.wait(10)
    assert not early.is_set()
    assert not watch.fired


def test_limits_may_be_set_in_any_order_and_by_many_threads() -> None:
    watchdog = Watchdog()
    cut: list[int] = []
    done = threading.Barrier(11)

    def hang(number: int) -> None:
        woken = threading.Event()

        def wake() -> None:
            cut.append(number)
            woken.set()

        with watchdog.limit(Deadline(start + 0.05 * (10 - number)), wake):
            woken.wait(10)
        done.wait(10)

    start = time.monotonic() + 2
    for number in range(10):
        threading.Thread(target=hang, args=(number,)).start()
    done.wait(10)
    assert cut == [9, 8, 7, 6, 5, 4, 3, 2, 1, 0]


def test_no_limit_does_not_stop_the_watchdog() -> None:
    watchdog = Watchdog()
    cut = threading.Event()
    with watchdog.limit(Deadline.after(math.inf), lambda: None), watchdog.limit(Deadline.after(0.05), cut.set):
        assert cut.wait(10)
