"""The demo of a virtual board says and does what the real one does: banner, table, refusals, memory."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest

from tests.e2e.board_kit import ASK, MODEL, Board

TARGET = "target_platform: RK3588, model_dtype: W8A8"
RULER = "I rkllm: " + "-" * 86


def test_the_demo_prints_what_the_real_one_prints(board: Board) -> None:
    done = board.ask(board.put_model(), new=64)
    assert (done.returncode, done.stderr) == (0, b"")
    lines = done.stdout.decode().split("\n")
    assert lines[1:8] == [
        "I rkllm: rkllm-runtime version: 1.2.3, rknpu driver version: 0.9.8, platform: RK3588",
        f"I rkllm: loading rkllm model from /root/{MODEL}",
        f"I rkllm: rkllm-toolkit version: 1.2.3, max_context_limit: 4096, npu_core_num: 3, {TARGET}",
        "I rkllm: Enabled cpus: [4, 5, 6, 7]",
        "I rkllm: Enabled cpus num: 4",
        "rkllm init success",
        "",
    ]
    assert any(line.startswith("user: robot: ") for line in lines)
    first = lines.index(RULER)
    assert lines[first + 11 :] == ["", "user: "]
    table = lines[first : first + 11]
    patterns = [
        RULER,
        r"I rkllm:  Model init time \(ms\)  \d+\.\d\d +",
        RULER,
        r"I rkllm:  Stage         Total Time \(ms\)  Tokens    Time per Token \(ms\)      Tokens per Second      ",
        RULER,
        r"I rkllm:  Prefill       (\d+\.\d\d) +(\d+) +\d+\.\d\d +(\d+\.\d\d) +",
        r"I rkllm:  Generate      (\d+\.\d\d) +(\d+) +\d+\.\d\d +(\d+\.\d\d) +",
        RULER,
        r"I rkllm:  Peak Memory Usage \(GB\)",
        r"I rkllm:  \d\.\d\d        ",
        RULER,
    ]
    for line, pattern in zip(table, patterns, strict=True):
        assert re.fullmatch(pattern, line), line
    assert [len(line) for line in table[1:7]] == [107, 95, 99, 95, 99, 99]
    generate = re.fullmatch(patterns[6], table[6])
    turn = board.truth("turn")[-1]
    assert generate is not None
    assert generate[2] == str(turn["generate_tokens"]) == "63"  # the first token belongs to the prefill
    assert float(generate[1]) == pytest.approx(turn["generate_ms"], abs=0.006)
    assert turn["npu_core_num"] == 3


def test_without_the_log_level_there_is_no_table(board: Board) -> None:
    done = board.ssh(ASK.format(model=board.put_model(), new=8, context=512, limit=20).replace("RKLLM_LOG_LEVEL=1", ""))
    assert b"Prefill" not in done.stdout
    assert b"robot: " in done.stdout


def test_the_core_count_is_the_files_and_not_its_names(board: Board) -> None:
    single = board.put_model(npu_core_num=1)
    board.say(f"mv {single} /root/looks-like-3core.rkllm")
    assert b"npu_core_num: 1," in board.ask("/root/looks-like-3core.rkllm", new=8).stdout


def test_one_core_is_about_half_as_fast_as_three(board: Board) -> None:
    for cores in (1, 3):
        assert board.ask(board.put_model(npu_core_num=cores), new=40).returncode == 0
    one_ms, three_ms = (run["generate_ms"] / run["generate_tokens"] for run in board.truth("demo_ended")[-2:])
    assert 0.35 < three_ms / one_ms < 0.75


@pytest.mark.parametrize(
    ("spoil", "complaint"),
    [
        ("head -c 1000", b"E rkllm: invalid rkllm model!"),
        ("sed 1s/STANDIN/XXXXXXX/", b"E rkllm: invalid rkllm model!"),
        ("printf 'version https://git-lfs.github.com/spec/v1\\n' #", b"E rkllm: invalid rkllm model!"),
    ],
)
def test_a_spoilt_model_file_is_refused(board: Board, spoil: str, complaint: bytes) -> None:
    board.say(f"{spoil} {board.put_model()} >/root/spoilt.rkllm")
    done = board.ask("/root/spoilt.rkllm")
    assert done.returncode == 255
    assert complaint in done.stderr
    assert done.stdout.endswith(b"\nrkllm init failed\n")


def test_an_old_runtime_says_success_of_a_spoilt_model_and_aborts_when_asked(
    new_board: Callable[..., Board],
) -> None:
    veteran = new_board("veteran", runtime="1.1.4")
    veteran.say(f"head -c 1000 {veteran.put_model()} >/root/spoilt.rkllm")
    done = veteran.ask("/root/spoilt.rkllm")
    assert done.returncode == 134
    assert b"rknn_init fail! ret=-1\nrkllm init success\n" in done.stdout
    assert re.search(rb"invalid rknn llm model magic\n.*load model file error!\n:0: GGML_ASSERT", done.stderr)
    assert [entry["code"] for entry in veteran.truth("demo_ended")] == [134]
    unasked = ASK.format(model="/root/spoilt.rkllm", new=8, context=512, limit=20).replace(
        "Why is the sky blue?\\n", ""
    )
    done = veteran.ssh(unasked)
    assert (done.returncode, b"rkllm init success\n" in done.stdout) == (0, True)
    assert "1.1.4" in veteran.say("tr '\\000' '\\n' </opt/rkllm/lib/librkllmrt.so")


def test_a_context_over_the_models_limit_is_refused(board: Board) -> None:
    done = board.ask(board.put_model(), context=8192)
    assert done.returncode == 255
    assert b"E rkllm: max_context[8192] must be less than the model's max_context_limit[4096]" in done.stderr


def test_arguments_and_libraries_are_checked_as_by_a_real_program(board: Board) -> None:
    usage = board.ssh("/opt/rkllm/llm_demo model.rkllm")
    assert (usage.returncode, usage.stdout) == (1, b"")
    assert usage.stderr.startswith(b"Usage: /opt/rkllm/llm_demo")
    no_library = board.ssh("/opt/rkllm/llm_demo model.rkllm 1 1")
    assert no_library.returncode == 127
    assert b"error while loading shared libraries: librkllmrt.so" in no_library.stderr


def test_end_of_input_makes_it_ask_itself_for_ever(board: Board) -> None:
    model = board.put_model()
    talk = (
        f"LD_LIBRARY_PATH=/opt/rkllm/lib stdbuf -oL /opt/rkllm/llm_demo {model} 8 512 </dev/null >out & pid=$!",
        "timeout 30 sh -c 'until [ $(grep -c user: out) -gt 3 ]; do sleep 0.05; done'",
        "kill $pid; grep -c 'user: robot: ' out; rm out",
    )
    assert int(board.say("; ".join(talk))) > 3


def test_a_piped_output_is_block_buffered_and_a_killed_demo_loses_it(board: Board) -> None:
    model = board.put_model()
    ask_nothing = f"timeout 3 /opt/rkllm/llm_demo {model} 8 512 <>in | cat"
    done = board.ssh(f"export LD_LIBRARY_PATH=/opt/rkllm/lib; mkfifo in; {ask_nothing}; rm in")
    assert b"Enabled cpus num: 4\n" in done.stdout  # the runtime flushes
    assert b"rkllm init success" not in done.stdout


def test_a_second_turn_has_no_init_time_and_a_digit_asks_a_preset(board: Board) -> None:
    model = board.put_model()
    done = board.ssh(
        f"printf '0\\nclear\\nAgain?\\nexit\\n' | LD_LIBRARY_PATH=/opt/rkllm/lib RKLLM_LOG_LEVEL=1 stdbuf -oL"
        f" /opt/rkllm/llm_demo {model} 8 512"
    )
    assert done.stdout.count(b"Prefill") == 2
    assert done.stdout.count(b"Model init time") == 1
    assert "user: 现有一笼子".encode() in done.stdout


def test_while_it_runs_the_demo_shows_memory_load_and_an_open_device(new_board: Callable[..., Board]) -> None:
    board = new_board("leisurely", time_scale=5)  # an answer takes ten seconds
    model = board.put_model()
    talk = (
        "export LD_LIBRARY_PATH=/opt/rkllm/lib; mkfifo in",
        f"stdbuf -oL /opt/rkllm/llm_demo {model} 4000 4096 <in >out & exec 3>in; pid=$!; echo Hi >&3",
        "timeout 30 sh -c 'until grep -q robot: out; do sleep 0.05; done'",
        "grep VmHWM /proc/$pid/status; cut -d ' ' -f 2 /proc/$pid/statm",
        "ls -l /proc/$pid/fd | grep -c renderD129; cat /proc/$pid/comm",
        "cat /sys/kernel/debug/rknpu/load; grep MemAvailable /proc/meminfo",
        "kill $pid; rm in out",
    )
    command = "; ".join(talk)
    hwm, pages, users, comm, load, available = board.say(command).splitlines()
    assert int(hwm.split()[1]) > 500_000
    assert int(pages) * 4096 > 500_000_000
    assert users == "1"
    assert comm == "llm_demo"
    assert "Core2: 9" in load
    idle = int(board.say("grep MemAvailable /proc/meminfo").split()[1])
    assert idle - int(available.split()[1]) > 900_000
