"""The running table that both reports point to: every number with its basis, source and evidence."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

from analysis.claims import Basis, Other
from analysis.feasibility import Verdict
from analysis.metrics import BY_NAME, CLAIMED, Metric
from analysis.references import Reference
from analysis.report.choose import OBSERVED, of_reference, origin_of
from analysis.report.given import MEMORY
from analysis.report.history import campaigns, links
from analysis.report.model import (
    Cell,
    Column,
    CoresRow,
    Definition,
    Document,
    FleetRow,
    Origin,
    Paragraph,
    Row,
    Section,
    SpeedRow,
    Strong,
    Table,
    Value,
)
from analysis.report.pages import GENERATE, PEAK, TTFT, Findings, legend_of, warning, words
from analysis.report.shown import NOTHING, shown
from analysis.report.words import Words

NAME = "benchmark_log"


def benchmark_log(found: Findings, conditions: tuple[Definition, ...], definitions: tuple[Definition, ...]) -> Document:
    """The page."""
    say = found.say
    ran = [row for row in found.speed if any(value.basis in OBSERVED for value in row.values.values())]
    out = {row.model for row in found.feasibility if row.board is None and row.verdict is Verdict.NO}
    rest = [row for row in found.speed if row not in ran and row.model not in out]
    sees = {model.name for model in found.given.models if model.sees}
    return Document(
        name=NAME,
        title=say("RK3588 Benchmark 记录", "RK3588 benchmark log"),
        before=warning(found),
        sections=(
            Section(say("纯文本 LLM", "Text LLM"), (_speed(say, [r for r in ran if r.model not in sees], False),)),
            Section(say("多模态 VLM", "Multimodal VLM"), (_speed(say, [r for r in ran if r.model in sees], True),)),
            Section(say("单核 / 双核 / 三核", "One, two and three cores"), (_cores(say, found.cores),)),
            Section(say("各板对比", "Board by board"), (_fleet(say, found.fleet),)),
            Section(
                say("尚无实测的数字", "Numbers without a measurement"),
                (
                    Paragraph(
                        (
                            say(
                                "参考值（R）与预测值（P），有实测后自动移出本表。",
                                "Published (R) and predicted (P) numbers; a measurement takes a row out of this table.",
                            ),
                        )
                    ),
                    _speed(say, rest, any(row.model in sees for row in rest)),
                ),
            ),
            Section(say("被取代与被隔离的数字", "Replaced and quarantined numbers"), (_others(found),)),
            Section(say("运行记录（按批次）", "Runs, campaign by campaign"), (campaigns(say, found.given.runs),)),
            Section(say("公开参考值", "Published references"), (_references(found),)),
            Section(say("条件", "Conditions"), (_defined(say, "conditions", conditions),)),
            Section(say("定义", "Definitions"), (_defined(say, "definitions", definitions),)),
            Section(say("标记说明", "Marks"), legend_of(say)[1:]),
        ),
    )


def _speed(say: Words, rows: Iterable[SpeedRow], sees: bool) -> Table:
    rows = tuple(rows)
    alike = Counter(map(_place, rows))
    metrics: list[Metric] = [PEAK, GENERATE]
    metrics += [BY_NAME["image_encode_ms"], BY_NAME["vision_ttft_ms"]] if sees else [TTFT]
    metrics += [BY_NAME["prefill_tps"]]
    return Table(
        key="speed_vision" if sees else "speed_text",
        columns=(
            Column("model", say("模型", "model")),
            Column("board", say("板子", "board")),
            Column("cores", say("核", "cores")),
            Column("context", say("上下文", "context")),
            *(Column(metric.name, say.of(metric), metric) for metric in metrics),
            Column("of_reference", say("占参考", "of reference")),
            Column("of_roofline", say("占带宽上限", "of DRAM's ceiling")),
            Column("basis", say("依据与来源", "basis and source")),
            Column("evidence", say("证据", "evidence")),
        ),
        rows=tuple(_speed_row(say, row, metrics, twins=alike[_place(row)] > 1) for row in rows),
        empty=say("还没有。", "None yet."),
    )


def _place(row: SpeedRow) -> tuple[object, ...]:
    """What the first columns say of a row."""
    return row.model, row.board, row.npu_cores, row.vision_cores, row.context


def _speed_row(say: Words, row: SpeedRow, metrics: list[Metric], *, twins: bool) -> Row:
    """``twins``: other rows differ by the workload alone, which is written where it is what tells them apart."""
    cores = str(row.npu_cores or NOTHING) + (f"+{row.vision_cores}" if row.vision_cores else "")
    return Row(
        row.model,
        (
            words(row.title),
            words(row.board or say("（同类板）", "(any)")),
            words(cores),
            words(row.workload if twins and row.workload else str(row.context or NOTHING)),
            *(
                Cell(metric=metric, values=(row.values[metric.name],) if metric.name in row.values else ())
                for metric in metrics
            ),
            words(
                NOTHING if row.of_reference is None else f"{row.of_reference:.0%}{_mark(row.values)} ({row.reference})"
            ),
            words(NOTHING if row.of_roofline is None else f"{row.of_roofline:.0%}{_mark(row.values)}"),
            words(_sources(say, row)),
            Cell(words=links(value.evidence for value in row.values.values())),
        ),
    )


def _share(row: SpeedRow, share: float | None) -> str:
    return NOTHING if share is None else f"{share:.0%}{_mark(row.values)}"


def _mark(values: Mapping[Any, Value]) -> str:
    """A ratio of simulated numbers is simulated, too."""
    simulated = any(value.origin is Origin.SIMULATED for value in values.values())
    return f" {Origin.SIMULATED.letter}" if simulated else ""


def _sources(say: Words, row: SpeedRow) -> str:
    """What the numbers of a row rest on; said once where all rest on the same."""
    by: defaultdict[str, list[str]] = defaultdict(list)
    for name, value in row.values.items():
        source = "" if value.basis is Basis.PREDICTION else f"{say('：', ': ')}{value.source}"
        by[say.basis(value.basis, value.origin) + source].append(say.of(CLAIMED[name]).partition(" (")[0])
    memory = row.values.get(MEMORY)
    witness = f"; {memory.note}" if memory is not None and memory.note and memory.n else ""
    if len(by) == 1:
        return next(iter(by)) + witness
    return "; ".join(f"{say.listed(names)}: {text}" for text, names in by.items()) + witness


def _cores(say: Words, rows: Iterable[CoresRow]) -> Table:
    return Table(
        key="cores",
        columns=(
            Column("model", say("模型", "model")),
            Column("board", say("板子", "board")),
            Column("metric", say("指标", "metric")),
            *(Column(f"cores_{n}", say(f"{n} 核", f"{n} core{'s' * (n > 1)}")) for n in (1, 2, 3)),
            *(Column(f"speed_up_{n}", say(f"{n} 核加速比", f"speed-up, {n} cores")) for n in (2, 3)),
            *(Column(f"efficiency_{n}", say(f"{n} 核效率", f"efficiency, {n} cores")) for n in (2, 3)),
        ),
        rows=tuple(
            Row(
                row.model,
                (
                    words(row.title),
                    words(row.board or say("（同类板）", "(any)")),
                    words(say.of(row.metric)),
                    *(Cell(metric=row.metric, values=(row.values[n],) if n in row.values else ()) for n in (1, 2, 3)),
                    *(
                        words(f"{row.speed_up[n]:.2f}x{_mark(row.values)}" if n in row.speed_up else NOTHING)
                        for n in (2, 3)
                    ),
                    *(
                        words(f"{row.efficiency[n]:.0%}{_mark(row.values)}" if n in row.efficiency else NOTHING)
                        for n in (2, 3)
                    ),
                ),
            )
            for row in rows
        ),
        empty=say("没有任何模型有两个核数的数字。", "No model has a number at two core counts."),
    )


def _fleet(say: Words, rows: Iterable[FleetRow]) -> Table:
    return Table(
        key="fleet",
        columns=(
            Column("model", say("模型", "model")),
            Column("cores", say("核", "cores")),
            Column("metric", say("指标", "metric")),
            Column("board", say("板子", "board")),
            Column("value", say("数值", "value")),
            Column("deviation", say("相对中位数", "against the median")),
        ),
        rows=tuple(
            Row(
                row.model,
                (
                    words(row.title),
                    words(str(row.npu_cores or NOTHING)),
                    words(say.of(row.metric)),
                    words(board),
                    Cell(metric=row.metric, values=(value,)),
                    words(f"{row.deviation[board]:+.1%}{_mark(row.values)}" if board in row.deviation else NOTHING),
                ),
            )
            for row in rows
            for board, value in row.values.items()
        ),
        empty=say("没有两块板子测过同一项。", "No two boards measured the same."),
    )


def _others(found: Findings) -> Table:
    """What measurements were chosen over, and runs' numbers that are not believed.

    A simulation replaces nothing. What is not believed of publications is in their own table.
    """
    say = found.say
    rows: dict[tuple[str, ...], Row] = {}
    for claim in found.given.claims:
        metric = CLAIMED[claim.subject.metric]
        entry = found.given.model(claim.subject.model)
        title = entry.title if entry else claim.subject.model
        origin, board = origin_of(claim, found.given.virtual), claim.subject.board
        real = claim.basis in OBSERVED and origin is not Origin.SIMULATED and board is None
        asked = [(one, say("取代", "replaced")) for one in claim.replaced if real]
        doubted = (one for one in claim.quarantined if one.basis in OBSERVED and board is not None)
        asked += [(one, say("隔离", "quarantined")) for one in doubted]
        mine = f"{metric.text(claim.value)} ({say.basis(claim.basis, origin)})"
        place = (
            title,
            board or say("（同类板）", "(any)"),
            str(claim.subject.npu_cores or NOTHING),
            say.of(metric),
            mine,
        )
        for other, what in asked:
            told = (*place, what, *_other(metric, other))
            rows[told] = Row(claim.subject.model, tuple(words(text) for text in told))
    return Table(
        key="others",
        columns=(
            Column("model", say("模型", "model")),
            Column("board", say("板子", "board")),
            Column("cores", say("核", "cores")),
            Column("metric", say("指标", "metric")),
            Column("claim", say("采用值", "claimed")),
            Column("what", say("处理", "what became of it")),
            Column("other", say("另一数值", "other number")),
            Column("differs", say("差异", "difference")),
            Column("source", say("来源", "source")),
            Column("why", say("条件差异 / 原因", "other conditions / reason")),
        ),
        rows=tuple(rows.values()),
        empty=say("还没有。", "None yet."),
    )


def _other(metric: Metric, other: Other) -> tuple[str, str, str, str]:
    letter = {"reference": " R", "prediction": " P", "own_prediction": " P"}.get(other.basis, "")
    return (
        metric.text(other.value) + letter,
        NOTHING if other.differs is None else f"{other.differs:+.0%}",
        other.source,
        "; ".join(part for part in (other.reason, other.conditions) if part) or NOTHING,
    )


def _references(found: Findings) -> Table:
    say = found.say
    doubts: defaultdict[Reference, list[str]] = defaultdict(list)
    for doubt in found.doubts:
        doubts[doubt.reference].append(doubt.words)
    asked = {model.title for model in found.given.models}
    rows = []
    for one in found.given.references:
        if one.model not in asked:
            continue
        fields = (
            ("memory_bytes", PEAK),
            ("generate_tps", GENERATE),
            ("ttft_ms", TTFT),
            ("encode_ms", BY_NAME["image_encode_ms"]),
        )
        numbers = [_text(of_reference(one, field), metric, say) for field, metric in fields]
        told = (("runtime", one.runtime), ("ctx", one.context), ("clocks", one.clocks))
        known = ", ".join(f"{name} {value}" for name, value in told if value)
        rows.append(
            Row(
                one.model,
                (
                    words(one.model),
                    words(str(one.npu_cores)),
                    *(words(number) for number in numbers),
                    words(known or NOTHING),
                    words(f"{one.title} ({one.revision})"),
                    words("; ".join(doubts.get(one, ())) or NOTHING),
                ),
            )
        )
    return Table(
        key="references",
        columns=(
            Column("model", say("模型", "model")),
            Column("cores", say("核", "cores")),
            Column(MEMORY, say.of(PEAK)),
            Column("generate_tps", say.of(GENERATE)),
            Column("ttft_ms", say.of(TTFT)),
            Column("image_encode_ms", say.of(BY_NAME["image_encode_ms"])),
            Column("conditions", say("条件", "conditions")),
            Column("source", say("来源", "source")),
            Column("doubt", say("疑点", "doubts")),
        ),
        rows=tuple(rows),
        empty=say("没有。", "None."),
    )


def _text(values: tuple[Value, ...], metric: Metric, say: Words) -> str:
    return shown(values[0], metric, say) if values else NOTHING


def _defined(say: Words, key: str, defined: Iterable[Definition]) -> Table:
    return Table(
        key=key,
        columns=(Column("name", say("名称", "name")), Column("means", say("含义", "meaning"))),
        rows=tuple(
            Row(f"{key}_{n}", (Cell(words=(Strong(one.name),)), words(one.means))) for n, one in enumerate(defined)
        ),
        empty=say("没有。", "None."),
    )
