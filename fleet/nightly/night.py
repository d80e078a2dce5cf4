"""What is known of one night, on disk after each step: ``nightly/<night>.json``.

A night is alone in its home by a lock of its process. One that was killed is gone on with by the next that starts
before its end: what a stage has said of a board is said. The name of a night is that of its campaign.
"""

from __future__ import annotations

import contextlib
import enum
import fcntl
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from fleet import defaults
from fleet.errors import ConfigError, FleetError
from fleet.evidence import disk_errors, write_file
from fleet.lease import new_token

FOLDER = "nightly"
SCHEMA = 1
FLEET = "*"  # in place of a board: what is done once for all of them


class Stage(enum.StrEnum):
    """In the order in which they come."""

    LEASE = "lease"
    CHECK = "check"
    CANARY = "canary"
    PUSH = "push"
    BENCH = "bench"
    COLLECT = "collect"
    JUDGE = "judge"
    REPORT = "report"
    NOTIFY = "notify"
    RELEASE = "release"


class Status(enum.StrEnum):
    """What a stage came to."""

    OK = "ok"
    SICK = "sick"  # it is the board's own trouble: it is left out from here on, and quarantined
    FAILED = "failed"  # somebody has it, the disk is full: no word on the board's health
    LEFT_OUT = "left out"  # not tried


@dataclass(frozen=True)
class Done:
    """What one stage came to on one board."""

    status: Status
    what: str = ""
    code: int = 0


@dataclass(frozen=True)
class Finding:
    """What the judge says of one number of one cell, or of a board, in words for a person.

    ``alarm``: it got worse, and that is believed. ``news``: is it worth a morning's attention. ``again``: the runs of
    this night that have to be measured once more before it is believed."""

    kind: str  # regression, flaky, suspect, note, …: the judge's own word
    board: str
    cell: str
    metric: str
    sentence: str
    since: str = ""
    alarm: bool = False
    news: bool = True
    again: tuple[str, ...] = ()


class NightGoesOn(FleetError):
    """Another process of this workstation has a night in this home."""


@dataclass
class Night:
    """One night. ``token`` is what it shows to the boards that it leases."""

    name: str
    suite: str
    boards: tuple[str, ...]
    started_utc: str
    until_utc: str | None
    token: str
    stages: dict[Stage, dict[str, Done]] = field(default_factory=dict)
    over: list[Stage] = field(default_factory=list)
    findings: tuple[Finding, ...] = ()
    notes: list[str] = field(default_factory=list)
    ended_utc: str | None = None
    interrupted_in: Stage | None = None  # of this process; a night that is gone on with is not

    def done(self, stage: Stage, board: str = FLEET) -> Done | None:
        """What a stage came to there; None: nobody knows yet."""
        return self.stages.get(stage, {}).get(board)

    def put(self, stage: Stage, results: Mapping[str, Done]) -> None:
        """Add results."""
        self.stages.setdefault(stage, {}).update(results)

    def out(self, board: str) -> tuple[Stage, Done] | None:
        """Where and why a board dropped out before the suite was measured on it."""
        for stage in (Stage.LEASE, Stage.CHECK, Stage.CANARY):
            done = self.done(stage, board)
            if done is not None and done.status is not Status.OK:
                return stage, done
        return None

    @property
    def alarms(self) -> tuple[Finding, ...]:
        return tuple(finding for finding in self.findings if finding.alarm)

    def left_s(self, now: datetime) -> float | None:
        """Until its end; None: it has none."""
        return None if self.until_utc is None else (instant(self.until_utc) - now).total_seconds()

    def to_json(self) -> dict[str, Any]:
        """Plain data, complete."""
        return {"schema": SCHEMA, **asdict(self)}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Night:
        """Raises ValueError, KeyError, TypeError for anything else."""
        if data["schema"] != SCHEMA:
            raise ValueError(f"it is of version {data['schema']}, and this program writes {SCHEMA}")
        return cls(
            name=str(data["name"]),
            suite=str(data["suite"]),
            boards=tuple(map(str, data["boards"])),
            started_utc=str(data["started_utc"]),
            until_utc=data["until_utc"],
            token=str(data["token"]),
            stages={
                Stage(stage): {
                    board: Done(Status(one["status"]), one["what"], int(one["code"])) for board, one in of.items()
                }
                for stage, of in data["stages"].items()
            },
            over=[Stage(stage) for stage in data["over"]],
            findings=tuple(Finding(**one | {"again": tuple(one["again"])}) for one in data["findings"]),
            notes=list(data["notes"]),
            ended_utc=data["ended_utc"],
        )


def stamp(moment: datetime) -> str:
    """UTC, ISO 8601, whole seconds."""
    return f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"


def instant(text: str) -> datetime:
    """The moment of such a stamp."""
    return datetime.fromisoformat(text)


class Nights:
    """The folder in which a home keeps its nights."""

    def __init__(self, home: Path) -> None:
        self.folder = home / FOLDER

    def save(self, night: Night) -> None:
        """Whole, or as it was before. Raises NoSpace, EvidenceBroken."""
        text = json.dumps(night.to_json(), ensure_ascii=False, indent=1) + "\n"
        with disk_errors(self.folder, "", "keep the night", "invoke nightly"):
            write_file(self.folder / f"{night.name}.json", text.encode())

    def load(self) -> tuple[Night, ...]:
        """All nights, the oldest first; what can not be read is none."""
        found = []
        for path in self.folder.glob("nightly-*.json"):
            with contextlib.suppress(OSError, ValueError, KeyError, TypeError, AttributeError):
                found.append(Night.from_json(json.loads(path.read_bytes())))
        return tuple(sorted(found, key=lambda night: (night.started_utc, night.name)))

    @contextlib.contextmanager
    def alone(self) -> Iterator[None]:
        """Be the only night of this home. Raises NightGoesOn."""
        with disk_errors(self.folder, "", "begin a night", "invoke nightly"):
            self.folder.mkdir(parents=True, exist_ok=True)
            handle = os.open(self.folder / ".lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise NightGoesOn(self._who(), doing="nightly", hint="invoke status   (what it runs now)") from None
            yield
        finally:
            os.close(handle)

    def _who(self) -> str:
        going = [night for night in self.load() if night.ended_utc is None]
        if not going:
            return "another one has just begun here"
        stages = [stage for stage in Stage if stage not in going[-1].over]
        at = f", at its stage {stages[0]}" if stages else ""
        return f"{going[-1].name} goes on, begun at {going[-1].started_utc}{at}; this one does nothing"


def to_go_on_with(nights: Sequence[Night], suite: str, boards: Sequence[str], now: datetime) -> Night | None:
    """The night that was begun with the same suite and boards, was killed, and is not over by the clock."""
    if not nights or nights[-1].ended_utc is not None:
        return None
    last = nights[-1]
    end = instant(last.until_utc or stamp(instant(last.started_utc) + timedelta(seconds=defaults.NIGHT_S)))
    return last if now < end and (last.suite, last.boards) == (suite, tuple(boards)) else None


def begin(suite: str, boards: Sequence[str], now: datetime, until: datetime | None) -> Night:
    """A new night; its name sorts by time."""
    if not boards:
        raise ConfigError("there is no board to measure", file="inventory.yaml", key="boards")
    return Night(
        name=f"nightly-{now.astimezone(UTC):%Y%m%dT%H%M%SZ}",
        suite=suite,
        boards=tuple(boards),
        started_utc=stamp(now),
        until_utc=None if until is None else stamp(until),
        token=new_token(),
    )
