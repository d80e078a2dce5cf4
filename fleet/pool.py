"""The same work on many boards at once, bounded; one result a board, in the order in which they were given.

A board's ``FleetError`` is that board's result and the others go on; a bug (any other exception) is raised once all
have ended. Ctrl-C calls ``interrupted``, which has to make the work return soon, and is raised anew when all have left.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from typing import TypeVar

from fleet import defaults
from fleet.errors import FleetError

Item = TypeVar("Item")
Result = TypeVar("Result")


def on_each(
    items: Sequence[Item],
    work: Callable[[Item], Result],
    *,
    at_once: int = defaults.BOARDS_AT_ONCE,
    interrupted: Callable[[], object] = lambda: None,
) -> tuple[Result | FleetError, ...]:
    """Call ``work`` for every item, at most ``at_once`` at a time."""

    def guarded(item: Item) -> Result | FleetError:
        try:
            return work(item)
        except FleetError as error:
            return error

    with ThreadPoolExecutor(max_workers=max(1, min(at_once, len(items)))) as pool:
        futures: list[Future[Result | FleetError]] = [pool.submit(guarded, item) for item in items]
        try:
            wait(futures, return_when=FIRST_EXCEPTION)
        except KeyboardInterrupt:
            for future in futures:
                future.cancel()
            interrupted()
            wait(futures)
            raise
    return tuple(future.result() for future in futures)
