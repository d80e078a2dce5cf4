"""Exact tests for a handful of numbers: is one sample lower than the other, and which of many such answers to believe.

No distribution is assumed and nothing is approximated: the rank sum's null distribution is counted out over all ways to
split the joined sample, with ties as they are (mid-ranks). At 5 against 5 the smallest two-sided p is 2/252.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import comb


def mann_whitney(one: Sequence[float], other: Sequence[float]) -> float:
    """The two-sided p of the rank sum: twice the smaller tail, 1 at most. Raises ValueError on an empty side."""
    if not one or not other:
        raise ValueError("a rank test needs a value on each side")
    ranks = _doubled_ranks([*one, *other])
    seen = sum(ranks[: len(one)])
    counts = _counts(ranks, len(one))
    total = sum(counts)
    below, above = sum(counts[: seen + 1]), sum(counts[seen:])
    return min(1.0, 2 * min(below, above) / total)


def false_discovery(p_values: Sequence[float], rate: float) -> tuple[bool, ...]:
    """Which to believe so that of those believed no more than ``rate`` are chance (Benjamini and Hochberg 1995)."""
    order = sorted(range(len(p_values)), key=p_values.__getitem__)
    passed = [place for place, at in enumerate(order, 1) if p_values[at] <= rate * place / len(order)]
    believed = set(order[: max(passed, default=0)])
    return tuple(at in believed for at in range(len(p_values)))


def _doubled_ranks(values: Sequence[float]) -> list[int]:
    """Mid-ranks times two, so that they stay whole."""
    ordered = sorted(values)
    first: dict[float, int] = {}
    last: dict[float, int] = {}
    for place, value in enumerate(ordered, 1):
        first.setdefault(value, place)
        last[value] = place
    return [first[value] + last[value] for value in values]


def _counts(ranks: Sequence[int], size: int) -> list[int]:
    """In how many ways ``size`` of the ranks add up to 0, 1, 2, …, as the coefficients of a polynomial."""
    step = comb(len(ranks), size).bit_length() // 8 + 1  # bytes of a coefficient, so that none runs into the next
    ways = [1] + [0] * size
    for rank in ranks:
        for taken in range(size, 0, -1):
            ways[taken] += ways[taken - 1] << (rank * step * 8)
    whole = ways[size].to_bytes((sum(ranks) + 1) * step, "little")
    return [int.from_bytes(whole[at : at + step], "little") for at in range(0, len(whole), step)]
