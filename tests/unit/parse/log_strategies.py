"""Hypothesis strategies for logs: what a runtime of each layout prints, and what others do to it on the way."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from hypothesis import strategies as st

RULER = "-" * 86
MARK = "I rkllm: "


@dataclass(frozen=True)
class Row:
    total_ms: float
    tokens: int

    @property
    def columns(self) -> tuple[str, str, str, str]:
        per_token = self.total_ms / self.tokens
        return (
            f"{self.total_ms:.2f}",
            str(self.tokens),
            f"{per_token:.2f}",
            f"{1000 / self.total_ms * self.tokens:.2f}",
        )


def row_line(mark: str, name: str, row: Row) -> str:
    a, b, c, d = row.columns
    return f"{mark} {name:<12}  {a:<15}  {b:<8}  {c:<23}  {d:<23}"


def table_lines(layout: str, prefill: Row, generate: Row, init_ms: float | None, memory: float) -> list[str]:
    """The block as the layout prints it."""
    mark = "" if layout.startswith("1.1") else MARK
    ruler = mark + RULER
    lines = [ruler]
    if init_ms is not None and layout not in ("1.1.4", "1.2.0"):
        lines += [f"{mark} Model init time (ms)  {init_ms:<12.2f}", ruler]
    lines += [f"{mark} Stage         Total Time (ms)  Tokens    Time per Token (ms)      Tokens per Second", ruler]
    if init_ms is not None and layout == "1.2.0":
        lines.append(f"{mark} Init          {init_ms:<15.2f}  /         /                        /")
    lines += [row_line(mark, "Prefill", prefill), row_line(mark, "Generate", generate), ruler]
    if layout != "1.1.4":
        label = {"1.2.0": "Memory Usage (GB)", "1.3.0": "Peak Memory Usage (MB)"}.get(layout, "Peak Memory Usage (GB)")
        lines += [f"{mark} {label}", f"{mark} {memory:<12.2f}", ruler]
    return lines


def banner_lines(layout: str, cores: int, context: int, dtype: str, driver: str) -> list[str]:
    lines = [f"{MARK}rkllm-runtime version: {layout}, rknpu driver version: {driver}, platform: RK3588"]
    if driver == "0.9.6":
        lines.insert(0, "W rkllm: Warning: Your rknpu driver version is too low, please upgrade to 0.9.7")
    if layout == "1.1.4":
        return [*lines, "", "rkllm init success"]
    model = f"max_context_limit: {context}, npu_core_num: {cores}, target_platform: RK3588, model_dtype: {dtype}"
    return [
        *lines,
        f"{MARK}loading rkllm model from ./m.rkllm",
        f"{MARK}rkllm-toolkit version: {layout}, {model}",
        f"{MARK}Enabled cpus: [4, 5, 6, 7]",
        f"{MARK}Enabled cpus num: 4",
        "rkllm init success",
    ]


layouts = st.sampled_from(["1.1.4", "1.2.0", "1.2.1", "1.2.3", "1.3.0"])
rows = st.builds(
    Row,
    total_ms=st.integers(100_00, 400_000_00).map(lambda hundredths: hundredths / 100),
    tokens=st.integers(1, 4096),
)
hundredths = st.integers(1_00, 99_999_99).map(lambda number: number / 100)
words = st.text(alphabet="abcdefghij 天地玄黄,.", min_size=1, max_size=30)
answers = st.lists(words, min_size=1, max_size=4)
ENDINGS = (
    [],
    ["E RKNN: [10:00:00.001] failed to submit!, op id: 0", "E rkllm: matmul(w8a8) run failed"],
    ["Killed"],
    ["Segmentation fault (core dumped)"],
)


@st.composite
def logs(draw: st.DrawFn, *, turns: int = 2) -> list[str]:
    """The lines of a whole run: banner, one or more turns, an end."""
    layout = draw(layouts)
    lines = banner_lines(
        layout,
        cores=draw(st.integers(1, 3)),
        context=draw(st.sampled_from([512, 4096, 16384])),
        dtype=draw(st.sampled_from(["W8A8", "W8A8_G128", "W4A16_G128"])),
        driver=draw(st.sampled_from(["0.9.6", "0.9.8"])),
    )
    for number in range(draw(st.integers(1, turns))):
        lines += ["", f"user: robot: {draw(words)}", *draw(answers)]
        init_ms = draw(hundredths) if number == 0 else None
        lines += table_lines(layout, draw(rows), draw(rows), init_ms, draw(hundredths))
    return [*lines, "", "user: ", *draw(st.sampled_from(ENDINGS))]


def as_bytes(lines: list[str]) -> bytes:
    return ("\n".join(lines) + "\n").encode()


Dirt = Callable[[list[str]], bytes]


def with_prefix(prefix: str) -> Dirt:
    return lambda lines: as_bytes([prefix + line for line in lines])


PREFIXES = (
    "> ",
    ">> ",
    "_",
    "[2026-01-02 03:04:05] [svc] ",
    "[2026-01-02 03:04:05][A-ERR] [2026-01-02 03:04:05][B-OUT] ",
    "Nov 21 20:15:01 rock python[4711]: ",
    "2026-01-02T03:04:05.678901Z ",
    "llm-1  | ",
)


def carriage_returns(lines: list[str]) -> bytes:
    return as_bytes(lines).replace(b"\n", b"\r\n")


def coloured(lines: list[str]) -> bytes:
    return as_bytes([f"\x1b[1;32m{line}\x1b[0m\x1b[K" for line in lines])


def nul_in_every_line(lines: list[str]) -> bytes:
    return as_bytes([line[: len(line) // 2] + "\0\0" + line[len(line) // 2 :] for line in lines])


def collapsed(lines: list[str]) -> bytes:
    return as_bytes([re.sub(" {2,}", " ", line) for line in lines])


dirt: st.SearchStrategy[Dirt] = st.sampled_from(
    [*map(with_prefix, PREFIXES), carriage_returns, coloured, nul_in_every_line, collapsed]
)
