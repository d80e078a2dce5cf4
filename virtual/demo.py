"""What the vendor's demos say, in the layout of this board's runtime and with this board's numbers in it.

Standard output is the stdio buffer of a C program: the demo's own ``printf`` waits in it as long as the kind of
output wants, the runtime flushes after each of its lines, errors go to standard error at once. A demo that is
killed, or aborts, takes what is in its buffer with it.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Protocol

from virtual import physics
from virtual.answers import natural_length, prompt_tokens, tokens
from virtual.artifacts import Architecture, Header, read_header
from virtual.layouts import LAYOUTS, LOAD_ERROR, AfterFailure, Figures
from virtual.lost_job import fail_products, lose_job
from virtual.machine import Work
from virtual.memory import DemoMemory
from virtual.misuse import FIRST_DEMO, WARM_UP, cached_prompt, damaged

if TYPE_CHECKING:
    from virtual.boot import Boot

STDIO_BYTES = 4096
STEP_S = 0.05  # wall time between two pieces of a streamed answer
MENU = (
    "现有一笼子，里面有鸡和兔子若干只，数一数，共有头14个，腿38条，求鸡和兔子各有多少只？",
    "有28位小朋友排成一行,从左边开始数第10位是学豆,从右边开始数他是第几位?",
)
INIT_FAILED = 255
ASSERTED = (  # what comes of asking a model that did not load
    ":0: GGML_ASSERT(view_src == NULL || data_size == 0 || data_size + view_offs <= ggml_nbytes(view_src)) failed\n"
)
FREED_TWICE = "free(): double free detected in tcache 2\n"


class Gone(Exception):
    """The demo's process ended while we were talking to it."""


class Terminal(Protocol):
    """The demo's process, seen from the device it has opened."""

    def out(self, text: str) -> None: ...
    def err(self, text: str) -> None: ...
    async def read_line(self) -> str | None: ...
    async def sleep(self, seconds: float) -> None: ...
    def leave(self, code: int) -> None: ...
    def abort(self) -> None: ...
    async def never(self) -> None: ...


@dataclasses.dataclass(frozen=True)
class File:
    """A file that an argument names: its first line, its size, and what tells it from others."""

    head: str
    size_bytes: int
    file_id: str


@dataclasses.dataclass(frozen=True)
class Request:
    """How the demo was started; ``arguments`` and the ``files`` among them, by place, are a multimodal demo's."""

    pid: int
    model_path: str
    new: str
    context: str
    log_level: int
    buffer: str  # line, block or none
    head: str | None  # first line of the model file, None when there is no such file
    size_bytes: int
    file_id: str
    program: str = "llm_demo"
    arguments: tuple[str, ...] = ()
    files: Mapping[int, File] = dataclasses.field(default_factory=dict)


class Stdout:
    """The C library's buffer in front of standard output."""

    def __init__(self, terminal: Terminal, mode: str) -> None:
        self._terminal = terminal
        self._mode = mode
        self._held = ""

    def print(self, text: str) -> None:
        self._held += text
        if self._mode == "none":
            self.flush()
        elif self._mode == "line":
            whole, newline, rest = self._held.rpartition("\n")
            self._terminal_out(whole + newline)
            self._held = rest
        else:
            while len(self._held.encode()) >= STDIO_BYTES:
                piece = self._held.encode()[:STDIO_BYTES].decode(errors="ignore")
                self._terminal_out(piece)
                self._held = self._held[len(piece) :]

    def flush(self) -> None:
        self._terminal_out(self._held)
        self._held = ""

    def _terminal_out(self, text: str) -> None:
        if text:
            self._terminal.out(text)


class Conversation:
    """One process of the text demo, from its first line to its exit code; others differ in what they override."""

    greeting = "rkllm init start\n"
    menu: tuple[str, ...] = MENU
    has_menu = True
    user, robot = "\nuser: ", "robot: "

    def __init__(self, board: Boot, terminal: Terminal, request: Request, run_number: int) -> None:
        self._board = board
        self._machine = board.machine
        self._terminal = terminal
        self._request = request
        self._run = run_number
        self._stdout = Stdout(terminal, request.buffer)
        self._layout = LAYOUTS[board.config.runtime]
        self._faults = frozenset(board.config.faults)
        self._lucky = physics.luck(self._machine.chip, board.name, board.config.seed, run_number)
        self._scale = board.config.time_scale
        self._init_ms = 0.0
        self._turns = 0
        self._memory = DemoMemory(board, terminal, request.pid, request.program, run_number)
        self.made: dict[str, object] = {}  # the figures of the last finished turn

    async def run(self) -> None:
        """Talk until the demo ends; raises Gone when it ends without us."""
        if not self._understood():
            return
        self._stdout.print(self.greeting)
        header = await self._load()
        if header is None and self._layout.after_failure is not AfterFailure.SAYS_SUCCESS:
            self._stdout.print("\nrkllm init failed\n")
            if self._layout.after_failure is AfterFailure.ABORTS:
                self._abort(FREED_TWICE)
            else:
                self._leave(INIT_FAILED)
            return
        self._stdout.print("rkllm init success\n")
        if not await self._see():
            return
        if self.has_menu:
            self._show_menu()
        asked = [WARM_UP] if self.has_menu and "own_question" in self._board.config.traits else []
        while True:
            self._stdout.print(self.user)
            if self._request.buffer != "block":
                self._stdout.flush()  # reading a terminal flushes what waits for it
            line = asked.pop() if asked else await self._terminal.read_line()
            if line == "exit":
                break
            if line == "clear" and self._layout.has_clear:
                continue
            prompt = line or ""  # at the end of input the real one asks itself nothing, for ever
            if self.has_menu and prompt in ("0", "1"):
                prompt = self.menu[int(prompt)]
                self._stdout.print(f"{prompt}\n")
            self._stdout.print(self.robot)
            if not prompt:
                self._stdout.print("\n")
                await self._terminal.sleep(STEP_S)
                continue
            if header is None:
                self._stdout.flush()  # an assertion does that before it aborts
                self._abort(ASSERTED)
                return
            await self._turn(header, prompt)
        self._leave(0)

    def _understood(self) -> bool:
        """Does it begin at all with these arguments?"""
        return True

    async def _see(self) -> bool:
        """What comes between the model's start and the first question; False when it is the end."""
        return True

    def _asked(self, prompt: str) -> int:
        """How many tokens this prompt is."""
        return prompt_tokens(prompt)

    def _seen(self) -> dict[str, object]:
        """More figures of a turn."""
        return {}

    def _show_menu(self) -> None:
        self._stdout.print(
            "\n**********************可输入以下问题对应序号获取回答/或自定义输入********************\n\n"
        )
        for number, question in enumerate(self.menu):
            self._stdout.print(f"[{number}] {question}\n")
        self._stdout.print("\n*************************************************************************\n\n")

    # --- loading ------------------------------------------------------------------------------------------------

    async def _load(self) -> Header | None:
        board, request = self._board, self._request
        layout = self._layout
        self._say(*layout.banner(board.config.runtime, board.config.driver_shown))
        self._say(*layout.loading(request.model_path))
        header = read_header(request.head or "")
        if header is None or header.size_bytes != request.size_bytes:
            self._failed("invalid model", layout.broken_model, layout.last_word)
            return None
        context, new = _number(request.context), _number(request.new)
        self._say(*layout.model(header))
        if context > header.max_context:
            said = f"max_context[{context}] must be less than the model's max_context_limit[{header.max_context}]"
            self._failed("context over limit", (f"E rkllm: {said}",))
            return None
        arch = header.architecture
        if "driver_too_old" in self._faults:
            board.truth.record("fault", fault="driver_too_old", pid=request.pid, run=self._run)
            await self._terminal.sleep(0.2 / self._scale)
            size = int(physics.body_bytes(arch) + arch.vocab * arch.hidden)
            complaints = (
                "E RKNN: [{stamp}] failed to allocate handle, ret: -1, errno: 14, errstr: Bad address",
                f"E RKNN: [{{stamp}}] failed to malloc npu memory, size: {size}, flags: 0x2",
                LOAD_ERROR,
            )
            self._failed("driver too old", complaints, layout.last_word)
            return None
        await self._fill_memory(header, context)
        self._say(*layout.processors(mrope="-vl" in header.model, little="little_cores" in board.config.traits))
        self._context, self._new = max(context, 1), max(new, 1)
        return header

    async def _fill_memory(self, header: Header, context: int) -> None:
        """Read the file into memory; where that does not fit, the kernel ends it."""
        machine, request, arch = self._machine, self._request, header.architecture
        warm = self._board.npu.is_warm(request.file_id, physics.file_bytes(arch))
        self._board.let_pass()  # until now the clocks were where they are
        machine.work[request.pid] = Work(arch, header.npu_core_num, self._lucky, on_npu=False)
        machine.settle()
        self._board.wake()
        self._init_ms = physics.load_ms(machine.chip, arch, machine.clocks, self._lucky, warm=warm)
        wanted = physics.system_bytes(machine.chip, arch, context)
        told = {"warm": warm, "init_ms": round(self._init_ms, 2), "system_bytes": int(wanted)}
        self._board.truth.record("load", pid=request.pid, run=self._run, **told)
        early_oom = "oom" in self._faults and self._lucky.fault_at < 0.375  # half of the runs, the rest later
        resident = physics.resident_bytes(machine.chip, arch, 0)
        took_s = self._init_ms / 1000 / self._scale
        await self._memory.take(took_s, wanted, resident, dies_halfway=early_oom)
        self._board.npu.remember(request.file_id, physics.file_bytes(arch))
        machine.work[request.pid] = Work(arch, header.npu_core_num, self._lucky, on_npu=True)

    # --- answering ----------------------------------------------------------------------------------------------

    async def _turn(self, header: Header, prompt: str) -> None:
        machine, arch, cores = self._machine, header.architecture, header.npu_core_num
        asked = self._asked(prompt)
        if asked >= self._context:
            self._terminal.err(f"E rkllm: prompt gather than max context: {asked} > {self._context}\n")
            self._stdout.print("\\run error\n")
            return
        self._board.let_pass()
        machine.work[self._request.pid] = Work(arch, cores, self._lucky, on_npu=True)
        machine.settle()
        self._board.wake()
        read, counted = asked, asked
        if "cached_prompt" in self._board.config.traits and self._run > FIRST_DEMO:
            read, counted = cached_prompt(self._board.name, self._board.config.seed, asked)
        prefill_ms = physics.prefill_ms(machine.chip, arch, cores, read, machine.clocks, self._lucky)
        if "submit_failed" in self._faults:
            prefill_ms += lose_job(self._board, self._terminal, stamp(), pid=self._request.pid, run=self._run)
        if "matmul_failed" in self._faults:
            fail_products(self._board, self._terminal, self._stdout, pid=self._request.pid, run=self._run)
        await self._terminal.sleep(prefill_ms / 1000 / self._scale)
        length = min(natural_length(prompt, header.model, self._lucky.length_factor), self._new, self._context - asked)
        words = tokens(prompt, header.model)
        self._stdout.print(next(words))  # the first token belongs to the prefill
        generate_ms = await self._generate(arch, cores, asked, length, words)
        clocks = dataclasses.asdict(machine.clocks)
        self._board.let_pass()
        machine.work.pop(self._request.pid, None)
        machine.settle()
        self._turns += 1
        self._memory.show(physics.resident_bytes(machine.chip, arch, asked + length))
        self.made = {
            "init_ms": round(self._init_ms, 3),
            "prefill_ms": round(prefill_ms, 3),
            "prefill_tokens": counted,
            "generate_ms": round(generate_ms, 3),
            "generate_tokens": length - 1,
            "peak_bytes": int(self._memory.peak_bytes),
            "npu_core_num": cores,
            "clocks": clocks,
            **self._seen(),
        }
        self._board.truth.record("turn", pid=self._request.pid, run=self._run, **self.made)
        self._stdout.print("\n")  # the demo's own, when it is told that the answer is over; the table comes after that
        if self._request.log_level >= 1 and "no_log_level" not in self._board.config.traits:
            figures = Figures(self._init_ms, prefill_ms, counted, generate_ms, length - 1, self._memory.peak_bytes)
            lines = self._layout.table(figures, is_first=self._turns == 1)
            if "damaged_table" in self._faults:
                self._board.truth.record("fault", fault="damaged_table", pid=self._request.pid, run=self._run)
                lines = map(damaged, lines)
            self._say(*lines)

    async def _generate(self, arch: Architecture, cores: int, asked: int, length: int, words: Iterator[str]) -> float:
        """Say the tokens after the first at the pace of this machine; returns the time they took."""
        machine, clock = self._machine, self._board.clock
        generate_ms, said, ahead_s, began = 0.0, 1, 0.0, clock()
        strike_at = max(2, int(length * self._lucky.fault_at))
        while said < length:
            piece = ""
            while said < length and ahead_s <= clock() - began + STEP_S:
                depth = asked + said
                others = max(1, sum(work.on_npu for work in machine.work.values()))
                step_ms = others * physics.token_ms(machine.chip, arch, cores, depth, machine.clocks, self._lucky)
                generate_ms += step_ms
                ahead_s = generate_ms / 1000 / self._scale
                piece += next(words)
                said += 1
                if said == strike_at:
                    break
            self._stdout.print(piece)
            self._memory.show(physics.resident_bytes(machine.chip, arch, asked + said))
            if said == strike_at:
                await self._strike()
            await self._terminal.sleep(max(0.0, ahead_s - (clock() - began)))
        return generate_ms

    async def _strike(self) -> None:
        """The faults that wait for the middle of an answer."""
        pid = self._request.pid
        if "oom" in self._faults:
            await self._memory.kill(forced=True)
        if "hang" in self._faults:
            self._board.truth.record("fault", fault="hang", pid=pid, run=self._run)
            self._stdout.flush()
            await self._terminal.never()
        if "retuned" in self._board.config.traits:
            self._board.let_pass()
            self._machine.retune()
            self._board.truth.record("retuned", pid=pid, run=self._run)
            self._board.wake()
        if self._turns == 0:
            self._board.strike(pid, self._run)

    # --- small things -------------------------------------------------------------------------------------------

    def _say(self, *lines: str) -> None:
        """Lines of the runtime: each is flushed, and with it whatever the demo had printed before."""
        for line in lines:
            self._stdout.print(f"{line}\n")
            self._stdout.flush()

    def _failed(self, why: str, complaints: tuple[str, ...], last_word: str = "") -> None:
        """The model does not load: say so as this runtime does."""
        for complaint in complaints:
            self._terminal.err(complaint.replace("{stamp}", stamp()) + "\n")
        if last_word:
            self._stdout.print(f"{last_word}\n")
        self._board.truth.record("init_failed", pid=self._request.pid, run=self._run, why=why)

    def _abort(self, last_words: str) -> None:
        """End as a C program does that has lost its mind: what waits in the buffer stays there."""
        self._terminal.err(last_words)
        self._terminal.abort()

    def _leave(self, code: int) -> None:
        self._stdout.flush()
        self._terminal.leave(code)


def _number(text: str) -> int:
    """C's atoi: what is not a number is 0."""
    return int(text) if text.isdigit() and text.isascii() else 0


def stamp() -> str:
    """The time of day as librknnrt writes it."""
    now = time.time()
    return f"{time.strftime('%H:%M:%S', time.localtime(now))}.{int(now * 1000) % 1000:03d}"
