"""run_vlm_benchmark.sh: each multimodal demo gets the argument list of its own version, and no other."""

from __future__ import annotations

import pytest

from tests.shell.kit import BoardUnderTest

DEMO = """\
printf '%s\\n' "$@"
printf 'env:%s|%s\\n' "$RKLLM_LOG_LEVEL" "$LC_ALL"
while IFS= read -r line; do printf 'line:%s\\n' "$line"; done
exit
"""
PROMPT = "<image>What is in it? $(id) 'q' 你好"
MARKERS = ("--image-start", "<|vision_start|>", "--image-end", "<|vision_end|>", "--image-content", "<|image_pad|>")
SAID_BY_1_2_2 = "[Warning] Using default img_start/img_end/img_content\n"
SAID_BY_1_3_0 = SAID_BY_1_2_2 + "Error: Unknown platform: %s\n"


def there(board: BoardUnderTest, *, words: str = "", library: str = "", vision_cores: str = "2") -> list[str]:
    """A stand-in for the demo with these words in it, and the options that every run needs."""
    folder = board.folder / "my demo"
    (folder / "lib").mkdir(parents=True)
    (folder / "demo").write_text(f"#!/bin/sh\n{DEMO}{words}")
    (folder / "demo").chmod(0o755)
    for name in ("m $(id).rkllm", "e.rknn", "i.png"):
        (folder / name).write_text(name)
    if library:
        (folder / "lib" / "librkllmrt.so").write_bytes(b"\0\xff rkllm-runtime version: %s\0\n" % library.encode())
    return [
        *("--demo", str(folder / "demo"), "--model", str(folder / "m $(id).rkllm")),
        *("--encoder", str(folder / "e.rknn"), "--image", str(folder / "i.png"), "--vision-cores", vision_cores),
        *("--max-new-tokens", "64", "--max-context", "1024", "--limit", "60"),
    ]


def run(board: BoardUnderTest, args: list[str], *more: str, prompt: str = PROMPT) -> tuple[int, list[str], str]:
    done = board.script("run_vlm_benchmark.sh", *args, "--prompt", prompt, *more)
    return done.returncode, done.stdout.decode().splitlines(), done.stderr.decode()


def arguments(board: BoardUnderTest) -> list[str]:
    folder = f"{board.folder}/my demo"
    return [f"{folder}/i.png", f"{folder}/e.rknn", f"{folder}/m $(id).rkllm", "64", "1024"]


FURTHER = {
    "1.1.4": [],
    "1.2.0": [],
    "1.2.1": ["3"],
    "1.2.1b1": ["3"],
    "1.2.2": ["3", *MARKERS[1::2]],
    "1.2.3": ["3", *MARKERS[1::2]],
    "1.3.0": ["3", "rk3588", *MARKERS[1::2]],
    "1.3.1": ["3", "rk3588", *MARKERS[1::2]],
}


@pytest.mark.parametrize("version", FURTHER)
def test_each_version_gets_its_own_arguments_the_prompt_and_then_exit(board: BoardUnderTest, version: str) -> None:
    args = there(board, vision_cores="3")
    status, lines, told = run(board, args, *MARKERS, "--demo-version", version)
    assert status == 0
    assert lines == [*arguments(board), *FURTHER[version], "env:1|C", f"line:{PROMPT}", "line:exit"]
    assert told.startswith(f"run_vlm_benchmark.sh: demo {version} as told: ") and told.count("\n") == 1


@pytest.mark.parametrize(
    ("words", "library", "told", "further"),
    [
        (SAID_BY_1_3_0, "1.2.3", "demo 1.3.0 by its own words", ["2", "rk3588"]),
        (SAID_BY_1_2_2, "1.3.0", "demo 1.2.2 by its own words", ["2"]),
        ("", "1.2.1", "demo 1.2.1 by its library", ["2"]),
        ("", "v1.2.3", "demo 1.2.1 by its library 1.2.3 and the words that it lacks", ["2"]),
    ],
)
def test_a_demo_is_known_by_its_own_words_and_else_by_its_library(
    board: BoardUnderTest, words: str, library: str, told: str, further: list[str]
) -> None:
    status, lines, said = run(board, there(board, words=words, library=library))
    assert (status, lines[5:-3]) == (0, further)
    assert told in said


def test_a_demo_of_no_known_version_is_not_run(board: BoardUnderTest) -> None:
    status, lines, said = run(board, there(board))
    assert (status, lines) == (2, [])
    assert "nobody knows which version" in said and "--demo-version" in said


@pytest.mark.parametrize(
    ("version", "says"),
    [("1.1.3", "1.1.4 is the first"), ("1.0.1", "1.1.4 is the first"), ("new", "not a version"), ("1.3", "not a ver")],
)
def test_a_version_without_a_multimodal_demo_is_refused(board: BoardUnderTest, version: str, says: str) -> None:
    status, lines, said = run(board, there(board, vision_cores="3"), "--demo-version", version)
    assert (status, lines) == (2, []) and says in said


@pytest.mark.parametrize("library", ["1.1.4", "1.2.0"])
def test_a_demo_that_takes_no_core_count_is_not_run_at_another(board: BoardUnderTest, library: str) -> None:
    status, lines, said = run(board, there(board, library=library, vision_cores="1"))
    assert (status, lines) == (2, []) and "takes no core count" in said


def test_vlm_npu_has_an_argument_list_of_its_own_and_always_three_cores(board: BoardUnderTest) -> None:
    args = there(board, vision_cores="3")
    status, lines, said = run(board, args, *MARKERS, "--kind", "vlm_npu")
    assert (status, lines[:-3], lines[-2:]) == (0, arguments(board), [f"line:{PROMPT}", "line:exit"])
    assert said == "run_vlm_benchmark.sh: VLM_NPU, the encoder on 3 cores\n"
    status, lines, said = run(board, args, "--kind", "vlm_npu", "--vision-cores", "1")
    assert (status, lines) == (2, []) and "takes no core count" in said


@pytest.mark.parametrize("prompt", ["", "What is it?", "exit", "3", "<image>two\nlines"])
def test_a_prompt_that_would_not_show_the_image_is_refused(board: BoardUnderTest, prompt: str) -> None:
    status, lines, said = run(board, there(board, library="1.2.3"), prompt=prompt)
    assert (status, lines) == (2, []) and said.startswith("run_vlm_benchmark.sh: ")


@pytest.mark.parametrize(
    "more",
    [
        ("--vision-cores", "4"),
        ("--vision-cores", ""),
        ("--kind", "other"),
        ("--image-start", "<img>"),
        ("--limit", "0"),
        ("--frob", "x"),
        ("--image",),
    ],
)
def test_wrong_usage_is_2(board: BoardUnderTest, more: tuple[str, ...]) -> None:
    status, lines, _ = run(board, there(board, library="1.2.3"), *more)
    assert (status, lines) == (2, [])


@pytest.mark.parametrize("option", ["--demo", "--model", "--encoder", "--image"])
def test_what_is_missing_is_named_with_127(board: BoardUnderTest, option: str) -> None:
    status, lines, said = run(board, there(board, library="1.2.3"), option, "/no/such/thing")
    assert (status, lines) == (127, []) and "/no/such/thing" in said
