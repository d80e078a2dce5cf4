"""An explanation as text for a terminal, as Markdown, or as plain data. What a board or a log said is made harmless."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from analysis.board_fit import BoardFit
from analysis.core_scaling import Scaling
from analysis.diagnosis.explanation import Explanation, Speed, effect_text
from analysis.errors import UnknownFormat
from analysis.listing import Value, listing
from analysis.memory_fit import MemoryFit
from analysis.metrics import BY_NAME
from analysis.text import markdown, plain

FORMATS = ("table", "json", "md")
WIDTHS = {"seen": 46, "should be": 28, "try": 40, "would be told by": 70}


@dataclass(frozen=True)
class Board:
    """What all the runs of a board say together; empty for a log."""

    speeds: tuple[tuple[str, int, Speed], ...] = ()  # model, cores, generate speed
    fits: tuple[tuple[int, BoardFit], ...] = ()  # by cores
    memory: tuple[tuple[str, MemoryFit], ...] = ()  # by witness
    scaling: tuple[Scaling, ...] = ()


def check_format(form: str) -> None:
    """Refuse a format before any work is done for it. Raises UnknownFormat."""
    if form not in FORMATS:
        raise UnknownFormat(form, FORMATS)


def shown(told: Explanation, board: Board, form: str, width: int = 0) -> str:
    """The whole answer; the sentence first. ``width``: columns of the terminal, 0 for a pipe."""
    check_format(form)
    if form == "json":
        return json.dumps(as_data(told, board), ensure_ascii=False, indent=1)
    about = [f"{told.runs} run{'s' * (told.runs != 1)}{f' of campaign {told.campaign}' if told.campaign else ''}"]
    title = f"{told.title} ({', '.join([*about, *([told.origin] if told.origin else [])])})"
    escape = markdown if form == "md" else plain
    blocks = [escape(f"{title}: {told.sentence}") + "."]

    def table(heading: str, rows: Sequence[Mapping[str, Value]]) -> None:
        if rows:
            text = listing(rows, form, widths=WIDTHS, width=width)
            blocks.append(f"{'**' * (form == 'md')}{escape(heading)}{'**' * (form == 'md')}\n\n{text}")

    table("What was found, the largest effect first", _causes(told))
    table("The numbers", [_speed(one) for one in told.speeds])
    if told.fine:
        blocks.append(escape("Fine: " + "; ".join(f"{one.check}: {one.observed}" for one in told.fine)))
    if told.speeds:  # of a run without a number everything is unknown, and the reason is what counts
        table("What can not be told from this", [{"check": o.check, "would be told by": o.needs} for o in told.unknown])
    rows = [{"model": model, "cores": cores, **_speed(one)} for model, cores, one in board.speeds]
    table("All models measured on this board in the same campaign", rows)
    for cores, fit in board.fits:
        blocks.append(escape(f"This board, {cores} NPU core{'s' * (cores != 1)}: {fit.sentence}"))
    table("What more cores are worth", [_scaling(one) for one in board.scaling])
    for witness, memory in board.memory:
        blocks.append(escape(f"Memory ({BY_NAME[witness].title}), {memory.sentence}"))
    return "\n\n".join(blocks)


def as_data(told: Explanation, board: Board) -> dict[str, Any]:
    """The same for a program."""
    return {
        "title": told.title,
        "campaign": told.campaign,
        "origin": told.origin,
        "simulated": told.origin == "simulated",
        "runs": told.runs,
        "sentence": told.sentence,
        "causes": [
            {
                **_finding(one.finding),
                "decides": one.finding.decides,
                "share_of_token_time": one.token_share,
                "share_of_ttft": one.prompt_share,
                "in_runs": one.runs,
                "of_runs": one.of_runs,
            }
            for one in told.causes
        ],
        "numbers": [_numbers(one) for one in told.speeds],
        "fine": [{"check": one.check, "observed": one.observed, "expected": one.expected} for one in told.fine],
        "unknown": [{"check": one.check, "needs": one.needs} for one in told.unknown],
        "board": {
            "speeds": [{"model": model, "cores": cores, **_numbers(one)} for model, cores, one in board.speeds],
            "fits": [_fit(cores, fit) for cores, fit in board.fits],
            "memory": [{"witness": witness, **asdict(memory)} for witness, memory in board.memory],
            "core_scaling": [asdict(one) | {"efficiency": one.efficiency} for one in board.scaling],
        },
    }


def _causes(told: Explanation) -> list[dict[str, Value]]:
    return [
        {
            "check": one.finding.check,
            "seen": one.finding.observed,
            "should be": one.finding.expected or None,
            "mended": "decides" if one.finding.decides else effect_text(one),
            "runs": f"{one.runs} of {one.of_runs}" if one.of_runs > 1 else None,
            "try": one.finding.action,
        }
        for one in told.causes
    ]


def _finding(one: Any) -> dict[str, Any]:
    return {"check": one.check, "observed": one.observed, "expected": one.expected, "action": one.action}


def _numbers(one: Speed) -> dict[str, Any]:
    return asdict(one) | {"of_predicted": one.of_predicted, "of_reference": one.of_reference}


def _fit(cores: int, fit: BoardFit) -> dict[str, Any]:
    return {
        "cores": cores,
        "layer_ms": fit.layer_s * 1000,
        "bus_bytes_per_s": fit.bus_bytes_per_s,
        "models": [one.model for one in fit.points],
        "residuals": list(fit.residuals),
        "leave_one_out_error": fit.error,
    }


def _speed(one: Speed) -> dict[str, Value]:
    metric = BY_NAME[one.metric]
    return {
        "metric": metric.heading,
        "value": metric.text(one.value),
        "predicted": metric.text(one.predicted) or None,
        "of predicted": _percent(one.of_predicted),
        "reference": metric.text(one.reference) or None,
        "of reference": _percent(one.of_reference),
        "of the bus": _percent(one.of_bus),
    }


def _scaling(one: Scaling) -> dict[str, Value]:
    metric = BY_NAME[one.metric]
    return {
        "model": one.model,
        "workload": one.workload,
        "metric": metric.heading,
        "cores": one.cores,
        "value": metric.text(one.value),
        "n": one.n,
        "speed-up": None if one.speed_up is None else f"{one.speed_up:.2f}",
        "efficiency": _percent(one.efficiency),
    }


def _percent(share: float | None) -> str | None:
    return None if share is None else f"{share:.0%}"
