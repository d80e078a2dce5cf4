"""What may be said of one number of one cell: value, interval, how many runs, and on what basis.

A claim is a view of everything that is known; nothing is ever overwritten by it. What it was chosen over is listed in
``replaced``, and what was believed to be wrong in ``quarantined``, each with its reason.

Simulated numbers are about virtual boards, which is another subject (``Subject.simulated``): they can neither outrank
a number of a real board nor share a statistic with one. ``analysis.claiming`` makes claims; its ``headlines`` picks
the one that a short table has for each model, core count and metric.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Basis(StrEnum):
    """In the order in which a claim prefers them (MEASURING 4.3)."""

    MEASURED = "measured"  # n of 3 or more valid repeats
    PROVISIONAL = "provisional"  # fewer
    OWN_PREDICTION = "own_prediction"  # by models fitted to this board's own measurements
    REFERENCE = "reference"  # published, with its own conditions
    PREDICTION = "prediction"  # by the generic models


@dataclass(frozen=True)
class Subject:
    """What a claim is about. ``board`` None: any board of this class (RK3588, 8 GB). ``context`` is max_context_len."""

    model: str  # as in models.yaml
    npu_cores: int | None
    metric: str  # of the registry; the memory of a claim is `peak_memory_bytes`
    board: str | None = None
    vision_cores: int | None = None
    context: int | None = None
    workload: str | None = None  # Workload.sentence of a measured cell; None of what nobody measured
    simulated: bool = False  # of virtual boards


@dataclass(frozen=True)
class Other:
    """Something that is known of the same subject and is not what is claimed."""

    basis: Basis
    value: float
    source: str  # of a reference its title; of a prediction the model's name
    differs: float | None = None  # the claim's value / this value - 1
    conditions: str = ""  # where they are not those of the claim: `runtime 1.2.1, context 192`
    reason: str = ""  # of what is quarantined: why it is believed to be wrong


@dataclass(frozen=True)
class Claim:
    """Stored units (bytes, ms, tok/s). ``low`` and ``high`` are the 95 % interval or as near as n allows."""

    subject: Subject
    basis: Basis
    value: float
    low: float | None
    high: float | None
    n: int  # valid repeats behind it; 0 for what nobody measured here
    origin: str  # measured, simulated, manual; empty of references and predictions
    source: str  # in words: boards and campaigns, reference title with revision, or model
    evidence: tuple[str, ...] = ()  # logs, relative to the project
    condition: str | None = None
    stable: bool = False  # n of 5 or more, CV of 3 % at most, no taint
    cv: float | None = None  # of several boards the worst
    coverage: float | None = None  # how often such an interval holds the median; None of what is no interval of repeats
    conditions: str = ""  # in words: `runtime 1.2.3, driver 0.9.8, pinned`
    replaced: tuple[Other, ...] = ()
    quarantined: tuple[Other, ...] = ()
    note: str = ""
