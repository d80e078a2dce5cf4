"""A predicted number is never alone: a value with the two ends that are still to be expected.

The ends are not a standard deviation. Each comes from errors that were seen, or from a range that was published, and
the module that makes an interval says which.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Interval:
    """``low <= value <= high``, all in one unit, which the name of whatever holds it gives."""

    value: float
    low: float
    high: float

    def __post_init__(self) -> None:
        if not 0 <= self.low <= self.value <= self.high:
            raise ValueError(f"not an interval: {self.low} <= {self.value} <= {self.high}")

    def __add__(self, other: Interval) -> Interval:
        """The sum when both may be at the same end at once: the widest reading, and the careful one."""
        return Interval(self.value + other.value, self.low + other.low, self.high + other.high)

    def holds(self, seen: float) -> bool:
        """Is ``seen`` one of the values to be expected?"""
        return self.low <= seen <= self.high

    def inverse(self, unit: float = 1.0) -> Interval:
        """``unit`` divided by it: tok/s from seconds a token, and back."""
        return Interval(unit / self.value, unit / self.high, unit / self.low)


def around(value: float, low: float, high: float) -> Interval:
    """``value`` with its ends given as factors: ``around(8, 0.94, 1.08)``."""
    return Interval(value, value * low, value * high)
