"""The morning page: what ran, what did not and why, what got worse and since when, which board is sick.

Pure: what is known of a night in, Markdown out, for a terminal too. A quiet night is one line.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from fleet.errors import ExitCode, worst
from fleet.nightly.health import Health, State
from fleet.nightly.night import FLEET, Finding, Night, Stage, Status
from fleet.nightly.until import OVER
from fleet.rows import Row
from fleet.text import readable
from fleet.verdict import Outcome

NOT_RUN = (Outcome.SKIPPED, Outcome.UNREACHABLE, "open")


@dataclass(frozen=True)
class Morning:
    """All that the page is made of. ``runs``: board, run, outcome and reason of each that was planned."""

    night: Night
    health: Mapping[str, Health]
    runs: Sequence[Row]
    simulated: bool = False
    probe: bool = False  # out of memory is then what it may find

    @property
    def sick(self) -> dict[str, Health]:
        """The boards that are quarantined."""
        return {name: one for name, one in self.health.items() if one.state is State.BAD and name in self.night.boards}

    @property
    def bad_runs(self) -> list[Row]:
        """What should have run well and did not; what can not run on such a board is no news."""
        fine = (Outcome.OK, Outcome.SKIPPED, *([Outcome.OOM] if self.probe else []))
        return [row for row in self.runs if row["outcome"] not in fine or str(row["reason"] or "").startswith(OVER)]

    @property
    def troubles(self) -> list[tuple[Stage, str, str]]:
        """(stage, board, what) of all that went wrong, and is no quarantine that the list of boards shows."""
        return [
            (stage, board, done.what)
            for stage, results in self.night.stages.items()
            for board, done in results.items()
            if done.status is Status.FAILED or (done.status is Status.SICK and board not in self.sick)
        ]

    @property
    def exit_code(self) -> ExitCode:
        """The worst of the night: unreachable before a regression before what failed before other verdicts."""
        codes = [ExitCode(done.code) for results in self.night.stages.values() for done in results.values()]
        codes += [ExitCode.FAILED for row in self.bad_runs if row["outcome"] not in NOT_RUN]
        codes += [ExitCode.FAILED] if self.night.interrupted_in else []
        code = worst(codes + [ExitCode.VERDICT for _ in self.night.alarms])
        return ExitCode.VERDICT if self.night.alarms and code is ExitCode.FAILED else code

    @property
    def quiet(self) -> bool:
        """Is there nothing that a person has to know?"""
        news = [finding for finding in self.night.findings if finding.news]
        told = news or self.night.interrupted_in or self.night.notes or self.sick or self.bad_runs or self.troubles
        return not told and bool(self.runs)

    @property
    def headline(self) -> str:
        """One line: the title of the page, and of what is sent."""
        ok = sum(row["outcome"] == Outcome.OK for row in self.runs)
        measured = len({row["board"] for row in self.runs if row["outcome"] == Outcome.OK})
        ran = f"{ok} of {_count(len(self.runs), 'run')} ok on {_count(measured, 'board')}"
        aside = [one.state for name, one in self.health.items() if name in self.night.boards]
        more = [f"{n} in {State.MAINTENANCE}" for n in [aside.count(State.MAINTENANCE)] if n]
        more += ["simulated"] if self.simulated else []
        if self.quiet:
            return f"{self.night.name}: quiet: " + ", ".join([ran, "nothing got worse", "no board is sick", *more])
        parts = [
            f"interrupted in its stage {self.night.interrupted_in}" if self.night.interrupted_in else "",
            f"{_count(len(self.night.alarms), 'number')} got worse" if self.night.alarms else "",
            f"{_count(len(self.sick), 'board')} sick ({', '.join(self.sick)})" if self.sick else "",
            f"{_count(len(self.bad_runs), 'run')} not as planned" if self.bad_runs else "",
            "nothing was measured" if not self.runs else ran,
            *more,
        ]
        return f"{self.night.name}: " + ", ".join(part for part in parts if part)

    def markdown(self) -> str:
        """The page."""
        line = _safe(self.headline)
        if self.quiet:
            return line + "\n"
        name = self.night.name
        remarks = [finding for finding in self.night.findings if not finding.alarm]
        blocks = [
            f"# {line}",
            f"Begun {self.night.started_utc}, {self._until()}suite {self.night.suite}, logs in collected/{name}/.",
            self._interrupted(),
            _section("What got worse", _findings(self.night.alarms)),
            _section("Boards", self._boards()),
            _section("What did not run, and why", self._reasons(lambda outcome: outcome in NOT_RUN)),
            _section("What ran and went wrong", self._reasons(lambda o: o not in NOT_RUN and o != Outcome.OK)),
            _section("Troubles", _table(("stage", "board", "what"), self.troubles)),
            _section(
                "Remarks",
                [*_findings(remarks), *([""] if remarks else []), *(f"- {_safe(n)}" for n in self.night.notes)],
            ),
            _section("What ran", self._ran()),
        ]
        return "\n\n".join(block for block in blocks if block) + "\n"

    def as_dict(self) -> dict[str, Any]:
        """For a program."""
        night = self.night.to_json()
        del night["token"]  # whoever has it can take the boards
        return {
            "headline": self.headline,
            "quiet": self.quiet,
            "exit_code": int(self.exit_code),
            "simulated": self.simulated,
            **night,
            "health": {name: asdict(one) for name, one in self.health.items()},
            "runs": [dict(row) for row in self.runs],
        }

    def _until(self) -> str:
        return f"until {self.night.until_utc}, " if self.night.until_utc else ""

    def _interrupted(self) -> str:
        if self.night.interrupted_in is None:
            return ""
        return (
            "Somebody stopped it, by Ctrl-C or `systemctl stop`. Boards that answered are given back; a run that had "
            "begun goes on there. The same `invoke nightly` before the night's end goes on where it was; "
            "`invoke collect` brings what has ended."
        )

    def _boards(self) -> list[str]:
        """Every board that is not simply good, and where it dropped out tonight."""
        rows = []
        for board in self.night.boards:
            health, out = self.health.get(board, Health()), self.night.out(board)
            if health.state is State.GOOD and out is None:
                continue
            tonight = "" if out is None else f"{out[0]}: {out[1].what or out[1].status}"
            tonight = "the same" if health.state is State.BAD and tonight == health.reason else tonight
            clear = f"mend it; invoke health --board {board} --state unknown" if health.state is State.BAD else ""
            rows.append((board, health.state, health.since, health.reason, tonight, clear))
        return _table(("board", "state", "since", "reason", "tonight", "next"), rows)

    def _reasons(self, wanted: Any) -> list[str]:
        counted = Counter(
            (str(row["board"]), str(row["outcome"]), str(row["reason"] or ""))
            for row in self.runs
            if wanted(row["outcome"])
        )
        rows = [(board, str(n), outcome, reason) for (board, outcome, reason), n in counted.items()]
        return _table(("board", "runs", "outcome", "reason"), rows)

    def _ran(self) -> list[str]:
        counted = Counter(str(row["board"]) for row in self.runs if row["outcome"] == Outcome.OK)
        planned = Counter(str(row["board"]) for row in self.runs)
        seen = {board: done.what for board, done in self.night.stages.get(Stage.CANARY, {}).items()}
        rows = [(board, f"{counted[board]} of {n}", seen.get(board, "")) for board, n in planned.items()]
        return _table(("board", "ok", "canary"), rows)


def _findings(findings: Iterable[Finding]) -> list[str]:
    rows = [(one.kind, one.board, one.cell, one.metric, one.sentence, one.since) for one in findings]
    return _table(("verdict", "board", "cell", "metric", "what", "since"), rows)


def _section(title: str, lines: Sequence[str]) -> str:
    return "\n".join([f"## {title}", "", *lines]) if lines else ""


def _table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Columns that are empty in every row are left out; no rows are no table."""
    kept = [place for place in range(len(headings)) if any(row[place] for row in rows)]
    if not rows:
        return []

    def line(cells: Sequence[str]) -> str:
        return "| " + " | ".join(_safe(str(cells[place])) for place in kept) + " |"

    return [line(headings), "|" + "---|" * len(kept), *map(line, rows)]


def _safe(text: str) -> str:
    """On one line, without what moves a cursor, ends a table's cell or is markup; some of it came from a board."""
    words = " ".join(readable(text.encode("utf-8", "replace")).split())
    for mark in "\\`|<>[]":
        words = words.replace(mark, f"\\{mark}")
    return words.replace(FLEET, "all") if words == FLEET else words


def _count(n: int, what: str) -> str:
    return f"{n} {what}{'' if n == 1 else 's'}"
