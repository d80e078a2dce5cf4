"""How a value is written, the same in every page: number, interval, origin's letter, how many repeats.

``31.99 (31.90–32.10) S n=6`` was measured six times on virtual boards, ``8.7 R`` is published and
``5.37 (5.05–5.80) P`` predicted. What a real board measured has no letter.
"""

from __future__ import annotations

from analysis.claims import Basis
from analysis.metrics import Metric
from analysis.report.model import Cell, Origin, Value
from analysis.report.words import Words

DOUBT = "†"  # beside a number that is believed to be wrong
NOTHING = "-"


def shown(value: Value, metric: Metric, say: Words, unit: str = "") -> str:
    """One value; the unit only where no heading has it."""
    parts = [metric.text(value.value)]
    if value.low is not None and value.high is not None:
        low, high = metric.text(value.low), metric.text(value.high)
        if (low, high) != (parts[0], parts[0]):
            parts.append(f"({low}–{high})")
    parts += [unit] if unit else []
    parts += [mark] if (mark := mark_of(value)) else []
    if value.n:
        parts.append(f"n={value.n}")
    if value.basis is Basis.PROVISIONAL:
        parts.append(say("暂定", "provisional"))
    return " ".join(parts)


def mark_of(value: Value) -> str:
    """The letters beside it; both of them for what is predicted from simulated runs."""
    predicted = value.basis is Basis.OWN_PREDICTION or (value.origin is Origin.SIMULATED and not value.n)
    letters = (value.origin.letter, Origin.PREDICTED.letter if predicted else "")
    return " ".join(dict.fromkeys(letter for letter in letters if letter))


def cell_text(cell: Cell, say: Words) -> str:
    """All values of a cell of numbers; a dash where there is none."""
    if cell.metric is None or not cell.values:
        return NOTHING
    texts = [shown(value, cell.metric, say) for value in cell.values]
    if cell.doubtful:
        texts[0] += f" {DOUBT}"
    return "; ".join(texts)


def legend(say: Words) -> tuple[str, ...]:
    """What the marks mean."""
    return (
        say(
            "S：仿真（虚拟板），与任何真实板子无关，不会取代其他数据。",
            "S: simulated, by a virtual board; says nothing about any real one and takes no other number's place.",
        ),
        say("M：手工日志（invoke import）。", "M: from a log made by hand (invoke import)."),
        say("R：他人公布的参考值，尚未被实测取代。", "R: published by somebody else, until a measurement replaces it."),
        say("P：由结构参数预测，括号内为区间。", "P: predicted from the architecture; its interval is in brackets."),
        say("无标记：真实板子实测。", "No letter: measured on a real board."),
        say(
            "n：有效重复次数；少于 3 次为暂定。括号：95% 区间或最低–最高。",
            "n: valid repeats; fewer than 3 are provisional. Brackets: 95 % interval, or lowest to highest.",
        ),
        say(
            f"{DOUBT}：数值存疑，原因见表下说明。", f"{DOUBT}: believed to be wrong; the notes below the table say why."
        ),
        say(
            "Runtime 打印的 GB 实为 GiB，本报告一律写 GiB / MiB。",
            "What the runtime prints as GB is GiB; GiB and MiB are written here.",
        ),
    )
