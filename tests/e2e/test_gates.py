"""A run starts on a board that is as the suite wants it, waits where it is not, and says so where it never was."""

from __future__ import annotations

import csv
import json
import re
from pathlib import Path
from typing import Any

from tests.e2e.board_kit import Board
from tests.e2e.home import Home, virtual
from tests.e2e.test_checks import ON_NPU, on_board


def suite(home: Home, gates: dict[str, Any], **more: Any) -> None:
    """JSON is YAML."""
    told = {"models": ["qwen3-0.6b"], "cores": [3], "repeats": 1, "workloads": [{"new_tokens": 64}], "gates": gates}
    folder = home.folder / "suites"
    folder.mkdir(exist_ok=True)
    (folder / "gated.yaml").write_text(json.dumps(told | more))


def gate(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "spec.json").read_text())["gate"]
    return found


def measured(home: Home) -> list[Path]:
    return [folder for folder in home.runs() if not folder.name.endswith("warmup")]


def test_a_run_on_a_board_that_is_too_hot_waits_until_it_is_not_and_shows_why(home: Home) -> None:
    home.inventory({"a": virtual(time_scale=10)})  # a faster one is cool again before anybody looks
    suite(home, {}, repeats=2, workloads=[{"new_tokens": 256}])
    done = home.invoke("bench", "--suite", "gated", "--format", "json")
    assert "waits: " in done.stderr and " K above the set point of " in done.stderr
    assert [cell["n"] for cell in json.loads(done.stdout)] == [2]
    first, *others = [gate(folder) for folder in home.runs()]
    assert first["set_point_c"] == first["temperature_c"] and first["waited_s"] == 0
    for later in others:
        assert later["set_point_c"] == first["set_point_c"]
        assert later["waited_s"] > 0 and later["temperature_c"] <= first["set_point_c"] + 2 and not later["missed"]
    home.invoke("collect")
    with (home.folder / "reports" / "summary.csv").open(encoding="utf-8-sig") as file:
        rows = list(csv.DictReader(file))
    assert all(row["start (°C)"] and row["waited (s)"] for row in rows), rows


def test_a_run_on_a_board_that_never_cools_starts_in_the_end_and_is_tainted(home: Home) -> None:
    home.inventory({"a": virtual()})
    suite(home, {"temperature_c": 10, "wait_s": 0.5})
    done = home.invoke("bench", "--suite", "gated", "--format", "json", code=1)
    (cell,) = json.loads(done.stdout)
    assert cell["outcome"] == "tainted" and cell["n"] == 0
    (told,) = cell["reasons"]
    why = r"started at [0-9.]+ °C, [0-9.]+ K above the set point of 10\.0 °C \(starts at 12\.0\) after [0-9]+ s"
    assert re.fullmatch(why, told["reason"]), told
    (run,) = measured(home)
    assert gate(run)["waited_s"] >= 0.5 and len(gate(run)["missed"]) == 1


def test_company_little_memory_swapping_and_another_user_of_the_npu_each_close_a_gate(home: Home) -> None:
    home.inventory({"a": virtual(background_load=2, memory_taken_mib=1000, swap_used_mib=10, swap_pages_s=5000)})
    home.invoke("boards")
    on_board(home, "a")(ON_NPU)
    suite(home, {"wait_s": 0.2, "free_mib": 7000, "tolerance_k": 100})
    done = home.invoke("bench", "--suite", "gated", "--format", "json", "--force", code=1)
    (cell,) = json.loads(done.stdout)
    assert cell["outcome"] == "tainted"
    (run,) = measured(home)
    load, memory, swap, npu = gate(run)["missed"]
    assert load == f"others use {gate(run)['load_cores']:.1f} cores (starts at 0.5)" and gate(run)["load_cores"] > 1
    assert "of memory available (starts at 6.8 GiB)" in memory
    assert " pages of swap moved in a moment (starts at " in swap and "the NPU is used by sleep" in npu
    assert all(reason in json.dumps(cell["reasons"], ensure_ascii=False) for reason in (load, memory, swap, npu))


def test_a_model_for_which_somebody_left_no_memory_ends_out_of_memory(home: Home) -> None:
    """By hand: `bench` would compute that it does not fit, and skip it."""
    home.inventory({"a": virtual(memory_taken_mib=6900)})
    home.invoke("boards")
    state = home.folder / ".virtual"
    board = Board(state, json.loads((state / "a" / "board.json").read_text()))
    done = board.ask(board.put_model())
    assert done.returncode == 137 and b"Out of memory: Killed process" in board.ssh("dmesg").stdout, done
