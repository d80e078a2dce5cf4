"""explain names what was planted on virtual boards, and reads any log without board or inventory, from any folder.

The whole table of causes is ``python -m benchmarks explain``; here are a few of them, on their real path.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.home import LIMIT_S, PROJECT, Home

LOGS = PROJECT / "tests" / "logs"
PLANTED = {
    "dram": ({"traits": ["dmc_stuck"]}, "dram_clock"),
    "cluster": ({"traits": ["little_cores"]}, "cpu_cluster"),
    "cached": ({"traits": ["cached_prompt"]}, "cache_hit"),
}


def explain(folder: Path, *words: str, code: int = 0, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    argv = [sys.executable, "-m", "invoke", "--search-root", str(PROJECT), "explain", *words]
    done = subprocess.run(argv, cwd=folder, input=stdin, capture_output=True, timeout=LIMIT_S)
    assert done.returncode == code, done.stderr.decode()
    assert b"Traceback" not in done.stderr
    return done


def told(folder: Path, *words: str, stdin: bytes = b"") -> dict[str, Any]:
    answer: dict[str, Any] = json.loads(explain(folder, *words, "--format", "json", stdin=stdin).stdout)
    return answer


def test_what_was_planted_on_a_board_is_named_first(home: Home) -> None:
    boards = {name: {"virtual": {"time_scale": 20, **config}} for name, (config, _) in PLANTED.items()}
    home.inventory(boards)
    (home.folder / "suites").mkdir()
    workloads = [{"prompts": "prompts/default.txt", "new_tokens": 64}]
    suite = {"models": ["qwen3-0.6b"], "cores": [3], "repeats": 1, "workloads": workloads, "gates": {"wait_s": 0}}
    (home.folder / "suites" / "planted.yaml").write_text(json.dumps(suite))
    argv = home.argv("bench", "--suite", "planted", "--force")  # a stuck clock taints, so its exit code is not 0
    subprocess.run(argv, **home.options(), capture_output=True, timeout=LIMIT_S, check=False)
    (home.folder / "inventory.yaml").unlink()  # evidence is enough
    for name, (_, check) in PLANTED.items():
        answer = told(home.folder, "--board", name, "--model", "Qwen3-0.6B")
        assert answer["causes"][0]["check"] == check, answer["sentence"]
        assert answer["origin"] == "simulated" and answer["simulated"] is True
    shown = explain(home.folder, "--board", "dram", "--model", "qwen3-0.6b").stdout.decode()
    assert "DDR clock low while working: 528 of 2112 MHz" in shown.splitlines()[0]
    (campaign,) = (path.name for path in home.collected.iterdir() if path.name[0] != ".")
    assert answer["campaign"] == campaign and f"1 run of campaign {campaign}, simulated" in shown.splitlines()[0]
    assert "What can not be told from this" in shown
    refused = explain(home.folder, "--board", "dram", "--model", "qwen3-4b", code=2).stderr.decode()
    assert "qwen3-0.6b on 3" in refused


def test_a_pasted_log_is_read_in_an_empty_folder(tmp_path: Path) -> None:
    log = LOGS / "text_1.2.3_full.log"
    answer = told(tmp_path, str(log), "--model", "qwen3-0.6b")
    (speed, *_) = answer["numbers"]
    assert speed["of_reference"] == pytest.approx(24.8 / 32.16, rel=0.01)
    assert speed["of_bus"] == pytest.approx(0.44, abs=0.01)
    assert answer["sentence"].startswith("24.8 tok/s is 77% of the reference")
    assert {"cpu_clock", "dram_clock", "swap"} <= {one["check"] for one in answer["unknown"]}
    assert told(tmp_path, "-", "--model", "qwen3-0.6b", stdin=log.read_bytes())["numbers"] == answer["numbers"]
    assert list(tmp_path.iterdir()) == []


def test_a_failed_log_is_explained_by_its_class(tmp_path: Path) -> None:
    answer = told(tmp_path, str(LOGS / "fail_npu_malloc_14.log"))
    assert answer["causes"][0]["check"] == "failure" and "npu_malloc" in answer["sentence"]
    tainted = told(tmp_path, str(LOGS / "fail_submit_tainted.log"))
    assert tainted["causes"][0]["check"] == "failure" and tainted["causes"][0]["decides"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("missing.log",), "No such file"),
        (("--board", "x"), "say of what"),
        (("--model", "qwen3-0.6b"), "say of what"),
        (("-", "--format", "csv"), "none of table, json, md"),
        (("--board", "x", "--model", "qwen3-0.6b"), "no run of qwen3-0.6b"),
        ((".",), "Is a directory"),
    ],
)
def test_what_can_not_be_explained_is_a_message_and_exit_code_2(tmp_path: Path, words: Any, said: str) -> None:
    assert said in explain(tmp_path, *words, code=2).stderr.decode()


def test_any_bytes_are_an_answer(tmp_path: Path) -> None:
    (tmp_path / "x.log").write_bytes(bytes(range(256)) * 40 + b"\x1b[2Jrobot: \xff\xfe")
    shown = explain(tmp_path, "x.log", "--format", "md").stdout
    assert b"there is no speed to explain" in shown and b"\x1b" not in shown
