"""Which runs of an archive are explained together: one board, model and core count, of its newest campaign."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from analysis.architecture import Architecture
from analysis.board_fit import BoardFit, board_points, fit_board
from analysis.diagnosis.explanation import Explanation, Speed, explain
from analysis.diagnosis.gather import observe_run
from analysis.evidence import RunFiles
from analysis.outcome import Outcome
from analysis.references import Reference
from analysis.runs import Run

MOST_RUNS = 20  # of one cell; what ten repeats and their doubles say, more do not change


@dataclass(frozen=True)
class BoardSpeed:
    """One model of the board in one line."""

    model: str
    cores: int
    speed: Speed


def newest_cell(runs: Iterable[Run], board: str, model: str, cores: int | None) -> tuple[Run, ...]:
    """The runs of the newest campaign that measured it; on the most cores where no count is given. No warm-ups.

    Campaigns are named by the time they began, or by a person; the runs' own times decide.
    """
    fitting = [
        run
        for run in runs
        if run.board == board and run.model == model and (cores is None or run.npu_cores == cores) and not run.warmup
    ]
    if not fitting:
        return ()
    most = max(run.npu_cores or 0 for run in fitting)
    fitting = [run for run in fitting if (run.npu_cores or 0) == most]
    newest = max(fitting, key=lambda run: (run.created_utc or "", run.campaign)).campaign
    kept = [run for run in fitting if run.campaign == newest]
    ran = [run for run in kept if run.outcome in (Outcome.OK, Outcome.TAINTED)]
    return tuple((ran or kept)[:MOST_RUNS])


def board_fits(
    runs: Iterable[Run], architectures: Mapping[str, Architecture], board: str, origin: str
) -> dict[int, BoardFit]:
    """By core count."""
    points = board_points(runs, architectures)
    fits = {key[2]: fit_board(some) for key, some in sorted(points.items()) if key[:2] == (board, origin)}
    return {cores: fit for cores, fit in fits.items() if fit is not None}


def explain_cell(
    runs: Sequence[Run],
    files: Mapping[tuple[str, str, str], RunFiles],
    everything: Sequence[Run],
    architectures: Mapping[str, Architecture],
    references: Sequence[Reference],
) -> Explanation:
    """Of the runs of one cell, which is not empty. ``everything``: all runs of the archive, for what is usual."""
    first = runs[0]
    same_campaign = [run for run in everything if run.campaign == first.campaign]
    # Clocks differ between campaigns, so a fit over several of them would mix boards that behave differently.
    fits = board_fits(same_campaign, architectures, first.board, first.origin)
    usual = {
        run.workload.max_context_len
        for run in everything
        if (run.board, run.model) == (first.board, first.model) and run.campaign != first.campaign
    }
    seen = [
        observe_run(
            run,
            files[run.key],
            arch=architectures.get(run.model or ""),
            references=references,
            fit=fits.get(run.npu_cores or 0),
            usual_contexts=tuple(sorted(one for one in usual if one)),
        )
        for run in runs
    ]
    title = f"{first.model_title or first.model} on {first.board}, {first.npu_cores or 'unknown'} NPU cores"
    return explain(title, seen, first.origin)
