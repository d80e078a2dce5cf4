"""The report as plain data for the page: what is drawn as numbers in the unit that is shown, what is read as text.

Every shown number is worded by ``analysis.report.shown``, so it is the same in the page and in the other formats.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from analysis.claims import Basis, Other
from analysis.feasibility import Verdict
from analysis.metrics import BY_NAME, CLAIMED, GIB, METRICS, Metric
from analysis.report.given import MEMORY
from analysis.report.model import (
    CoresRow,
    FeasibilityRow,
    FleetRow,
    Origin,
    Report,
    SpeedRow,
    Value,
    VerdictRow,
)
from analysis.report.shown import legend, shown
from analysis.report.words import Words
from analysis.runs import Run
from analysis.writers.html.nights import Series, nights
from analysis.writers.html.safe import link
from analysis.writers.html.words import words_of

_SPEED = ("generate_tps", "ttft_ms", "vision_ttft_ms", "image_encode_ms", "prefill_tps")  # of memory is a section
_OF_RUN = ("generate_tps", "ttft_ms", "vision_ttft_ms", "prefill_tps", "image_encode_ms", "memory_rkllm_bytes")
_MORE_OF_RUN = ("memory_vmhwm_bytes", "memory_available_drop_bytes", "max_temperature_mc", "init_ms", "duration_s")
_WEIGHTS = ("layers", "head")  # one part of the drawing: nobody can have one without the other

Data = dict[str, Any]


def view(report: Report) -> Data:
    """All of it."""
    return _Viewer(report).data()


class _Viewer:
    """The language, and where each run is."""

    def __init__(self, report: Report) -> None:
        self.report = report
        self.say = Words(report.lang)
        self.words = words_of(self.say)
        # What no board of the class can run.
        self.never = {row.model for row in report.verdicts if row.board is None and row.verdict is Verdict.NO}
        self.place = {run.log: at for at, run in enumerate(report.runs) if run.log}

    def data(self) -> Data:
        report, say = self.report, self.say
        series = nights(report.runs)
        speed = [self.speed(row) for row in report.speed]
        return {
            "language": "zh-CN" if report.lang == "zh" else "en",
            "title": say("RK3588 上的 LLM 与 VLM：测试报告", "LLMs and VLMs on RK3588: report"),
            "made": self.made(),
            "warning": self.warning(),
            "words": self.words,
            "filters": self.filters(),
            "metrics": {name: self.metric(metric_of(name)) for name in _named()},
            "shown": {
                "speed": [name for name in _SPEED if any(name in row["values"] for row in speed)],
                "runs": [name for name in _OF_RUN if any(run.metric(name) is not None for run in report.runs)],
            },
            "verdicts": self.verdicts(),
            "speed": speed,
            "memory": self.memory(),
            "cores": [self.cores(row) for row in report.cores],
            "fleet": [self.fleet(row) for row in report.fleet],
            "nights": [self.nights(one) for one in series],
            "runs": [self.run(at, run) for at, run in enumerate(report.runs)],
            "actions": [{"text": _text(one.words), "command": one.command} for one in report.actions],
            "legend": list(legend(say)),
            "conditions": [{"name": one.name, "means": one.means} for one in report.conditions],
            "definitions": [{"name": one.name, "means": one.means} for one in report.definitions],
        }

    def made(self) -> str:
        runs = self.report.runs
        newest = max((run.created_utc or "" for run in runs), default="") or self.say("无", "none")
        boards = len({run.board for run in runs})
        return self.say(
            f"由 invoke report 生成：{boards} 块板子的 {len(runs)} 次运行，最新证据 {newest}。",
            f"Made by invoke report from {len(runs)} runs on {boards} boards; newest evidence: {newest}.",
        )

    def warning(self) -> str:
        if not self.report.simulated:
            return ""
        return self.say(
            "含仿真数据（虚拟板，标记 S，斜纹）。仿真数据不代表任何真实板子，也不取代参考值。",
            "Contains simulated numbers (virtual boards; marked S, striped). They say nothing about any real board and "
            "replace no other number.",
        )

    def filters(self) -> Data:
        report = self.report
        boards = {row.board for row in report.verdicts} | {row.board for row in report.speed}
        boards |= {run.board for run in report.runs}
        classes = [("", self.words["any_board"])] if None in boards else []
        models = {run.model: run.model_title or run.model for run in report.runs if run.model}
        models |= {row.model: row.title for row in report.speed} | {row.model: row.title for row in report.verdicts}
        order = [row.model for row in report.verdicts]
        named = sorted(models, key=lambda name: (order.index(name) if name in order else len(order), name))
        counts = {row.npu_cores for row in report.speed} | {run.npu_cores for run in report.runs}
        values = [value for row in report.speed for value in row.values.values()]
        origins = {str(value.origin) for value in values} | {run.origin for run in report.runs}
        origins |= {str(row.by) for row in report.feasibility}
        bases = {value.basis for value in values}
        return {
            "board": _options([*classes, *((name, name) for name in sorted(filter(None, boards)))]),
            "model": _options((name, models[name]) for name in named),
            "cores": _options((str(number), str(number)) for number in sorted(filter(None, counts))),
            "origin": _options((name, text) for name, text in self.words["origins"].items() if name in origins),
            "basis": _options((str(basis), self.words["bases"][basis]) for basis in Basis if basis in bases),
        }

    def metric(self, metric: Metric) -> Data:
        return {"heading": self.say.of(metric)}

    def value(self, value: Value, metric: Metric) -> Data:
        ours = [(self.place[log], log) for log in value.evidence if log in self.place]
        return {
            "v": value.value / metric.scale,
            "lo": None if value.low is None else value.low / metric.scale,
            "hi": None if value.high is None else value.high / metric.scale,
            "o": str(value.origin),
            "b": str(value.basis),
            "t": shown(value, metric, self.say),
            "basis": self.say.basis(value.basis, value.origin),
            "s": value.source,
            "note": value.note,
            "was": [self.other(one, metric) for one in (*value.replaced, *value.quarantined)],
            "runs": [at for at, _ in ours],
        }

    def other(self, one: Other, metric: Metric) -> str:
        """What a number was chosen over, or what is not believed and why."""
        off = "" if one.differs is None else f" ({one.differs:+.1%})"
        head = self.words["not_believed" if one.reason else "instead_of"]
        told = "; ".join(part for part in (one.source, one.conditions, one.reason) if part)
        return f"{head} {metric.text(one.value)}{off}: {told}"

    def speed(self, row: SpeedRow) -> Data:
        return {
            "model": row.model,
            "title": row.title,
            "board": row.board,
            "cores": row.npu_cores,
            "visionCores": row.vision_cores,
            "context": row.context,
            "workload": row.workload,
            "values": self.values(row.values),
            "runs": row.model not in self.never,
            "ofReference": row.of_reference,
            "reference": row.reference,
            "ofRoofline": row.of_roofline,
        }

    def values(self, values: Mapping[str, Value]) -> Data:
        return {name: self.value(value, metric_of(name)) for name, value in values.items()}

    def verdicts(self) -> list[Data]:
        of_class = {row.model: row for row in self.report.verdicts if row.board is None}
        return [self.verdict(row, of_class.get(row.model)) for row in self.report.verdicts]

    def verdict(self, row: VerdictRow, of_class: VerdictRow | None) -> Data:
        seen = row.speed is not None and bool(row.speed.n) and row.speed.board == row.board
        other = of_class is None or row.verdict != of_class.verdict
        return {
            "model": row.model,
            "title": row.title,
            "board": row.board,
            "own": row.board is None or seen or other or bool(row.outcomes),
            "verdict": str(row.verdict or ""),
            "verdictText": self.say.verdict(row.verdict),
            "by": str(row.by),
            "byText": self.words["origins"][row.by],
            "speed": row.speed and self.value(row.speed, CLAIMED["generate_tps"]),
            "cores": row.cores,
            "outcomes": row.outcomes,
            "flags": row.flags,
        }

    def memory(self) -> list[Data]:
        of_class = {row.model: row for row in self.report.feasibility if row.board is None}
        return [self.need(row, of_class.get(row.model)) for row in self.report.feasibility]

    def need(self, row: FeasibilityRow, of_class: FeasibilityRow | None) -> Data:
        parts = {name: number / GIB for name, number in row.parts.items() if name not in _WEIGHTS}
        parts["weights"] = sum(row.parts.get(name, 0.0) for name in _WEIGHTS) / GIB
        predicted = row.predicted
        other = of_class is None or row.verdict != of_class.verdict
        return {
            "model": row.model,
            "title": row.title,
            "board": row.board,
            "own": row.board is None or other or bool(row.measured),
            "context": row.context,
            "parts": parts,
            "predicted": predicted and [predicted.value / GIB, predicted.low / GIB, predicted.high / GIB],
            "measured": [self.value(one, CLAIMED[MEMORY]) for one in row.measured],
            "budget": None if row.budget_bytes is None else row.budget_bytes / GIB,
            "headroom": None if row.headroom_bytes is None else row.headroom_bytes / GIB,
            "largestContext": row.largest_context,
            "verdict": str(row.verdict or ""),
            "verdictText": self.say.verdict(row.verdict),
            "by": str(row.by),
            "reason": row.reason,
            "limit": row.limit,
        }

    def cores(self, row: CoresRow) -> Data:
        return {
            "model": row.model,
            "title": row.title,
            "board": row.board,
            "metric": row.metric.name,
            "origin": next((str(value.origin) for value in row.values.values()), ""),
            "values": {str(cores): self.value(value, row.metric) for cores, value in row.values.items()},
            "speedUp": {str(cores): number for cores, number in row.speed_up.items()},
            "efficiency": {str(cores): number for cores, number in row.efficiency.items()},
        }

    def fleet(self, row: FleetRow) -> Data:
        return {
            "model": row.model,
            "title": row.title,
            "cores": row.npu_cores,
            "metric": row.metric.name,
            "better": row.metric.better,
            "origin": str(row.origin),
            "workload": row.workload,
            "values": {board: self.value(value, row.metric) for board, value in row.values.items()},
            "median": row.metric.text(row.median),
            "deviation": dict(row.deviation),
        }

    def nights(self, one: Series) -> Data:
        last, before = one.nights[-1].stat.median, one.nights[-2].stat.median
        points = []
        for night in one.nights:
            low, middle, high = (one.metric.text(part) for part in (night.stat.low, night.stat.median, night.stat.high))
            points.append(
                {
                    "campaign": night.campaign,
                    "v": night.stat.median / one.metric.scale,
                    "lo": night.stat.low / one.metric.scale,
                    "hi": night.stat.high / one.metric.scale,
                    "t": f"{middle} ({low}–{high}) n={night.stat.n}",
                }
            )
        return {
            "model": one.model,
            "title": one.title,
            "board": one.board,
            "cores": one.npu_cores,
            "metric": one.metric.name,
            "origin": one.origin,
            "workload": one.workload,
            "points": points,
            "change": last / before - 1 if before else 0.0,
        }

    def run(self, at: int, run: Run) -> Data:
        numbers = {}
        for name in (*_OF_RUN, *_MORE_OF_RUN):
            metric, number = BY_NAME[name], run.metric(name)
            if number is not None:
                numbers[name] = [number / metric.scale, metric.text(number)]
        folder = run.log.rpartition("/")[0] if run.log else f"collected/{run.campaign}/{run.board}/{run.run}"
        return {
            "at": at,
            "key": "/".join(run.key),
            "campaign": run.campaign,
            "board": run.board,
            "run": run.run,
            "model": run.model,
            "title": run.model_title or run.model or "?",
            "cores": run.npu_cores,
            "outcome": str(run.outcome),
            "reason": run.reason,
            "advice": run.advice,
            "origin": run.origin,
            "warmup": run.warmup,
            "numbers": numbers,
            "facts": self.facts(run),
            "folder": link(folder) + "/",
        }

    def facts(self, run: Run) -> list[tuple[str, str]]:
        words = self.words
        told = (
            (words["campaign"], run.campaign),
            (words["model"], run.model_title or run.model),
            (words["cores"], run.npu_core_num or run.npu_cores),
            (words["vision_cores"], run.vision_core_num or run.vision_cores),
            (words["outcome"], str(run.outcome)),
            (words["origin"], words["origins"].get(run.origin, run.origin)),
            ("runtime", run.runtime),
            ("driver", run.driver),
            ("toolkit", run.toolkit),
            ("dtype", run.dtype),
            (words["clocks"], run.clocks),
            (words["workload"], run.workload.sentence),
            (words["created"], run.created_utc),
            (words["condition"], run.condition),
            (words["forced"], ", ".join(run.forced)),
            (words["stated"], run.stated),
            (words["memory_disagrees"], run.memory_note),
        )
        return [(name, str(value)) for name, value in told if value not in (None, "")]


def metric_of(name: str) -> Metric:
    """A claim's metric as claims have it, any other as runs have it."""
    return CLAIMED.get(name) or BY_NAME[name]


def _named() -> tuple[str, ...]:
    return (*(metric.name for metric in METRICS), MEMORY)


def _options(pairs: Iterable[tuple[str, str]]) -> list[Data]:
    return [{"value": value, "text": text} for value, text in pairs]


def _text(words: Iterable[Any]) -> str:
    return "".join(span if isinstance(span, str) else span.text for span in words)


assert set(_SPEED) <= set(_named()) and {"measured", "simulated", "manual"} <= set(Origin)
