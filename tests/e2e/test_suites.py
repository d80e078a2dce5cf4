"""The suites that ship, on virtual boards: every row of the two reports has an outcome, and boards do not meet."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.home import LIMIT_S, PROJECT, Home, virtual
from tests.unit.test_suites import REPORTED

RUNS_ON_8_GIB = {
    *("qwen3-0.6b", "qwen3-1.7b", "qwen3-4b", "qwen3-vl-2b", "qwen3-vl-4b"),
    *("internvl3.5-1b", "internvl3.5-2b", "internvl3.5-4b"),
}
RUNS_ON_2_GIB = {"qwen3-0.6b"}
AT_THE_LIMIT = {("eight", "qwen3-8b")}  # a probe of it runs, guarded, and there is too little
NUMBERS = ("generate_tps", "prefill_tps", "ttft_ms", "memory_rkllm_bytes")
TEN = [f"board-{number}" for number in range(10)]


def cells(home: Home, *words: str, limit_s: float = LIMIT_S) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(home.invoke("bench", *words, "--format", "json", limit_s=limit_s).stdout)
    return found


@pytest.fixture
def alone(tmp_path: Path) -> Iterator[Home]:
    """A second folder, whose boards have the same names and seeds and know nothing of the first."""
    folder = tmp_path / "alone"
    folder.mkdir()
    yield Home(folder)
    down = [sys.executable, "-m", "virtual", "down", "--all", "--state", str(folder / ".virtual")]
    subprocess.run(down, cwd=PROJECT, check=True, capture_output=True, timeout=LIMIT_S)


def test_every_row_of_the_two_reports_is_measured_or_skipped_or_out_of_memory_with_the_numbers_that_say_so(
    home: Home,
) -> None:
    """In parallel on a board as the reports have it and on a smaller one, where less fits."""
    home.inventory({"eight": virtual(time_scale=1000), "two": virtual(time_scale=1000, ram_gib=2)})
    found = cells(home, "--suite", "reports", "--repeats", "1", "--new-tokens", "32", limit_s=400)
    rows = [(cell["board"], cell["model"], cell["npu_cores"]) for cell in found]
    assert sorted(rows) == sorted((b, m, n) for b in ("eight", "two") for m in REPORTED for n in (1, 2, 3))
    for cell in found:
        fits = cell["model"] in {"eight": RUNS_ON_8_GIB, "two": RUNS_ON_2_GIB}[cell["board"]]
        place = (cell["board"], cell["model"], cell["npu_cores"], cell["reasons"])
        if fits:
            assert (cell["outcome"], cell["n"]) == ("ok", 1), place
            assert cell["generate_tps"] > 0 and cell["memory_rkllm_bytes"] > 0, place
            assert (cell["ttft_ms"] or cell["vision_ttft_ms"]) > 0, place
            assert (cell["image_encode_ms"] is None) == (cell["vision_cores"] is None), place
        elif place[:2] in AT_THE_LIMIT:
            assert (cell["outcome"], cell["n"]) == ("oom", 0), place  # how far it came is for slower boards to show
        else:
            assert (cell["outcome"], cell["n"]) == ("skipped", 0), place
            assert "GiB are there" in json.dumps(cell["reasons"]), place
    for board, runs in (("eight", RUNS_ON_8_GIB), ("two", RUNS_ON_2_GIB)):
        started = [line["event"] for line in home.truth(board)].count("demo_started")
        runs = runs | {model for name, model in AT_THE_LIMIT if name == board}
        assert started == len(runs) * 3 * 2  # each core count, a warm-up and one run; nothing that can not fit


def test_ten_boards_at_once_give_the_numbers_that_each_gives_alone(home: Home, alone: Home) -> None:
    home.inventory({name: virtual() for name in TEN})
    together = {cell["board"]: cell for cell in cells(home, "--suite", "smoke")}
    assert {name: cell["outcome"] for name, cell in together.items()} == dict.fromkeys(TEN, "ok")
    for name, cell in together.items():  # its own numbers and no other board's
        truth = [line for line in home.truth(name) if line["event"] == "turn"]
        assert len(truth) == 2
        assert cell["generate_tps"] == pytest.approx(
            1000 * truth[1]["generate_tokens"] / truth[1]["generate_ms"], abs=0.006
        )
    assert len({cell["generate_tps"] for cell in together.values()}) > 7  # no two boards are alike
    chosen = TEN[::5]
    alone.inventory({name: virtual() for name in chosen})
    for name in chosen:
        (cell,) = cells(alone, "--suite", "smoke", "--board", name)
        assert {key: cell[key] for key in NUMBERS} == {key: together[name][key] for key in NUMBERS}, name


def test_each_part_of_a_suite_is_measured_under_its_own_clocks(home: Home) -> None:
    (home.folder / "suites").mkdir()
    parts = [{"clocks": "pinned"}, {"clocks": "no-dmc"}]
    told = {"cores": [3], "repeats": 1, "workloads": [{"new_tokens": 32}], "parts": parts}
    (home.folder / "suites" / "two.yaml").write_text(json.dumps(told))
    home.inventory({"a": virtual()})
    free, pinned = cells(home, "--suite", "two")
    assert (free["clock_profile"], pinned["clock_profile"]) == ("no_dmc", "pinned")
    assert (free["n"], pinned["n"]) == (1, 1)
    dmc = {
        (record["profile"], clock["how"])
        for run in home.runs()
        for record in [json.loads((run / "clocks.json").read_text())]
        for clock in record["clocks"]
        if clock["kind"] == "dmc"
    }
    assert dmc == {("no_dmc", None), ("pinned", "userspace")}
