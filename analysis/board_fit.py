"""Two constants of one board, from the models that were measured on it: host work a layer, and the bus.

    seconds a token = layers x host + bytes / bus

Many layers and few bytes (a 0.6B model) tell of the host, few layers and many bytes (4B) of the bus, so two models that
differ in the ratio are enough for both constants, and from three on something is left over that shows how far to trust
them. The errors that are minimised are relative ones: a slow model must not outvote a fast one. Neither constant can be
negative.

The vendor's own ten models give 0.33 ms a layer and 30.1 GB/s (runtime 1.2.3, ``analysis.constants``); three models of
one user's 8 GB board 2.3 ms and 32 GB/s, which is why that board's DRAM is fine and its CPU side is not.
"""

from __future__ import annotations

import statistics
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from analysis.architecture import Architecture
from analysis.constants import CORE_SHARE
from analysis.least_squares import distinguishable, non_negative
from analysis.quantization import dtype_of
from analysis.release import constants_of, release_of
from analysis.roofline import bytes_per_token
from analysis.runs import Run

FEWEST, FEWEST_FOR_ERRORS = 2, 3
HOST_HIGH = 1.6  # of the vendor's host work: his ten models lie within 1.3, and one clock step of the CPU is 1.1
BUS_LOW = 0.80  # of what the vendor's board draws; one step of the DRAM clock is 0.74

Side = Literal["host", "bus", "both", "neither"]


@dataclass(frozen=True)
class Point:
    """One model's speed."""

    model: str
    layers: int
    bytes_a_token: float
    token_s: float


@dataclass(frozen=True)
class BoardFit:
    """``residuals`` are fitted / measured - 1, ``left_out`` the same with that model left out of the fit."""

    layer_s: float
    bus_bytes_per_s: float | None  # None: the bus costs nothing that could be seen
    points: tuple[Point, ...]
    residuals: tuple[float, ...]
    left_out: tuple[float, ...] = ()

    def token_s(self, layers: int, bytes_a_token: float) -> float:
        """Seconds a token, of any model on that board."""
        return _predict(
            (self.layer_s, 1 / self.bus_bytes_per_s if self.bus_bytes_per_s else 0.0), layers, bytes_a_token
        )

    @property
    def error(self) -> float | None:
        """Mean leave-one-out error; None where there are too few models for one."""
        return statistics.fmean(map(abs, self.left_out)) if self.left_out else None

    def side(self, runtime: str | None, cores: int) -> Side:
        """Which of the two is worse than the vendor's own board has it."""
        usual = constants_of(release_of(runtime))
        host = self.layer_s > HOST_HIGH * usual.layer_s
        reached = self.bus_bytes_per_s or float("inf")
        bus = reached < BUS_LOW * usual.bus_bytes_per_s * CORE_SHARE[cores]
        return "both" if host and bus else "host" if host else "bus" if bus else "neither"

    @property
    def sentence(self) -> str:
        """For a person, with how far to trust it."""
        bus = "no limit of the bus" if self.bus_bytes_per_s is None else f"{self.bus_bytes_per_s / 1e9:.1f} GB/s"
        told = f"{self.layer_s * 1e3:.2f} ms/layer and {bus} from {len(self.points)} models"
        if self.error is None:
            return f"{told}: two points and two constants, so nothing tells how far to trust them"
        worst = max(map(abs, self.residuals))
        return f"{told}; largest residual {worst:.1%}, leave-one-out error {self.error:.1%}"


def fit_board(points: Iterable[Point]) -> BoardFit | None:
    """The two constants; None of fewer than two models, or of models too alike to tell host from bus."""
    given = tuple(points)
    solved = _solve(given)
    if solved is None:
        return None
    left_out: list[float] = []
    if len(given) >= FEWEST_FOR_ERRORS:
        for at, one in enumerate(given):
            without = _solve(given[:at] + given[at + 1 :])
            if without is None:
                left_out = []
                break
            left_out.append(_predict(without, one.layers, one.bytes_a_token) / one.token_s - 1)
    return BoardFit(
        layer_s=solved[0],
        bus_bytes_per_s=1 / solved[1] if solved[1] > 0 else None,
        points=given,
        residuals=tuple(_predict(solved, one.layers, one.bytes_a_token) / one.token_s - 1 for one in given),
        left_out=tuple(left_out),
    )


def board_points(
    runs: Iterable[Run], architectures: Mapping[str, Architecture]
) -> dict[tuple[str, str, int], tuple[Point, ...]]:
    """A point a model, by board, origin and cores; the median of the runs that count, at their own depth."""
    found: defaultdict[tuple[str, str, int], defaultdict[str, list[Point]]] = defaultdict(lambda: defaultdict(list))
    for run in runs:
        arch = architectures.get(run.model or "")
        cores = run.npu_core_num or run.npu_cores
        tps = run.believed("generate_tps")
        if not (run.counts and arch is not None and tps and cores in CORE_SHARE and cores is not None):
            continue
        kept = dtype_of(run.dtype) if run.dtype else None
        if kept is not None and kept.grouped:  # slower for another reason than the bus
            continue
        depth = (run.prefill_tokens or 0) + (run.generate_tokens or 0) / 2
        read = bytes_per_token(arch, run.dtype, depth)
        point = Point(str(run.model_title or run.model), arch.layers, read, 1 / tps)
        found[(run.board, run.origin, cores)][str(run.model)].append(point)
    return {key: tuple(_median(some) for _, some in sorted(models.items())) for key, models in found.items()}


def _median(points: Sequence[Point]) -> Point:
    return Point(
        points[0].model,
        points[0].layers,
        statistics.median(one.bytes_a_token for one in points),
        statistics.median(one.token_s for one in points),
    )


def _solve(points: Sequence[Point]) -> tuple[float, ...] | None:
    rows = [(one.layers / one.token_s, one.bytes_a_token / one.token_s) for one in points]
    if len(points) < FEWEST or not distinguishable(rows):
        return None
    return non_negative(rows, [1.0] * len(points))


def _predict(solved: Sequence[float], layers: int, bytes_a_token: float) -> float:
    return solved[0] * layers + solved[1] * bytes_a_token
