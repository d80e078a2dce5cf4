"""The feasibility report: hardware, every model with predicted memory and verdict, and what others have published."""

from __future__ import annotations

from collections import defaultdict

from analysis.feasibility import Verdict
from analysis.metrics import GIB
from analysis.report.final import why
from analysis.report.given import MEMORY, ModelEntry
from analysis.report.model import (
    Block,
    Bullets,
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
from analysis.report.pages import Findings, legend_of, warning, words
from analysis.report.published_tables import published, unpublished
from analysis.report.series import families, series
from analysis.report.shown import NOTHING
from analysis.report.words import MIB, Words
from analysis.speed_model import ALL_CORES

NAME = "feasibility_report"
_NAMED = 8  # boards in one cell; the workbook has each


def feasibility_report(found: Findings) -> Document:
    """The page."""
    say, target = found.say, found.given.board_class
    gb = f"{target.total_bytes / 1e9:.0f}GB"
    listed = [
        Section(f"1.{place} {name}", series(found, models, place), level=3)
        for place, (name, models) in enumerate(families(found), 1)
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
                                "下列数字为他人公布；最后一列是本项目的实测值，有实测时以实测为准。"
                                "整份存疑的来源只列在 reports/benchmark_log.md。",
                                "Published by others; the last column is what was measured here and, where there is "
                                "such a number, the one to go by. Publications that are doubtful as a whole are in "
                                "reports/benchmark_log.md.",
                            ),
                        )
                    ),
                ),
            ),
            Section(
                say(f"纯文本 LLM (RK3588, {target.npu_cores} cores)", f"Text LLM (RK3588, {target.npu_cores} cores)"),
                (published(found, sees=False), *unpublished(found)),
                level=3,
            ),
            Section(
                say(
                    f"多模态 VLM (RK3588, {target.npu_cores} cores, 448x448 分辨率)",
                    f"Multimodal VLM (RK3588, {target.npu_cores} cores, 448x448 pixels)",
                ),
                (published(found, sees=True), *_pointer(say)),
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
        f"less {reserve:.0f} MiB in reserve, a model may need {budget:.2f} GiB. A board with evidence is "
        "judged by its own figure.",
    )
    return Paragraph((text,))


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
        f": {say.listed(out) or 'none'}, which can not run on this board ({gb}); the next table says why.",
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
    other: defaultdict[tuple[str, Verdict | None], list[FeasibilityRow]] = defaultdict(list)
    for row in found.feasibility:
        if row.board is not None and row.verdict != of_class[row.model]:
            other[row.model, row.verdict].append(row)
    virtual = found.given.virtual
    rows = []
    for (model, verdict), these in sorted(other.items(), key=lambda one: _place(found, one[0][0])):
        names = [f"{row.board}{' (S)' if row.board in virtual else ''}" for row in these]
        more = say(f" 等 {len(names)} 块", f" and {len(names) - _NAMED} more") if len(names) > _NAMED else ""
        budgets = sorted((row.budget_bytes or 0.0) / GIB for row in these)
        span = f"{budgets[0]:.2f}" + (f"–{budgets[-1]:.2f}" if budgets[-1] - budgets[0] >= 0.005 else "")
        cells = (these[0].title, say.listed(names[:_NAMED]) + more, say.verdict(verdict), span)
        rows.append(Row(model, tuple(words(text) for text in cells)))
    table = Table(
        key="boards_differ",
        columns=(
            Column("model", say("模型", "model")),
            Column("board", say("板子", "board")),
            Column("verdict", say("可行性", "verdict")),
            Column("budget", say("预算 (GiB)", "budget (GiB)")),
        ),
        rows=tuple(rows),
        empty=say("没有板子与上表判定不同。", "No board's verdict differs from those above."),
    )
    heading = say("与上述判定不同的板子", "Boards whose verdict differs from those above")
    return (Section(heading, (table,), level=3),)


def _place(found: Findings, model: str) -> int:
    return [one.name for one in found.given.models].index(model)


def _pointer(say: Words) -> tuple[Block, ...]:
    text: Prose = (
        say(
            "实测步骤见 docs/06_benchmark_guide.md 第 6 节，结果汇总见 ",
            "How to measure: docs/06_benchmark_guide.md, section 6. Results: ",
        ),
        "reports/benchmark_log.md",
        say("。", "."),
    )
    return (Bullets((text,)),)


assert ALL_CORES == 3  # what "3 cores x 2 TOPS" says
