"""Claims, catalogue, boards, runs and references in, one report out. Pure; the order of what comes in is no matter."""

from __future__ import annotations

from dataclasses import replace

from analysis.metrics import METRICS
from analysis.report.actions import actions
from analysis.report.feasible import feasibility_report
from analysis.report.final import final_report
from analysis.report.fits import feasibility_rows
from analysis.report.given import Given
from analysis.report.glossary import ZH
from analysis.report.log import benchmark_log
from analysis.report.model import Definition, Lang, Report
from analysis.report.pages import Findings
from analysis.report.roofline import doubts
from analysis.report.speeds import cores_rows, fleet_rows, speed_rows
from analysis.report.verdicts import verdict_rows
from analysis.report.words import Words


def build_report(given: Given, lang: Lang) -> Report:
    """The whole report in one language."""
    say = Words(lang)
    given = _ordered(given)
    known = {model.title: model for model in given.models}
    doubted = tuple(
        doubt
        for one in given.references
        if one.model in known
        for doubt in doubts(one, known[one.model].architecture, say)
    )
    feasible = feasibility_rows(given, say)
    found = Findings(
        given=given,
        say=say,
        feasibility=feasible,
        speed=speed_rows(given),
        cores=cores_rows(given),
        fleet=fleet_rows(given),
        actions=actions(given, feasible, doubted, say),
        doubts=doubted,
    )
    conditions, definitions = _conditions(given, say), _definitions(say)
    return Report(
        lang=lang,
        documents=(final_report(found), feasibility_report(found), benchmark_log(found, conditions, definitions)),
        verdicts=verdict_rows(given, feasible, doubted, say),
        feasibility=feasible,
        speed=found.speed,
        cores=found.cores,
        fleet=found.fleet,
        runs=given.runs,
        references=given.references,
        actions=found.actions,
        conditions=conditions,
        definitions=definitions,
        simulated=bool(given.virtual),
        doubts=doubted,
    )


def _ordered(given: Given) -> Given:
    """One order, whatever the order it came in; the catalogue's and the references' own is theirs."""
    return replace(
        given,
        claims=tuple(sorted(given.claims, key=repr)),
        boards=tuple(sorted(given.boards, key=lambda board: board.name)),
        runs=tuple(sorted(given.runs, key=lambda run: run.key)),
    )


def _conditions(given: Given, say: Words) -> tuple[Definition, ...]:
    """Each condition that numbers were measured under, by its fingerprint."""
    seen: dict[str, set[str]] = {}
    for run in given.runs:
        if run.condition is None or run.warmup:
            continue
        told = (
            ("", run.model),
            (say("核", "cores"), run.npu_cores),
            ("runtime", run.runtime),
            ("driver", run.driver),
            ("dtype", run.dtype),
            ("", run.workload.sentence),
            (say("时钟", "clocks"), run.clocks),
            ("", say("仿真", "simulated") if run.simulated else None),
        )
        text = ", ".join(f"{name} {value}".strip() for name, value in told if value)
        seen.setdefault(run.condition, set()).add(text)
    return tuple(Definition(name, " / ".join(sorted(seen[name]))) for name in sorted(seen))


def _definitions(say: Words) -> tuple[Definition, ...]:
    budget = say(
        "空闲可用内存（MemAvailable）减去保留量；判定：上限 < 0.85 预算为 FITS，≤ 预算为 TIGHT，预算在区间内为 RISK，"
        "下限超出为 NO",
        "what is available when idle (MemAvailable) less a reserve; FITS: the high end is below 0.85 of it, TIGHT: "
        "within it, RISK: it lies in the interval, NO: even the low end is over",
    )
    return (
        *(Definition(say.of(metric), say(ZH[metric.name], metric.means)) for metric in METRICS),
        Definition(say("预算", "budget"), budget),
        Definition(
            say("占带宽上限", "of DRAM's ceiling"),
            say(
                "Generate TPS / (DRAM 峰值带宽 / 每 token 读取字节)；DRAM 频率未知时按 LPDDR4X 2112 MHz",
                "generate TPS / (peak of DRAM / bytes a token reads); LPDDR4X at 2112 MHz where a board says nothing",
            ),
        ),
        Definition(
            say("占参考", "of reference"),
            say(
                "Generate TPS / 官方 benchmark（锁频）同核数的值；无官方值时取可信的公开值",
                "generate TPS / the vendor's figure (clocks pinned) at as many cores; else a believed one of others",
            ),
        ),
        Definition(
            say("加速比、效率", "speed-up, efficiency"),
            say(
                "同一依据下相对单核的倍数；除以核数为效率", "against one core, on the same basis; divided by the cores"
            ),
        ),
    )
