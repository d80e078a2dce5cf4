"""What each board said of itself: the facts in its newest evidence. Boards without any are not there."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from analysis.conditions import top_hz
from analysis.evidence import Record, RunFiles, find_runs
from analysis.report.given import BoardFacts
from analysis.runs import Run
from analysis.text import plain

_TEXT = 80  # characters of a name or a version


def read_boards(collected: Path, runs: Iterable[Run]) -> tuple[BoardFacts, ...]:
    """One for each board, by name. Logs made by hand have no facts."""
    simulated = {run.board for run in runs if run.simulated}
    newest: dict[str, BoardFacts] = {}
    for files in sorted(find_runs(collected), key=lambda one: (one.campaign, one.run)):
        facts = files.record("facts.before.json")
        if isinstance(facts, Record):
            newest[files.board] = _facts(files, facts, simulated=files.board in simulated)
    return tuple(newest[name] for name in sorted(newest))


def _facts(files: RunFiles, facts: Record, *, simulated: bool) -> BoardFacts:
    libraries = facts.get("runtime.rkllm")
    first = libraries[0] if isinstance(libraries, list) and libraries else None
    return BoardFacts(
        name=files.board,
        simulated=simulated,
        model=_text(facts, "board.model"),
        total_bytes=facts.whole("memory.total_bytes"),
        available_bytes=facts.whole("memory.available_bytes"),
        os=_text(facts, "os.pretty_name"),
        kernel=_text(facts, "kernel.release"),
        machine=_text(facts, "kernel.machine"),
        runtime=_text(Record(first), "version") if isinstance(first, dict) else None,
        driver=_text(facts, "npu.driver"),
        dram_top_hz=top_hz(facts.get("dmc.available_hz")),
        seen=files.campaign,
    )


def _text(facts: Record, path: str) -> str | None:
    text = facts.text(path)
    return plain(text, _TEXT) if text else None
