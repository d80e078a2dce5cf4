"""What a person points at, a campaign, a run's folder, or a log that came by mail, and what it holds."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tabulate import tabulate

from analysis.errors import CannotRead
from analysis.evidence import RunFiles, find_runs
from analysis.fitting import LEAST, broken
from analysis.listing import check_format
from analysis.metrics import TABLE_METRICS
from analysis.parse import FAILURE_CLASSES, parse_stream
from analysis.runs import Run, read_logs, read_run
from analysis.text import plain

_OF_RUN = ("campaign", "board", "run", "outcome", "reason", "origin", "model", "npu_cores", "warmup")


def read_campaign(collected: Path, campaign: str) -> tuple[Run, ...]:
    """The runs of one campaign, sorted."""
    return tuple(read_run(files) for files in find_runs(collected, campaign))


def headline(folder: Path) -> str:
    """What a run gave, in a few words: outcome, TTFT, speed, memory, and whether it is simulated."""
    run = read_run(run_files(folder))
    parts = [str(run.outcome)]
    parts += [
        f"{metric.title} {metric.text(value)} {metric.unit}"
        for metric in TABLE_METRICS
        if (value := run.metric(metric.name)) is not None
    ]
    if run.reason:
        parts.append(run.reason)
    return ", ".join(parts) + (f" ({run.origin})" if run.origin != "measured" else "")


def run_files(folder: Path) -> RunFiles:
    """``collected/<campaign>/<board>/<run>`` by its path."""
    folder = folder.resolve()
    board, campaign = folder.parent, folder.parent.parent
    return RunFiles(campaign.name, board.name, folder.name, folder, campaign.parent)


def read_path(path: Path, form: str = "table", width: int = 0) -> str:
    """A log, a run's folder, or a folder with logs or runs below it, as text. Raises CannotRead, UnknownFormat.

    ``width``: columns of the terminal, 0 for a pipe."""
    check_format(form)
    if not path.exists():
        raise CannotRead("there is no such file or folder", file=str(path), hint="invoke parse collected/CAMPAIGN")
    found = [_answer(item) for item in _items(path)]
    if not found:
        raise CannotRead("no log below it", file=str(path))
    if form == "json":
        return json.dumps(found, ensure_ascii=False, indent=1)
    return "\n\n".join(_lines(answer | _next_step(answer), form, width) for answer in found)


def _items(path: Path) -> list[Path]:
    if path.is_file() or _is_run(path):
        return [path]
    runs = sorted(item.parent for item in path.rglob("spec.json") if _visible(item.parent, path))
    return runs or sorted(item for item in path.rglob("*.log") if _visible(item, path))


def _is_run(path: Path) -> bool:
    return any((path / name).is_file() for name in ("spec.json", "stdout.log", "stderr.log"))


def _visible(item: Path, below: Path) -> bool:
    return not any(part.startswith(".") for part in item.relative_to(below).parts)


def _answer(path: Path) -> dict[str, Any]:
    if path.is_file():
        return {"file": str(path), **parse_stream(path).as_dict()}
    files = run_files(path)
    told: dict[str, Any] = {"file": str(path)}
    if files.has("spec.json"):
        run = read_run(files)
        told |= {name: getattr(run, name) for name in _OF_RUN}
    return told | read_logs(files).as_dict()


def _next_step(answer: dict[str, Any]) -> dict[str, Any]:
    """What a class of failure means and what to do about it; a run has this from its own logs together."""
    known = FAILURE_CLASSES.get(str(answer.get("failure")))
    return {"means": known.means, "try": known.advice} if known and not answer.get("advice") else {}


def _lines(answer: dict[str, Any], form: str, width: int) -> str:
    rows = [[plain(name), plain(_text(value))] for name, value in answer.items() if value not in (None, [], {}, "")]
    if form == "table" and width:
        rows = broken(rows, [False, False], max(width, LEAST))
    return tabulate(rows, tablefmt="github" if form == "md" else "plain", disable_numparse=True)


def _text(value: Any) -> str:
    if isinstance(value, dict) and value.keys() >= {"name", "ok", "observed", "expected"}:  # an integrity check
        return f"{value['name']}: {value['observed']}" + ("" if value["ok"] else f", expected {value['expected']}")
    if isinstance(value, dict):
        return ", ".join(f"{key} {_text(item)}" for key, item in value.items() if item is not None)
    if isinstance(value, list | tuple):
        return "; ".join(_text(item) for item in value)
    return str(value)
