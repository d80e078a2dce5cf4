"""The cells as JSON for programs: stored units, as the names say, and null for what is not known."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from analysis.cells import Cell
from analysis.metrics import METRICS
from analysis.order_statistics import Stat
from analysis.text import plain


def bench_json(cells: Sequence[Cell]) -> str:
    """A list with an object a cell."""
    return json.dumps([_cell(cell) for cell in cells], ensure_ascii=False, indent=1, allow_nan=False)


def _cell(cell: Cell) -> dict[str, Any]:
    workload = cell.workload
    return {
        "board": plain(cell.board),
        "model": _plain(cell.model),
        "npu_cores": cell.npu_cores,
        "vision_cores": cell.vision_cores,
        "workload": {
            "prompt_set": _plain(workload.prompt_set),
            "prompt_set_sha256": _plain(workload.prompt_set_sha256),
            "prompt_id": _plain(workload.prompt_id),
            "prompt_chars": workload.prompt_chars,
            "max_new_tokens": workload.max_new_tokens,
            "max_context_len": workload.max_context_len,
            "image": _plain(workload.image),
            "image_sha256": _plain(workload.image_sha256),
        },
        "clock_profile": _plain(cell.clock_profile),
        "origin": cell.origin,
        "simulated": cell.simulated,
        "outcome": cell.outcome,
        "n": cell.n,
        **{metric.name: cell.median(metric.name) for metric in METRICS},
        "memory_note": cell.memory_note,
        "spread": {name: _spread(stat) for name, stat in cell.stats},
        "reasons": [
            {
                "outcome": str(reason.outcome),
                "reason": plain(reason.reason),
                "advice": _plain(reason.advice),
                "count": reason.count,
            }
            for reason in cell.reasons
        ],
        "runtimes": [plain(text) for text in cell.runtimes],
        "drivers": [plain(text) for text in cell.drivers],
        "artifacts": [plain(text) for text in cell.artifacts],
        "encoders": [plain(text) for text in cell.encoders],
        "campaigns": [plain(text) for text in cell.campaigns],
        "forced": [plain(text) for text in cell.forced],
        "clocks": [plain(text) for text in cell.clocks],
        "quarantined": [
            {"metric": doubt.metric, "reason": plain(doubt.reason), "count": doubt.count} for doubt in cell.doubts
        ],
    }


def _spread(stat: Stat) -> dict[str, Any]:
    return {
        "min": stat.least,
        "max": stat.most,
        "n": stat.n,
        "low": stat.low,
        "high": stat.high,
        "coverage": stat.coverage,
        "cv": stat.cv,
        "mad": stat.mad,
    }


def _plain(text: str | None) -> str | None:
    return None if text is None else plain(text)
