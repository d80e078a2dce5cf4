"""Reads what the checks judge, one round trip a board, and turns a failed one into the error that stops a bench."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from fleet import defaults
from fleet.boards import libraries_of
from fleet.checks import Finding, Subject, Verdict, Wanted, judge
from fleet.checks.programs import demos_of
from fleet.config.inventory import BoardEntry
from fleet.config.model import Model, ModelFile
from fleet.deadline import Deadline
from fleet.errors import CheckFailed, FleetError
from fleet.facts import Facts, read_facts
from fleet.pool import on_each

if TYPE_CHECKING:
    from fleet.plan import PlannedRun
    from fleet.session import Session

Row = dict[str, str | int | float | None]

_ORDER = (Verdict.FAIL, Verdict.WARN, Verdict.UNKNOWN, Verdict.OK)


@dataclass(frozen=True)
class Checked:
    """One board: its findings, or the error that kept us from them."""

    entry: BoardEntry
    findings: tuple[Finding, ...]
    simulated: bool
    error: FleetError | None = None


def check_boards(session: Session, boards: Sequence[BoardEntry], model: Model | None) -> tuple[Checked, ...]:
    """Judge these boards, side by side. ``model`` None: nobody asks for one, its files are judged where they are."""
    models = (model,) if model else session.catalogue().models

    def one(entry: BoardEntry) -> Checked:
        files = [file for known in models for file in known.files_for(standin=entry.virtual is not None)]
        store = entry.paths.store if entry.paths.store.startswith("/") else f"./{entry.paths.store}"
        with session.connect(entry) as board:
            facts = read_facts(
                board,
                Deadline.after(defaults.FACTS_S),
                disks=[store],
                libraries=libraries_of(entry),
                more=options(entry, entry.paths.store, files, (model,) if model else ()),
            )
        simulated = entry.virtual is not None or facts.get("simulated") is not None
        asked = (model,) if model else ()
        subject = Subject(entry, facts, asked, wanted(files, session.models), files_asked=model is not None)
        return Checked(entry, judge(subject), simulated)

    answers = on_each(boards, one)
    return tuple(
        Checked(entry, (), entry.virtual is not None, answer) if isinstance(answer, FleetError) else answer
        for entry, answer in zip(boards, answers, strict=True)
    )


def before_runs(
    entry: BoardEntry, facts: Facts, runs: Sequence[PlannedRun], models: Path, *, campaign: str, resumed: bool
) -> Subject:
    """The board as runs will find it. A file that is nowhere is no matter of the board: its runs alone are skipped."""
    asked = {planned.cell.model.name: planned.cell.model for planned in runs}
    files = wanted(files_of(runs), models)
    return Subject(entry, facts, tuple(asked.values()), files, campaign=campaign, resumed=resumed)


def files_of(runs: Sequence[PlannedRun]) -> list[ModelFile]:
    """The model files of these runs, each once."""
    files = [file for one in runs for file in (one.artifact, one.encoder) if file is not None]
    return list({file.file: file for file in files}.values())


def options(entry: BoardEntry, store: str, files: Sequence[ModelFile], models: Sequence[Model]) -> list[str]:
    """What ``facts.sh`` is told beyond a run's facts; ``store`` is absolute, or below the home folder."""
    words = ["--check", store]
    for demo in demos_of(entry, models).values():
        words += ["--demo", demo] if demo is not None else []
    beside = [(path or "").rpartition("/")[0] for path in (entry.paths.llm_demo, entry.paths.vlm_demo)]
    for folder in dict.fromkeys((entry.paths.models, *beside)):
        words += ["--folder", folder] if folder else []
    for file in files:
        words += ["--file", f"{file.sha256 or ''}/{file.file}"]
    return words


def wanted(files: Sequence[ModelFile], models: Path) -> tuple[Wanted, ...]:
    """These files, and which of them this workstation could push."""
    return tuple(Wanted(file, (models / file.file).is_file()) for file in files)


def failed(findings: Sequence[Finding]) -> tuple[Finding, ...]:
    """Those that say no."""
    return tuple(finding for finding in findings if finding.verdict is Verdict.FAIL)


def refusal(entry: BoardEntry, findings: Sequence[Finding]) -> CheckFailed | None:
    """The error that keeps a bench off this board; None when no check failed."""
    bad = failed(findings)
    if not bad:
        return None
    return CheckFailed(
        "; ".join(finding.sentence for finding in bad),
        checks=[finding.check for finding in bad],
        board=entry.name,
        doing="check",
        hint=f"{bad[0].action}; then `invoke check --board {entry.name}`; or measure all the same: --force",
    )


def rows(checked: Sequence[Checked]) -> list[Row]:
    """One line a finding: by board, what fails first."""
    return [
        {
            "board": one.entry.name,
            "check": finding.check,
            "verdict": str(finding.verdict),
            "seen": finding.seen,
            "rule": finding.rule,
            "next action": finding.action or None,
            "origin": "simulated" if one.simulated else "measured",
        }
        for one in checked
        for finding in sorted(one.findings, key=lambda finding: _ORDER.index(finding.verdict))
    ]
