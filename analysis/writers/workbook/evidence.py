"""The sheets of what the numbers rest on: nights, what went wrong, every run, publications, conditions and words."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from analysis.metrics import BY_NAME, CLAIMED, Metric
from analysis.nights.fast import State
from analysis.nights.history import History, histories
from analysis.nights.values import read_nights
from analysis.outcome import Outcome
from analysis.report.given import MEMORY
from analysis.report.model import Origin, Report
from analysis.report.shown import legend
from analysis.report.words import Words
from analysis.runs import Run
from analysis.writers.log_links import log_link
from analysis.writers.rows import run_columns, run_row, sorted_runs
from analysis.writers.workbook import wording
from analysis.writers.workbook.grid import (
    COUNT,
    MIDDLE,
    WIDE,
    WIDEST,
    Entry,
    Grid,
    Heading,
    Sparkline,
    amount,
    count,
    marked,
    share,
    words,
)

_NIGHTS = 30  # columns of nights: a month is what a line of this width can show
_RUN_WIDTHS = {
    "origin": 18,
    "log": 60,
    "reason": 50,
    "advice": 40,
    "memory_note": 50,
    "run": 34,
    "campaign": 26,
    "quarantined": 40,
}


def nightly(report: Report, say: Words) -> Grid:
    """One line a series: what its last night is, since when, and all of them as a line."""
    nights = read_nights(report.runs)
    followed = histories(nights)
    seen = {night.night for one in followed for night in one.valued}
    names = [night.name for night in nights if night.name in seen][-_NIGHTS:]
    before = (
        Heading(say("板子", "board"), 18),
        Heading(say("单元", "cell"), 40),
        Heading(say("指标", "metric"), 24),
        Heading(say("来源", "origin"), MIDDLE),
        Heading(say("夜数", "nights"), 8),
        Heading(say("状态", "status"), 26, wraps=True),
        Heading(say("趋势（各自刻度）", "trend (scales differ)"), 26),
        Heading(say("最近一夜", "last night"), 16),
        Heading(say("基准", "level"), 16),
        Heading(say("变差", "worse by"), 10),
        Heading(say("首个坏夜", "first bad night"), 26),
        Heading(say("之前的好夜", "last good night"), 26),
        Heading(say("其间变化", "changed between them"), 40, wraps=True),
    )
    first = len(before)
    return Grid(
        "Nightly",
        say("每夜", "Nightly"),
        say(
            "每个批次作为一夜：有效重复（至少 3 次）的中位数。满 5 夜后才判定；右侧各列为每夜的数字。",
            "Every campaign is taken for a night: the median of its valid repeats, three at least. Judged from "
            "the sixth "
            "night on; the columns to the right are the nights.",
        ),
        (*before, *(Heading(name, 23) for name in names)),
        tuple(_followed(one, names, say) for one in followed),
        stays=2,
        empty=say("还没有两夜的数字。", "No series has two nights yet."),
        fits_page=len(names) <= 4,
        sparklines=tuple(Sparkline(at, 6, first, first + len(names) - 1) for at in range(len(followed))),
    )


def _followed(one: History, names: list[str], say: Words) -> tuple[Entry, ...]:
    series, last = one.series, one.last
    metric, mark = BY_NAME[series.metric], wording.letter(series.origin)
    by_night = {night.night: night.value for night in one.valued}
    line = (
        words(series.board),
        words(series.cell),
        words(say.of(metric)),
        words(wording.origin(say, series.origin)),
        count(len(one.valued), mark),
        words(_state(last.state, say) + (f" ({last.night.why})" if last.night.why else "")),
        Entry(),
        amount(last.night.value, metric, mark),
        amount(last.level, metric, mark),
        share(last.worse_by, mark, sign=True),
        words(last.first_bad.night if last.first_bad else None),
        words(last.last_good.night if last.last_good else None),
        words("; ".join(one.changed)),
        *(amount(by_night.get(name), metric, mark) for name in names),
    )
    return marked(line, mark)


def _state(state: State, say: Words) -> str:
    return {
        State.OK: say("正常", "ok"),
        State.LEARNING: say("夜数不足，未判定", "too few nights to judge"),
        State.NO_VALUE: say("无有效数字", "no value"),
        State.SUSPECT: say("可疑，未复测", "suspect, not measured again"),
        State.FLAKY: say("偶发，复测正常", "flaky: fine when measured again"),
        State.REGRESSION: say("退化", "regression"),
        State.STILL: say("退化仍在", "regression, still open"),
    }[state]


def diagnostics(report: Report, say: Words, folder: Path) -> Grid:
    """Runs that did not end well, checks that were overruled, numbers that are not believed."""
    headings = (
        Heading(say("类别", "what"), 24),
        Heading(say("模型", "model"), 20),
        Heading(say("板子", "board"), 18),
        Heading(say("核", "cores"), 7),
        Heading(say("来源", "origin"), MIDDLE),
        Heading(say("次数", "times"), 8),
        Heading(say("所见", "what was seen"), WIDEST, wraps=True),
        Heading(say("可以尝试", "what to try"), 50, wraps=True),
        Heading(say("证据", "evidence"), 60),
    )
    found: Counter[tuple[str, ...]] = Counter()
    about: dict[tuple[str, ...], Run] = {}
    for run in sorted_runs(report.runs):
        for what, told, advice in _trouble(run, say):
            key = (what, run.model or "", run.board, str(run.npu_cores or ""), run.origin, told, advice)
            found[key] += 1
            about.setdefault(key, run)
    rows = [_troubled(key, found[key], about[key], say, folder) for key in sorted(found)]
    rows += [
        marked(
            (
                words(say("公开数据存疑", "doubtful publication")),
                words(doubt.reference.model),
                Entry(),
                count(doubt.reference.npu_cores, Origin.REFERENCE.letter),
                words(wording.origin(say, Origin.REFERENCE)),
                count(1, Origin.REFERENCE.letter),
                words(f"{', '.join(say.of(CLAIMED[name]) for name in doubt.metrics)}: {doubt.words}"),
                Entry(),
                words(f"{doubt.reference.title}, {doubt.reference.source}"),
            ),
            Origin.REFERENCE.letter,
        )
        for doubt in report.doubts
    ]
    return Grid(
        "Diagnostics",
        say("诊断", "Diagnostics"),
        say(
            "没有正常结束的运行、被 --force 越过的检查、不可信的数字。为何慢：invoke explain --board 板子 "
            "--model 模型。",
            "Runs that did not end well, checks overruled with --force, numbers that are not believed. Why a "
            "number is what "
            "it is: invoke explain --board NAME --model NAME.",
        ),
        headings,
        tuple(rows),
        empty=say("没有发现问题。", "Nothing was found."),
    )


def _trouble(run: Run, say: Words) -> Iterable[tuple[str, str, str]]:
    if run.outcome is not Outcome.OK:
        yield say(f"运行：{run.outcome}", f"run ended: {run.outcome}"), run.reason or "", run.advice or ""
    for check in run.forced:
        yield say("检查未通过，仍测量", "check failed, measured all the same"), check, ""
    for name, reason in run.quarantined:
        yield say("数字被隔离", "quarantined number"), f"{say.of(BY_NAME[name])}: {reason}", ""
    if run.memory_note:
        yield say("内存数字不一致", "memory disagrees"), run.memory_note, ""


def _troubled(key: tuple[str, ...], times: int, run: Run, say: Words, folder: Path) -> tuple[Entry, ...]:
    what, _, _, _, _, told, advice = key
    mark = wording.letter(run.origin)
    line = (
        words(what),
        words(run.model_title or run.model),
        words(run.board),
        count(run.npu_cores, mark),
        words(wording.origin(say, run.origin)),
        count(times, mark),
        words(told),
        words(advice),
        Entry(run.log, link=log_link(run, folder)),
    )
    return marked(line, mark)


def runs(report: Report, say: Words, folder: Path) -> Grid:
    """Every run, a line each, with a link to its log."""
    columns = run_columns(report.runs)
    rows = []
    for run in sorted_runs(report.runs):
        mark = wording.letter(run.origin)
        line = []
        for value, column in zip(run_row(run, columns), columns, strict=True):
            if isinstance(column, Metric):
                line.append(Entry(value, f'{column.number_format}" {column.unit}"', mark))
            elif column.name == "origin":
                line.append(words(wording.origin(say, run.origin)))
            elif column.name == "log":
                line.append(Entry(value, link=log_link(run, folder)))
            else:
                line.append(Entry(value, COUNT, mark if isinstance(value, int | float) else ""))
        rows.append(marked(line, mark))
    return Grid(
        "Runs",
        say("运行", "Runs"),
        say(
            "每次运行一行，预热与失败的也在内；「日志」链接到原始输出。",
            "A line for every run, warm-ups and failed ones too; 'log' leads to the raw output.",
        ),
        tuple(
            Heading(wording.of_run(say, one), _RUN_WIDTHS.get(one.name, max(11, len(one.heading) + 3)))
            for one in columns
        ),
        tuple(rows),
        stays=3,
        empty=say("还没有运行。", "No runs yet."),
        fits_page=False,
    )


def references(report: Report, say: Words) -> Grid:
    """What others published, doubted rows too."""
    headings = (
        Heading(say("模型", "model"), 20),
        Heading(say("核", "cores"), 7),
        Heading(say("量化", "dtype"), 10),
        Heading("runtime", 10),
        Heading(say("时钟", "clocks"), 12),
        Heading(say("上下文", "context"), 9),
        Heading(say("prompt token", "prompt tokens"), 9),
        Heading(say("新 token", "new tokens"), 9),
        Heading("Generate (tok/s)", 16),
        Heading("TTFT (ms)", 15),
        Heading(say("图像编码 (ms)", "image encode (ms)"), 15),
        Heading(say("内存 (GiB)", "memory (GiB)"), 13),
        Heading(say("内存所指", "memory of"), 11),
        Heading(say("存疑原因", "why it is doubted"), 60, wraps=True),
        Heading(say("标题", "title"), WIDE, wraps=True),
        Heading(say("出处", "source"), 50),
        Heading(say("版本", "revision"), 18),
    )
    mark = Origin.REFERENCE.letter
    rows = tuple(
        marked(
            (
                words(one.model),
                count(one.npu_cores, mark),
                words(one.dtype),
                words(one.runtime),
                words(one.clocks),
                count(one.context, mark),
                count(one.prompt_tokens, mark),
                count(one.new_tokens, mark),
                amount(one.generate_tps, CLAIMED["generate_tps"], mark),
                amount(one.ttft_ms, CLAIMED["ttft_ms"], mark),
                amount(one.encode_ms, CLAIMED["image_encode_ms"], mark),
                amount(one.memory_bytes, CLAIMED[MEMORY], mark),
                words(one.memory_of),
                words(say(one.suspect_zh or one.suspect or "", one.suspect or "")),
                words(one.title),
                words(one.source),
                words(one.revision),
            ),
            mark,
        )
        for one in report.references
    )
    return Grid(
        "References",
        say("参考", "References"),
        say(
            "他人公布的数字 (R)，原样列出；存疑的不参与任何比较，原因在旁。",
            "Numbers that others published (R), as they stand; doubted ones enter no comparison, and say why.",
        ),
        headings,
        rows,
        empty=say("没有参考值。", "There are no references."),
    )


def conditions(report: Report, say: Words) -> Grid:
    """What the fingerprints, the metrics and the marks mean."""
    marks = tuple((say("标记", "mark"), "", text) for text in legend(say))
    told = tuple((say("条件", "condition"), one.name, one.means) for one in report.conditions)
    defined = tuple((say("定义", "definition"), one.name, one.means) for one in report.definitions)
    rows = tuple(tuple(words(text) for text in line) for line in (*marks, *defined, *told))
    return Grid(
        "Conditions",
        say("条件与定义", "Conditions and definitions"),
        say(
            "标记、指标的定义，以及每个条件指纹代表什么。只比较条件相同的数字。",
            "Marks, what each metric means, and what each fingerprint stands for. Only like conditions are compared.",
        ),
        (
            Heading(say("类别", "what"), 14),
            Heading(say("名称", "name"), 34),
            Heading(say("含义", "means"), 110, wraps=True),
        ),
        rows,
    )
