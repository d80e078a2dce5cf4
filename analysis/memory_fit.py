"""The memory model's constants, refitted from what was measured: per runtime version and origin.

What a model's tensors take follows from its architecture to the byte; what the runtime takes beside them does not:

    measured = layers + head + embeddings + vision + base + vocabulary x words + cache x K and V of the whole context

``base``, ``vocabulary`` and ``cache`` are fitted, by non-negative least squares on relative errors. How many of the
three the measurements can carry is decided by the measurements: from none (the published constants) to all, those are
taken that predict best what was left out. Below four models nothing is fitted. ``cache`` is 1 for what the whole board
must have and small for what the process touches, so the witnesses of memory are fitted apart.
"""

from __future__ import annotations

import statistics
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from analysis.architecture import Architecture
from analysis.constants import MIB
from analysis.least_squares import non_negative
from analysis.memory_model import predict_memory
from analysis.quantization import dtype_of
from analysis.release import constants_of, release_of
from analysis.runs import Run

FEWEST = 4
WITNESSES = ("memory_available_drop_bytes", "memory_rkllm_bytes")  # the whole board, and the process
SUBSETS: tuple[tuple[str, ...], ...] = (
    *(("base",), ("base", "cache"), ("base", "vocabulary")),
    ("base", "vocabulary", "cache"),
)
Constants3 = tuple[float, float, float]


@dataclass(frozen=True)
class MemoryPoint:
    """One model at one context. ``tensors`` is what follows from the architecture alone."""

    model: str
    tensors: float
    vocab: int
    cache: float  # K and V of the whole context
    seen: float


@dataclass(frozen=True)
class MemoryFit:
    """``left_out`` and ``published_error`` are mean absolute errors, 0.02 is 2 %."""

    runtime: str | None
    base_bytes: float
    vocab_bytes: float
    cache_share: float
    fitted: tuple[str, ...]  # names of the constants that are not the published ones
    models: int
    left_out: float
    worst: float
    published_error: float
    origin: str = ""

    def predict(self, tensors: float, vocab: int, cache: float) -> float:
        """Bytes."""
        return tensors + self.base_bytes + self.vocab_bytes * vocab + self.cache_share * cache

    @property
    def sentence(self) -> str:
        """For a person, with how far to trust it."""
        what = f"refitted ({', '.join(self.fitted)})" if self.fitted else "the published ones, no fit predicts better"
        return (
            f"runtime {self.runtime or 'unknown'}: base {self.base_bytes / MIB:.0f} MiB, "
            f"{self.vocab_bytes * 1000 / MIB:.2f} MiB a thousand words, {self.cache_share:.2f} of the cache; {what} "
            f"from {self.models} models, leave-one-out error {self.left_out:.1%} (worst {self.worst:.1%}), "
            f"with the published constants {self.published_error:.1%}"
        )


def fit_memory(points: Iterable[MemoryPoint], runtime: str | None, published: Constants3) -> MemoryFit | None:
    """The constants that predict left-out models best; None of fewer than four models."""
    given = tuple(points)
    if len({one.model for one in given}) < FEWEST:
        return None
    as_published = _errors(given, published, ())
    assert as_published is not None  # nothing is solved for it
    tried: list[tuple[float, tuple[str, ...], list[float]]] = [(_mean(as_published), (), as_published)]
    for names in SUBSETS:
        # A model left out must leave at least one more than there are constants to fit.
        errors = _errors(given, published, names) if len({one.model for one in given}) - 1 > len(names) else None
        if errors is not None:
            tried.append((_mean(errors), names, errors))
    error, names, errors = min(tried, key=lambda one: one[0])
    constants = _fitted(given, published, names)
    assert constants is not None
    return MemoryFit(
        runtime, *constants, names, len({p.model for p in given}), error, max(map(abs, errors)), tried[0][0]
    )


def memory_points(
    runs: Iterable[Run], architectures: Mapping[str, Architecture], witness: str
) -> dict[tuple[str, str | None], tuple[MemoryPoint, ...]]:
    """A point a model and context, by origin and runtime; the median of the runs that count."""
    found: defaultdict[tuple[str, str | None], defaultdict[tuple[str, int], list[MemoryPoint]]]
    found = defaultdict(lambda: defaultdict(list))
    for run in runs:
        arch = architectures.get(run.model or "")
        seen, context = run.believed(witness), run.workload.max_context_len
        if not run.counts or arch is None or not seen or not context or not dtype_of(run.dtype or ""):
            continue
        parts = predict_memory(arch, str(run.dtype), context, run.runtime).parts
        tensors = sum(parts.values()) - parts["kv_cache"] - parts["runtime"]
        point = MemoryPoint(str(run.model), tensors, arch.vocab, parts["kv_cache"], seen)
        found[(run.origin, run.runtime)][(str(run.model), context)].append(point)
    return {key: tuple(_median(some) for _, some in sorted(cells.items())) for key, cells in found.items()}


def fits_of(runs: Sequence[Run], architectures: Mapping[str, Architecture], witness: str) -> tuple[MemoryFit, ...]:
    """The fit of each origin and runtime that has enough models."""
    found = []
    for (origin, runtime), points in sorted(memory_points(runs, architectures, witness).items(), key=str):
        constants = constants_of(release_of(runtime))
        published = (constants.base_bytes, constants.vocab_bytes, 1.0)
        if (fit := fit_memory(points, runtime, published)) is not None:
            found.append(replace(fit, origin=origin))
    return tuple(found)


def _median(points: Sequence[MemoryPoint]) -> MemoryPoint:
    one = points[0]
    seen = statistics.median(each.seen for each in points)
    return MemoryPoint(one.model, one.tensors, one.vocab, one.cache, seen)


def _fitted(points: Sequence[MemoryPoint], published: Constants3, names: tuple[str, ...]) -> Constants3 | None:
    """The published constants, with those of ``names`` solved for."""
    if not names:
        return published
    places = {"base": 0, "vocabulary": 1, "cache": 2}
    free = [places[name] for name in names]
    rows, wanted = [], []
    for one in points:
        columns = (1.0, float(one.vocab), one.cache)
        fixed = sum(columns[at] * published[at] for at in range(3) if at not in free)
        rows.append([columns[at] / one.seen for at in free])
        wanted.append((one.seen - one.tensors - fixed) / one.seen)
    solved = non_negative(rows, wanted)
    if solved is None:
        return None
    full = list(published)
    for at, value in zip(free, solved, strict=True):
        full[at] = value
    return (full[0], full[1], full[2])


def _errors(points: Sequence[MemoryPoint], published: Constants3, names: tuple[str, ...]) -> list[float] | None:
    """Of each point, predicted without any point of its model."""
    errors = []
    for one in points:
        constants = _fitted([other for other in points if other.model != one.model], published, names)
        if constants is None:
            return None
        said = one.tensors + constants[0] + constants[1] * one.vocab + constants[2] * one.cache
        errors.append(said / one.seen - 1)
    return errors


def _mean(errors: Iterable[float]) -> float:
    return statistics.fmean(map(abs, errors))
