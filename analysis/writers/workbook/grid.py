"""A sheet before anyone draws it: headings, rows of numbers and words, and what is drawn beside them.

A number stays a number: its unit and its origin's letter are in its number format, so ``31.99 tok/s S`` sorts, filters
and charts as 31.99. It is rounded as its metric says, as in every other format.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from analysis.metrics import Metric
from analysis.report.model import Value
from analysis.report.shown import mark_of
from analysis.writers.log_links import LogLink

NARROW, MIDDLE, WIDE, WIDEST = 10, 16, 30, 70


@dataclass(frozen=True)
class Entry:
    """One field. ``number`` is the format of a number; ``mark`` its origin's letters, of words those of their row."""

    value: str | float | None = None
    number: str = "General"
    mark: str = ""
    tone: str = ""  # a verdict's name, where it is one
    link: LogLink | None = None


@dataclass(frozen=True)
class Heading:
    """A column."""

    text: str
    width: int = MIDDLE
    wraps: bool = False


@dataclass(frozen=True)
class HeadroomBars:
    """A bar in each field of a column, to either side of 0; longer ones than ``most`` are cut."""

    column: int
    most: float


@dataclass(frozen=True)
class Shade:
    """One row's fields coloured by how far they are from its middle: one colour is better, the other worse."""

    row: int
    first: int
    last: int
    middle: float
    more_is_better: bool
    span: float = 0.1  # of the middle: the full colour


@dataclass(frozen=True)
class Sparkline:
    """One row's nights as a line in ``at``, from the fields ``first`` to ``last``."""

    row: int
    at: int
    first: int
    last: int


@dataclass(frozen=True)
class Bar:
    """One series of a chart: a row's fields, and how far the interval of each goes up and down."""

    name: str
    row: int
    mark: str = ""
    up: tuple[float, ...] = ()
    down: tuple[float, ...] = ()


@dataclass(frozen=True)
class Chart:
    """Bars by core count, of the fields ``first`` to ``last`` of some rows."""

    title: str
    axis: str
    first: int
    last: int
    bars: tuple[Bar, ...]


@dataclass(frozen=True)
class Grid:
    """One sheet; ``key`` names its table and is the same in both languages."""

    key: str
    title: str
    note: str
    headings: tuple[Heading, ...]
    rows: tuple[tuple[Entry, ...], ...]
    stays: int = 1  # columns that stay when the rest is moved
    empty: str = ""
    fits_page: bool = True  # in width, when printed
    headroom: HeadroomBars | None = None
    shades: tuple[Shade, ...] = ()
    sparklines: tuple[Sparkline, ...] = ()
    charts: tuple[Chart, ...] = field(default=())


def words(text: object, mark: str = "", tone: str = "") -> Entry:
    """Words, or nothing."""
    return Entry(None if text is None or text == "" else str(text), mark=mark, tone=tone)


def count(number: int | None, mark: str = "") -> Entry:
    """A whole number without a unit."""
    return Entry(number, "0", mark)


def share(part: float | None, mark: str = "", *, sign: bool = False) -> Entry:
    """A part of something, as per cent."""
    return Entry(None if part is None else round(part, 4), "+0.0%;-0.0%;0.0%" if sign else "0.0%", mark)


def times(ratio: float | None, mark: str = "") -> Entry:
    """How many times as fast."""
    return Entry(None if ratio is None else round(ratio, 3), '0.00"×"', mark)


def amount(value: float | None, metric: Metric, mark: str = "") -> Entry:
    """A stored value in the unit that is shown."""
    return Entry(metric.shown(value), f'{metric.number_format}" {metric.unit}"', mark)


def spread(value: Value | None, metric: Metric) -> tuple[Entry, Entry, Entry, Entry]:
    """Value, low, high, and the repeats behind them."""
    if value is None:
        return (Entry(), Entry(), Entry(), Entry())
    mark = mark_of(value)
    ends = (amount(end, metric, mark) for end in (value.value, value.low, value.high))
    return (*ends, count(value.n or None, mark))  # type: ignore[return-value]


def marked(row: Sequence[Entry], mark: str) -> tuple[Entry, ...]:
    """The row's words with the mark of its numbers; numbers keep their own."""
    return tuple(replace(one, mark=mark) if isinstance(one.value, str) and not one.mark else one for one in row)
