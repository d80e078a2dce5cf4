"""How each family of runtimes speaks: its banner, its table, and what it says and does when a model does not load.

The demo asks its ``Layout`` for lines and never looks at a version. What the families have in common (the menu,
the questions, the three arguments) is the demo's own; what differs is here, one value a family. Facts are from
public logs; a 1.1 table is known without trailing blanks only, and the abort after a failed start of 1.3.0 from
a single report.
"""

from __future__ import annotations

import dataclasses
import enum
from collections.abc import Iterator

from virtual.artifacts import Header

RULER = "-" * 86
MIB, GIB = 1024**2, 1024**3
TITLES = ("Stage", "Total Time (ms)", "Tokens", "Time per Token (ms)", "Tokens per Second")
LOAD_ERROR = "E RKNN: [{stamp}] load model file error!"


class Init(enum.Enum):
    """Where the time of the start stands; if it does, then in the first table of a process only."""

    NOWHERE = enum.auto()
    ROW = enum.auto()  # the table's first row
    BLOCK = enum.auto()  # a line between rulers of its own, above the table


class Arguments(enum.Enum):
    """What the multimodal demo takes behind image, encoder, model, new tokens and context."""

    PLAIN = enum.auto()  # nothing; it does not say on how many cores the encoder runs either
    CORES = enum.auto()  # the encoder's core count
    MARKERS = enum.auto()  # and up to three image markers
    PLATFORM = enum.auto()  # the chip between the two


class AfterFailure(enum.Enum):
    """What the demo does after a model that did not load."""

    SAYS_SUCCESS = enum.auto()  # rkllm_init returns 0: the menu comes, and the first question aborts
    LEAVES = enum.auto()
    ABORTS = enum.auto()  # frees twice on its way out


@dataclasses.dataclass(frozen=True)
class Memory:
    """How the peak is labelled; the unit called GB is GiB, and MB is MiB."""

    label: str
    unit_bytes: int


@dataclasses.dataclass(frozen=True)
class Figures:
    """The numbers of one table."""

    init_ms: float
    prefill_ms: float
    prefill_tokens: int
    generate_ms: float
    generate_tokens: int
    peak_bytes: float


@dataclasses.dataclass(frozen=True)
class Layout:
    """One family of runtimes."""

    driver_needed: str = "0.9.7"  # the runtime warns below it
    driver_too_old: str = "0.9.6"  # what a board of this runtime has when it is told to have too old a driver
    warning_end: str = ""
    gap: tuple[str, ...] = ()  # what follows each line of the banner
    names_model: bool = True  # are there lines about the file, what is in it, and the processors
    mark: str = "I rkllm: "  # before each line of the table
    is_padded: bool = True  # does the last column keep its blanks
    init: Init = Init.BLOCK
    memory: Memory | None = Memory("Peak Memory Usage (GB)", GIB)
    has_clear: bool = True  # is the word `clear` an order, or a question like any other
    broken_model: tuple[str, ...] = ("E rkllm: invalid rkllm model!",)
    last_word: str = ""  # on standard output, when the model's weights could not be read
    after_failure: AfterFailure = AfterFailure.LEAVES
    arguments: Arguments = Arguments.MARKERS

    def banner(self, runtime: str, driver: str) -> Iterator[str]:
        """Up to the driver's version; a warning comes first."""
        if _parts(driver) < _parts(self.driver_needed):
            what = f"Your rknpu driver version is too low, please upgrade to {self.driver_needed}{self.warning_end}"
            yield f"W rkllm: Warning: {what}"
            yield from self.gap
        yield f"I rkllm: rkllm-runtime version: {runtime}, rknpu driver version: {driver}, platform: RK3588"
        yield from self.gap

    def loading(self, path: str) -> Iterator[str]:
        if self.names_model:
            yield f"I rkllm: loading rkllm model from {path}"

    def model(self, header: Header) -> Iterator[str]:
        """What the file admits."""
        if self.names_model:
            yield (
                f"I rkllm: rkllm-toolkit version: {header.toolkit}, max_context_limit: {header.max_context},"
                f" npu_core_num: {header.npu_core_num}, target_platform: {header.target_platform},"
                f" model_dtype: {header.dtype}"
            )

    def processors(self, *, mrope: bool = False, little: bool = False) -> Iterator[str]:
        if self.names_model:
            yield f"I rkllm: Enabled cpus: {'[0, 1, 2, 3]' if little else '[4, 5, 6, 7]'}"
            yield "I rkllm: Enabled cpus num: 4"
            if mrope:
                yield "I rkllm: Using mrope"

    def table(self, figures: Figures, *, is_first: bool) -> Iterator[str]:
        """The lines after an answer; ``is_first`` in this process."""
        for line in self._table(figures, is_first):
            yield self.mark + (line if self.is_padded else line.rstrip(" "))

    def _table(self, figures: Figures, is_first: bool) -> Iterator[str]:
        if is_first and self.init is Init.BLOCK:
            yield RULER
            yield f" Model init time (ms)  {figures.init_ms:<75.2f}"
        yield RULER
        yield _row(*TITLES)
        yield RULER
        if is_first and self.init is Init.ROW:
            yield _row("Init", f"{figures.init_ms:.2f}", "/", "/", "/")
        yield _stage("Prefill", figures.prefill_ms, figures.prefill_tokens)
        yield _stage("Generate", figures.generate_ms, figures.generate_tokens)
        yield RULER
        if self.memory is not None:
            yield f" {self.memory.label}"
            yield f" {figures.peak_bytes / self.memory.unit_bytes:<12.2f}"
            yield RULER


def _row(*cells: str) -> str:
    return " {:<12}  {:<15}  {:<8}  {:<23}  {:<23}".format(*cells)


def _stage(name: str, total_ms: float, tokens: int) -> str:
    each_ms = total_ms / tokens if tokens else 0.0
    rate = 1000.0 / total_ms * tokens if total_ms else 0.0
    return _row(name, f"{total_ms:.2f}", str(tokens), f"{each_ms:.2f}", f"{rate:.2f}")


def _parts(version: str) -> tuple[int, ...]:
    return tuple(map(int, version.split(".")))


_V1_1 = Layout(
    warning_end=".",
    gap=("",),
    names_model=False,
    mark="",
    is_padded=False,
    init=Init.NOWHERE,
    memory=None,
    has_clear=False,
    broken_model=("E RKNN: [{stamp}] invalid rknn llm model magic", LOAD_ERROR),
    last_word="rknn_init fail! ret=-1",
    after_failure=AfterFailure.SAYS_SUCCESS,
    arguments=Arguments.PLAIN,
)
_V1_1_0 = dataclasses.replace(_V1_1, driver_needed="0.9.6", driver_too_old="0.9.3")
_V1_2_0 = Layout(init=Init.ROW, memory=Memory("Memory Usage (GB)", GIB), arguments=Arguments.PLAIN)
_V1_2_1 = Layout(arguments=Arguments.CORES)
_V1_2 = Layout()
_V1_3 = Layout(
    memory=Memory("Peak Memory Usage (MB)", MIB),
    after_failure=AfterFailure.ABORTS,
    arguments=Arguments.PLATFORM,
)

LAYOUTS = {
    "1.1.0": _V1_1_0,
    "1.1.1": _V1_1,
    "1.1.2": _V1_1,
    "1.1.3": _V1_1,
    "1.1.4": _V1_1,
    "1.2.0": _V1_2_0,
    "1.2.1": _V1_2_1,
    "1.2.2": _V1_2,
    "1.2.3": _V1_2,
    "1.3.0": _V1_3,
}
