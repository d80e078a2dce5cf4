"""Which of many claims a cell of a table shows.

The number to go by is the class' (or the board's) headline among all that no virtual board made. What a virtual board
said comes after it and never takes its place. At the context that a report is about, if anything is claimed there.
"""

from __future__ import annotations

from analysis.claiming import headlines
from analysis.claims import Basis, Claim
from analysis.references import Reference
from analysis.report.given import Given
from analysis.report.model import Origin, Value
from analysis.runs import MANUAL

OBSERVED = (Basis.MEASURED, Basis.PROVISIONAL)


def origin_of(claim: Claim, virtual: frozenset[str] = frozenset()) -> Origin:
    """Where its number comes from. A prediction fitted to a virtual board is simulated, too."""
    if claim.subject.simulated or claim.subject.board in virtual:
        return Origin.SIMULATED
    if claim.basis in OBSERVED:
        return Origin.MANUAL if claim.origin == MANUAL else Origin.MEASURED
    return Origin.REFERENCE if claim.basis is Basis.REFERENCE else Origin.PREDICTED


def as_value(claim: Claim, virtual: frozenset[str] = frozenset()) -> Value:
    """One claim as a cell's value."""
    subject = claim.subject
    return Value(
        value=claim.value,
        low=claim.low,
        high=claim.high,
        n=claim.n,
        basis=claim.basis,
        origin=origin_of(claim, virtual),
        source=claim.source,
        board=subject.board,
        context=subject.context,
        vision_cores=subject.vision_cores,
        workload=subject.workload,
        stable=claim.stable,
        cv=claim.cv,
        coverage=claim.coverage,
        conditions=claim.conditions,
        condition=claim.condition,
        evidence=claim.evidence,
        note=claim.note,
        replaced=claim.replaced,
        quarantined=claim.quarantined,
    )


def values(given: Given, model: str, cores: int | None, metric: str, board: str | None = None) -> tuple[Value, ...]:
    """The value to go by, and what a virtual board said of the same; of the class of boards, or of one board."""
    here = given.claimed.get((model, cores, metric, board), ())
    sides = [
        [claim for claim in here if (origin_of(claim, given.virtual) is Origin.SIMULATED) is simulated]
        for simulated in (False, True)
    ]
    return tuple(as_value(claim, given.virtual) for side in sides if (claim := _headline(side, given)) is not None)


def _headline(side: list[Claim], given: Given) -> Claim | None:
    """Of claims of one thing, the one that a short table has."""
    asked = [claim for claim in side if claim.subject.context == given.board_class.context]
    return next(iter(headlines(asked or side).values()), None)


def of_reference(reference: Reference, field: str) -> tuple[Value, ...]:
    """A published number as a cell has it."""
    value: float | None = getattr(reference, field)
    if value is None:
        return ()
    source = f"{reference.title} ({reference.revision})"
    return (Value(value, None, None, 0, Basis.REFERENCE, Origin.REFERENCE, source, context=reference.context),)
