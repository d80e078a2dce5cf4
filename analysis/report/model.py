"""The report as data: what every writer gets, so that no two of them can disagree.

Numbers are in stored units (bytes, ms, tok/s) with the metric that says how they are shown; sentences are in the
report's language. Nothing in it is a path of this machine: evidence is named relative to the project. A document is
a page to read (sections of prose, lists and tables); the rows below it are the same findings for whoever sorts,
filters and draws.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

from analysis.claims import Basis, Other
from analysis.feasibility import Verdict
from analysis.interval import Interval
from analysis.metrics import Metric
from analysis.references import Reference
from analysis.runs import Run

Lang = Literal["zh", "en"]
LANGUAGES: tuple[Lang, ...] = ("zh", "en")


class Origin(StrEnum):
    """Where a number comes from. The letter beside a shown number is its first, but for what a real board measured."""

    MEASURED = "measured"
    MANUAL = "manual"  # a log made by hand
    SIMULATED = "simulated"  # a virtual board: says nothing about any real one
    REFERENCE = "reference"  # published by somebody else
    PREDICTED = "predicted"

    @property
    def letter(self) -> str:
        """What a shown number is marked with."""
        return {"measured": "", "manual": "M", "simulated": "S", "reference": "R", "predicted": "P"}[self]


@dataclass(frozen=True)
class Value:
    """One number and all that defends it; see ``analysis.claims.Claim``, whose fields these are."""

    value: float
    low: float | None
    high: float | None
    n: int  # valid repeats; 0 for what nobody measured here
    basis: Basis
    origin: Origin
    source: str
    board: str | None = None  # None: any board of the class
    context: int | None = None
    vision_cores: int | None = None
    workload: str | None = None
    stable: bool = False
    cv: float | None = None
    coverage: float | None = None
    conditions: str = ""
    condition: str | None = None
    evidence: tuple[str, ...] = ()
    note: str = ""
    replaced: tuple[Other, ...] = ()
    quarantined: tuple[Other, ...] = ()


@dataclass(frozen=True)
class Code:
    """Something to be typed, or a file's name."""

    text: str


@dataclass(frozen=True)
class Strong:
    """Words that count."""

    text: str


@dataclass(frozen=True)
class Link:
    """``target`` is a file, relative to the project."""

    text: str
    target: str


Span = str | Code | Strong | Link
Prose = tuple[Span, ...]


@dataclass(frozen=True)
class Cell:
    """Words, or values of one metric: the one to go by, and after it what a virtual board said of the same."""

    words: Prose = ()
    metric: Metric | None = None
    values: tuple[Value, ...] = ()
    doubtful: bool = False  # the number to go by is believed to be wrong; the table's notes say why

    @property
    def value(self) -> Value | None:
        """The one to go by."""
        return self.values[0] if self.values else None


@dataclass(frozen=True)
class Column:
    """A column of a table; one of numbers has its metric."""

    key: str
    heading: str
    metric: Metric | None = None


@dataclass(frozen=True)
class Row:
    """``key`` says what the row is about, usually a model's name."""

    key: str
    cells: tuple[Cell, ...]


@dataclass(frozen=True)
class Table:
    """A table with its notes, each about one row or about all of it."""

    key: str
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    notes: tuple[Prose, ...] = ()
    title: str = ""
    empty: str = ""  # said where there is no row


@dataclass(frozen=True)
class Bullets:
    """A list; numbered where the order is a ranking."""

    items: tuple[Prose, ...]
    numbered: bool = False


@dataclass(frozen=True)
class Paragraph:
    """Some sentences."""

    words: Prose
    remark: bool = False  # set apart from the text round it


Block = Paragraph | Bullets | Table


@dataclass(frozen=True)
class Section:
    """``level`` 2 is a chapter, 3 a section of one."""

    heading: str
    blocks: tuple[Block, ...]
    level: int = 2


@dataclass(frozen=True)
class Document:
    """One page; ``name`` is its file's name without language and ending."""

    name: str
    title: str
    sections: tuple[Section, ...]
    before: tuple[Block, ...] = ()  # the first chapter

    @property
    def tables(self) -> tuple[Table, ...]:
        """All tables, in their order."""
        blocks = (block for section in self.sections for block in section.blocks)
        return tuple(block for block in (*self.before, *blocks) if isinstance(block, Table))


@dataclass(frozen=True)
class FeasibilityRow:
    """Will one model run on one board, or on one of the class (``board`` None)?"""

    model: str
    title: str
    board: str | None
    dtype: str
    context: int
    verdict: Verdict | None  # None: nothing can be computed
    by: Origin  # what the verdict rests on: predicted, or measured by a real board
    predicted: Interval | None  # bytes
    parts: Mapping[str, float]  # of the predicted value, by the names of analysis.memory_model.PARTS
    measured: tuple[Value, ...]  # peak memory
    budget_bytes: float | None
    headroom_bytes: float | None  # budget less the high end
    largest_context: int
    limit: str | None  # what stops it when memory does not: a dtype or a runtime, in words
    reason: str
    ooms: int = 0  # runs that ended out of memory, simulated ones left out
    support: str = ""  # since which runtime, or why that is not known


@dataclass(frozen=True)
class VerdictRow:
    """One line for who reads only one: does it run, how fast, on what basis."""

    model: str
    title: str
    kind: str
    board: str | None
    verdict: Verdict | None
    by: Origin
    speed: Value | None  # generate_tps with the most cores there is a number for
    cores: int | None
    outcomes: str  # of the runs: ``3 ok, 1 oom``
    flags: tuple[str, ...]  # in words


@dataclass(frozen=True)
class SpeedRow:
    """All numbers of one subject. ``of_reference`` and ``of_roofline`` are of generate_tps; 0.5 is half of it."""

    model: str
    title: str
    board: str | None
    npu_cores: int | None
    vision_cores: int | None
    context: int | None
    workload: str | None
    values: Mapping[str, Value]  # by metric, each of its own basis
    of_reference: float | None = None
    reference: str = ""
    of_roofline: float | None = None


@dataclass(frozen=True)
class CoresRow:
    """One number at 1, 2 and 3 cores. Ratios are between numbers of one basis and one origin only."""

    model: str
    title: str
    board: str | None
    metric: Metric
    values: Mapping[int, Value]
    speed_up: Mapping[int, float]  # by cores: faster than one core so many times
    efficiency: Mapping[int, float]  # speed_up / cores
    context: int | None = None
    workload: str | None = None


@dataclass(frozen=True)
class FleetRow:
    """One number on every board that measured it. ``deviation`` is value / fleet's median - 1."""

    model: str
    title: str
    npu_cores: int | None
    metric: Metric
    origin: Origin
    values: Mapping[str, Value]  # by board
    median: float
    deviation: Mapping[str, float]
    context: int | None = None
    workload: str | None = None


class Kind(StrEnum):
    """What a suggestion is about, in the order in which they are listed."""

    SETTLE = "settle"  # the run that would settle most
    MEASURE = "measure"  # numbers that are still published or predicted ones
    REPEAT = "repeat"  # too few repeats
    CONVERT = "convert"  # a model file that nobody has
    CONTEXT = "context"  # does the whole context count, or only what was touched?
    LARGER = "larger"  # a board with more memory


@dataclass(frozen=True)
class Action:
    """Something to do next, why, and the command for it."""

    kind: Kind
    words: Prose
    command: str = ""
    models: tuple[str, ...] = ()
    cores: tuple[int, ...] = ()
    settles: int = 0  # open questions that it would answer


@dataclass(frozen=True)
class Doubt:
    """Why numbers of a published row are not believed as they stand."""

    reference: Reference
    metrics: tuple[str, ...]  # as claims call them
    words: str


@dataclass(frozen=True)
class Definition:
    """A word or a condition that a reader of the numbers needs."""

    name: str
    means: str


@dataclass(frozen=True)
class Report:
    """Everything that is handed over, in one language."""

    lang: Lang
    documents: tuple[Document, ...]
    verdicts: tuple[VerdictRow, ...]
    feasibility: tuple[FeasibilityRow, ...]
    speed: tuple[SpeedRow, ...]
    cores: tuple[CoresRow, ...]
    fleet: tuple[FleetRow, ...]
    runs: tuple[Run, ...]
    references: tuple[Reference, ...]
    actions: tuple[Action, ...]
    conditions: tuple[Definition, ...] = ()
    definitions: tuple[Definition, ...] = ()
    simulated: bool = False  # is any number in it
    doubts: tuple[Doubt, ...] = ()

    def document(self, name: str) -> Document:
        """The page of this name."""
        return next(document for document in self.documents if document.name == name)
