"""One number of one cell, campaign by campaign: the medians that ``analysis.cells`` makes, in the order of time."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from analysis.cells import Cell, cells
from analysis.metrics import BY_NAME, Metric
from analysis.order_statistics import Stat
from analysis.runs import Run

_Key = tuple[str, ...]
FOLLOWED = tuple(BY_NAME[name] for name in ("generate_tps", "ttft_ms", "vision_ttft_ms"))


@dataclass(frozen=True)
class Night:
    """What one campaign said."""

    campaign: str
    stat: Stat


@dataclass(frozen=True)
class Series:
    """Two campaigns or more, the oldest first."""

    board: str
    model: str
    title: str
    npu_cores: int | None
    vision_cores: int | None
    workload: str
    origin: str
    metric: Metric
    nights: tuple[Night, ...]


def nights(runs: Iterable[Run]) -> tuple[Series, ...]:
    """Every number that two campaigns or more have of the same cell."""
    by_campaign: defaultdict[str, list[Run]] = defaultdict(list)
    for run in runs:
        by_campaign[run.campaign].append(run)
    began = {name: min((run.created_utc or "" for run in of), default="") for name, of in by_campaign.items()}
    found: defaultdict[_Key, list[Night]] = defaultdict(list)
    about: dict[_Key, tuple[Cell, Metric]] = {}
    for campaign in sorted(by_campaign, key=lambda name: (began[name], name)):
        for cell in cells(by_campaign[campaign]):
            for metric in FOLLOWED:
                stat = cell.stat(metric.name)
                if stat is None:
                    continue
                key: _Key = (
                    *(cell.model or "", str(cell.npu_cores), str(cell.vision_cores), cell.board, metric.name),
                    *(cell.origin, cell.workload.sentence, repr(cell.workload), str(cell.clocks)),
                )
                about[key] = (cell, metric)
                found[key].append(Night(campaign, stat))
    series = []
    for key in sorted(found):
        cell, metric = about[key]
        if len(found[key]) > 1:
            series.append(
                Series(
                    board=cell.board,
                    model=cell.model or "",
                    title=cell.model_title or cell.model or "",
                    npu_cores=cell.npu_cores,
                    vision_cores=cell.vision_cores,
                    workload=cell.workload.sentence,
                    origin=cell.origin,
                    metric=metric,
                    nights=tuple(found[key]),
                )
            )
    return tuple(series)
