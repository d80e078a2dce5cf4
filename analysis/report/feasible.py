"""The feasibility report: hardware, every model with predicted memory and verdict, and what others have published."""

from __future__ import annotations

from collections.abc import Sequence

from analysis.feasibility import Verdict
from analysis.metrics import GIB, Metric
from analysis.references import Reference
from analysis.report.choose import of_reference
from analysis.report.final import why
from analysis.report.given import MEMORY, ModelEntry
from analysis.report.model import (
    Block,
    Bullets,
    Cell,
    Column,
    Document,
    FeasibilityRow,
    Paragraph,
    Prose,
    Row,
    Section,
    Strong,
    Table,
)
from analysis.report.pages import GENERATE, PEAK, TTFT, Findings, legend_of, size, warning, words
from analysis.report.shown import NOTHING
from analysis.report.words import ENCODE_S, MEMORY_MIB, MIB, Words
from analysis.speed_model import ALL_CORES

NAME = "feasibility_report"
_VENDOR = "benchmark.md"


def feasibility_report(found: Findings) -> Document:
    """The page."""
    say, target = found.say, found.given.board_class
    gb = f"{target.total_bytes / 1e9:.0f}GB"
    families = _families(found)
    listed = [
        Section(f"1.{place} {name}", (*_about(say, models), _models(found, models, place)), level=3)
        for place, (name, models) in enumerate(families, 1)
    ]
    return Document(
        name=NAME,
        title=say(f"RK3588 ({gb}) 模型可行性分析报告", f"RK3588 ({gb}): which models can run"),
        before=(*warning(found), _scope(found)),
        sections=(
            Section(say("硬件约束", "Hardware"), (_hardware(found), *_boards(found), _budget(found))),
            Section(
                say("1. 要求的模型清单 vs 实际可行性", "1. The models asked for, and whether they can run"),
                (Paragraph((_how(found),)),),
            ),
            *listed,
            Section(say("2. 可行性汇总", "2. Summary"), ()),
            Section(say("可以跑 (稳定)", "Can run"), (_can(found),), level=3),
            Section(
                say("极限测试 (可能 OOM)", "At the limit (may run out of memory)"),
                (_limit(found), _out(found)),
                level=3,
            ),
            Section(say("不可行", "Can not run"), (_can_not(found),), level=3),
            *_each_board(found),
            Section(
                say("3. 参考性能数据 (来源：公开资料)", "3. Reference figures (published by others)"),
                (
                    Paragraph(
                        (
                            say(
                                "下列数字为他人公布；最后一列是本项目的实测值，有实测时以实测为准。",
                                "Published by others; the last column is what was measured here and, where there is "
                                "such a number, the one to go by.",
                            ),
                        )
                    ),
                ),
            ),
            Section(
                say(f"纯文本 LLM (RK3588, {target.npu_cores} cores)", f"Text LLM (RK3588, {target.npu_cores} cores)"),
                (_published(found, sees=False), *_unpublished(found)),
                level=3,
            ),
            Section(
                say(
                    f"多模态 VLM (RK3588, {target.npu_cores} cores, 448x448 分辨率)",
                    f"Multimodal VLM (RK3588, {target.npu_cores} cores, 448x448 pixels)",
                ),
                (_published(found, sees=True), *_pointer(say)),
                level=3,
            ),
            Section(say("标记说明", "Marks"), legend_of(say)[1:]),
        ),
    )


def _scope(found: Findings) -> Paragraph:
    say = found.say
    out = [model.title for model in found.given.models if found.fit(model).verdict is Verdict.NO]
    text = say(
        f"：判定为不可行的模型（{say.listed(out) or '无'}）不纳入测试；下表仍保留其行与计算出的原因。",
        f": models that can not run ({say.listed(out) or 'none'}) are not tested; their rows stay, with the computed "
        "reason.",
    )
    return Paragraph((Strong(say("测试范围说明", "Scope")), text))


def _how(found: Findings) -> str:
    target = found.given.board_class
    return found.say(
        f"预估 RAM 由结构参数逐项算出（上下文 {target.context}，W8A8，括号内为区间），与公开数字无关；"
        "余量 = 预算 − 区间上限。仿真数据只列出，不参与判定。",
        f"RAM is computed from each architecture, part by part (context {target.context}, W8A8; its interval in "
        "brackets), not taken from published figures. Headroom is the budget less the high end. Simulated numbers are "
        "listed and decide nothing.",
    )


def _hardware(found: Findings) -> Table:
    say, target = found.say, found.given.board_class
    facts = [board for board in found.given.boards if not board.simulated]
    systems = list(dict.fromkeys(f"{one.os} (Linux {one.kernel}, {one.machine})" for one in facts if one.os))
    assumed = say("假定，未见真实板子证据", "assumed: no evidence of a real board")
    rows = (
        ("SoC", "Rockchip RK3588", say("型号", "by name")),
        (
            "DRAM",
            f"{target.total_bytes / 1e9:.0f}GB (MemTotal: {target.total_bytes / 1024:.0f} kB)",
            say("8GB 板子的典型值", "typical of an 8 GB board"),
        ),
        ("NPU", "6 TOPS (3 cores x 2 TOPS)", say("芯片规格", "of the chip")),
        ("OS", "; ".join(systems[:3]) or "Linux (aarch64)", assumed if not systems else say("板端证据", "evidence")),
        ("RKLLM Runtime", f"v{target.runtime}", say("判定所用版本", "what verdicts are for")),
        ("RKNPU Driver", f"v{target.driver}", say("判定所用版本", "what verdicts are for")),
    )
    return Table(
        key="hardware",
        columns=(
            Column("item", say("项目", "item")),
            Column("spec", say("规格", "specification")),
            Column("basis", say("依据", "basis")),
        ),
        rows=tuple(Row(item, (words(item), words(spec), words(basis))) for item, spec, basis in rows),
    )


def _boards(found: Findings) -> tuple[Table, ...]:
    """What each board with evidence said of itself."""
    say = found.say
    if not found.given.boards:
        return ()
    gib = "{:.2f}".format
    rows = tuple(
        Row(
            one.name,
            (
                words(one.name + (" (S)" if one.simulated else "")),
                words(one.model or NOTHING),
                words(gib(one.total_bytes / GIB) if one.total_bytes else NOTHING),
                words(gib(one.available_bytes / GIB) if one.available_bytes else NOTHING),
                words(f"{one.os or NOTHING} (Linux {one.kernel or '?'}, {one.machine or '?'})"),
                words(one.runtime or NOTHING),
                words(one.driver or NOTHING),
            ),
        )
        for one in found.given.boards
    )
    return (
        Table(
            key="boards",
            title=say("有证据的板子", "Boards with evidence"),
            columns=(
                Column("board", say("板子", "board")),
                Column("model", say("型号", "model")),
                Column("total", say("DRAM (GiB)", "DRAM (GiB)")),
                Column("available", say("空闲可用 (GiB)", "available when idle (GiB)")),
                Column("os", "OS"),
                Column("runtime", "RKLLM Runtime"),
                Column("driver", "RKNPU Driver"),
            ),
            rows=rows,
        ),
    )


def _budget(found: Findings) -> Paragraph:
    say, target = found.say, found.given.board_class
    free, reserve = target.available_bytes / GIB, target.reserve_bytes / MIB
    used = (target.total_bytes - target.available_bytes) / GIB
    budget = free - reserve / 1024
    text = say(
        f"系统本身（内核、桌面、服务）按常驻 {used:.1f} GiB 计，空闲可用 {free:.2f} GiB；再留 {reserve:.0f} MiB，"
        f"模型预算为 {budget:.2f} GiB。某块板子的预算以其自身空闲可用内存为准。",
        f"Kernel, desktop and services are taken to hold {used:.1f} GiB, so {free:.2f} GiB are available when idle; "
        f"less {reserve:.0f} MiB in reserve, a model may need {budget:.2f} GiB. A board with evidence is judged by its own "
        "figure.",
    )
    return Paragraph((text,))


def _families(found: Findings) -> list[tuple[str, list[ModelEntry]]]:
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


def _ram(found: Findings, model: ModelEntry) -> str:
    """What decides: measured by a real board, else predicted."""
    fit = found.fit(model)
    real = next((one for one in fit.measured if one.origin == fit.by), None)
    if real is not None:
        return f"{real.value / GIB:.2f} GiB n={real.n}"
    return "" if fit.predicted is None else f"{fit.predicted.value / GIB:.2f} GiB P"


def _kind(model: ModelEntry) -> str:
    return "VLM" if model.sees else "LLM"


def _can(found: Findings) -> Table:
    say = found.say
    able = [one for one in found.given.models if found.fit(one).verdict in (Verdict.FITS, Verdict.TIGHT)]
    rows = tuple(
        Row(model.name, (words(str(n)), words(model.title), words(_kind(model)), words(_ram(found, model))))
        for n, model in enumerate(able, 1)
    )
    return Table("can", _numbered(say, "RAM"), rows, empty=say("没有。", "None."))


def _limit(found: Findings) -> Table:
    say = found.say
    risky = [one for one in found.given.models if found.fit(one).verdict is Verdict.RISK]
    rows = tuple(
        Row(
            model.name,
            (
                words(str(n)),
                words(model.title),
                words(_kind(model)),
                words(_ram(found, model)),
                words(found.fit(model).reason),
            ),
        )
        for n, model in enumerate(risky, 1)
    )
    columns = (*_numbered(say, "RAM"), Column("risk", say("风险", "risk")))
    return Table("limit", columns, rows, notes=found.notes(risky, (MEMORY,)), empty=say("没有。", "None."))


def _out(found: Findings) -> Block:
    say, target = found.say, found.given.board_class
    gb = f"{target.total_bytes / 1e9:.0f}GB"
    out = [one.title for one in found.given.models if found.fit(one).verdict is Verdict.NO and "-8B" in one.title]
    text = say(
        f"：{say.listed(out) or '无'} 在 {gb} 板子上判定为不可行，本项目不测；原因见下表。",
        f": {say.listed(out) or 'none'}, which can not run on a {gb} board; the next table says why.",
    )
    return Paragraph((Strong(say("已排除（不测试）", "Left out, not tested (8B)")), text))


def _can_not(found: Findings) -> Table:
    say = found.say
    out = [one for one in found.given.models if found.fit(one).verdict in (Verdict.NO, None)]
    rows = tuple(
        Row(model.name, (words(str(n)), words(model.title), words(why(found, model)))) for n, model in enumerate(out, 1)
    )
    columns = (Column("n", "#"), Column("model", say("模型", "model")), Column("reason", say("原因", "reason")))
    return Table("can_not", columns, rows, empty=say("没有。", "None."))


def _numbered(say: Words, last: str) -> tuple[Column, ...]:
    return (
        Column("n", "#"),
        Column("model", say("模型", "model")),
        Column("kind", say("类型", "kind")),
        Column("ram", last),
    )


def _each_board(found: Findings) -> tuple[Section, ...]:
    """Where a board's own memory or runtime makes another verdict than the class has."""
    say = found.say
    if not found.given.boards:
        return ()
    of_class = {row.model: row.verdict for row in found.feasibility if row.board is None}
    virtual = found.given.virtual
    other = [row for row in found.feasibility if row.board is not None and row.verdict != of_class[row.model]]
    rows = tuple(
        Row(
            f"{row.model}@{row.board}",
            (
                words(row.title),
                words(f"{row.board}{' (S)' if row.board in virtual else ''}"),
                words(say.verdict(row.verdict)),
                words(row.reason),
            ),
        )
        for row in other
    )
    table = Table(
        key="boards_differ",
        columns=(
            Column("model", say("模型", "model")),
            Column("board", say("板子", "board")),
            Column("verdict", say("可行性", "verdict")),
            Column("reason", say("说明", "reason")),
        ),
        rows=rows,
        empty=say("没有板子与上表判定不同。", "No board's verdict differs from those above."),
    )
    heading = say("与上述判定不同的板子", "Boards whose verdict differs from those above")
    return (Section(heading, (table,), level=3),)


def _published(found: Findings, *, sees: bool) -> Table:
    """Every believed or doubted row of others, at the class' cores and runtime."""
    say, target = found.say, found.given.board_class
    ram: Metric = PEAK if sees else MEMORY_MIB
    doubted = [doubt.reference for doubt in found.doubts]
    rows = []
    shown_models = []
    for model in found.given.models:
        if model.sees is not sees:
            continue
        here = [one for one in found.given.references if _asked(one, model, target.runtime, target.npu_cores)]
        if here:
            shown_models.append(model)
        for one in here:
            doubtful = one in doubted
            times = of_reference(one, "encode_ms" if sees else "ttft_ms")
            rows.append(
                Row(
                    model.name,
                    (
                        words(model.title),
                        words((one.dtype or NOTHING).upper()),
                        Cell(metric=ENCODE_S if sees else TTFT, values=times, doubtful=doubtful and bool(times)),
                        _of(one, "generate_tps", GENERATE, doubtful=doubtful),
                        _of(one, "memory_bytes", ram, doubtful=doubtful),
                        words(f"{one.title} ({one.revision})"),
                        _measured(found, model),
                    ),
                )
            )
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
        notes=found.notes(shown_models, (MEMORY, "generate_tps", "image_encode_ms" if sees else "ttft_ms")),
        empty=say("没有公开数据。", "Nothing is published."),
    )


def _asked(one: Reference, model: ModelEntry, runtime: str, cores: int) -> bool:
    """Of the vendor's tables, which repeat themselves release by release, the one of the runtime that is meant."""
    if one.model != model.title or one.npu_cores != cores:
        return False
    return _VENDOR not in one.title or one.runtime == runtime


def _of(one: Reference, field: str, metric: Metric, *, doubtful: bool) -> Cell:
    values = of_reference(one, field)
    return Cell(metric=metric, values=values, doubtful=doubtful and bool(values))


def _measured(found: Findings, model: ModelEntry) -> Cell:
    cell = found.number(model, GENERATE)
    return Cell(metric=GENERATE, values=tuple(value for value in cell.values if value.n))


def _unpublished(found: Findings) -> tuple[Paragraph, ...]:
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


def _pointer(say: Words) -> tuple[Block, ...]:
    text: Prose = (
        say(
            "实测步骤见 docs/06_benchmark_guide.md，结果汇总见 ",
            "How to measure: docs/06_benchmark_guide.md. Results: ",
        ),
        "reports/benchmark_log.md",
        say("。", "."),
    )
    return (Bullets((text,)),)


assert ALL_CORES == 3  # what "3 cores x 2 TOPS" says
