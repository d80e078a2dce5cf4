"""The final report: what runs, how fast, what is known of it on what basis, and what to do next."""

from __future__ import annotations

from analysis.report.choose import OBSERVED
from analysis.report.given import MEMORY, ModelEntry
from analysis.report.model import (
    Block,
    Bullets,
    Cell,
    Code,
    Column,
    Document,
    FeasibilityRow,
    Origin,
    Paragraph,
    Prose,
    Row,
    Section,
    Strong,
    Table,
)
from analysis.report.pages import (
    GENERATE,
    PEAK,
    Findings,
    legend_of,
    measured,
    runnable,
    spoken,
    warning,
    words,
)
from analysis.report.shown import NOTHING
from analysis.report.words import ENCODE_S, Words

NAME = "final_report"


def final_report(found: Findings) -> Document:
    """The page."""
    say, target = found.say, found.given.board_class
    gb = f"{target.total_bytes / 1e9:.0f}GB"
    return Document(
        name=NAME,
        title=say(f"RK3588 ({gb}) LLM Demo 最终报告", f"RK3588 ({gb}) LLM demo: final report"),
        before=(*warning(found), *_made(found)),
        sections=(
            Section(say("1. 执行摘要", "1. Summary"), _summary(found)),
            Section(say("2. 可行性结论（与要求的模型对照）", "2. What runs (against the models asked for)"), ()),
            Section(
                say("2.1 可跑（已测或资源足够）", "2.1 Can run (measured, or enough memory)"), (_can(found),), level=3
            ),
            Section(say(f"2.2 不可跑（{gb} 板子）", f"2.2 Can not run ({gb} board)"), (_can_not(found),), level=3),
            Section(
                say(
                    f"3. Benchmark 汇总（{target.npu_cores} 核 NPU，RKLLM_LOG_LEVEL=1）",
                    f"3. Benchmark summary ({target.npu_cores} NPU cores, RKLLM_LOG_LEVEL=1)",
                ),
                (),
            ),
            Section(say("纯文本 LLM", "Text LLM"), (_text(found),), level=3),
            Section(say("多模态 VLM", "Multimodal VLM"), (_vision(found), *_more(say)), level=3),
            Section(say("4. 依赖与复现", "4. Dependencies and reproduction"), (_guides(say),)),
            Section(say("5. 建议后续动作", "5. Suggested next actions"), (_next(found),)),
            Section(say("标记说明", "Marks"), legend_of(say)[1:]),
        ),
    )


def _made(found: Findings) -> tuple[Paragraph, ...]:
    say, given = found.say, found.given
    runs = sum(not run.warmup for run in given.runs)
    text = say(
        f"由 invoke report 生成（rkfleet {given.version}）；证据截至 {given.date or '无'}，共 {runs} 次运行。",
        f"Made by invoke report (rkfleet {given.version}) from {runs} runs; newest evidence: {given.date or 'none'}.",
    )
    return (Paragraph((text,)),)


def _summary(found: Findings) -> tuple[Block, ...]:
    say, target = found.say, found.given.board_class
    total = f"{target.total_bytes / 1e9:.0f}GB"
    hardware: Prose = (
        Strong(say("硬件", "Hardware")),
        say(
            f"：RK3588，{total} RAM，RKLLM Runtime {target.runtime}，RKNPU 驱动 {target.driver}；"
            f"空闲可用内存按 {target.available_bytes / 2**30:.2f} GiB 计。",
            f": RK3588, {total} RAM, RKLLM Runtime {target.runtime}, RKNPU driver {target.driver}; "
            f"{target.available_bytes / 2**30:.2f} GiB are taken to be available when idle.",
        ),
    )
    items = [hardware, *(_state(found, sees) for sees in (False, True)), _one_core(found)]
    return (Bullets(tuple(items)),)


def _state(found: Findings, sees: bool) -> Prose:
    """How far the models of one kind are."""
    say = found.say
    asked = [model for model in found.given.models if model.sees is sees]
    able = [model for model in asked if runnable(found.fit(model))]
    numbers = {model.title: found.number(model, GENERATE) for model in able}
    done = [title for title, cell in numbers.items() if measured(cell)]
    played = [title for title, cell in numbers.items() if _simulated(cell)]
    left = [title for title in numbers if title not in done]
    out = [model.title for model in asked if not runnable(found.fit(model))]
    parts = [
        say(
            f"已在真实板子上实测：{say.listed(done) or '无'}", f"measured on a real board: {say.listed(done) or 'none'}"
        )
    ]
    if left:
        parts.append(
            say(f"仍为参考值或预测值：{say.listed(left)}", f"still published or predicted numbers: {say.listed(left)}")
        )
    if played:
        parts.append(say(f"有仿真数据：{say.listed(played)}", f"with simulated numbers: {say.listed(played)}"))
    if out:
        parts.append(say(f"不测试（放不下）：{say.listed(out)}", f"not tested (do not fit): {say.listed(out)}"))
    name = say("多模态 VLM", "Multimodal VLM") if sees else say("纯文本 LLM", "Text LLM")
    return (Strong(name), say("：", ": "), say("；", "; ").join(parts), say("。", "."))


def _one_core(found: Findings) -> Prose:
    say = found.say
    known = {1: 0, 3: 0}
    able = [model for model in found.given.models if runnable(found.fit(model))]
    for model in able:
        for cores in known:
            known[cores] += measured(found.number(model, GENERATE, cores))
    here = sum(one.here for model in able for one in model.artifacts if one.npu_cores == 1)
    return (
        Strong(say("单核 vs 三核", "One core vs three")),
        say(
            f"：{len(able)} 个可跑模型中，单核实测 {known[1]} 个、三核实测 {known[3]} 个；本机有 {here} 个单核模型文件"
            "（核数在转换时固定，单核需单独转换）。",
            f": of {len(able)} models that can run, {known[1]} are measured on one core and {known[3]} on three; "
            f"{here} model files for one core are here (the core count is fixed at conversion).",
        ),
    )


def _simulated(cell: Cell) -> bool:
    return any(value.origin is Origin.SIMULATED and value.basis in OBSERVED for value in cell.values)


def _can(found: Findings) -> Table:
    say = found.say
    able = [model for model in found.given.models if runnable(found.fit(model))]
    rows = [
        Row(model.name, (words(model.title), words(say.kind(model.sees)), words(_seen(found, model)))) for model in able
    ]
    return Table(
        key="can_run",
        columns=(
            Column("model", say("模型", "model")),
            Column("kind", say("类型", "kind")),
            Column("seen", say("实测情况", "what was seen")),
        ),
        rows=tuple(rows),
        empty=say("没有可跑的模型。", "No model can run."),
    )


def _seen(found: Findings, model: ModelEntry) -> str:
    say, fit = found.say, found.fit(model)
    memory, speed = found.number(model, PEAK), found.number(model, GENERATE)
    state = say("已测", "measured") if measured(speed) else say("未实测", "not measured")
    if not measured(speed) and _simulated(speed):
        state = say("仅仿真，未实测", "simulated only, not measured")
    parts = [
        f"{state}{say('：', ': ')}"
        + say("峰值 ", "peak ")
        + (spoken(say, memory, "GiB") or NOTHING)
        + say("，Generate ", ", generate ")
        + (spoken(say, speed, "TPS") or NOTHING)
    ]
    outcome = _ended_badly(found, model)
    parts += [outcome] if outcome else []
    parts.append(f"{say.verdict(fit.verdict)}{'' if fit.headroom_bytes is None else _headroom(say, fit)}")
    return say("；", "; ").join(parts)


def _headroom(say: Words, fit: FeasibilityRow) -> str:
    left = (fit.headroom_bytes or 0.0) / 2**30
    what = say(f"余量 {left:+.2f} GiB", f"headroom {left:+.2f} GiB")
    most = say(f"，最大上下文 {fit.largest_context}", f", up to {fit.largest_context} tokens of context")
    return f" ({what}{most})" if fit.largest_context else f" ({what})"


def _ended_badly(found: Findings, model: ModelEntry) -> str:
    ooms = found.fit(model).ooms
    return found.say(f"{ooms} 次内存不足（OOM）", f"out of memory in {ooms} run{'s' * (ooms > 1)}") if ooms else ""


def _can_not(found: Findings) -> Table:
    say = found.say
    rows = [
        Row(model.name, (words(model.title), words(_left_out(found, model))))
        for model in found.given.models
        if not runnable(found.fit(model))
    ]
    notes: list[Prose] = [
        (say(f"说明：「{asked}」并不存在，以 {model.title} 代替。", f"{asked}: {reason}."),)
        for model in found.given.models
        for asked, reason in model.instead_of.items()
    ]
    return Table(
        key="can_not_run",
        columns=(Column("model", say("模型", "model")), Column("reason", say("原因", "reason"))),
        rows=tuple(rows),
        notes=tuple(notes),
        empty=say("目录中的模型都可能跑。", "Every model of the catalogue may run."),
    )


def why(found: Findings, model: ModelEntry) -> str:
    """Why a model does not run, in numbers."""
    say, fit = found.say, found.fit(model)
    moe = model.architecture is not None and model.architecture.moe
    extra = say("；MoE 需加载全部专家权重", "; a mixture of experts has all experts in memory") if moe else ""
    unknown = say("；没有已知支持它的 Runtime", "; no runtime is known to run it") if model.since is None else ""
    return fit.reason + extra + unknown


def _left_out(found: Findings, model: ModelEntry) -> str:
    return found.say("不测试：", "not tested: ") + why(found, model)


def _remark(found: Findings, model: ModelEntry) -> str:
    """The remark of a model in the summary tables."""
    say, fit = found.say, found.fit(model)
    if not runnable(fit):
        return _left_out(found, model)
    cell = found.number(model, GENERATE)
    value = cell.value
    if value is None:
        return say("无数据", "nothing known")
    if measured(cell):
        steady = say("稳定", "stable") if value.stable else say("未达稳定判据", "not proven stable")
        said = f"{say.basis(value.basis, value.origin)}{say('，', ', ')}{steady} ({value.source})"
    else:
        said = f"{say.basis(value.basis, value.origin)}{say('，板端实测后更新', ', until a board measures it')}"
    return said if fit.verdict == "FITS" else f"{said}{say('；', '; ')}{say.verdict(fit.verdict)}"


def _text(found: Findings) -> Table:
    say = found.say
    asked = [model for model in found.given.models if not model.sees]
    rows = [Row(model.name, (*_numbers(found, model), words(_remark(found, model)))) for model in asked]
    able = [model for model in asked if runnable(found.fit(model))]
    for cores, name in ((1, say("单核 TPS", "one core, TPS")), (2, say("双核 TPS", "two cores, TPS"))):
        told = [
            f"{model.title} {text}" for model in able if (text := spoken(say, found.number(model, GENERATE, cores)))
        ]
        done = sum(measured(found.number(model, GENERATE, cores)) for model in able)
        remark = say(
            f"需 {cores} 核专用模型；已实测 {done} 个",
            f"needs artifacts for {cores} core{'s' * (cores > 1)}; {done} measured",
        )
        rows.append(
            Row(
                f"cores_{cores}",
                (words(name), words(NOTHING), words("; ".join(told) or NOTHING), words(remark)),
            )
        )
    return Table(
        key="text",
        columns=(
            Column("model", say("模型", "model")),
            Column(MEMORY, say("峰值 DRAM (GiB)", "peak DRAM (GiB)"), PEAK),
            Column("generate_tps", "Generate TPS", GENERATE),
            Column("remark", say("备注", "remark")),
        ),
        rows=tuple(rows),
        notes=found.notes(able, (MEMORY, "generate_tps")),
    )


def _numbers(found: Findings, model: ModelEntry) -> tuple[Cell, ...]:
    if not runnable(found.fit(model)) and not found.fit(model).measured:
        return (words(model.title), Cell(metric=PEAK), Cell(metric=GENERATE))
    return (words(model.title), found.number(model, PEAK), found.number(model, GENERATE))


def _vision(found: Findings) -> Table:
    say = found.say
    asked = [model for model in found.given.models if model.sees]
    able = [model for model in asked if runnable(found.fit(model))]
    rows = [
        Row(
            model.name,
            (*_numbers(found, model), found.number(model, ENCODE_S), words(_remark(found, model))),
        )
        for model in able
    ]
    return Table(
        key="vision",
        columns=(
            Column("model", say("模型", "model")),
            Column(MEMORY, say("峰值 DRAM (GiB)", "peak DRAM (GiB)"), PEAK),
            Column("generate_tps", "Generate TPS", GENERATE),
            Column("image_encode_ms", say("图像处理 (s)", "image (s)"), ENCODE_S),
            Column("remark", say("备注", "remark")),
        ),
        rows=tuple(rows),
        notes=found.notes(able, (MEMORY, "generate_tps", "image_encode_ms")),
        empty=say("没有可跑的多模态模型。", "No vision model can run."),
    )


def _more(say: Words) -> tuple[Block, ...]:
    return (
        Paragraph((say("详细表格见 ", "The whole tables are in "), Code("reports/benchmark_log.md"), say("。", "."))),
    )


def _guides(say: Words) -> Bullets:
    return Bullets(
        (
            (Strong(say("依赖", "Dependencies")), say("：见 ", ": "), Code("docs/02_dependencies.md"), say("。", ".")),
            (Strong(say("模型", "Models")), say("：见 ", ": "), Code("docs/03_model_acquisition.md"), say("。", ".")),
            (
                Strong(say("运行与性能测试", "Running and measuring")),
                say("：见 ", ": "),
                Code("docs/04_run_text_llm.md"),
                say("、", ", "),
                Code("docs/05_run_multimodal_vlm.md"),
                say("、", ", "),
                Code("docs/06_benchmark_guide.md"),
                say("。", "."),
            ),
            (
                Strong(say("可行性分析", "Feasibility")),
                say("：见 ", ": "),
                Code(say("reports/feasibility_report.zh.md", "reports/feasibility_report.en.md")),
                say("；判定方法见 ", "; how verdicts come about: "),
                Code("docs/07_feasibility_report.md"),
                say("。", "."),
            ),
        )
    )


def _next(found: Findings) -> Block:
    say = found.say
    items = [(*action.words, *_command(say, action.command)) for action in found.actions]
    nothing: Prose = (say("没有：每个单元格都有实测。", "None: every cell is measured."),)
    return Bullets(tuple(items) or (nothing,), numbered=True)


def _command(say: Words, command: str) -> Prose:
    return (" ", Code(command)) if command else ()
