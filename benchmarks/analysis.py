"""A fleet's archive, analysed: is the cost of a run the same in a small archive and in one ten times as large?

- *read*: folders of evidence for the first time: logs parsed, sha256 compared with the manifest, rows written. The
  evidence is synthetic, 10 files as a board leaves them after a run of a minute; the files, their reading and the store
  are real. 150 and 1,500 runs, and with ``--big`` 10,000 and 100,000
- *again*: the same folders and one more night of 150 runs: what is known is not read again
- *claims*: runs out of the store, physics, cells, claims, all of it kept, of 10,000 and of 100,000 runs. These never
  were folders: a night that was read is written into the store over and over, under other names

CPU time, for a shared machine's wall time says more about the others; the target is what a run costs in the large
archive over what it costs in the small one. Not shown: spreadsheets (a sheet ends at a million rows), and an SD card:
everything is in the page cache.
"""

from __future__ import annotations

import hashlib
import json
import random
import tempfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from analysis import store
from analysis.architecture import Architecture
from analysis.cells import cells
from analysis.claiming import claims
from analysis.evidence import find_runs
from analysis.physics import gated
from analysis.predictions import KnownModel
from analysis.references import load_references
from analysis.runs import read_evidence
from analysis.store import FILE, Taken, load_runs, save_derived, take_in
from analysis.store_schema import run_id
from benchmarks.boards import PROJECT
from benchmarks.measure import Cost, Failed, spent
from benchmarks.report import Row

ROUNDS = 1  # a round takes minutes
SMALL, SMALL_BIG, TIMES = 150, 10_000, 10
ROWS = 10_000  # of the small archive of rows
BOARDS, CORES, REPEATS = 10, (1, 2, 3), 5
NIGHT = BOARDS * len(CORES) * REPEATS
MODEL = "qwen3-0.6b"
ARCHITECTURE = Architecture(28, 1024, 16, 8, 128, 3072, 151936, tied=True)
MODELS = {MODEL: KnownModel("Qwen3-0.6B", ARCHITECTURE)}
LINEAR = 1.25  # the cache of a CPU is no larger for a larger archive

BANNER = """\
I rkllm: rkllm-runtime version: 1.2.3, rknpu driver version: 0.9.8, platform: RK3588
I rkllm: loading rkllm model from /data/models/a.rkllm
I rkllm: rkllm-toolkit version: 1.2.3, max_context_limit: 4096, npu_core_num: {cores}, target_platform: RK3588, \
model_dtype: W8A8
I rkllm: Enabled cpus: [4, 5, 6, 7]
I rkllm: Enabled cpus num: 4
rkllm init success

user: robot: {answer}
"""
RULER = "I rkllm: " + "-" * 86 + "\n"
TABLE = (
    f"{RULER}I rkllm:  Model init time (ms)  {{init:.2f}}\n"
    f"{RULER}I rkllm:  Stage         Total Time (ms)  Tokens    Time per Token (ms)      Tokens per Second\n"
    f"{RULER}I rkllm:  Prefill       {{prefill:.2f}}           40        {{prefill_each:.2f}}                     "
    f"{{prefill_tps:.2f}}\n"
    f"I rkllm:  Generate      {{generate:.2f}}          63        {{each:.2f}}                    {{tps:.2f}}\n"
    f"{RULER}I rkllm:  Peak Memory Usage (GB)\nI rkllm:  {{memory:.2f}}\n{RULER}\nuser: "
)
ANSWER = "Forty-two is what a machine answered that nobody had asked rightly, and so it goes on. " * 4


def write_runs(collected: Path, first: int, count: int) -> None:
    """Folders number ``first`` and on; the same numbers give the same bytes."""
    for number in range(first, first + count):
        _write(collected, number)


def _write(collected: Path, number: int) -> None:
    luck = random.Random(number)
    night, at = divmod(number, NIGHT)
    board, at = divmod(at, len(CORES) * REPEATS)
    cores, repeat = CORES[at // REPEATS], at % REPEATS
    campaign, name = f"2026-night-{night:05d}", f"{at:03d}-{MODEL}-{cores}core-r{repeat}"
    folder = collected / campaign / f"rk3588-{board}" / name
    folder.mkdir(parents=True)
    tps = (13.0, 22.0, 30.0)[cores - 1] * luck.gauss(1, 0.01)
    prefill = luck.gauss(200, 2)
    log = BANNER.format(cores=cores, answer=ANSWER) + TABLE.format(
        init=luck.gauss(1200, 50),
        prefill=prefill,
        prefill_each=prefill / 40,
        prefill_tps=40_000 / prefill,
        generate=63_000 / tps,
        each=1000 / tps,
        tps=tps,
        memory=luck.gauss(1.2, 0.01),
    )
    spec = {
        "schema": 1, "campaign": campaign, "run": name, "board": f"rk3588-{board}", "origin": "measured",
        "simulated": False, "model": MODEL, "model_title": "Qwen3-0.6B", "kind": "llm", "npu_cores": cores,
        "artifact": {"file": f"qwen3-0.6b-{cores}core.rkllm", "sha256": f"{cores}" * 64, "npu_core_num": cores},
        "workload": {"prompt_set": "basic", "prompt_set_sha256": "cd" * 32, "prompt_id": "story",
                     "prompt_chars": 120, "max_new_tokens": 64, "max_context_len": 4096},
        "repeat": repeat, "warmup": False, "limit_s": 600, "created_utc": f"2026-01-01T{night:06d}", "tool": "0",
    }  # fmt: skip
    start = {"run": name, "campaign": campaign, "boot_id": "boot", "uptime_s": 10.0, "epoch_s": 1, "pid": 5}
    end = {"result": "success", "exit_code": 0, "signal": None, "boot_id": "boot", "uptime_s": 70.0,
           "duration_s": 60.0, "limit_s": 600, "dmesg": "ok"}  # fmt: skip
    facts = {"schema": 1, "simulated": None, "npu": {"driver": "0.9.8"},
             "board": {"compatible": ["radxa,rock-5b", "rockchip,rk3588"]},
             "dmc": {"available_hz": [528_000_000, 1_068_000_000, 2_112_000_000]},
             "memory": {"available_bytes": 7 * 2**30}}  # fmt: skip
    samples = "".join(
        f"{second},{7 * 2**30 - int(1.25 * 2**30 * min(1, second / 5))},{1.2 * 2**30:.0f},{40_000 + second * 100}\n"
        for second in range(60)
    )
    files = {
        "spec.json": json.dumps(spec),
        "start.json": json.dumps(start),
        "end.json": json.dumps(end),
        "facts.before.json": json.dumps(facts),
        "facts.after.json": json.dumps(facts),
        "stdout.log": log,
        "stderr.log": "",
        "dmesg.log": "",
        "telemetry.csv": "uptime_s,memavail_bytes,vmhwm_bytes,soc_mc\n" + samples,
    }
    listed = {name: {"sha256": hashlib.sha256(text.encode()).hexdigest()} for name, text in files.items()}
    files["manifest.json"] = json.dumps({"files": listed})
    for name, text in files.items():
        (folder / name).write_bytes(text.encode())


def run(_rounds: int, big: bool) -> list[Row]:
    """Small archive, then a large one, then what a run costs in each."""
    small = SMALL_BIG if big else SMALL
    folders = {count: _folders(count) for count in (small, small * TIMES)}
    first, again = ({count: costs[part] for count, costs in folders.items()} for part in (0, 1))
    kept = {count: _rows(count) for count in (ROWS, ROWS * TIMES)}
    large = small * TIMES
    return [
        _row("read the evidence for the first time, a run", first),
        _row("from the store to claims, a run", kept),
        Row(
            "analysis",
            f"{NIGHT} new runs beside {large:,} that are known",
            f"{again[large].cpu_s:.2f} s CPU",
            f"beside {small:,}: {again[small].cpu_s:.2f} s; all of it anew: {first[large].cpu_s:.1f} s",
            again[large].cpu_s / first[large].cpu_s,
        ),
    ]


def _row(what: str, costs: Mapping[int, Cost]) -> Row:
    small, large = costs
    each = {count: cost.cpu_s / count * 1e6 for count, cost in costs.items()}
    ours, theirs = f"{large:,} runs: {each[large]:.0f} µs CPU", f"{small:,} runs: {each[small]:.0f} µs"
    return Row("analysis", what, ours, theirs, each[large] / each[small], LINEAR)


def _folders(count: int) -> tuple[Cost, Cost]:
    """Of so many runs for the first time, and of one more night."""
    with tempfile.TemporaryDirectory() as name:
        collected, path = Path(name) / "collected", Path(name) / FILE
        write_runs(collected, 0, count)
        first = _take(collected, path, read=count)
        write_runs(collected, count, NIGHT)
        return first, _take(collected, path, read=NIGHT, known=count)


def _take(collected: Path, path: Path, *, read: int, known: int = 0) -> Cost:
    taken: list[Taken] = []
    cost = spent(lambda: taken.append(take_in(collected, path)))
    if (taken[0].read, taken[0].known) != (read, known):
        raise Failed(f"{taken}, and not {read} read and {known} known")
    return cost


def _rows(count: int) -> Cost:
    """From the store to claims; what is in the store is put there without folders."""
    with tempfile.TemporaryDirectory() as name:
        collected, path = Path(name) / "collected", Path(name) / FILE
        write_runs(collected, 0, NIGHT)
        models = [read_evidence(files) for files in find_runs(collected)]
        # The store's own way in reads folders, and this is what it does with what it read.
        with store._opened(path) as connection, store._transaction(connection):
            for number in range(count):
                night, at = divmod(number, NIGHT)
                evidence = models[at]
                like = replace(evidence, run=replace(evidence.run, campaign=f"night-{night:05d}"))
                about = ("0" * 64, "0" * 64, "parser", "stamp")
                store._put_one(connection, run_id(*like.run.key), like, about)
        return spent(lambda: _claims(collected, path, count))


def _claims(collected: Path, path: Path, count: int) -> None:
    runs = gated(load_runs(path, collected), {MODEL: ARCHITECTURE})
    references = load_references(PROJECT / "references")
    made = claims(runs, references, MODELS)
    save_derived(path, runs, references, made)
    behind = sum(cell.n for cell in cells(runs))
    most = max(claim.n for claim in made)
    if len(runs) != count or behind != count or abs(most - count / len(CORES)) > NIGHT:
        raise Failed(f"{len(runs)} runs of {count} came back, {behind} are behind cells, {most} behind one claim")
