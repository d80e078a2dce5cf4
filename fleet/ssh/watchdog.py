"""No call outlives its limit: one thread cuts the connection of a call that did, and whatever it waits in
then fails.

paramiko waits without a limit in several places (a full socket buffer, the reply to ``exec``, another
thread's write lock). Rather than to bound each of them, the socket below is shut down, which ends all of
them.
"""

from __future__ import annotations

import heapq
import itertools
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from fleet.deadline import Deadline


def later(deadline: Deadline, seconds: float) -> Deadline:
    """The moment ``seconds`` after ``deadline``, on the same clock."""
    return Deadline(deadline.at_s + seconds, deadline.clock)


class Watch:
    """One guarded call; ``fired`` says that it was cut."""

    def __init__(self, at_s: float, cut: Callable[[], None]) -> None:
        self.at_s = at_s
        self.cut = cut
        self.fired = False
        self.over = False


class Watchdog:
    """A heap of limits and the thread that waits for the next of them; the thread starts at first use."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._heap: list[tuple[float, int, Watch]] = []
        self._count = itertools.count()
        self._thread: threading.Thread | None = None

    @contextmanager
    def limit(self, deadline: Deadline, cut: Callable[[], None]) -> Iterator[Watch]:
        """Call ``cut`` if the block is still running when ``deadline`` passes."""
        watch = Watch(time.monotonic() + min(deadline.left_s, threading.TIMEOUT_MAX), cut)
        with self._changed:
            if self._thread is None or not self._thread.is_alive():  # a fork leaves it behind
                self._thread = threading.Thread(target=self._run, name="fleet-watchdog", daemon=True)
                self._thread.start()
            heapq.heappush(self._heap, (watch.at_s, next(self._count), watch))
            if self._heap[0][2] is watch:
                self._changed.notify()
        try:
            yield watch
        finally:
            with self._changed:
                watch.over = True
                while self._heap and self._heap[0][2].over:
                    heapq.heappop(self._heap)

    def _run(self) -> None:
        while True:
            with self._changed:
                wait_s = self._heap[0][0] - time.monotonic() if self._heap else None
                if wait_s is None or wait_s > 0:
                    self._changed.wait(wait_s)
                    continue
                watch = heapq.heappop(self._heap)[2]
                if watch.over:
                    continue
                watch.fired = True
            watch.cut()


WATCHDOG = Watchdog()
