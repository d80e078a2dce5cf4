"""What the demos print when something is wrong with a run: real lines, each on its own stream, and exit code 0."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from analysis.parse import parse_log
from tests.unit.virtual.test_demo_layouts import QUESTION, Talk
from tests.unit.virtual.test_vision_demo import Seen
from virtual.demo import MENU
from virtual.misuse import damaged


def test_a_product_that_fails_ends_its_line_on_the_other_stream(tmp_path: Path) -> None:
    script, _ = Talk(tmp_path, "1.2.3", faults=("matmul_failed",)).run()
    assert (script.stderr, script.end) == ("E rkllm: matmul(w8a8) run failed" * 3, 0)
    assert "robot: \n\n\n" in script.stdout
    whole = Talk(tmp_path, "1.2.3").run()[0].stdout
    assert parse_log(script.stdout.encode()).prefill is not None and "robot: \n" not in whole
    assert parse_log(script.stderr.encode()).failure == "matmul_failed"


@pytest.mark.parametrize(
    ("line", "becomes"),
    [
        (" Prefill       149.89           34        4.41                     226.83      ", "326.83"),
        ("I rkllm:  Generate      133933.15        2047      65.43                    15.28", "05.28"),
        ("I rkllm:  Peak Memory Usage (GB)", None),
        ("I rkllm:  1.77        ", None),
        (" Stage         Total Time (ms)  Tokens    Time per Token (ms)      Tokens per Second", None),
    ],
)
def test_a_damaged_table_has_one_other_digit_in_each_rate(line: str, becomes: str | None) -> None:
    assert damaged(line) == (re.sub(r"[\d.]+( *)$", rf"{becomes}\1", line) if becomes else line)


@pytest.mark.parametrize("runtime", ["1.1.4", "1.2.0", "1.2.3", "1.3.0"])
def test_a_demo_that_asks_itself_first_says_so_as_if_somebody_had_typed_it(tmp_path: Path, runtime: str) -> None:
    script, _ = Talk(tmp_path, runtime, traits=("own_question",)).run()
    typed, _ = Talk(tmp_path, runtime, lines=("0", QUESTION, "exit")).run()
    assert script.stdout == typed.stdout and f"user: {MENU[0]}\nrobot: " in script.stdout
    assert len(parse_log(script.stdout.encode()).turns) == 2


def test_a_demo_that_nobody_told_prints_no_table(tmp_path: Path) -> None:
    script, _ = Talk(tmp_path, "1.2.3", traits=("no_log_level",)).run()
    assert script.end == 0 and "Prefill" not in script.stdout and "robot: " in script.stdout


@pytest.mark.parametrize(("cores", "refused"), [("1", False), ("2", False), ("3", True)])
def test_a_library_that_knows_two_cores_refuses_three_and_goes_on_with_one(
    tmp_path: Path, cores: str, refused: bool
) -> None:
    script, made = Seen(tmp_path, "1.2.1", (cores,), traits=("two_core_mask",)).run()
    said = "rknn_set_core_mask: unavailable core mask found for current platform! max core mask = 3\n"
    assert (said in script.stderr) == refused and re.fullmatch(r"(E RKNN: \[[\d:.]{12}\] .*\n)?", script.stderr)
    assert f"===the core num is {cores}===\n" in script.stdout
    assert made["vision_cores"] == (1 if refused else int(cores))
    assert (parse_log(script.stderr.encode()).warnings == ("vision_core_mask_rejected",)) == refused
    assert script.end == 0
