"""Each thing that makes a number worthless is provoked on a virtual board, and the table says so."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.e2e.home import PROJECT, Home, virtual

SAMPLED = 4  # time scale at which a run takes seconds, as a sample a second needs them
PROVOKED: dict[str, tuple[dict[str, Any], tuple[str, ...]]] = {
    "lost-job": (
        virtual("submit_failed", time_scale=1000),
        ("npu_jobs_finished: npu_submit_failed", "prefill_faster_than_generate: ", "kernel_is_quiet: "),
    ),
    "slow-dram": (virtual(traits=["dmc_stuck"]), ("clocks: dmc was pinned to 2112 MHz and ran at 528 MHz",)),
    "throttled": (
        virtual(time_scale=SAMPLED, traits=["capped"]),
        ("the board was throttled against heat: cpufreq-cpu4 at state 3",),
    ),
    "hot": (
        virtual(time_scale=SAMPLED, ambient_c=95),
        ("the board got too hot: ", "the limit is 85 °C", "started although clocks held down against heat"),
    ),
    "swaps": (virtual(time_scale=SAMPLED, swap_used_mib=10, swap_pages_s=5000), ("the board swapped ",)),
}


def suite(home: Home, **more: Any) -> None:
    folder = home.folder / "suites"
    folder.mkdir(exist_ok=True)
    told = {"cores": [3], "repeats": 1, "workloads": [{"new_tokens": 64}], "gates": {"wait_s": 1}}
    (folder / "taints.yaml").write_text(json.dumps(told | more))


def reasons(cell: dict[str, Any]) -> str:
    return json.dumps(cell["reasons"], ensure_ascii=False)


def test_each_trouble_taints_the_run_that_had_it_and_no_other(home: Home) -> None:
    home.inventory({"well": virtual(time_scale=1000), **{name: board for name, (board, _) in PROVOKED.items()}})
    suite(home)
    done = home.invoke("bench", "--suite", "taints", "--force", "--format", "json", code=1)
    found = {cell["board"]: cell for cell in json.loads(done.stdout)}
    assert found["well"]["outcome"] == "ok", found["well"]["reasons"]
    for name, (_, said) in PROVOKED.items():
        assert (found[name]["outcome"], found[name]["n"]) == ("tainted", 0), (name, found[name]["reasons"])
        for words in said:
            assert words in reasons(found[name]), name
    home.invoke("collect")
    shown = (home.folder / "reports" / "summary.csv").read_text(encoding="utf-8-sig")
    assert shown.count(",tainted,") >= len(PROVOKED)


def catalogue(home: Home, model: str, change: Any) -> None:
    """One of its own, like the project's, that is wrong about this model."""
    told = yaml.safe_load((PROJECT / "models.yaml").read_text(encoding="utf-8"))
    change(told["models"][model])
    (home.folder / "models.yaml").write_text(yaml.safe_dump(told, sort_keys=False))


def swapped_cores(model: dict[str, Any]) -> None:
    for file in model["artifacts"]:
        file["npu_core_num"] = {1: 3, 3: 1}.get(file["npu_core_num"], file["npu_core_num"])


def other_encoder(model: dict[str, Any]) -> None:
    model["vision"] |= {"image_tokens": 256, "resolution": 512}
    for file in model["artifacts"]:
        file.pop("resolution", None)


@pytest.mark.parametrize(
    ("model", "change", "outcome", "said"),
    [
        ("qwen3-0.6b", swapped_cores, "failed", ("wrong artifact: npu_core_num 1 in the banner, 3 planned",)),
        (
            "qwen3-vl-2b",
            other_encoder,
            "tainted",
            ("resolution_as_planned: 448x448, expected 512x512", "image_tokens_as_planned: 196 tokens of one image"),
        ),
    ],
)
def test_runs_of_a_file_that_is_not_what_the_catalogue_says_are_not_ok(
    home: Home, model: str, change: Any, outcome: str, said: tuple[str, ...]
) -> None:
    home.inventory({"a": virtual()})
    catalogue(home, model, change)
    suite(home, models=[model])
    (cell,) = json.loads(home.invoke("bench", "--suite", "taints", "--format", "json", code=1).stdout)
    assert cell["outcome"] == outcome
    assert all(words in reasons(cell) for words in said), cell["reasons"]


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
