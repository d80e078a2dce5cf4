"""What is shown of one run on a click: its telemetry as curves, the ends of its logs, and where its files are.

All of it is bounded: a log by the bytes at its two ends, a curve by its points, and all runs together by the size of
the page. Of what is too much the newest runs keep theirs, for these are looked at; the files of all are linked.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from analysis.curves import Chart, Drawing, drawing_of
from analysis.evidence import COLLECTED, RunFiles, find_runs
from analysis.runs import Run
from analysis.text import plain, plain_lines
from analysis.writers.html.safe import json_for_script

EMBED_LIMIT_BYTES = 12 * 2**20  # of all runs together: a page that opens at once, and can be mailed
LOG_BYTES = {
    "stdout.log": 8192,
    "stderr.log": 4096,
    "dmesg.log": 4096,
}  # the banner is in the first KiB, the table in the last
_FILES = (*COLLECTED, "outcome.json", "manifest.json")
_STEP = {"temperature": 5.0, "memory": 0.5, "load": 100.0, "clocks": 0.5}  # the least that an axis spans
_FLOOR = ("load", "clocks", "memory")  # axes that begin at 0

Key = tuple[str, str, str]


@dataclass(frozen=True)
class Detail:
    """``logs`` are pairs of name and text, ``files`` the names of what there is."""

    drawing: Drawing | None
    logs: tuple[tuple[str, str], ...]
    files: tuple[str, ...]


Reader = Callable[[Key], Detail | None]


def reader_of(collected: Path) -> Reader:
    """Reads one run's when it is asked for; None of what is not there."""
    there = {(files.campaign, files.board, files.run): files for files in find_runs(collected)}
    return lambda key: detail_of(there[key]) if key in there else None


def detail_of(files: RunFiles) -> Detail:
    """One run's. Nothing that lies in the folder makes this raise."""
    stream = files.stream("telemetry.csv")
    drawing = None
    if stream is not None:
        with stream:
            drawing = drawing_of(stream)
    logs = ((name, _ends_of(files, name, most)) for name, most in LOG_BYTES.items())
    return Detail(
        drawing,
        tuple((name, text) for name, text in logs if text),
        tuple(name for name in _FILES if files.has(name)),
    )


def _ends_of(files: RunFiles, name: str, most: int) -> str:
    data = files.read(name, most)
    if data is None or not data.strip():
        return ""
    return plain_lines(data.decode(errors="replace"))


def embedded(runs: Iterable[Run], read: Reader, limit_bytes: int) -> dict[int, str]:
    """The JSON of each run by its place among ``runs``, the newest first, until there is no room."""
    placed = list(enumerate(runs))
    placed.sort(key=lambda one: (one[1].created_utc or "", one[1].key), reverse=True)
    found: dict[int, str] = {}
    left = limit_bytes
    for place, run in placed:
        detail = read(run.key)
        if detail is None:
            continue
        text = json_for_script(_data(detail))
        left -= len(text)
        if left < 0:
            break
        found[place] = text
    return dict(sorted(found.items()))


def _data(detail: Detail) -> dict[str, Any]:
    drawing = detail.drawing
    return {
        "telemetry": drawing and {"seconds": drawing.seconds, "charts": [_chart(one) for one in drawing.charts]},
        "logs": detail.logs,
        "files": detail.files,
    }


def _chart(chart: Chart) -> dict[str, Any]:
    return {
        "about": chart.about,
        "unit": chart.unit,
        "step": _STEP[chart.about],
        "floor": chart.about in _FLOOR,
        "series": [{"name": plain(one.name), "y": one.values, "ends": _ends(one.values)} for one in chart.curves],
    }


def _ends(values: tuple[float | None, ...]) -> str:
    seen = [value for value in values if value is not None]
    low, high = (f"{end:.1f}" if end >= 10 else f"{end:.2f}" for end in (min(seen), max(seen)))
    return low if low == high else f"{low}–{high}"
