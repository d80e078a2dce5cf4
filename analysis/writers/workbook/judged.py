"""The sheets for who decides: does a model run on a board, how fast, and how much memory is left."""

from __future__ import annotations

from analysis.metrics import CLAIMED
from analysis.report.given import MEMORY, VISION
from analysis.report.model import FeasibilityRow, Origin, Report, Value, VerdictRow
from analysis.report.shown import mark_of
from analysis.report.words import Words
from analysis.writers.workbook import wording
from analysis.writers.workbook.grid import (
    MIDDLE,
    NARROW,
    WIDE,
    WIDEST,
    Entry,
    Grid,
    Heading,
    HeadroomBars,
    amount,
    count,
    spread,
    words,
)

_SPEED = CLAIMED["generate_tps"]
_PEAK = CLAIMED[MEMORY]
_MOST_HEADROOM_GIB = 8.0  # a bar's length: the boards that this is about have 8 GB


def verdicts(report: Report, say: Words) -> Grid:
    """Model by board: does it run, the best speed, on what basis, what to be wary of."""
    headings = (
        Heading(say("模型", "model"), 20),
        Heading(say("类型", "kind"), NARROW),
        Heading(say("板子", "board"), 18),
        Heading(say("能否运行", "does it run"), 24),
        Heading(say("判定依据", "judged by"), MIDDLE),
        Heading(say("核", "cores"), 7),
        Heading(say("最快 Generate (tok/s)", "best generate (tok/s)"), 18),
        Heading(say("下限", "low"), 15),
        Heading(say("上限", "high"), 15),
        Heading("n", 7),
        Heading(say("数值依据", "basis of the number"), WIDE, wraps=True),
        Heading(say("运行结果", "how runs ended"), 22, wraps=True),
        Heading(say("注意", "flags"), 40, wraps=True),
    )
    return Grid(
        "Verdict",
        say("结论", "Verdict"),
        say(
            "每个模型在每块板子上能否运行、多快、依据是什么。S 仿真、M 手工日志、R 公开参考、P 预测；"
            "无字母为真实板子实测。",
            "Does each model run on each board, how fast, and what that rests on. S simulated, M by hand, R "
            "published, P "
            "predicted; no letter: measured on a real board.",
        ),
        headings,
        tuple(_verdict(row, say) for row in report.verdicts),
        empty=say("目录中没有模型。", "There is no model in the catalogue."),
    )


def _verdict(row: VerdictRow, say: Words) -> tuple[Entry, ...]:
    speed = row.speed
    basis = None if speed is None else say.basis(speed.basis, speed.origin)
    mark = "" if speed is None else mark_of(speed)
    return (
        words(row.title),
        words(say.kind(row.kind == VISION)),
        words(wording.board(say, row.board)),
        words(say.verdict(row.verdict), tone=str(row.verdict or "")),
        words(wording.origin(say, row.by), row.by.letter),
        count(row.cores, mark),
        *spread(speed, _SPEED),
        words(basis, mark),
        words(row.outcomes),
        words(say("；", "; ").join(row.flags)),
    )


def feasibility(report: Report, say: Words) -> Grid:
    """Predicted against measured memory, and what is left of the budget."""
    headings = (
        Heading(say("模型", "model"), 20),
        Heading(say("板子", "board"), 18),
        Heading(say("量化", "dtype"), 8),
        Heading(say("上下文", "context"), 9),
        Heading(say("判定", "verdict"), 24),
        Heading(say("判定依据", "judged by"), MIDDLE),
        Heading(say("预测下限 (GiB)", "predicted low (GiB)"), 13),
        Heading(say("预测内存 (GiB)", "predicted memory (GiB)"), 13),
        Heading(say("预测上限 (GiB)", "predicted high (GiB)"), 13),
        Heading(say("实测峰值 (GiB)", "measured peak (GiB)"), 13),
        Heading(say("实测 n", "measured n"), 9),
        Heading(say("仿真峰值 (GiB)", "simulated peak (GiB)"), 13),
        Heading(say("仿真 n", "simulated n"), 9),
        Heading(say("预算 (GiB)", "budget (GiB)"), 11),
        Heading(say("余量 (GiB)", "headroom (GiB)"), 18),
        Heading(say("最大上下文", "largest context"), 11),
        Heading(say("OOM 次数", "runs out of memory"), 10),
        Heading(say("原因", "reason"), WIDEST, wraps=True),
        Heading(say("Runtime 支持", "runtime support"), 40, wraps=True),
    )
    return Grid(
        "Feasibility",
        say("可行性", "Feasibility"),
        say(
            "余量 = 预算 − 内存上限（条形：左侧橙色不足，右侧蓝色有余，封顶 ±8 GiB）。仿真不参与判定；OOM "
            "不计仿真运行。",
            "Headroom is the budget less the high end (bar: orange to the left is missing, blue to the right is "
            "left, cut "
            "at 8 GiB). Simulated memory decides nothing; simulated runs are not in the OOM count.",
        ),
        headings,
        tuple(_feasible(row, say) for row in report.feasibility),
        stays=2,
        empty=say("目录中没有模型。", "There is no model in the catalogue."),
        headroom=HeadroomBars(14, _MOST_HEADROOM_GIB),
    )


def _feasible(row: FeasibilityRow, say: Words) -> tuple[Entry, ...]:
    predicted, letter = row.predicted, Origin.PREDICTED.letter
    ends = (predicted.low, predicted.value, predicted.high) if predicted else (None, None, None)
    real = _first(row, simulated=False)
    played = _first(row, simulated=True)
    by = row.by.letter
    return (
        words(row.title),
        words(wording.board(say, row.board)),
        words(row.dtype),
        count(row.context),
        words(say.verdict(row.verdict), tone=str(row.verdict or "")),
        words(wording.origin(say, row.by), by),
        *(amount(end, _PEAK, letter) for end in ends),
        *_peak(real),
        *_peak(played),
        amount(row.budget_bytes, _PEAK),
        amount(row.headroom_bytes, _PEAK, by),
        count(row.largest_context or None, letter),
        count(row.ooms),
        words(row.reason),
        words(row.support),
    )


def _first(row: FeasibilityRow, *, simulated: bool) -> Value | None:
    return next((one for one in row.measured if (one.origin is Origin.SIMULATED) is simulated), None)


def _peak(value: Value | None) -> tuple[Entry, Entry]:
    if value is None:
        return (Entry(), Entry())
    mark = mark_of(value)
    return (amount(value.value, _PEAK, mark), count(value.n or None, mark))
