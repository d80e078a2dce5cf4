"""Bring here whatever lies on the boards and is not here yet. Twice changes nothing.

A run belongs to the board that has it; which workstation started it does not matter. What still runs is left alone.
What dead drivers left behind goes: a lease of a campaign of ours when nothing of it runs any more, half files here and
in the boards' stores. Nobody else would ever come back for them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from fleet import campaign as campaigns
from fleet import defaults, evidence, job, lease
from fleet.config.inventory import BoardEntry
from fleet.deadline import Deadline
from fleet.errors import FleetError
from fleet.pool import on_each
from fleet.scripts import Store, prepare
from fleet.ssh.connection import Board
from fleet.verdict import Phase


@dataclass(frozen=True)
class Collected:
    """One board's answer: what was pulled now, what was here before, what still runs, what could not be pulled."""

    board: str
    pulled: tuple[Path, ...] = ()
    here: int = 0
    running: tuple[str, ...] = ()
    errors: tuple[FleetError, ...] = ()


def collect(
    boards: tuple[BoardEntry, ...],
    collected: Path,
    connect: Callable[[BoardEntry], Board],
    pulled: Callable[[str, Path], object] = lambda _board, _folder: None,
) -> tuple[Collected, ...]:
    """Pull and verify every ended run of these boards that is not in ``collected``. Raises NoSpace before it begins."""
    evidence.check_space(collected)

    def one(entry: BoardEntry) -> Collected:
        with connect(entry) as board:
            return _collect_board(board, entry, collected, pulled)

    answers = on_each(boards, one)
    evidence.sweep(collected)
    campaigns.sweep(collected)
    return tuple(
        Collected(entry.name, errors=(answer,)) if isinstance(answer, FleetError) else answer
        for entry, answer in zip(boards, answers, strict=True)
    )


def _collect_board(
    board: Board, entry: BoardEntry, collected: Path, pulled: Callable[[str, Path], object]
) -> Collected:
    store = prepare(board, entry.paths.store, Deadline.after(defaults.PREPARE_S))
    new: list[Path] = []
    running: list[str] = []
    errors: list[FleetError] = []
    here = 0
    for campaign, run, state in job.list_runs(board, store, Deadline.after(defaults.COMMAND_S)):
        try:
            if evidence.final_folder(collected, campaign, entry.name, run).exists():
                here += 1
            elif job.is_over(state):
                deadline = Deadline.after(defaults.PULL_S)
                new.append(job.bring(board, store, campaign, run, collected, deadline=deadline))
                pulled(entry.name, new[-1])
            elif state.verdict is Phase.RUNNING:
                running.append(f"{campaign}/{run}")
        except FleetError as error:  # one run that can not be pulled does not keep the others away
            errors.append(error)
    for clear in (job.tidy, partial(_give_back, collected=collected)):
        try:
            clear(board, store, deadline=Deadline.after(defaults.COMMAND_S))
        except FleetError as error:
            errors.append(error)
    return Collected(entry.name, tuple(new), here, tuple(running), tuple(errors))


def _give_back(board: Board, store: Store, *, collected: Path, deadline: Deadline) -> None:
    now = lease.show(board, store, deadline)
    if now.lease is not None and now.run is None and campaigns.left_behind(collected, now.lease):
        lease.release(board, store, now.lease.token, deadline)
