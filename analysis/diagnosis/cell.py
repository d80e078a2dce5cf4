"""Which runs of an archive are explained together: one board, model and core count, of the newest campaign that has a
number of it which counts. Where none has, of the newest.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from analysis.architecture import Architecture
from analysis.board_fit import BoardFit, board_points, fit_board
from analysis.diagnosis.explanation import Explanation, Speed, explain
from analysis.diagnosis.gather import observe_run
from analysis.evidence import RunFiles
from analysis.metrics import TABLE_METRICS
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


@dataclass(frozen=True)
class Chosen:
    """The runs of one campaign; ``passed_over``: the newer campaigns of the cell, of which no number counts."""

    runs: tuple[Run, ...]
    passed_over: tuple[str, ...] = ()


def newest_cell(runs: Iterable[Run], board: str, model: str, cores: int | None) -> Chosen | None:
    """The runs to explain; on the most cores where no count is given. No warm-ups. None: it was never measured.

    Campaigns are named by the time they began, or by a person; the runs' own times decide.
    """
    fitting = [
        run
        for run in runs
        if run.board == board and run.model == model and (cores is None or run.npu_cores == cores) and not run.warmup
    ]
    if not fitting:
        return None
    most = max(run.npu_cores or 0 for run in fitting)
    fitting = [run for run in fitting if (run.npu_cores or 0) == most]
    fitting.sort(key=lambda run: (run.created_utc or "", run.campaign), reverse=True)
    campaigns = list(dict.fromkeys(run.campaign for run in fitting))
    counting = {run.campaign for run in fitting if _number_counts(run)}
    at = next((at for at, campaign in enumerate(campaigns) if campaign in counting), 0)
    kept = sorted((run for run in fitting if run.campaign == campaigns[at]), key=lambda run: run.key)
    ran = [run for run in kept if run.outcome in (Outcome.OK, Outcome.TAINTED)]
    return Chosen(tuple((ran or kept)[:MOST_RUNS]), tuple(campaigns[:at]))


def _number_counts(run: Run) -> bool:
    return run.counts and any(run.believed(metric.name) is not None for metric in TABLE_METRICS)


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
    return explain(title, seen, first.origin, first.campaign)
