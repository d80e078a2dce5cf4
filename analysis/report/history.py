"""What was run, campaign by campaign: the part of the log that only ever grows."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

from analysis.cells import Cell as Campaigned
from analysis.cells import cells
from analysis.metrics import BY_NAME
from analysis.report.model import (
    Cell,
    Column,
    Link,
    Origin,
    Prose,
    Row,
    Table,
)
from analysis.report.pages import GENERATE, TTFT, words
from analysis.report.shown import NOTHING
from analysis.report.words import Words
from analysis.runs import Run
from analysis.writers.rows import reasons_text

_LOGS = 3  # links of one number; the workbook has every run


def campaigns(say: Words, runs: Iterable[Run]) -> Table:
    """The history: each campaign's cells, the oldest first."""
    by_campaign: defaultdict[str, list[Run]] = defaultdict(list)
    logs: dict[tuple[str, str | None, int | None], list[str]] = {}
    for run in runs:
        by_campaign[run.campaign].append(run)
    rows = []
    for campaign in sorted(by_campaign):
        logs.clear()
        for run in sorted(by_campaign[campaign], key=lambda one: one.key):
            if run.log and not run.warmup:
                logs.setdefault((run.board, run.model, run.npu_cores), []).append(run.log)
        for cell in cells(by_campaign[campaign]):
            evidence = tuple(logs.get((cell.board, cell.model, cell.npu_cores), ()))
            rows.append(_campaigned(say, campaign, cell, evidence))
    return Table(
        key="runs",
        columns=(
            Column("campaign", say("批次", "campaign")),
            Column("board", say("板子", "board")),
            Column("model", say("模型", "model")),
            Column("cores", say("核", "cores")),
            Column("origin", say("来源", "origin")),
            Column("outcome", say("结果", "outcome")),
            Column("n", "n"),
            Column("generate_tps", say.of(GENERATE)),
            Column("ttft_ms", say.of(TTFT)),
            Column("memory_rkllm_bytes", say("峰值内存 (GiB)", "peak memory (GiB)")),
            Column("reasons", say("原因", "reasons")),
            Column("evidence", say("证据", "evidence")),
        ),
        rows=tuple(rows),
        empty=say("还没有运行。", "No runs yet."),
    )


def _campaigned(say: Words, campaign: str, cell: Campaigned, evidence: tuple[str, ...]) -> Row:
    letter = f" {Origin.SIMULATED.letter}" if cell.simulated else " M" if cell.origin == "manual" else ""
    names = ("generate_tps", "ttft_ms", "memory_rkllm_bytes")
    numbers = [BY_NAME[name].text(cell.median(name)) for name in names]
    return Row(
        campaign,
        (
            words(campaign),
            words(cell.board),
            words(cell.model or NOTHING),
            words(f"{cell.npu_cores or NOTHING}" + (f"+{cell.vision_cores}" if cell.vision_cores else "")),
            words(say("仿真", "simulated") if cell.simulated else cell.origin),
            words(cell.outcome),
            words(str(cell.n)),
            *(words(number + letter if number else NOTHING) for number in numbers),
            words(reasons_text(cell) or NOTHING),
            Cell(words=links([evidence])),
        ),
    )


def links(evidence: Iterable[tuple[str, ...]]) -> Prose:
    """The logs behind a number; many of them are counted."""
    logs = list(dict.fromkeys(log for side in evidence for log in side))
    links: list[Link | str] = []
    for n, log in enumerate(logs[:_LOGS], 1):
        links += [" ", Link(f"log {n}", log)] if links else [Link(f"log {n}", log)]
    more = f" +{len(logs) - _LOGS}" if len(logs) > _LOGS else ""
    return (*links, more) if more else tuple(links) or (NOTHING,)
