"""Section 1 of the feasibility report: the models asked for, series by series, with what is computed of each."""

from __future__ import annotations

from collections.abc import Sequence

from analysis.feasibility import Verdict
from analysis.memory_model import predict_memory
from analysis.quantization import dtype_of
from analysis.report.final import why
from analysis.report.given import MEMORY, ModelEntry
from analysis.report.model import (
    Block,
    Cell,
    Column,
    FeasibilityRow,
    Paragraph,
    Row,
    Strong,
    Table,
)
from analysis.report.pages import Findings, size, words
from analysis.report.shown import NOTHING
from analysis.report.words import MEMORY_MIB, MIB, Words

_FOUR_BITS = "W4A16"


def series(found: Findings, models: Sequence[ModelEntry], place: int) -> tuple[Block, ...]:
    """What is to be said of one series, and its table."""
    return (*_about(found.say, models), *_four_bits(found, models), _models(found, models, place))


def families(found: Findings) -> list[tuple[str, list[ModelEntry]]]:
    """The two reports' three series, and what else is in the catalogue."""
    say = found.say
    left = list(found.given.models)
    families: list[tuple[str, list[ModelEntry]]] = []
    for start, name in (
        ("InternVL3.5-", say("InternVL3.5 系列", "InternVL3.5")),
        ("Qwen3-VL-", say("Qwen3-VL 多模态系列", "Qwen3-VL, multimodal")),
        ("Qwen3-", say("Qwen3 纯文本系列", "Qwen3, text")),
        ("", say("目录中的其他模型", "Other models of the catalogue")),
    ):
        mine = [model for model in left if model.title.startswith(start)]
        left = [model for model in left if model not in mine]
        if mine:
            families.append((name, mine))
    order = ("InternVL3.5", "Qwen3 ", "Qwen3,", "Qwen3-VL")
    families.sort(key=lambda one: next((place for place, start in enumerate(order) if one[0].startswith(start)), 9))
    return families


def _about(say: Words, models: Sequence[ModelEntry]) -> tuple[Paragraph, ...]:
    found = []
    for model in models:
        for asked, reason in model.instead_of.items():
            text = say(
                f"「{asked}」并不存在，以最接近的 {model.title} 代替；同系列密集模型为 "
                + say.listed([one.title.rpartition("-")[2] for one in models])
                + "。",
                f"{asked}: {reason}.",
            )
            found.append(Paragraph((Strong(say("注意", "Note")), say("：", ": "), text), remark=True))
    if any(model.sees for model in models):
        seeing = [model.architecture.vision for model in models if model.architecture and model.architecture.vision]
        low, high = (end(2 * one.parameters / MIB + 100 for one in seeing) for end in (min, max))
        span = f"{low:.0f}" if len(seeing) == 1 else say(f"{low:.0f}–{high:.0f}", f"{low:.0f} to {high:.0f}")
        text = say(
            f"除语言模型外还需加载视觉编码器（RKNN，FP16），额外占用约 {span} MiB，已计入预估。",
            f"Beside the language model a vision encoder (RKNN, FP16) is loaded: {span} MiB more, "
            "which the prediction has in it.",
        )
        found.append(Paragraph((text,)))
    return tuple(found)


def _four_bits(found: Findings, models: Sequence[ModelEntry]) -> tuple[Paragraph, ...]:
    """Of models that would fit with four bits a weight, which this chip does not run."""
    say, target = found.say, found.given.board_class
    budget = target.available_bytes - target.reserve_bytes
    small = [
        model.title
        for model in models
        if found.fit(model).verdict is Verdict.NO
        and model.architecture is not None
        and dtype_of(model.dtype) is not None
        if predict_memory(model.architecture, _FOUR_BITS, target.context, target.runtime).low <= budget
    ]
    kept = dtype_of(_FOUR_BITS)
    if not small or kept is None or kept.on_rk3588:
        return ()
    text = say(
        f"{_FOUR_BITS} 是 RK3576 的量化类型，RK3588 不能运行，所以不能靠 4 bit 放下："
        f"{say.listed(small)} 按 W8A8 判定。",
        f"{_FOUR_BITS} is for RK3576 and does not run on RK3588, so four bits a weight are no way out: "
        f"judged in W8A8: {say.listed(small)}.",
    )
    return (Paragraph((text,)),)


def _models(found: Findings, models: Sequence[ModelEntry], place: int) -> Table:
    say = found.say
    rows = []
    for model in models:
        fit = found.fit(model)
        name = model.title + "".join(f" ({asked}?)" for asked in model.instead_of)
        support = (
            say(f"v{model.since} 起支持", f"v{model.since} and later") if model.since else say("未知", "not known")
        )
        tried = "" if "not tried" not in model.support else say("（该尺寸未验证）", " (size not tried)")
        rows.append(
            Row(
                model.name,
                (
                    words(name),
                    words(size(say, model)),
                    words(support + tried),
                    words(model.dtype),
                    words(_need(fit)),
                    Cell(metric=MEMORY_MIB, values=fit.measured),
                    words(NOTHING if fit.headroom_bytes is None else f"{fit.headroom_bytes / MIB:+.0f}"),
                    words(str(fit.largest_context or NOTHING)),
                    Cell(words=(Strong(say.verdict(fit.verdict)),)),
                    words(why(found, model)),
                ),
            )
        )
    return Table(
        key=f"models_{place}",
        columns=(
            Column("model", say("模型", "model")),
            Column("size", say("参数量", "parameters")),
            Column("support", say("RKLLM 支持", "RKLLM support")),
            Column("dtype", say("量化方式", "quantization")),
            Column("predicted", say("预估 RAM (MiB)", "predicted RAM (MiB)")),
            Column(MEMORY, say("实测 RAM (MiB)", "measured RAM (MiB)"), MEMORY_MIB),
            Column("headroom", say("余量 (MiB)", "headroom (MiB)")),
            Column("context", say("最大上下文", "largest context")),
            Column("verdict", say("可行性", "verdict")),
            Column("reason", say("说明", "reason")),
        ),
        rows=tuple(rows),
        notes=found.notes(models, (MEMORY,)),
    )


def _need(fit: FeasibilityRow) -> str:
    if fit.predicted is None:
        return NOTHING
    return f"{fit.predicted.value / MIB:,.0f} ({fit.predicted.low / MIB:,.0f}–{fit.predicted.high / MIB:,.0f}) P"
