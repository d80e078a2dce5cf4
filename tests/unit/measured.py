"""Runs as the evidence of a real campaign would give them, with their conditions and what the board was like."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from analysis.conditions import Conditions, condition_fields, condition_fingerprint
from analysis.outcome import Outcome
from analysis.runs import Run, Workload

WORKLOAD = Workload(
    prompt_set="basic", prompt_set_sha256="cd" * 32, prompt_id="story", max_new_tokens=64, max_context_len=4096
)
FACTS = (("DRAM governor", "performance"), ("kernel", "6.1.75"))


def runs(
    campaign: str,
    board: str,
    tps: Sequence[float | None],
    *,
    facts: tuple[tuple[str, str], ...] = FACTS,
    cores: int = 3,
    conditions: dict[str, Any] | None = None,
    **more: Any,
) -> list[Run]:
    """One run for each speed; None is a run that failed."""
    alike = Conditions(
        origin=more.get("origin", "measured"),
        soc="rk3588",
        dram_top_hz=2_112_000_000,
        model="qwen3-0.6b",
        artifact_sha256=f"{cores:02d}" * 32,
        npu_cores=cores,
        dtype="W8A8",
        runtime="1.2.3",
        driver="0.9.8",
        workload={"prompt_set_sha256": "cd" * 32, "prompt_id": "story", "max_new_tokens": 64, "max_context_len": 4096},
        clocks={"profile": "pinned", "pinned": ["npu", "dmc", "cpu"], "not_pinned": []},
    )
    these = replace(alike, **(conditions or {}))
    ok = Run(
        campaign=campaign,
        board=board,
        run="",
        outcome=Outcome.OK,
        origin=these.origin,
        model=these.model,
        npu_cores=cores,
        workload=WORKLOAD,
        runtime=these.runtime,
        driver=these.driver,
        condition=condition_fingerprint(these),
        conditions=tuple(condition_fields(these).items()),
        environment=facts,
    )
    return [
        replace(
            ok,
            run=f"{number:03d}-{these.model}-{cores}core",
            outcome=Outcome.OK if speed is not None else Outcome.FAILED,
            reason=None if speed is not None else "exit code 1",
            generate_tps=speed,
            **more,
        )
        for number, speed in enumerate(tps)
    ]
