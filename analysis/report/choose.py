"""Which of many claims a cell of a table shows.

The number to go by is of the best basis there is without a virtual board: measured, then provisional, then predictions
and published numbers, in the order of ``Basis``. What a virtual board said comes after it and never takes its place,
since it says nothing about any real board. Of one basis, the context that the report is about counts first, then the
more repeats; several boards become their median, from the lowest to the highest.
"""

from __future__ import annotations

import statistics
from collections import defaultdict
from collections.abc import Callable, Iterable

from analysis.claims import Basis, Claim
from analysis.report.given import Given
from analysis.report.model import Origin, Value
from analysis.runs import MANUAL, SIMULATED

_BASES = {basis: place for place, basis in enumerate(Basis)}
_ORIGINS = {origin: place for place, origin in enumerate(Origin)}
OBSERVED = (Basis.MEASURED, Basis.PROVISIONAL)


def origin_of(claim: Claim, virtual: frozenset[str] = frozenset()) -> Origin:
    """Where its number comes from. A prediction fitted to a virtual board is simulated, too."""
    if claim.origin == SIMULATED or claim.subject.board in virtual:
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
        boards=(subject.board,) if subject.board else (),
        context=subject.context,
        vision_cores=subject.vision_cores,
        workload=subject.workload,
        stable=claim.stable,
        cv=claim.cv,
        evidence=claim.evidence,
        note=claim.note,
        replaced=claim.replaced,
        quarantined=claim.quarantined,
    )


def values(
    given: Given, model: str, cores: int | None, metric: str, board: str | None = None, context: int | None = None
) -> tuple[Value, ...]:
    """The value to go by, and what a virtual board said of the same. ``board``: of this one only."""
    found = [
        as_value(claim, given.virtual)
        for claim in given.claims
        if (claim.subject.model, claim.subject.metric) == (model, metric)
        and claim.subject.npu_cores in (cores, None)
        and board in (None, claim.subject.board)
        and (context is None or claim.subject.context in (None, context))
    ]
    real = [value for value in found if value.origin is not Origin.SIMULATED]
    simulated = [value for value in found if value.origin is Origin.SIMULATED]
    chosen = (best(side, given.board_class.context) for side in (real, simulated))
    return tuple(value for value in chosen if value is not None)


def best(found: Iterable[Value], context: int) -> Value | None:
    """Of values of one thing, the one that a report shows; None of none."""
    found = list(found)
    if not found:
        return None
    kind = min((_rank(value) for value in found))
    found = [value for value in found if _rank(value) == kind]
    asked = min(_same(found, lambda value: (value.context, value.workload, value.vision_cores)), key=lambda side: _asked(side, context))
    return _of_boards(asked)


def _rank(value: Value) -> tuple[int, int]:
    return (_BASES[value.basis], _ORIGINS[value.origin])


def _asked(side: list[Value], context: int) -> tuple[bool, int, str]:
    first = side[0]
    return (first.context != context, -sum(value.n for value in side), f"{first.context} {first.workload}")


def _same(found: list[Value], key: Callable[[Value], object]) -> list[list[Value]]:
    groups: defaultdict[object, list[Value]] = defaultdict(list)
    for value in found:
        groups[key(value)].append(value)
    return list(groups.values())


def _of_boards(side: list[Value]) -> Value:
    side = sorted(side, key=lambda value: (value.boards, value.source, value.value))
    if not side[0].boards or len(side) == 1 or side[0].basis not in OBSERVED:
        return side[0]  # without a board it is of all of them already
    lows = [value.value if value.low is None else value.low for value in side]
    highs = [value.value if value.high is None else value.high for value in side]
    first = side[0]
    return Value(
        value=statistics.median(value.value for value in side),
        low=min(lows),
        high=max(highs),
        n=sum(value.n for value in side),
        basis=first.basis,
        origin=first.origin,
        source="; ".join(dict.fromkeys(value.source for value in side)),
        boards=tuple(board for value in side for board in value.boards),
        context=first.context,
        vision_cores=first.vision_cores,
        workload=first.workload,
        stable=all(value.stable for value in side),
        evidence=tuple(log for value in side for log in value.evidence),
        note="; ".join(dict.fromkeys(value.note for value in side if value.note)),
        replaced=first.replaced,
        quarantined=first.quarantined,
    )
