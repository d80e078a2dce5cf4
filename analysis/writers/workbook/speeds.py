"""The sheets of numbers: every speed, how it grows with the cores, and the boards beside each other."""

from __future__ import annotations

from collections.abc import Iterable

from analysis.metrics import CLAIMED
from analysis.report.model import CoresRow, FleetRow, Origin, Report, SpeedRow, Value
from analysis.report.shown import mark_of
from analysis.report.words import Words
from analysis.text import plain
from analysis.writers.workbook import wording
from analysis.writers.workbook.grid import (
    MIDDLE,
    WIDE,
    Bar,
    Chart,
    Entry,
    Grid,
    Heading,
    Shade,
    amount,
    count,
    marked,
    share,
    spread,
    times,
    words,
)

_CORES = (1, 2, 3)
_DRAWN = 8  # series in one chart: as many as there are colours that can be told apart
_NAME_LIMIT = 48  # characters in a legend
_ORDER = ("generate_tps", "ttft_ms", "vision_ttft_ms", "prefill_tps", "image_encode_ms")


def speeds(report: Report, say: Words) -> Grid:
    """One line a number, so that one filter shows one metric of all."""
    headings = (
        Heading(say("模型", "model"), 20),
        Heading(say("板子", "board"), 18),
        Heading(say("核", "cores"), 7),
        Heading(say("视觉核", "vision cores"), 8),
        Heading(say("指标", "metric"), 26),
        Heading(say("中位数", "median"), 18),
        Heading(say("下限", "low"), 18),
        Heading(say("上限", "high"), 18),
        Heading("n", 7),
        Heading(say("来源", "origin"), MIDDLE),
        Heading(say("依据", "basis"), WIDE),
        Heading(say("占参考", "of reference"), 11),
        Heading(say("占带宽上限", "of roofline"), 11),
        Heading(say("上下文", "context"), 9),
        Heading(say("负载", "workload"), 36),
        Heading(say("出处", "source"), WIDE),
        Heading(say("所比参考", "reference compared with"), WIDE),
        Heading(say("条件", "condition"), 15),
    )
    rows = tuple(line for row in report.speed for line in _speed(row, say))
    return Grid(
        "Speed",
        say("速度", "Speed"),
        say(
            "每行一个数字；按「指标」筛选。下限、上限：95% 区间，重复少时为最低与最高。占参考、占带宽上限只对 "
            "Generate TPS。",
            "One line a number; filter by metric. Low and high: 95 % interval, or lowest and highest of few "
            "repeats. Shares "
            "of reference and roofline are of generate TPS.",
        ),
        headings,
        rows,
        empty=say("没有任何数字。", "There is no number."),
    )


def _speed(row: SpeedRow, say: Words) -> Iterable[tuple[Entry, ...]]:
    order = [name for name in _ORDER if name in row.values]
    order += [name for name in row.values if name not in _ORDER]
    for name in order:
        value, first = row.values[name], name == "generate_tps"
        mark = mark_of(value)
        line = (
            words(row.title),
            words(wording.board(say, row.board)),
            count(row.npu_cores, mark),
            count(row.vision_cores, mark),
            words(say.of(CLAIMED[name])),
            *spread(value, CLAIMED[name]),
            words(wording.origin(say, value.origin)),
            words(say.basis(value.basis, value.origin)),
            share(row.of_reference if first else None, mark),
            share(row.of_roofline if first else None, mark),
            count(row.context),
            words(row.workload),
            words(value.source),
            words(row.reference if first else None),
            words(value.condition),
        )
        yield marked(line, mark)


def cores(report: Report, say: Words) -> Grid:
    """One, two and three cores, what the further ones bring, and charts of the speeds."""
    counts = {one: say(f"{one} 核", f"{one} core{'s' * (one > 1)}") for one in _CORES}
    headings = (
        Heading(say("模型", "model"), 20),
        Heading(say("板子", "board"), 18),
        Heading(say("指标", "metric"), 22),
        Heading(say("来源", "origin"), MIDDLE),
        *(Heading(name, 15) for name in counts.values()),
        *(Heading(say(f"加速比 {name}", f"speed-up {name}"), 12) for name in counts.values()),
        *(Heading(say(f"效率 {name}", f"efficiency {name}"), 12) for name in counts.values()),
        Heading(say("最少 n", "least n"), 8),
        Heading(say("上下文", "context"), 9),
        Heading(say("负载", "workload"), 30),
        Heading(say("出处", "source"), WIDE),
    )
    return Grid(
        "Cores",
        say("核数", "Cores"),
        say(
            "同一依据、同一来源下的 1、2、3 核。加速比相对单核；效率 = 加速比 / 核数。图在表下方，随筛选变化。",
            "One, two and three cores on one basis and of one origin. Speed-up is against one core, efficiency "
            "is speed-up "
            "/ cores. Charts below the table follow the filters.",
        ),
        headings,
        tuple(_cores(row, say) for row in report.cores),
        stays=2,
        empty=say("还没有两种核数的数字。", "No number at two core counts yet."),
        charts=tuple(_charts(report.cores, say)),
    )


def _cores(row: CoresRow, say: Words) -> tuple[Entry, ...]:
    any_one = next(iter(row.values.values()))
    mark = mark_of(any_one)
    line = (
        words(row.title),
        words(wording.board(say, row.board)),
        words(say.of(row.metric)),
        words(wording.origin(say, any_one.origin)),
        *(_value(row.values.get(one), row) for one in _CORES),
        *(times(row.speed_up.get(one), mark) for one in _CORES),
        *(share(row.efficiency.get(one), mark) for one in _CORES),
        count(min(value.n for value in row.values.values()) or None, mark),
        count(row.context),
        words(row.workload),
        words(any_one.source),
    )
    return marked(line, mark)


def _value(value: Value | None, row: CoresRow) -> Entry:
    return Entry() if value is None else amount(value.value, row.metric, mark_of(value))


def _charts(rows: tuple[CoresRow, ...], say: Words) -> Iterable[Chart]:
    """Boards' own rows first, measured ones before others: who has boards is not shown others' numbers instead."""
    placed = [(at, row) for at, row in enumerate(rows) if row.metric.name == "generate_tps"]
    ran = {row.model for _, row in placed if row.board is not None}
    # What a class of boards has is what its boards have, once more; publications of the same models are worth a look.
    shown = [
        one for one in placed if not ran or one[1].board is not None or (_published(one[1]) and one[1].model in ran)
    ]
    shown.sort(key=lambda one: _rank(one[1]))
    drawn = sorted(shown[:_DRAWN], key=lambda one: one[0])
    if not drawn:
        return
    speed = CLAIMED["generate_tps"]
    left = len(shown) - len(drawn)
    more = say(f"（另有 {left} 行未画）", f" ({left} more rows are not drawn)") if left else ""
    bars = tuple(_bar(at, row) for at, row in drawn)
    yield Chart(say("Generate TPS 与核数", "Generate TPS by cores") + more, speed.unit, 4, 6, bars)
    plain = tuple(Bar(bar.name, bar.row, bar.mark) for bar in bars if 1 in rows[bar.row].speed_up)
    if plain:
        yield Chart(say("相对单核的加速比", "Speed-up against one core"), "×", 7, 9, plain)


def _published(row: CoresRow) -> bool:
    return next(iter(row.values.values())).origin is Origin.REFERENCE


def _rank(row: CoresRow) -> tuple[bool, int]:
    order = (Origin.MEASURED, Origin.MANUAL, Origin.SIMULATED, Origin.REFERENCE, Origin.PREDICTED)
    return (row.board is None, order.index(next(iter(row.values.values())).origin))


def _bar(at: int, row: CoresRow) -> Bar:
    first = next(iter(row.values.values()))
    mark = mark_of(first)
    about = row.board or (first.source if first.origin is Origin.REFERENCE else "")
    name = plain(", ".join(part for part in (row.title, about) if part), _NAME_LIMIT)
    ends = []
    for one in _CORES:
        value = row.values.get(one)
        middle, low, high = (
            (0.0, None, None)
            if value is None
            else (row.metric.shown(part) for part in (value.value, value.low, value.high))
        )
        ends.append((round((high or middle) - middle, 4), round(middle - (low or middle), 4)) if middle else (0.0, 0.0))
    return Bar(
        f"{name} ({mark})" if mark else name, at, mark, tuple(up for up, _ in ends), tuple(down for _, down in ends)
    )


def fleet(report: Report, say: Words) -> Grid:
    """Boards side by side, coloured by how far each is from the fleet's median."""
    boards = sorted({board for row in report.fleet for board in row.values})
    before = (
        Heading(say("模型", "model"), 20),
        Heading(say("核", "cores"), 7),
        Heading(say("指标", "metric"), 26),
        Heading(say("来源", "origin"), MIDDLE),
        Heading(say("中位数", "fleet's median"), 15),
        Heading(say("偏离最大", "farthest from it"), 24),
    )
    after = (
        Heading(say("上下文", "context"), 9),
        Heading(say("负载", "workload"), 36),
    )
    first, last = len(before), len(before) + len(boards) - 1
    shades = tuple(
        Shade(at, first, last, row.metric.shown(row.median) or 0.0, row.metric.better == "up")
        for at, row in enumerate(report.fleet)
    )
    return Grid(
        "Fleet",
        say("板子对比", "Fleet"),
        say(
            "同一模型、同一条件下各板的中位数。颜色：蓝优于、橙劣于全体中位数，±10% 为最深；「偏离最大」用文字说明。",
            "Each board's median under the same conditions. Blue is better and orange worse than the fleet's median, "
            "full colour at 10 %; 'farthest from it' says the same in words.",
        ),
        (*before, *(Heading(board, 15) for board in boards), *after),
        tuple(_fleet(row, boards, say) for row in report.fleet),
        empty=say("还没有两块板子测过同一项。", "No two boards have measured the same yet."),
        shades=shades,
    )


def _fleet(row: FleetRow, boards: list[str], say: Words) -> tuple[Entry, ...]:
    mark = row.origin.letter
    far = max(row.deviation, key=lambda board: abs(row.deviation[board]), default=None)
    entries = [row.values.get(board) for board in boards]
    line = (
        words(row.title),
        count(row.npu_cores, mark),
        words(say.of(row.metric)),
        words(wording.origin(say, row.origin)),
        amount(row.median, row.metric, mark),
        words(None if far is None else f"{far} {row.deviation[far]:+.1%}"),
        *(Entry() if one is None else amount(one.value, row.metric, mark_of(one)) for one in entries),
        count(row.context),
        words(row.workload),
    )
    return marked(line, mark)
