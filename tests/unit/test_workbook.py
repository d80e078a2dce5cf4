"""The workbook of the report: a program can read it back, every number is the report's, and nothing in it can act."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from analysis.claiming import claims
from analysis.metrics import GIB
from analysis.outcome import Outcome
from analysis.predictions import KnownModel
from analysis.report.build import build_report
from analysis.report.given import BoardFacts, Given
from analysis.report.model import Lang, Report
from analysis.runs import MANUAL, MEASURED, SIMULATED, Run, Workload

PROJECT = Path(__file__).parents[2]
SPEEDS = {"qwen3-0.6b": 30.0, "qwen3-4b": 6.5, "qwen3-vl-2b": 13.5}
TITLES = {"qwen3-0.6b": "Qwen3-0.6B", "qwen3-4b": "Qwen3-4B", "qwen3-vl-2b": "Qwen3-VL-2B"}
SHARE = {1: 0.5, 2: 0.8, 3: 1.0}
ORIGINS = {"a": MEASURED, "b": MEASURED, "c": MANUAL, "v": SIMULATED}


def one_run(board: str, night: int, model: str, cores: int, repeat: int, tps: float, **more: object) -> Run:
    """A good run, unless ``more`` says otherwise."""
    sees, campaign = "vl" in model, f"202601{10 + night}T010000Z-{night:04x}"
    name = f"{model}-{cores}core-r{repeat}"
    told: dict[str, object] = {
        "campaign": campaign,
        "board": f"rk3588-{board}",
        "run": name,
        "outcome": Outcome.OK,
        "origin": ORIGINS.get(board, MEASURED),
        "model": model,
        "model_title": TITLES[model],
        "kind": "vlm" if sees else "llm",
        "npu_cores": cores,
        "npu_core_num": cores,
        "vision_cores": 3 if sees else None,
        "workload": Workload(prompt_set="basic", prompt_id="story", max_new_tokens=128, max_context_len=4096),
        "repeat": repeat,
        "runtime": "1.2.3",
        "driver": "0.9.8",
        "dtype": "W8A8",
        "clocks": "pinned",
        "condition": f"{len(model):06x}{cores:06x}",
        "created_utc": f"2026-01-{10 + night}T01:00:0{repeat}Z",
        "generate_tps": tps,
        "prefill_tps": tps * 22,
        "ttft_ms": None if sees else 6000 / tps,
        "image_encode_ms": 40_000 / tps if sees else None,
        "vision_ttft_ms": 48_000 / tps if sees else None,
        "memory_vmhwm_bytes": round(1.2 * GIB),
        "log": f"collected/{campaign}/rk3588-{board}/{name}/stdout.log",
    }
    return Run(**(told | more))  # type: ignore[arg-type]


def fleet(nights: int = 7, seed: int = 5) -> Iterator[Run]:
    """Two real boards, one of logs made by hand, a virtual one; the second real one slower in the last two nights."""
    dice = random.Random(seed)
    for board in ORIGINS:
        for night in range(nights):
            for model, speed in SPEEDS.items():
                for cores in (1, 2, 3) if model == "qwen3-0.6b" else (3,):
                    for repeat in range(3):
                        bad = 0.9 if board == "b" and night >= nights - 2 else 1.0
                        yield one_run(
                            board, night, model, cores, repeat, speed * SHARE[cores] * bad * dice.gauss(1, 0.004)
                        )
    yield one_run(
        "a", 0, "qwen3-4b", 3, 9, 6.0, outcome=Outcome.OOM, reason="out of memory: the kernel killed llm_demo",
        advice="a smaller context", generate_tps=None, forced=("swap",), quarantined=(("prefill_tps", "too much"),),
    )  # fmt: skip


def report_of(given: Given, runs: Iterator[Run] | tuple[Run, ...], lang: Lang = "en") -> Report:
    """The report of these runs, with the shipped catalogue and references."""
    runs = tuple(runs)
    runtime = given.board_class.runtime
    known = {one.name: KnownModel(one.title, one.architecture, one.dtype, runtime) for one in given.models}
    made = claims(runs, given.references, known, context=given.board_class.context)
    boards = tuple(
        BoardFacts(name, name.endswith("-v"), total_bytes=8 * 10**9, available_bytes=7 * GIB, runtime="1.2.3")
        for name in sorted({run.board for run in runs})
    )
    return build_report(replace(given, runs=runs, claims=made, boards=boards), lang)
