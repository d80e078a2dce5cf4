"""A whole run of the demo in the words of each runtime: every byte of both streams, measured numbers masked."""

from __future__ import annotations

import asyncio
import io
import itertools
import re
import tarfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from virtual import answers
from virtual.artifacts import artifact_bytes
from virtual.config import BoardConfig
from virtual.demo import MENU, Conversation, Request
from virtual.layouts import LAYOUTS
from virtual.machine import Machine
from virtual.rootfs import factory_archive
from virtual.truth import Truth

OLD = ("1.1.0", "1.1.1", "1.1.2", "1.1.3", "1.1.4")
NEW = ("1.2.0", "1.2.1", "1.2.2", "1.2.3", "1.3.0")
MODEL = artifact_bytes("qwen3-0.6b", 3)
QUESTION = "Why is the sky blue?"
NEW_TOKENS = 40
ASSERTED = (
    ":0: GGML_ASSERT(view_src == NULL || data_size == 0 || data_size + view_offs <= ggml_nbytes(view_src)) failed\n"
)
ABORTED = "aborted"


@dataclass
class Script:
    """The demo's process: a list of lines to read, what it wrote, and how it ended."""

    lines: list[str]
    stdout: str = ""
    stderr: str = ""
    end: int | str | None = None

    def out(self, text: str) -> None:
        self.stdout += text

    def err(self, text: str) -> None:
        self.stderr += text

    async def read_line(self) -> str | None:
        return self.lines.pop(0)

    async def sleep(self, seconds: float) -> None: ...

    def leave(self, code: int) -> None:
        self.end = code

    def abort(self) -> None:
        self.end = ABORTED

    async def never(self) -> None:
        raise AssertionError("the demo hangs")


class Npu:
    """A device that knows no model yet."""

    def is_warm(self, file_id: str, size_bytes: float) -> bool:
        return False

    def remember(self, file_id: str, size_bytes: float) -> None: ...

    def show_memory(self, pid: int, resident_bytes: float, peak_bytes: float) -> None: ...


class Pages:
    """Nobody reads these."""

    def show_memory(self) -> None: ...


@dataclass
class Bench:
    """As much of a board as a demo needs: real hardware figures, no namespaces."""

    config: BoardConfig
    truth: Truth
    name: str = "bench"
    npu: Npu = field(default_factory=Npu)
    pages: Pages = field(default_factory=Pages)

    def __post_init__(self) -> None:
        self.machine = Machine(self.name, self.config)

    def wake(self) -> None: ...

    def let_pass(self) -> None: ...

    def strike(self, pid: int, run: int) -> None: ...

    def clock(self) -> float:
        return time.monotonic()


@dataclass
class Talk:
    """One run, to its end."""

    folder: Path
    runtime: str
    faults: tuple[str, ...] = ()
    traits: tuple[str, ...] = ()
    lines: tuple[str, ...] = (QUESTION, "exit")
    model: bytes = MODEL
    context: int = 4096
    buffer: str = "line"
    log_level: int = 1

    def run(self) -> tuple[Script, dict[str, Any]]:
        script = Script(list(self.lines))
        config = BoardConfig(time_scale=900_000, runtime=self.runtime, faults=self.faults, traits=self.traits)
        truth = Truth(self.folder / "truth.jsonl")
        head = self.model.partition(b"\n")[0].decode(errors="replace")
        request = Request(
            7, "m.rkllm", str(NEW_TOKENS), str(self.context), self.log_level, self.buffer, head, len(self.model), "1"
        )
        talk = Conversation(Bench(config, truth), script, request, 1)  # type: ignore[arg-type]
        asyncio.run(asyncio.wait_for(talk.run(), 20))
        truth.close()
        return script, talk.made


def masked(text: str) -> str:
    """Without the numbers of the table, in their columns, and without times of day."""
    lines = []
    for line in text.split("\n"):
        mark, label, cells = re.fullmatch(
            r"((?:I rkllm: )?)( (?:Prefill|Generate|Init|Model init time \(ms\)) +| (?=\d+\.\d\d *$)|)(.*)", line
        ).groups()  # type: ignore[union-attr]
        if label:
            cells = re.sub(
                r"\d+(\.\d\d)? *", lambda cell: "#".ljust(len(cell[0])) if cell[0][-1] == " " else "#", cells
            )
        lines.append(re.sub(r"\[\d\d:\d\d:\d\d\.\d{3}\]", "[T]", f"{mark}{label}{cells}"))
    return "\n".join(lines)


def banner(runtime: str, driver: str = "0.9.8", warning: str = "") -> str:
    said = f"I rkllm: rkllm-runtime version: {runtime}, rknpu driver version: {driver}, platform: RK3588\n"
    start = "rkllm init start\n"
    if runtime in OLD:
        return start + (f"{warning}.\n\n" if warning else "") + f"{said}\n"
    return start + (f"{warning}\n" if warning else "") + f"{said}I rkllm: loading rkllm model from m.rkllm\n"


TOOLKIT = (
    "I rkllm: rkllm-toolkit version: 1.2.3, max_context_limit: 4096, npu_core_num: 3,"
    " target_platform: RK3588, model_dtype: W8A8\n"
)
CPUS = "I rkllm: Enabled cpus: [4, 5, 6, 7]\nI rkllm: Enabled cpus num: 4\n"
LOADED = f"""rkllm init success

**********************可输入以下问题对应序号获取回答/或自定义输入********************

[0] {MENU[0]}
[1] {MENU[1]}

*************************************************************************

"""
RULER = "-" * 86
TABLES = {
    "1.1": f"""{RULER}
 Stage         Total Time (ms)  Tokens    Time per Token (ms)      Tokens per Second
{RULER}
 Prefill       #                #         #                        #
 Generate      #                #         #                        #
{RULER}
""",
    "1.2.0": f"""I rkllm: {RULER}
I rkllm:  Stage         Total Time (ms)  Tokens    Time per Token (ms)      Tokens per Second      |
I rkllm: {RULER}
I rkllm:  Init          #                /         /                        /                      |
I rkllm:  Prefill       #                #         #                        #                      |
I rkllm:  Generate      #                #         #                        #                      |
I rkllm: {RULER}
I rkllm:  Memory Usage (GB)
I rkllm:  #           |
I rkllm: {RULER}
""",
    "1.2": f"""I rkllm: {RULER}
I rkllm:  Model init time (ms)  #                                                                          |
I rkllm: {RULER}
I rkllm:  Stage         Total Time (ms)  Tokens    Time per Token (ms)      Tokens per Second      |
I rkllm: {RULER}
I rkllm:  Prefill       #                #         #                        #                      |
I rkllm:  Generate      #                #         #                        #                      |
I rkllm: {RULER}
I rkllm:  Peak Memory Usage (GB)
I rkllm:  #           |
I rkllm: {RULER}
""",
}
TABLES["1.3"] = TABLES["1.2"].replace("(GB)", "(MB)")


def table(runtime: str) -> str:
    return TABLES.get(runtime, TABLES[runtime[:3]]).replace("|\n", "\n")


def answer(prompt: str = QUESTION) -> str:
    return "".join(itertools.islice(answers.tokens(prompt, "qwen3-0.6b"), NEW_TOKENS))


def test_these_are_the_runtimes_that_there_are() -> None:
    assert tuple(LAYOUTS) == (*OLD, *NEW)


@pytest.mark.parametrize("runtime", LAYOUTS)
def test_a_run_is_byte_for_byte_that_of_its_runtime(tmp_path: Path, runtime: str) -> None:
    script, made = Talk(tmp_path, runtime).run()
    model = "" if runtime in OLD else TOOLKIT + CPUS
    talk = f"\nuser: robot: {answer()}\n{table(runtime)}\nuser: "
    assert masked(script.stdout) == banner(runtime) + model + LOADED + talk
    assert (script.stderr, script.end) == ("", 0)
    assert made["generate_tokens"] == NEW_TOKENS - 1


@pytest.mark.parametrize("runtime", LAYOUTS)
def test_the_numbers_of_the_table_are_the_true_ones_in_its_unit(tmp_path: Path, runtime: str) -> None:
    script, made = Talk(tmp_path, runtime).run()
    rows = dict(re.findall(r"^(?:I rkllm: )? (Init|Prefill|Generate) +(\d+\.\d\d) ", script.stdout, re.MULTILINE))
    assert rows["Prefill"] == f"{made['prefill_ms']:.2f}"
    assert rows["Generate"] == f"{made['generate_ms']:.2f}"
    init = re.findall(r"Init  +(\d+\.\d\d)|init time \(ms\)  (\d+\.\d\d)", script.stdout)
    assert ["".join(found) for found in init] == ([] if runtime in OLD else [f"{made['init_ms']:.2f}"])
    peak = re.findall(r"Memory Usage \(..\)\nI rkllm:  (\d+\.\d\d) ", script.stdout)
    unit_bytes = 2**20 if runtime == "1.3.0" else 2**30
    assert peak == ([] if runtime in OLD else [f"{made['peak_bytes'] / unit_bytes:.2f}"])


@pytest.mark.parametrize("runtime", LAYOUTS)
def test_without_the_log_level_no_runtime_prints_a_table(tmp_path: Path, runtime: str) -> None:
    script, _ = Talk(tmp_path, runtime, log_level=0).run()
    assert script.stdout.endswith(f"robot: {answer()}\n\nuser: ")


@pytest.mark.parametrize("runtime", LAYOUTS)
def test_clear_is_a_question_before_1_2_0_and_an_order_from_then_on(tmp_path: Path, runtime: str) -> None:
    script, _ = Talk(tmp_path, runtime, lines=("clear", QUESTION, "exit"), log_level=0).run()
    cleared = f"robot: {answer('clear')}\n\nuser: " if runtime in OLD else "\nuser: "
    assert script.stdout.endswith(f"\nuser: {cleared}robot: {answer()}\n\nuser: ")


@pytest.mark.parametrize("runtime", LAYOUTS)
def test_only_the_first_table_of_a_process_has_the_init_time(tmp_path: Path, runtime: str) -> None:
    script, _ = Talk(tmp_path, runtime, lines=(QUESTION, "How?", "exit")).run()
    assert script.stdout.count(" Prefill ") == 2
    assert len(re.findall(r" Init  |init time", script.stdout)) == (0 if runtime in OLD else 1)


# --- models that do not load ----------------------------------------------------------------------------------------

RKNN_FAIL = "rknn_init fail! ret=-1\n"
NO_MEMORY = (
    "E RKNN: [T] failed to allocate handle, ret: -1, errno: 14, errstr: Bad address\n"
    "E RKNN: [T] failed to malloc npu memory, size: 595984384, flags: 0x2\n"  # the weights of qwen3-0.6b in int8
    "E RKNN: [T] load model file error!\n"
)
CONTEXT = "E rkllm: max_context[8192] must be less than the model's max_context_limit[4096]\n"
SPOILT = "E rkllm: invalid rkllm model!\n"
OLD_SPOILT = "E RKNN: [T] invalid rknn llm model magic\nE RKNN: [T] load model file error!\n"
FREED_TWICE = "free(): double free detected in tcache 2\n"


def expect_failure(script: Script, runtime: str, said: str, complaints: str, last_word: str) -> None:
    """The end of a run whose model did not load, as this runtime's demo has it."""
    if runtime in OLD:  # says success, and dies of the first question
        assert masked(script.stdout) == f"{said}{last_word}{LOADED}\nuser: robot: "
        assert (masked(script.stderr), script.end) == (complaints + ASSERTED, ABORTED)
    elif runtime == "1.3.0":
        assert masked(script.stdout) == f"{said}\nrkllm init failed\n"
        assert (masked(script.stderr), script.end) == (complaints + FREED_TWICE, ABORTED)
    else:
        assert masked(script.stdout) == f"{said}\nrkllm init failed\n"
        assert (masked(script.stderr), script.end) == (complaints, 255)


@pytest.mark.parametrize("runtime", LAYOUTS)
def test_too_old_a_driver_is_warned_of_and_fails_as_in_its_runtime(tmp_path: Path, runtime: str) -> None:
    script, _ = Talk(tmp_path, runtime, faults=("driver_too_old",)).run()
    driver, needed = ("0.9.3", "0.9.6") if runtime == "1.1.0" else ("0.9.6", "0.9.7")
    warning = f"W rkllm: Warning: Your rknpu driver version is too low, please upgrade to {needed}"
    said = banner(runtime, driver, warning) + ("" if runtime in OLD else TOOLKIT)
    expect_failure(script, runtime, said, NO_MEMORY, RKNN_FAIL)


@pytest.mark.parametrize("runtime", LAYOUTS)
@pytest.mark.parametrize("model", [MODEL[:5000], MODEL.replace(b"STANDIN", b"XXXXXXX"), b"version https://git-lfs"])
def test_a_broken_model_fails_as_in_its_runtime(tmp_path: Path, runtime: str, model: bytes) -> None:
    script, _ = Talk(tmp_path, runtime, model=model).run()
    expect_failure(script, runtime, banner(runtime), OLD_SPOILT if runtime in OLD else SPOILT, RKNN_FAIL)


@pytest.mark.parametrize("runtime", LAYOUTS)
def test_a_context_over_the_limit_fails_as_in_its_runtime(tmp_path: Path, runtime: str) -> None:
    script, _ = Talk(tmp_path, runtime, context=8192).run()
    expect_failure(script, runtime, banner(runtime) + ("" if runtime in OLD else TOOLKIT), CONTEXT, "")


@pytest.mark.parametrize("runtime", OLD)
def test_an_old_demo_that_is_asked_nothing_ends_well_without_a_model(tmp_path: Path, runtime: str) -> None:
    script, _ = Talk(tmp_path, runtime, model=MODEL[:5000], lines=("exit",)).run()
    assert "rkllm init success\n" in script.stdout
    assert script.end == 0


def test_an_abort_takes_what_waits_in_the_buffer_with_it(tmp_path: Path) -> None:
    script, _ = Talk(tmp_path, "1.3.0", model=MODEL[:5000], buffer="block").run()
    assert script.stdout == banner("1.3.0")
    assert script.end == ABORTED


# --- files ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("runtime", LAYOUTS)
def test_the_library_on_the_disk_carries_the_version(runtime: str) -> None:
    data = io.BytesIO(factory_archive("b", BoardConfig(runtime=runtime)))
    with tarfile.open(fileobj=data) as archive:
        library = archive.extractfile("opt/rkllm/lib/librkllmrt.so")
        assert library is not None
        assert f"rkllm-runtime version: {runtime}\0".encode() in library.read()
