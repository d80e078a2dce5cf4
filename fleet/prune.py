"""Take runs off boards when all of their evidence is here, proven byte by byte on both sides at the moment it goes.

First the folder here is read again and must be exactly what its manifest says. Its sums go to the board, which computes
its own again and removes the run only when each of its evidence files is among them. So a run that was never collected
here, that still runs, or that differs in one byte on either side stays; and nothing here is ever removed.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from fleet import defaults, evidence, job
from fleet.config.inventory import BoardEntry
from fleet.deadline import Deadline
from fleet.errors import BoardError, EvidenceBroken, FleetError
from fleet.pool import on_each
from fleet.scripts import Store, prepare
from fleet.ssh.connection import Board


@dataclass(frozen=True)
class Pruned:
    """One board's answer: how many runs went and what they took there; (run, reason) of those that stay."""

    board: str
    runs: int = 0
    freed_bytes: int = 0
    kept: tuple[tuple[str, str], ...] = ()
    error: FleetError | None = None


def prune(
    boards: tuple[BoardEntry, ...], collected: Path, connect: Callable[[BoardEntry], Board]
) -> tuple[Pruned, ...]:
    """Prune every run of these boards that is in ``collected``."""

    def one(entry: BoardEntry) -> Pruned:
        with connect(entry) as board:
            store = prepare(board, entry.paths.store, Deadline.after(defaults.PREPARE_S))
            return _prune_board(board, store, collected)

    answers = on_each(boards, one)
    return tuple(
        Pruned(entry.name, error=answer) if isinstance(answer, FleetError) else answer
        for entry, answer in zip(boards, answers, strict=True)
    )


def prune_run(board: Board, store: Store, folder: Path, campaign: str, run: str, deadline: Deadline) -> int:
    """Prune the run whose evidence is in ``folder``: the bytes it took on the board. Raises FleetError if it stays."""
    doing = f"prune {campaign}/{run}"
    try:
        sums = proven(folder)
    except EvidenceBroken as error:
        raise EvidenceBroken(error.what, board=board.name, doing=doing, hint=error.hint) from None
    listed = "".join(f"{sha256}  {name}\n" for name, sha256 in sums.items())
    argv = ["sh", store.script("job.sh"), "prune", store.run_dir(campaign, run)]
    done = board.run(argv, stdin=listed.encode(), deadline=deadline.cap(defaults.PRUNE_S), doing=doing)
    try:
        answer = json.loads(done.stdout)
        if answer["pruned"] is True:
            return int(answer["bytes"])
        reason = str(answer["reason"])
    except (ValueError, KeyError, TypeError, RecursionError):
        reason = "its answer can not be read"
    raise BoardError(reason, board=board.name, doing=doing)


def proven(folder: Path) -> dict[str, str]:
    """name -> sha256 of a board's evidence in ``folder``, read again now. Raises EvidenceBroken where that differs."""
    broken = f"look at {folder}; if it can not be mended, move it away, then: invoke collect"
    try:
        listed = json.loads((folder / "manifest.json").read_bytes())["files"]
        sums = {name: str(listed[name]["sha256"]) for name in evidence.FILES if name in listed}
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise EvidenceBroken(f"manifest.json here can not be used: {error}", hint=broken) from None
    assert isinstance(listed, Mapping)
    for name in sorted({*listed, *(name for name in evidence.FILES if (folder / name).exists())}):
        if name not in {*evidence.FILES, *evidence.OURS}:
            raise EvidenceBroken(f"manifest.json here lists {name!r}, which is no evidence", hint=broken)
        try:
            with (folder / name).open("rb") as file:
                seen = hashlib.file_digest(file, "sha256").hexdigest()
        except OSError as error:
            raise EvidenceBroken(f"{name} here can not be read: {error.strerror}", hint=broken) from None
        if name not in listed or seen != listed[name].get("sha256"):
            raise EvidenceBroken(f"{name} here is not what was collected", hint=broken)
    return sums


def _prune_board(board: Board, store: Store, collected: Path) -> Pruned:
    runs = freed_bytes = 0
    kept: list[tuple[str, str]] = []
    for campaign, run, _state in job.list_runs(board, store, Deadline.after(defaults.COMMAND_S)):
        try:
            folder = evidence.final_folder(collected, campaign, board.name, run)
            if not folder.is_dir():
                kept.append((f"{campaign}/{run}", "it was not collected here"))
                continue
            freed_bytes += prune_run(board, store, folder, campaign, run, Deadline.after(defaults.PRUNE_S))
            runs += 1
        except BoardError as error:  # this run stays; the next may go
            kept.append((f"{campaign}/{run}", error.what))
    return Pruned(board.name, runs, freed_bytes, tuple(kept))
