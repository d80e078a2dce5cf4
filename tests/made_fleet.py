"""A fleet that nobody has: runs of many boards, models and nights with all kinds of ends, and evidence for them."""

from __future__ import annotations

import json
import random
from collections.abc import Iterable, Iterator
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

SPEEDS = {"qwen3-0.6b": 30.0, "qwen3-1.7b": 14.0, "qwen3-4b": 6.5, "qwen3-vl-2b": 13.5, "internvl3.5-1b": 24.0}
TITLES = {"qwen3-0.6b": "Qwen3-0.6B", "qwen3-1.7b": "Qwen3-1.7B", "qwen3-4b": "Qwen3-4B"}
TITLES |= {"qwen3-vl-2b": "Qwen3-VL-2B", "internvl3.5-1b": "InternVL3.5-1B"}
MEMORY_GIB = {"qwen3-0.6b": 1.2, "qwen3-1.7b": 2.2, "qwen3-4b": 4.5, "qwen3-vl-2b": 3.1, "internvl3.5-1b": 1.9}
SHARE = {1: 0.5, 2: 0.8, 3: 1.0}
ENDS = ((Outcome.OOM, "out of memory: the kernel killed llm_demo"), (Outcome.TIMEOUT, "no end within 600 s"))


def boards(count: int) -> list[str]:
    """The last two of ten are virtual, and one more has logs made by hand only."""
    return [f"rk3588-{chr(ord('a') + at)}" for at in range(count)]


def fleet(count: int = 10, nights: int = 4, repeats: int = 3, seed: int = 5) -> Iterator[Run]:
    """Runs in no order that matters; the same for the same seed."""
    dice = random.Random(seed)
    for at, board in enumerate(boards(count)):
        origin = SIMULATED if at >= count - 2 else MANUAL if at == count - 3 else MEASURED
        quick = 1 + dice.uniform(-0.04, 0.03) - (0.12 if at == 2 else 0)
        for night in range(nights):
            campaign = f"202601{10 + night}T010000Z-{night:04x}"
            place = 0
            for model, speed in SPEEDS.items():
                for cores in (1, 2, 3) if model == "qwen3-0.6b" else (3,):
                    for repeat in range(repeats):
                        place += 1
                        drift = quick * dice.gauss(1, 0.004) * (0.95 if night == nights - 1 and at == 4 else 1)
                        tps = speed * SHARE[cores] * drift
                        yield _run(campaign, board, place, model, cores, repeat, origin, tps, night)


def _run(
    campaign: str, board: str, place: int, model: str, cores: int, repeat: int, origin: str, tps: float, night: int
) -> Run:
    sees = model.startswith(("qwen3-vl", "intern"))
    name = f"{place:03d}-{model}-{cores}core-r{repeat}"
    bad = ENDS[place % 2] if (place + len(board) + ord(board[-1]) + night) % 37 == 0 else None
    numbers: dict[str, float | int | None] = {
        "generate_tps": tps,
        "prefill_tps": tps * 22,
        "ttft_ms": None if sees else 6000 / tps,
        "image_encode_ms": 40_000 / tps if sees else None,
        "vision_ttft_ms": 48_000 / tps if sees else None,
        "memory_rkllm_bytes": round(MEMORY_GIB[model] * GIB * 0.9),
        "memory_vmhwm_bytes": round(MEMORY_GIB[model] * GIB),
        "max_temperature_mc": 61_000 + 100 * place,
        "duration_s": 900 / tps,
    }
    return Run(
        campaign=campaign,
        board=board,
        run=name,
        outcome=bad[0] if bad else Outcome.OK,
        reason=bad[1] if bad else None,
        advice="a smaller context" if bad else None,
        origin=origin,
        model=model,
        model_title=TITLES[model],
        kind="vlm" if sees else "llm",
        npu_cores=cores,
        npu_core_num=cores,
        vision_cores=3 if sees else None,
        workload=Workload(prompt_set="basic", prompt_id="story", max_new_tokens=128, max_context_len=4096),
        repeat=repeat,
        runtime="1.2.3",
        driver="0.9.8",
        dtype="W8A8",
        clocks="pinned",
        condition=f"{len(model):06x}{cores:06x}",
        created_utc=f"2026-01-{10 + night}T01:{place:02d}:00Z",
        log=f"collected/{campaign}/{board}/{name}/stdout.log",
        **({} if bad else numbers),  # type: ignore[arg-type]
    )


def facts(names: Iterable[str], virtual: Iterable[str] = ()) -> tuple[BoardFacts, ...]:
    """8 GB boards with 7 GiB to spare, one of them with less."""
    return tuple(
        BoardFacts(
            name,
            simulated=name in set(virtual),
            total_bytes=8 * 10**9,
            available_bytes=round((5.0 if place == 3 else 7.0) * GIB),
            runtime="1.2.3",
            driver="0.9.8",
        )
        for place, name in enumerate(names)
    )


def report_of(given: Given, runs: Iterable[Run], lang: Lang = "en") -> Report:
    """The report of these runs, with the catalogue and the references that ``given`` has."""
    runs = tuple(runs)
    runtime = given.board_class.runtime
    known = {one.name: KnownModel(one.title, one.architecture, one.dtype, runtime) for one in given.models}
    names = sorted({run.board for run in runs})
    virtual = {run.board for run in runs if run.simulated}
    made = claims(runs, given.references, known, context=given.board_class.context)
    return build_report(replace(given, runs=runs, claims=made, boards=facts(names, virtual)), lang)


def telemetry(samples: int = 400, seed: int = 1) -> str:
    """A run on a board that gets warm, throttles for a moment and has less and less memory."""
    dice = random.Random(seed)
    lines = ["uptime_s,memavail_bytes,rss_bytes,npu_load,dmc_hz,npu_hz,soc_mc,npu_mc,gpu_mc,ddr_mc"]
    for at in range(samples):
        warm = 40_000 + 30_000 * at // samples + dice.randrange(400)
        clock = 300_000_000 if at == samples // 2 else 1_000_000_000
        held = min(at * 40, 1200) * 2**20
        load = "/".join(str(dice.randrange(80, 99)) for _ in range(3))
        zones = f"{warm - 900},{warm},{warm - 4000},{warm - 2500}"
        lines.append(f"{100 + at * 0.5:.2f},{7 * GIB - held},{held},{load},2112000000,{clock},{zones}")
    return "\n".join(lines) + "\n"


def write_evidence(collected: Path, run: Run, stdout: str, samples: int = 400) -> Path:
    """Enough of a run's folder for what is shown on a click."""
    folder = collected / run.campaign / run.board / run.run
    folder.mkdir(parents=True)
    (folder / "spec.json").write_text(json.dumps({"schema": 1, "campaign": run.campaign, "run": run.run}))
    (folder / "stdout.log").write_text(stdout, encoding="utf-8")
    (folder / "telemetry.csv").write_text(telemetry(samples))
    return folder
