"""run_text_benchmark.sh: one question to the demo, driven so that it ends and its output is complete."""

from __future__ import annotations

import signal
import subprocess
from pathlib import Path

import pytest

from tests.shell.kit import SCRIPTS, BoardUnderTest, processes_with

DEMO = """\
printf 'args:%s|%s|%s|%s\\n' "$#" "$1" "$2" "$3"
printf 'env:%s|%s|%s\\n' "$LD_LIBRARY_PATH" "$RKLLM_LOG_LEVEL" "$LC_ALL"
printf 'stack:%s\\n' "$(ulimit -s)"
while IFS= read -r line; do printf 'line:%s\\n' "$line"; done
echo 'E rkllm: to stderr' >&2
"""


def demo(board: BoardUnderTest, text: str = DEMO) -> list[str]:
    """A stand-in for llm_demo; returns the options that every run needs."""
    folder = board.folder / "my demo"
    folder.mkdir()
    (folder / "llm_demo").write_text("#!/bin/sh\n" + text)
    (folder / "llm_demo").chmod(0o755)
    (folder / "m $(id).rkllm").write_text("model")
    return options(folder / "llm_demo", folder / "m $(id).rkllm")


def options(demo: Path, model: Path) -> list[str]:
    return [
        "--demo",
        str(demo),
        "--model",
        str(model),
        "--max-new-tokens",
        "256",
        "--max-context",
        "1024",
        "--limit",
        "60",
    ]


def test_the_demo_gets_its_arguments_its_prompt_and_then_exit(board: BoardUnderTest) -> None:
    prompt = "What is 2 + 2? $(id) `id` 'q' \"d\" \\n %s 你好 ;*"
    args = demo(board)
    done = board.script("run_text_benchmark.sh", *args, "--prompt", prompt, "--lib", "/a", "--lib", "/b c")
    lines = done.stdout.decode().splitlines()
    folder = f"{board.folder}/my demo"
    assert lines[0] == f"args:3|{folder}/m $(id).rkllm|256|1024"
    assert lines[1] == f"env:/a:/b c:{folder}/lib:{folder}|1|C"
    assert lines[3:] == [f"line:{prompt}", "line:exit"]
    assert (done.returncode, done.stderr) == (0, b"E rkllm: to stderr\n")


def test_the_stack_is_as_large_as_it_may_be(board: BoardUnderTest) -> None:
    done = board.script("run_text_benchmark.sh", *demo(board), "--prompt", "hi")
    hard = subprocess.run(["bash", "-c", "ulimit -H -s"], capture_output=True, text=True, check=True).stdout.strip()
    assert done.stdout.decode().splitlines()[2] == f"stack:{hard}"


def as_a_shell_has_it(returncode: int) -> int:
    """The end by a signal, as the run's wrapper records it."""
    return 128 - returncode if returncode < 0 else returncode


@pytest.mark.parametrize(
    ("text", "status"), [("exit 7", 7), ("exit 255", 255), ("kill -SEGV $$", 139), ("kill -KILL $$", 137)]
)
def test_the_exit_code_is_that_of_the_demo(board: BoardUnderTest, text: str, status: int) -> None:
    done = board.script("run_text_benchmark.sh", *demo(board, text), "--prompt", "hi")
    assert (as_a_shell_has_it(done.returncode), done.stderr) == (status, b"")


def test_a_demo_that_takes_too_long_is_stopped(board: BoardUnderTest) -> None:
    args = demo(board, "exec sleep 1000")
    args[-1] = "1"
    done = board.script("run_text_benchmark.sh", *args, "--prompt", "hi")
    assert done.returncode == 124


def test_a_term_reaches_the_demo(board: BoardUnderTest) -> None:
    up = board.pipe("up")
    args = demo(board, f"echo up >'{up.path}'; exec sleep 1000")
    running = board.popen("run_text_benchmark.sh", *args, "--prompt", "hi", stderr=subprocess.PIPE)
    up.read_line()
    running.send_signal(signal.SIGTERM)
    _, stderr = running.communicate(timeout=30)
    assert (as_a_shell_has_it(running.returncode), stderr) == (143, b"")
    # What was started with the demo's environment: the demo, and `timeout` above it.
    assert processes_with(f"LD_LIBRARY_PATH={board.folder}/my demo") == []


@pytest.mark.parametrize("prompt", ["", "  ", "0", " 12 ", "exit", "clear", "exit ", "two\nlines", "look <image> here"])
def test_a_prompt_that_the_demo_takes_for_something_else_is_refused(board: BoardUnderTest, prompt: str) -> None:
    done = board.script("run_text_benchmark.sh", *demo(board), "--prompt", prompt)
    assert (done.returncode, done.stdout) == (2, b"")
    assert done.stderr.startswith(b"run_text_benchmark.sh: ")


@pytest.mark.parametrize(
    ("option", "value"),
    [("--max-new-tokens", "0"), ("--max-context", "-1"), ("--limit", "x"), ("--limit", "1.5"), ("--limit", "")],
)
def test_a_number_that_is_none_is_refused(board: BoardUnderTest, option: str, value: str) -> None:
    done = board.script("run_text_benchmark.sh", *demo(board), "--prompt", "hi", option, value)
    assert (done.returncode, done.stdout) == (2, b"")


@pytest.mark.parametrize("args", [[], ["--demo", "/bin/true"], ["--prompt"], ["--frob", "x"]])
def test_wrong_usage_is_2(board: BoardUnderTest, args: list[str]) -> None:
    assert board.script("run_text_benchmark.sh", *args).returncode == 2


def test_what_is_missing_is_named_with_127(board: BoardUnderTest) -> None:
    args = demo(board)
    for index in (1, 3):
        missing = [*args]
        missing[index] = "/no/such/thing"
        done = board.script("run_text_benchmark.sh", *missing, "--prompt", "hi")
        assert (done.returncode, done.stdout) == (127, b"")
        assert b"/no/such/thing" in done.stderr
    board.env["PATH"] = str(board.stubs)  # a board without coreutils: only sh is there
    for tool in ("tr", "cat", "timeout"):
        (board.stubs / tool).symlink_to(f"/usr/bin/{tool}")
    done = board.script("run_text_benchmark.sh", *args, "--prompt", "hi")
    assert (done.returncode, done.stderr) == (127, b"run_text_benchmark.sh: the tool stdbuf is not on this board\n")


def test_as_a_run_its_facts_name_the_library_that_the_demo_uses(board: BoardUnderTest) -> None:
    args = demo(board)
    lib = board.folder / "my demo" / "lib"
    lib.mkdir()
    (lib / "librkllmrt.so").write_bytes(b"\0rkllm-runtime version: 1.2.3\0")
    board.ran("sh", str(SCRIPTS / "run_text_benchmark.sh"), *args, "--prompt", "hi")
    facts = (board.run_dir() / "facts.before.json").read_text()
    assert f'{{"path":"{lib}/librkllmrt.so","version":"1.2.3"}}' in facts
    assert b"line:hi\nline:exit\n" in (board.run_dir() / "stdout.log").read_bytes()
