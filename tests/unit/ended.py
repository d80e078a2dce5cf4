"""Runs as they are written: a good one, one of a virtual board, and one that was stopped at its time limit."""

from __future__ import annotations

from dataclasses import replace

from analysis.outcome import Outcome
from analysis.runs import Run, Workload

GOOD = Run(
    campaign="c1",
    board="rk3588-a",
    run="001-r1",
    outcome=Outcome.OK,
    origin="measured",
    model="qwen3-0.6b",
    npu_cores=3,
    npu_core_num=3,
    workload=Workload(prompt_set="basic", prompt_id="story", max_new_tokens=64, max_context_len=1024),
    runtime="1.2.3",
    driver="0.9.8",
    ttft_ms=200.04,
    prefill_tps=199.5,
    prefill_tokens=40,
    generate_tps=20.1,
    generate_tokens=63,
    memory_rkllm_bytes=1_610_612_736,
    log="collected/c1/rk3588-a/001-r1/stdout.log",
)
SIMULATED = replace(GOOD, board="rk3588-v", origin="simulated")
TIMEOUT = replace(
    GOOD,
    run="002-r2",
    outcome=Outcome.TIMEOUT,
    reason="stopped at its time limit of 600 s",
    advice="a longer limit",
    ttft_ms=None,
)
