"""Least squares with few unknowns that can not be negative, for constants that are times, bytes or shares.

With so few columns the best answer is found by trying: every subset of them is solved by the normal equations, and
of those without a negative coefficient the one with the smallest error is taken. That is exact, and no library.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

SINGULAR = 1e-9  # of the largest entry: columns that can not be told apart

Row = Sequence[float]


def non_negative(rows: Sequence[Row], wanted: Sequence[float]) -> tuple[float, ...] | None:
    """The coefficients that are 0 or more with the least sum of squared errors; None when no subset can be solved.

    A coefficient is 0 where its column would have to be negative, too.
    """
    width = len(rows[0]) if rows else 0
    best: tuple[float, tuple[float, ...]] | None = None
    for size in range(width, 0, -1):
        for chosen in combinations(range(width), size):
            solved = _solve([[row[at] for at in chosen] for row in rows], wanted)
            if solved is None or min(solved) < 0:
                continue
            full = [0.0] * width
            for at, value in zip(chosen, solved, strict=True):
                full[at] = value
            error = sum((_dot(row, full) - one) ** 2 for row, one in zip(rows, wanted, strict=True))
            if best is None or error < best[0] * (1 - SINGULAR):
                best = (error, tuple(full))
    return None if best is None else best[1]


def distinguishable(rows: Sequence[Row]) -> bool:
    """Can all columns be told apart by these rows."""
    return bool(rows) and _solve(rows, [0.0] * len(rows)) is not None


def _dot(row: Row, values: Sequence[float]) -> float:
    return sum(one * other for one, other in zip(row, values, strict=True))


def _solve(rows: Sequence[Row], wanted: Sequence[float]) -> list[float] | None:
    """The normal equations, columns scaled to length one, by elimination; None when they are singular."""
    width = len(rows[0])
    lengths = [sum(row[at] ** 2 for row in rows) ** 0.5 for at in range(width)]
    if len(rows) < width or not all(lengths):
        return None
    scaled = [[value / length for value, length in zip(row, lengths, strict=True)] for row in rows]
    table = [
        [sum(row[i] * row[j] for row in scaled) for j in range(width)]
        + [sum(row[i] * one for row, one in zip(scaled, wanted, strict=True))]
        for i in range(width)
    ]
    for i in range(width):
        pivot = max(range(i, width), key=lambda at: abs(table[at][i]))
        if abs(table[pivot][i]) < SINGULAR:
            return None
        table[i], table[pivot] = table[pivot], table[i]
        for j in range(width):
            if j != i:
                factor = table[j][i] / table[i][i]
                table[j] = [left - factor * right for left, right in zip(table[j], table[i], strict=True)]
    return [table[i][width] / table[i][i] / lengths[i] for i in range(width)]
