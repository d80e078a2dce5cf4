"""Prompt sets: one question a line, and nothing that the demo would take for a command."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fleet.config.prompts import MAX_PROMPT_BYTES, Prompt, PromptSet, load_prompts, refusal
from fleet.errors import ConfigError, ExitCode

SHIPPED = sorted((Path(__file__).parents[2] / "suites" / "prompts").glob("*.txt"))


def load(tmp_path: Path, text: str | bytes) -> PromptSet:
    path = tmp_path / "mine.txt"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return load_prompts(path)


@pytest.mark.parametrize(
    "path", [path for path in SHIPPED if path.stem.startswith("lengths")], ids=lambda path: path.stem
)
def test_the_shipped_sets_of_lengths_have_three(path: Path) -> None:
    prompts = load_prompts(path)
    assert [prompt.id for prompt in prompts.prompts] == ["short", "medium", "long"]
    lengths = [len(prompt.text) for prompt in prompts.prompts]
    assert lengths[0] * 2 < lengths[1] < lengths[2] / 2


def test_the_default_set_is_one_prompt_so_that_a_table_has_one_row_a_core_count() -> None:
    (path,) = [path for path in SHIPPED if path.stem == "default"]
    assert len(load_prompts(path).prompts) == 1


def test_a_set_is_of_vision_prompts_or_of_text_prompts(tmp_path: Path) -> None:
    (vision,) = [path for path in SHIPPED if path.stem == "vision"]
    assert {path.stem for path in SHIPPED if load_prompts(path).of_images} == {"vision"}
    assert load_prompts(vision).of_images
    assert not load(tmp_path, "# <image> in a comment\na: Why?\n").of_images


def test_comments_blank_lines_and_windows_line_ends_mean_nothing(tmp_path: Path) -> None:
    prompts = load(tmp_path, b"\xef\xbb\xbf# my prompts\r\n\r\na: Why: because?\r\n  b :  # 1 is what?  \r\n")
    assert prompts.name == "mine"
    assert prompts.prompts == (Prompt("a", "Why: because?"), Prompt("b", "# 1 is what?"))
    assert prompts.prompt("b").text == "# 1 is what?"


def test_the_sha256_is_that_of_the_prompts_and_not_of_the_comments(tmp_path: Path) -> None:
    plain = load(tmp_path, "a: one?\nb: two?\n")
    assert plain.sha256 == hashlib.sha256(b"a: one?\nb: two?\n").hexdigest()
    assert load(tmp_path, "# said\na: one?\n\nb:two?").sha256 == plain.sha256
    assert load(tmp_path, "b: two?\na: one?\n").sha256 != plain.sha256


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: one?\nb: exit\n", "'exit' is a command of the demo, not a prompt (line 2)"),
        ("a: Clear\n", "'clear' is a command of the demo, not a prompt (line 1)"),
        ("a: 3\n", "'3' is a bare number; the demo takes it for one of its own preset questions (line 1)"),
        ("a: ３\n", "'３' is a bare number; "),
        ("a: -12.5\n", "'-12.5' is a bare number; "),
        ("a: see <image> here\nb: Why?\n", "'Why?' has <image> 0 times; each prompt of a set for vision models has it"),
        ("a: <image> and <image>?\n", "'<image> and <image>?' has <image> 2 times; each prompt of a set for vision"),
        ("a: <image> \n", "the prompt asks nothing about the image (line 1)"),
        ("a: see <IMAGE> here\n", "'<image>' makes the demo wait for an image; this is a text prompt (line 1)"),
        ("a:\n", "the prompt is empty; "),
        (
            "a: one\rtwo\n",
            "'one\\rtwo' has a line break or a control character in it; the demo reads one line (line 1)",
        ),
        ("a: one\0two\n", "'one\\x00two' has a line break or a control character"),
        ("a: one\x1b[2Jtwo\n", "'one\\x1b[2Jtwo' has a line break or a control character"),
        ("a: one\u2028two\n", "'one\\u2028two' has a line break or a control character"),
        ("a: one?\na: two?\n", "the id 'a' is on line 1 already (line 2)"),
        ("a: one?\n\nb: one?\n", "the same prompt is on line 1 already (line 3)"),
        ("just a question\n", "'just a question' is not 'id: prompt' (line 1)"),
        ("two words: why?\n", "the id 'two words' is not a name: "),
        ("-a: why?\n", "the id '-a' is not a name: "),
        ("# nothing\n", "has no prompt; a line 'id: prompt' was expected"),
        ("", "has no prompt; a line 'id: prompt' was expected"),
        ("a: " + "x" * (MAX_PROMPT_BYTES + 1), "the prompt is longer than 32 KiB (line 1)"),
        (b"a: \xff\n", "byte 0xff is not UTF-8 text (line 1)"),
    ],
)
def test_what_the_demo_would_not_take_for_a_question_is_refused(
    tmp_path: Path, text: str | bytes, message: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, text)
    assert str(caught.value).startswith(f"{tmp_path / 'mine.txt'}: {message}")
    assert caught.value.exit_code == ExitCode.USAGE


@pytest.mark.parametrize(
    "text", ["exit the room?", "What is 3?", "3 apples", "clearly", "<img>", "1; touch pwned #", "é 你好"]
)
def test_these_are_prompts(text: str) -> None:
    assert refusal(text) == ""


def test_all_mistakes_are_reported_at_once(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, "a: exit\nb: one?\nb: two?\n")
    path = tmp_path / "mine.txt"
    assert str(caught.value).splitlines() == [
        f"{path}: 'exit' is a command of the demo, not a prompt (line 1)",
        f"{path}: the id 'b' is on line 2 already (line 3)",
    ]


def test_an_unknown_prompt_names_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="'shrot' is no prompt of 'mine'; nearest is 'short'"):
        load(tmp_path, "short: one?\nlong: two?\n").prompt("shrot")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(content=st.binary(max_size=80) | st.text(alphabet="ab:# \n\r\t1<image>exit", max_size=60))
def test_any_bytes_are_prompts_of_one_line_or_a_config_error(tmp_path: Path, content: bytes | str) -> None:
    try:
        prompts = load(tmp_path, content)
    except ConfigError:
        return
    for prompt in prompts.prompts:
        assert prompt.text == prompt.text.strip() != ""
        assert len(prompt.text.splitlines()) == 1
        assert prompt.text not in ("exit", "clear")
