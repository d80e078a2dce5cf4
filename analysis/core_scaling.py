"""What more NPU cores are worth: speed-up and efficiency of each core count over one core.

    S(c) = x(c) / x(1) of a rate, x(1) / x(c) of a time        E(c) = S(c) / c

Cores are the LLM's (three artifacts); of an image's time they are the vision encoder's. Compared are cells that
differ in nothing else. What to expect: prefill and images scale well, generating hardly, for the bus is shared (one
published source has 0.41 to 0.52 of three cores' speed on one).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from analysis.cells import Cell, cells
from analysis.metrics import BY_NAME
from analysis.runs import Run

LLM_METRICS = ("ttft_ms", "prefill_tps", "generate_tps")
VISION_METRICS = ("image_encode_ms",)


@dataclass(frozen=True)
class Scaling:
    """One metric of one cell at one core count; ``speed_up`` is None where one core was not measured."""

    board: str
    model: str
    workload: str
    origin: str
    metric: str
    cores: int
    value: float
    n: int
    speed_up: float | None

    @property
    def efficiency(self) -> float | None:
        """Of one core's work, what each core does."""
        return None if self.speed_up is None else self.speed_up / self.cores


def core_scaling(runs: Iterable[Run]) -> tuple[Scaling, ...]:
    """Of every board and model with two core counts or more."""
    groups: defaultdict[tuple[Any, ...], dict[int, Cell]] = defaultdict(dict)
    for cell in cells(runs):
        if cell.n and cell.npu_cores:
            of = (cell.board, cell.model, cell.workload, cell.origin)
            groups[(*of, cell.vision_cores, "llm")][cell.npu_cores] = cell
            if cell.vision_cores:
                groups[(*of, cell.npu_cores, "vision")][cell.vision_cores] = cell
    found = []
    for key, of_cores in groups.items():
        if len(of_cores) > 1:
            metrics = LLM_METRICS if key[-1] == "llm" else VISION_METRICS
            found += [one for metric in metrics for one in _scaled(metric, of_cores)]
    return tuple(found)


def _scaled(metric: str, of_cores: dict[int, Cell]) -> Iterator[Scaling]:
    single = of_cores[1].median(metric) if 1 in of_cores else None
    for cores, cell in sorted(of_cores.items()):
        stat = cell.stat(metric)
        if stat is None or not stat.median:
            continue
        ratio = None if not single else stat.median / single
        if ratio is not None and BY_NAME[metric].better == "down":
            ratio = 1 / ratio
        yield Scaling(
            board=cell.board,
            model=str(cell.model_title or cell.model),
            workload=cell.workload.sentence,
            origin=cell.origin,
            metric=metric,
            cores=cores,
            value=stat.median,
            n=stat.n,
            speed_up=ratio,
        )
