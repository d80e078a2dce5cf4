"""What is known of each board's health, from night to night: ``nightly/health.json``.

A night makes a board good or bad: bad with the reason when it does not answer, fails its checks or its canary. A bad
board is tried each night up to its canary and left out of the suite, until it has passed so often in a row as the suite
says, or a person clears it. What a person has said (maintenance, retired) no night changes, and such a board is not
even asked.
"""

from __future__ import annotations

import contextlib
import enum
import fcntl
import json
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from fleet.errors import ConfigError
from fleet.evidence import disk_errors, write_file
from fleet.nightly.night import FOLDER

SCHEMA = 1


class State(enum.StrEnum):
    """What a board is fit for."""

    GOOD = "good"
    UNKNOWN = "unknown"  # no night has tried it, or a person cleared it
    BAD = "bad"
    MAINTENANCE = "maintenance"
    RETIRED = "retired"


LEFT_ALONE = (State.MAINTENANCE, State.RETIRED)


@dataclass(frozen=True)
class Health:
    """One board's. ``since``: when it came into this state; ``passes``: nights in a row that it passed while bad;
    ``night``: the last one that judged it."""

    state: State = State.UNKNOWN
    reason: str = ""
    since: str = ""
    passes: int = 0
    night: str = ""


def after(before: Health, trouble: str | None, night: str, when: str, returns: int) -> Health:
    """What a night makes of it: ``trouble`` None is a night that it passed; ``returns``: passes in a row that make a
    bad board good again, 0 for none ever. A night that is gone on with counts once."""
    if before.state in LEFT_ALONE:
        return before
    if trouble is not None:
        since = before.since if before.state is State.BAD else when
        return Health(State.BAD, trouble, since, night=night)
    if before.night == night:
        return before
    passes = before.passes + 1
    if before.state is State.BAD and not 0 < returns <= passes:
        return replace(before, passes=passes, night=night)
    since = before.since if before.state is State.GOOD else when
    return Health(State.GOOD, "", since, night=night)


class HealthBook:
    """The file. Nights and people write it at any time, one board at a time."""

    def __init__(self, home: Path) -> None:
        self._path = home / FOLDER / "health.json"

    def read(self) -> dict[str, Health]:
        """Of every board that has an entry. Raises ConfigError for a file that can not be understood: to forget a
        quarantine would be worse."""
        try:
            data = json.loads(self._path.read_bytes())
            return {str(name): _health(one) for name, one in data["boards"].items()}
        except FileNotFoundError:
            return {}
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            hint = "mend it, or remove it: all boards are unknown then"
            raise ConfigError(f"can not be read: {error!r}", file=str(self._path), hint=hint) from None

    def update(self, board: str, change: Callable[[Health], Health]) -> Health:
        """Change what is known of one board as it is now; returns what it is then."""
        with self._alone():
            known = self.read()
            known[board] = change(known.get(board, Health()))
            text = json.dumps({"schema": SCHEMA, "boards": {k: asdict(known[k]) for k in sorted(known)}}, indent=1)
            write_file(self._path, (text + "\n").encode())
            return known[board]

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        with disk_errors(self._path.parent, "", "keep the boards' health", "invoke health"):
            self._path.parent.mkdir(parents=True, exist_ok=True)
            handle = os.open(self._path.with_name(".health.lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                fcntl.flock(handle, fcntl.LOCK_EX)
                yield
            finally:
                os.close(handle)


def _health(one: Mapping[str, Any]) -> Health:
    return Health(State(one["state"]), str(one["reason"]), str(one["since"]), int(one["passes"]), str(one["night"]))
