"""The parts of the demo that need no board: its stdio buffer, its words, its process."""

from __future__ import annotations

import itertools
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from virtual import answers, demo
from virtual.demo import Stdout

FIRMWARE = Path(demo.__file__).with_name("firmware")


class Heard:
    """What would have arrived on the demo's standard output."""

    def __init__(self) -> None:
        self.pieces: list[str] = []

    def out(self, text: str) -> None:
        self.pieces.append(text)

    def err(self, text: str) -> None:
        raise AssertionError(text)

    async def read_line(self) -> str | None:
        return None

    async def sleep(self, seconds: float) -> None: ...

    def leave(self, code: int) -> None: ...

    def abort(self) -> None: ...

    async def never(self) -> None: ...


@pytest.mark.parametrize(
    ("mode", "pieces"), [("none", ["robot: ", "Hi.\nYou", " there"]), ("line", ["robot: Hi.\n"]), ("block", [])]
)
def test_stdout_waits_as_the_c_library_would(mode: str, pieces: list[str]) -> None:
    heard = Heard()
    stdout = Stdout(heard, mode)
    for text in ("robot: ", "Hi.\nYou", " there"):
        stdout.print(text)
    assert heard.pieces == pieces
    stdout.flush()
    assert "".join(heard.pieces) == "robot: Hi.\nYou there"


def test_a_full_block_goes_out_without_cutting_a_character() -> None:
    heard = Heard()
    stdout = Stdout(heard, "block")
    stdout.print("é" * 2050 + "x")
    assert heard.pieces == ["é" * 2048]


def test_the_same_question_gets_the_same_answer() -> None:
    def first(prompt: str) -> list[str]:
        return list(itertools.islice(answers.tokens(prompt, "qwen3-0.6b"), 50))

    assert first("Why?") == first("Why?")
    assert first("Why?") != first("How?")


def test_an_answer_is_as_long_as_the_question_wants_give_or_take_a_little() -> None:
    lengths = [answers.natural_length("Why?", "m", factor) for factor in (0.96, 1.0, 1.04)]
    assert lengths == sorted(lengths)
    assert lengths[2] / lengths[0] < 1.1
    assert lengths[0] > answers.SHORTEST * 0.9


@pytest.mark.parametrize(("prompt", "tokens"), [("", 11), ("Why is the sky blue?", 16), ("天空为什么是蓝色的", 17)])
def test_a_prompt_is_counted_with_its_template(prompt: str, tokens: int) -> None:
    assert answers.prompt_tokens(prompt) == tokens


def test_the_programs_of_the_board_pass_shellcheck() -> None:
    program = shutil.which("shellcheck") or shutil.which("shellcheck", path=str(Path(sys.executable).parent))
    if program is None:
        pytest.skip("no shellcheck")
    options = ["-x", "-s", "sh", "-o", "check-set-e-suppressed,add-default-case"]
    done = subprocess.run([program, *options, *sorted(FIRMWARE.iterdir())], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("shell", ["dash", "busybox ash", "bash --posix"])
def test_the_programs_of_the_board_are_plain_shell(shell: str) -> None:
    words = shell.split()
    if shutil.which(words[0]) is None:
        pytest.skip(f"no {words[0]}")
    for program in FIRMWARE.iterdir():
        done = subprocess.run([*words, "-n", program], capture_output=True, text=True, check=False)
        assert done.returncode == 0, (program, done.stderr)
