"""Each thing that makes a number worthless is provoked on a virtual board, and the table says so."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import yaml

from tests.e2e.home import LIMIT_S, PROJECT, Home, virtual
from virtual.misuse import cached_prompt

SAMPLED = 4  # time scale at which a run takes seconds, as a sample a second needs them
COUNTED = 1  # at which it takes those three that a share of the time is taken of
QUICK = 1000
NEW_TOKENS = 64
PROMPT_TOKENS = 127  # of the default prompt, on a virtual board
Provoked = dict[str, tuple[dict[str, Any], str, tuple[str, ...]]]  # a board, its outcome, and what of its reasons


def cached(board: str, *, counts_all: bool) -> dict[str, Any]:
    """A board whose second run finds its prompt in a cache; its table counts what was asked, or what was read."""
    of = (seed for seed in range(100) if (cached_prompt(board, seed, PROMPT_TOKENS)[1] == PROMPT_TOKENS) == counts_all)
    return virtual(time_scale=QUICK, traits=["cached_prompt"], seed=next(of))


PROVOKED: Provoked = {
    "lost-job": (
        virtual("submit_failed", time_scale=QUICK),
        "tainted",
        (
            "npu_jobs_finished: npu_submit_failed",
            "prefill_faster_than_generate: prefill of 127 tokens at ",
            "kernel_is_quiet: npu_timeout",
        ),
    ),
    "bad-products": (
        virtual("matmul_failed", time_scale=QUICK),
        "tainted",
        ("npu_jobs_finished: matmul_failed",),
    ),
    "bad-table": (
        virtual("damaged_table", time_scale=QUICK),
        "tainted",
        ("prefill_rate_agrees: ", "generate_rate_agrees: ", " tok/s from 63 tokens in "),
    ),
    "two-turns": (
        virtual(time_scale=QUICK, traits=["own_question"]),
        "tainted",
        ("turns_as_planned: 2 tables, expected 1",),
    ),
    "cached": (
        cached("cached", counts_all=False),
        "tainted",
        ("whole_prompt_prefilled: prefill of ", "fewer come out of a cache"),
    ),
    "no-table": (
        virtual(time_scale=QUICK, traits=["no_log_level"]),
        "failed",
        ("exit code 0 without a performance table",),
    ),
    "slow-dram": (virtual(traits=["dmc_stuck"]), "tainted", ("clocks: dmc was pinned to 2112 MHz and ran at 528 MHz",)),
    "retuned": (
        virtual(traits=["retuned"]),
        "tainted",
        (
            "clocks: dmc was pinned to 2112 MHz and ran at 528 MHz when the run ended",
            "cpu7/state1) were switched off, and on when the run ended",
        ),
    ),
    "throttled": (
        virtual(time_scale=COUNTED, traits=["capped"]),
        "tainted",
        (
            "the board was throttled against heat: cpufreq-cpu4 at state 3",
            "policy4 was pinned to 2208 MHz and was there ",
            "of the time, not 99%",
        ),
    ),
    "hot": (
        virtual(time_scale=SAMPLED, ambient_c=95),
        "tainted",
        ("the board got too hot: ", "the limit is 85 °C", "started although clocks held down against heat"),
    ),
    "swaps": (
        virtual(time_scale=SAMPLED, swap_used_mib=10, swap_pages_s=5000),
        "tainted",
        ("the board swapped ", " while the run was on: its memory was too small for all it did"),
    ),
}
SEEING: Provoked = {
    "blind": (
        virtual("encoder_failed", time_scale=QUICK),
        "tainted",
        ("image_encoded: the demo says run_imgenc fail!, and answered without the image",),
    ),
    "blind-1.3": (
        virtual("encoder_failed", time_scale=QUICK, runtime="1.3.0"),
        "tainted",
        ("image_encoded: the demo says run_imgenc fail!, and answered without the image",),
    ),
    "two-cores": (
        virtual(time_scale=QUICK, traits=["two_core_mask"]),
        "tainted",
        ("vision_cores_as_planned: 3 cores for the encoder, which the library rejected, expected 3",),
    ),
    "cached": (
        cached("cached", counts_all=False),
        "tainted",
        ("image_in_prompt: prefill of ", "at least 196, those of the image"),
    ),
}


def suite(home: Home, **more: Any) -> None:
    folder = home.folder / "suites"
    folder.mkdir(exist_ok=True)
    told = {"cores": [3], "repeats": 1, "workloads": [{"new_tokens": NEW_TOKENS}], "gates": {"wait_s": 1}}
    (folder / "taints.yaml").write_text(json.dumps(told | more))


def reasons(cell: dict[str, Any]) -> str:
    return json.dumps(cell["reasons"], ensure_ascii=False)


def bench(home: Home, **more: Any) -> dict[str, dict[str, Any]]:
    """The cells of one campaign, by board or, where there is one board, by model."""
    suite(home, **more)
    done = home.invoke("bench", "--suite", "taints", "--force", "--format", "json", code=1, limit_s=2 * LIMIT_S)
    cells = json.loads(done.stdout)
    by = "board" if len({cell["board"] for cell in cells}) > 1 else "model"
    return {cell[by]: cell for cell in cells}


def judged(found: dict[str, dict[str, Any]], provoked: Provoked) -> None:
    for name, (_, outcome, said) in provoked.items():
        assert (found[name]["outcome"], found[name]["n"]) == (outcome, 0), (name, found[name]["reasons"])
        for words in said:
            assert words in reasons(found[name]), name


def test_each_trouble_taints_the_run_that_had_it_and_no_other(home: Home) -> None:
    boards = {name: board for name, (board, *_) in PROVOKED.items()}
    home.inventory({"well": virtual(time_scale=QUICK), "odd": cached("odd", counts_all=True), **boards})
    found = bench(home)
    assert found["well"]["outcome"] == "ok" and not found["well"]["quarantined"], found["well"]["reasons"]
    judged(found, PROVOKED)
    odd = found["odd"]  # its table is possible, and what it says of the NPU is not
    assert (odd["outcome"], odd["n"], odd["ttft_ms"], odd["prefill_tps"]) == ("ok", 1, None, None), odd["reasons"]
    assert {doubt["metric"] for doubt in odd["quarantined"]} == {"prefill_tps", "ttft_ms"}
    assert odd["generate_tps"] > 0
    home.invoke("collect")
    shown = (home.folder / "reports" / "summary.csv").read_text(encoding="utf-8-sig")
    assert shown.count(",tainted,") >= sum(outcome == "tainted" for _, outcome, _ in PROVOKED.values())


def test_each_trouble_of_an_encoder_taints_a_run_that_has_an_image_in_it(home: Home) -> None:
    home.inventory({name: board for name, (board, *_) in SEEING.items()})
    found = bench(home, models=["qwen3-vl-2b"])
    judged(found, SEEING)
    assert found["two-cores"]["image_encode_ms"] is None
    for name in ("blind", "blind-1.3"):
        assert found[name]["image_encode_ms"] is None
        assert {line["code"] for line in home.truth(name) if line["event"] == "demo_ended"} == {0}
    (asked, *_) = [line for line in home.truth("two-cores") if line["event"] == "turn"]
    assert asked["vision_cores"] == 1, "the encoder went on with what it has without a mask"


def swapped_cores(model: dict[str, Any]) -> None:
    for file in model["artifacts"]:
        file["npu_core_num"] = {1: 3, 3: 1}.get(file["npu_core_num"], file["npu_core_num"])


def other_encoder(model: dict[str, Any]) -> None:
    model["vision"] |= {"image_tokens": 256, "resolution": 512}
    for file in model["artifacts"]:
        file.pop("resolution", None)


def four_times_as_large(model: dict[str, Any]) -> None:
    model["architecture"] |= {"layers": 36, "hidden": 2560, "heads": 32, "ffn": 9728}


def test_runs_of_a_file_that_is_not_what_the_catalogue_says_are_in_no_statistic(home: Home) -> None:
    home.inventory({"a": virtual()})
    told = yaml.safe_load((PROJECT / "models.yaml").read_text(encoding="utf-8"))
    wrong = {"qwen3-1.7b": swapped_cores, "qwen3-vl-2b": other_encoder, "qwen3-0.6b": four_times_as_large}
    for model, change in wrong.items():
        change(told["models"][model])
    (home.folder / "models.yaml").write_text(yaml.safe_dump(told, sort_keys=False))
    found = bench(home, models=list(wrong), gates={"wait_s": 1, "tolerance_k": 100})
    swapped, other, small = (found[model] for model in wrong)
    assert (swapped["outcome"], swapped["n"]) == ("failed", 0)
    assert "wrong artifact: npu_core_num 1 in the banner, 3 planned" in reasons(swapped)
    assert (other["outcome"], other["n"]) == ("tainted", 0)
    assert "resolution_as_planned: 448x448, expected 512x512" in reasons(other)
    assert "image_tokens_as_planned: 196 tokens of one image" in reasons(other)
    assert (small["outcome"], small["n"]) == ("ok", 1), small["reasons"]
    assert (small["generate_tps"], small["memory_rkllm_bytes"]) == (None, None)
    doubts = {doubt["metric"]: doubt["reason"] for doubt in small["quarantined"]}
    assert "this board's memory has 33.8 GB/s" in doubts["generate_tps"]
    assert "is less than the weights alone" in doubts["memory_rkllm_bytes"]


def test_each_witness_of_memory_is_held_against_what_the_model_must_take(home: Home) -> None:
    home.inventory({"a": virtual(time_scale=COUNTED)})
    told = yaml.safe_load((PROJECT / "models.yaml").read_text(encoding="utf-8"))
    four_times_as_large(told["models"]["qwen3-0.6b"])
    (home.folder / "models.yaml").write_text(yaml.safe_dump(told, sort_keys=False))
    suite(home)
    (cell,) = json.loads(home.invoke("bench", "--suite", "taints", "--format", "json").stdout)
    doubts = {doubt["metric"]: doubt["reason"] for doubt in cell["quarantined"]}
    for witness, said in {
        "memory_rkllm_bytes": "is less than the weights alone",
        "memory_vmhwm_bytes": "is less than the weights alone",
        "memory_available_drop_bytes": "below the 4.50 GiB that weights, cache at 4096 tokens and runtime add up to",
    }.items():
        assert cell[witness] is None and said in doubts[witness], witness


def test_an_answer_that_ends_far_too_early_taints_its_run(home: Home) -> None:
    home.inventory({"a": virtual(time_scale=1000)})
    suite(home, workloads=[{"new_tokens": 100_000}])
    (cell,) = json.loads(home.invoke("bench", "--suite", "taints", "--format", "json", code=1).stdout)
    assert cell["outcome"] == "tainted" and "answer_long_enough: " in reasons(cell)


def test_evidence_that_was_changed_after_it_was_collected_taints_its_run(home: Home) -> None:
    home.inventory({"a": virtual()})
    suite(home)
    home.invoke("bench", "--suite", "taints")
    log: Path = home.runs()[-1] / "stdout.log"
    log.chmod(0o644)
    log.write_bytes(log.read_bytes() + b"\n")
    home.invoke("collect")
    shown = (home.folder / "reports" / "summary.csv").read_text(encoding="utf-8-sig")
    assert "stdout.log is not what was collected" in shown


def test_a_run_whose_plan_was_changed_after_it_was_collected_is_of_no_use(home: Home) -> None:
    home.inventory({"a": virtual()})
    suite(home)
    home.invoke("bench", "--suite", "taints")
    plan: Path = home.runs()[-1] / "spec.json"
    told = json.loads(plan.read_text())
    plan.chmod(0o644)
    plan.write_text(json.dumps(told | {"board": "another"}))
    home.invoke("collect")
    with (home.folder / "reports" / "summary.csv").open(encoding="utf-8-sig") as rows:
        *_, row = csv.DictReader(rows)
    assert (row["run"], row["outcome"]) == (told["run"], "failed")
    assert row["reason"] == "spec.json is of board 'another', its folder is 'a'"
