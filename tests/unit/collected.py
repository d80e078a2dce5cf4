"""A run's folder as it lies in ``collected/``: that of a good run, with whatever a test wants to be otherwise."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from analysis.runs import Run, read_runs

BANNER = """\
I rkllm: rkllm-runtime version: 1.2.3, rknpu driver version: 0.9.8, platform: RK3588
I rkllm: loading rkllm model from /data/models/a.rkllm
I rkllm: rkllm-toolkit version: 1.2.2, max_context_limit: 4096, npu_core_num: 3, target_platform: RK3588, \
model_dtype: W8A8
I rkllm: Enabled cpus: [4, 5, 6, 7]
I rkllm: Enabled cpus num: 4
rkllm init success

user: robot: Forty-two.
"""
RULER = "I rkllm: " + "-" * 86 + "\n"
TABLE = (
    RULER
    + "I rkllm:  Model init time (ms)  1200.50\n"
    + RULER
    + "I rkllm:  Stage         Total Time (ms)  Tokens    Time per Token (ms)      Tokens per Second\n"
    + RULER
    + "I rkllm:  Prefill       200.00           40        5.00                     200.00\n"
    + "I rkllm:  Generate      3150.00          63        50.00                    20.00\n"
    + RULER
    + "I rkllm:  Peak Memory Usage (GB)\n"
    + "I rkllm:  1.50\n"
    + RULER
    + "\nuser: "
)
SPEC: dict[str, Any] = {
    "schema": 1,
    "campaign": "c1",
    "run": "000-qwen3-0.6b-3core-r1",
    "board": "rk3588-a",
    "origin": "measured",
    "simulated": False,
    "model": "qwen3-0.6b",
    "model_title": "Qwen3-0.6B",
    "kind": "llm",
    "npu_cores": 3,
    "artifact": {
        "file": "qwen3-0.6b-3core.rkllm",
        "sha256": "ab" * 32,
        "size_bytes": 900_000_000,
        "npu_core_num": 3,
        "dtype": "W8A8",
        "toolkit": "1.2.2",
        "max_context": 4096,
    },
    "workload": {
        "prompt_set": "basic",
        "prompt_set_sha256": "cd" * 32,
        "prompt_id": "story",
        "prompt_chars": 120,
        "max_new_tokens": 64,
        "max_context_len": 1024,
    },
    "repeat": 1,
    "warmup": False,
    "limit_s": 600,
    "created_utc": "2026-01-02T03:04:05Z",
    "tool": "0.1.0",
}
START = {"run": SPEC["run"], "campaign": "c1", "boot_id": "boot-1", "uptime_s": 10.0, "epoch_s": 1, "pid": 5}
END = {
    "result": "success",
    "exit_code": 0,
    "signal": None,
    "boot_id": "boot-1",
    "uptime_s": 20.0,
    "duration_s": 9.5,
    "limit_s": 600,
    "dmesg": "ok",
}
FACTS = {"schema": 1, "simulated": None, "npu": {"driver": "0.9.8"}}
TELEMETRY = (
    "uptime_s,memavail_bytes,rss_bytes,vmhwm_bytes,npu_hz\n1,2,3,1500000000,5\n2,2,3,1610612736,5\n3,2,3,,5\n4,2,3,9"
)


def evidence(collected: Path, **changed: Any) -> Path:
    """A good run's folder; ``spec={…}`` changes keys, ``end=None`` leaves the file out, bytes are taken as they are."""
    parts: dict[str, tuple[str, Any]] = {
        "spec": ("spec.json", SPEC),
        "start": ("start.json", START),
        "end": ("end.json", END),
        "before": ("facts.before.json", FACTS),
        "after": ("facts.after.json", FACTS),
        "outcome": ("outcome.json", None),
        "manifest": ("manifest.json", None),
        "stdout": ("stdout.log", (BANNER + TABLE).encode()),
        "stderr": ("stderr.log", b""),
        "dmesg": ("dmesg.log", b""),
        "telemetry": ("telemetry.csv", TELEMETRY.encode()),
    }
    folder = collected / "c1" / "rk3588-a" / str(SPEC["run"])
    folder.mkdir(parents=True)
    for key, (name, usual) in parts.items():
        value = changed.get(key, usual)
        if value is None:
            continue
        if isinstance(value, dict):
            value = json.dumps((usual or {}) | value).encode()
        (folder / name).write_bytes(value)
    return folder


def only_run(collected: Path, **changed: Any) -> Run:
    """The one run of a folder made by ``evidence``."""
    evidence(collected, **changed)
    (run,) = read_runs(collected)
    return run
