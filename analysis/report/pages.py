"""What the pages have in common: cells of numbers with their doubts, notes below a table, the headings' own words."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable
from dataclasses import dataclass

from analysis.claims import Basis
from analysis.feasibility import Verdict
from analysis.metrics import BY_NAME, CLAIMED, Metric
from analysis.references import Reference
from analysis.report.choose import OBSERVED, values
from analysis.report.given import MEMORY, Given, ModelEntry
from analysis.report.model import (
    Action,
    Bullets,
    Cell,
    CoresRow,
    Doubt,
    FeasibilityRow,
    FleetRow,
    Origin,
    Paragraph,
    Prose,
    SpeedRow,
    Strong,
    Value,
)
from analysis.report.roofline import FIELDS
from analysis.report.shown import DOUBT, legend, shown
from analysis.report.words import ENCODE_S, Words

GENERATE = BY_NAME["generate_tps"]
TTFT = BY_NAME["ttft_ms"]
PEAK = CLAIMED[MEMORY]
_QUOTED = "report of the team"  # in the source of what the earlier reports said


@dataclass(frozen=True)
class Findings:
    """Everything that was worked out, for the pages to lay out."""

    given: Given
    say: Words
    feasibility: tuple[FeasibilityRow, ...]
    speed: tuple[SpeedRow, ...]
    cores: tuple[CoresRow, ...]
    fleet: tuple[FleetRow, ...]
    actions: tuple[Action, ...]
    doubts: tuple[Doubt, ...]

    def fit(self, model: ModelEntry) -> FeasibilityRow:
        """The verdict on the class of boards."""
        return next(row for row in self.feasibility if row.model == model.name and row.board is None)

    def number(self, model: ModelEntry, metric: Metric, cores: int | None = None, board: str | None = None) -> Cell:
        """The cell of one number; ``metric`` may show it in another unit than the registry's."""
        found = values(self.given, model.name, cores or self.given.board_class.npu_cores, metric.name, board)
        doubtful = bool(found) and found[0].basis is Basis.REFERENCE and self._doubted(model, metric, found[0])
        return Cell(metric=metric, values=found, doubtful=doubtful)

    def _doubted(self, model: ModelEntry, metric: Metric, value: Value) -> bool:
        return any(
            doubt.reference.model == model.title
            and metric.name in doubt.metrics
            and value.source.startswith(doubt.reference.title)
            for doubt in self.doubts
        )

    def known(self, one: Reference) -> bool:
        """Is a publication worth telling of: not where every row is doubtful, unless the earlier reports quote it."""
        sound = (row.title == one.title and not row.suspect for row in self.given.references)
        return _QUOTED in one.source or any(sound)

    def notes(self, models: Iterable[ModelEntry], metrics: Collection[str]) -> tuple[Prose, ...]:
        """What a reader has to know of these models' published numbers, as far as a table is about them."""
        target, titles = self.given.board_class, {model.title for model in models}
        told: defaultdict[tuple[str, str], list[str]] = defaultdict(list)
        for doubt in self.doubts:
            one, about = doubt.reference, [name for name in doubt.metrics if name in metrics]
            asked = one.model in titles and one.npu_cores == target.npu_cores and one.context in (None, target.context)
            if asked and about and self.known(one):
                numbers = ", ".join(_number(one, name) for name in about)
                told[one.title, doubt.words].append(f"{one.model} {numbers}")
        return tuple(
            (f"{DOUBT} ", Strong(self.say("；", "; ").join(dict.fromkeys(about))), f" ({title}): {text}")
            for (title, text), about in told.items()
        )


def _number(one: Reference, name: str) -> str:
    metric = ENCODE_S if name == ENCODE_S.name else CLAIMED[name]
    value: float | None = getattr(one, FIELDS[name])
    return f"{metric.text(value)} {metric.unit}"


def words(*spans: str) -> Cell:
    """A cell of words."""
    return Cell(words=spans)


def spoken(say: Words, cell: Cell, unit: str = "") -> str:
    """A cell's numbers within a sentence; empty where there is none."""
    if cell.metric is None:
        return ""
    return " / ".join(shown(value, cell.metric, say, unit) for value in cell.values)


def measured(cell: Cell) -> bool:
    """Did a real board measure what the cell goes by."""
    value = cell.value
    return value is not None and value.basis in OBSERVED and value.origin in (Origin.MEASURED, Origin.MANUAL)


def runnable(row: FeasibilityRow) -> bool:
    """Is it worth a run: all but NO."""
    return row.verdict is not None and row.verdict is not Verdict.NO


def size(say: Words, model: ModelEntry) -> str:
    """0.6B; of a mixture of experts with what is active."""
    if model.parameters is None:
        return ""
    total = f"{model.parameters / 1e9:.2g}B" if model.parameters < 1e9 else f"{model.parameters / 1e9:.1f}B"
    if model.active_parameters is None:
        return total
    return f"{total} (MoE, {say('激活', 'active')} {model.active_parameters / 1e9:.1f}B)"


def legend_of(say: Words) -> tuple[Paragraph, Bullets]:
    """The marks, for each page."""
    return (Paragraph((say("标记说明：", "Marks:"),)), Bullets(tuple((text,) for text in legend(say))))


def warning(found: Findings) -> tuple[Paragraph, ...]:
    """Said first where a virtual board had a hand in it."""
    if not found.given.virtual:
        return ()
    say = found.say
    names = say.listed(sorted(found.given.virtual))
    text = say(
        f"本报告含仿真数据（虚拟板 {names}，标记 S）。仿真数据不代表任何真实板子，也不取代参考值。",
        f"This report contains simulated numbers (virtual boards {names}, marked S). They say nothing about any real "
        "board and replace no other number.",
    )
    return (Paragraph((text,), remark=True),)
