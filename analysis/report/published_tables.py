"""Section 3 of the feasibility report: what others have published, each row with its source and what was measured."""

from __future__ import annotations

from collections.abc import Sequence

from analysis.feasibility import Verdict
from analysis.metrics import Metric
from analysis.references import Reference
from analysis.report.choose import of_reference
from analysis.report.given import MEMORY, ModelEntry
from analysis.report.model import (
    Cell,
    Column,
    Paragraph,
    Prose,
    Row,
    Strong,
    Table,
)
from analysis.report.pages import GENERATE, PEAK, TTFT, Findings, words
from analysis.report.shown import NOTHING
from analysis.report.words import ENCODE_S, MEMORY_MIB, Words

_VENDOR = "benchmark.md"
_DECODER = "-decoder"  # what the vendor lists of a vision model: its language model alone


def published(found: Findings, *, sees: bool) -> Table:
    """Every believed or doubted row of others, at the class' cores and runtime."""
    say = found.say
    ram: Metric = PEAK if sees else MEMORY_MIB
    time = "image_encode_ms" if sees else "ttft_ms"
    rows = []
    shown_models = []
    for model in found.given.models:
        if model.sees is not sees:
            continue
        here = [one for one in found.given.references if _asked(found, one, model)]
        shown_models += [model] if here else []
        for one in here:
            cells = [
                _of(found, one, "encode_ms", ENCODE_S) if sees else _of(found, one, "ttft_ms", TTFT),
                _of(found, one, "generate_tps", GENERATE),
                _of(found, one, "memory_bytes", ram),
            ]
            dtype, source = words((one.dtype or NOTHING).upper()), words(f"{one.title} ({one.revision})")
            rows.append(Row(model.name, (words(one.model), dtype, *cells, source, _measured(found, model))))
    encode = say("Vision Encoder 耗时 (s)", "vision encoder (s)")
    return Table(
        key="published_vision" if sees else "published_text",
        columns=(
            Column("model", say("模型", "model")),
            Column("dtype", say("量化", "quantization")),
            Column("image_encode_ms", encode, ENCODE_S) if sees else Column("ttft_ms", "TTFT (ms)", TTFT),
            Column("generate_tps", "Decode Tokens/s" if sees else "Tokens/s", GENERATE),
            Column(MEMORY, f"RAM ({ram.unit})", ram),
            Column("source", say("备注（来源）", "remark (source)") if sees else say("来源", "source")),
            Column("measured", say("实测 Tokens/s", "measured tokens/s"), GENERATE),
        ),
        rows=tuple(rows),
        notes=_decoder(say, rows) + found.notes(shown_models, (MEMORY, "generate_tps", time)),
        empty=say("没有公开数据。", "Nothing is published."),
    )


def _decoder(say: Words, rows: Sequence[Row]) -> tuple[Prose, ...]:
    names = [span for row in rows for span in row.cells[0].words if isinstance(span, str) and span.endswith(_DECODER)]
    text = say(
        "官方表中只含语言模型，不含视觉编码器，不能当作多模态的内存。",
        "in the vendor's table: the language model without its vision encoder, so not what a vision run needs.",
    )
    return ((Strong(say.listed(names)), say("：", " "), text),) if names else ()


def _asked(found: Findings, one: Reference, model: ModelEntry) -> bool:
    """Rows of the class' cores. Of the vendor's tables, which repeat themselves release by release, that of the class'
    runtime; of publications in which every row is doubtful, those that the earlier reports quote."""
    target = found.given.board_class
    if one.model not in (model.title, f"{model.title}{_DECODER}") or one.npu_cores != target.npu_cores:
        return False
    if _VENDOR in one.title:
        return one.runtime == target.runtime
    return found.known(one)


def _of(found: Findings, one: Reference, field: str, metric: Metric) -> Cell:
    values = of_reference(one, field)
    doubtful = any(doubt.reference == one and metric.name in doubt.metrics for doubt in found.doubts)
    return Cell(metric=metric, values=values, doubtful=doubtful and bool(values))


def _measured(found: Findings, model: ModelEntry) -> Cell:
    cell = found.number(model, GENERATE)
    return Cell(metric=GENERATE, values=tuple(value for value in cell.values if value.n))


def unpublished(found: Findings) -> tuple[Paragraph, ...]:
    say = found.say
    vendor = {one.model for one in found.given.references if _VENDOR in one.title}
    asked = [one for one in found.given.models if not one.sees and found.fit(one).verdict is not Verdict.NO]
    left = [one.title for one in asked if one.title not in vendor]
    if not left:
        return ()
    text = say(
        f"{say.listed(left)} 没有官方 benchmark，需实测；判定不可行的模型不测试。",
        f"The vendor has published nothing of {say.listed(left)}: to be measured. What can not run is not tested.",
    )
    return (Paragraph((text,), remark=True),)
