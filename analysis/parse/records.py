"""What a log says, and nothing it does not say: None is "not in the log".

Numbers are kept as printed, with the unit in the name; the runtime's "GB" is GiB (VmHWM / 2**20 kB), its "MB" is MiB.
``as_dict`` is the contract with other programs: the same keys for every file, in the same order.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Any

BYTES_IN_UNIT = {"GB": 1 << 30, "MB": 1 << 20}  # what the runtime means by them
MB_IN_GB = 1024


@dataclass(frozen=True, slots=True)
class Stage:
    """A row of the runtime's table; nan and inf are None."""

    total_ms: float
    tokens: int
    ms_per_token: float | None
    tps: float | None

    def as_dict(self) -> dict[str, Any]:
        return {
            "total_ms": self.total_ms,
            "tokens": self.tokens,
            "ms_per_token": self.ms_per_token,
            "tps": self.tps,
        }


@dataclass(frozen=True, slots=True)
class Memory:
    """The process's high-water mark, in the unit of its label."""

    value: float
    unit: str

    @property
    def bytes(self) -> int:
        """Rounded to whole bytes; the print has two decimals, so it is good to 5 MiB in GB and 5 KiB in MB."""
        return round(self.value * BYTES_IN_UNIT[self.unit])

    @property
    def gb(self) -> float:
        """In the runtime's GB."""
        return self.value / MB_IN_GB if self.unit == "MB" else self.value

    def as_dict(self) -> dict[str, Any]:
        return {"value": self.value, "unit": self.unit}


@dataclass(frozen=True, slots=True)
class Turn:
    """One answer's block: a Prefill row and the Generate row after it."""

    prefill: Stage
    generate: Stage
    memory: Memory | None = None

    @property
    def stages(self) -> tuple[Stage, Stage]:
        return (self.prefill, self.generate)

    def as_dict(self) -> dict[str, Any]:
        return {
            "prefill": self.prefill.as_dict(),
            "generate": self.generate.as_dict(),
            "memory": self.memory.as_dict() if self.memory else None,
        }


@dataclass(frozen=True)
class ParsedLog:
    """Everything one file says. ``turns`` holds all blocks; the flat numbers are there when it is exactly one."""

    runtime: str | None = None
    driver: str | None = None
    platform: str | None = None
    toolkit: str | None = None
    max_context_limit: int | None = None
    npu_core_num: int | None = None
    target_platform: str | None = None
    model_dtype: str | None = None
    enabled_cpus: tuple[int, ...] | None = None
    enabled_cpus_num: int | None = None
    librknnrt: str | None = None
    vision_core_num: int | None = None
    n_image_tokens: int | None = None
    resolution: str | None = None  # of the encoder's input, width x height
    encoder_failed: bool | None = None  # True where the demo says so
    init_ms: float | None = None
    llm_load_ms: float | None = None
    imgenc_load_ms: float | None = None
    image_encode_ms: float | None = None
    ttft_s_script: float | None = None
    turns: tuple[Turn, ...] = ()
    failure: str | None = None
    also: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    init_ok: bool | None = None
    exit_code: int | None = None
    tainted: bool | None = None
    truncated: bool | None = None
    has_error_line: bool = False
    weak: tuple[str, ...] = ()  # classes that only a shell's word stands for: an exit code overrules them
    details: dict[str, int | str] = field(default_factory=dict)  # numbers that belong to a failure class
    facts: dict[str, Any] = field(default_factory=dict)  # of the board: dmesg and sysfs

    @property
    def perf_present(self) -> bool:
        """Whether there is a complete pair of rows."""
        return bool(self.turns)

    @property
    def only_turn(self) -> Turn | None:
        """The block, when there is exactly one."""
        return self.turns[0] if len(self.turns) == 1 else None

    @property
    def prefill(self) -> Stage | None:
        return self.turns[0].prefill if len(self.turns) == 1 else None

    @property
    def generate(self) -> Stage | None:
        return self.turns[0].generate if len(self.turns) == 1 else None

    @property
    def memory(self) -> Memory | None:
        return self.turns[0].memory if len(self.turns) == 1 else None

    @property
    def memory_bytes(self) -> int | None:
        memory = self.memory
        return memory.bytes if memory else None

    def as_dict(self) -> dict[str, Any]:
        """The JSON contract."""
        turn = self.only_turn
        memory = turn.memory if turn else None
        values = vars(self)
        answer: dict[str, Any] = {name: values[name] for name in SINGLE_VALUES}
        answer["enabled_cpus"] = None if self.enabled_cpus is None else list(self.enabled_cpus)
        answer["prefill"] = turn.prefill.as_dict() if turn else None
        answer["generate"] = turn.generate.as_dict() if turn else None
        answer["memory"] = memory.as_dict() if memory else None
        answer["memory_gb"] = memory.gb if memory else None
        answer["turns"] = [one.as_dict() for one in self.turns] if len(self.turns) > 1 else None
        answer["perf_present"] = bool(self.turns)
        answer["failure"] = self.failure
        answer["also"] = list(self.also) or None
        answer["warnings"] = list(self.warnings) or None
        answer["init_ok"] = self.init_ok
        answer["exit_code"] = self.exit_code
        answer["tainted"] = self.tainted
        answer["truncated"] = self.truncated
        return answer | _NO_DETAILS | self.details | self.facts


_NAMES = [one.name for one in fields(ParsedLog)]
SINGLE_VALUES = tuple(_NAMES[: _NAMES.index("turns")])
DETAIL_NAMES = ("errno", "alloc_bytes", "requested", "limit", "pid", "process", "anon_rss_kb")
FACT_NAMES = (
    "driver_date",
    "iommu",
    "kernel",
    "npu_driver",
    "vendor_driver",
    "npu_cores",
    "npu_load_percent",
    "devfreq",
    "cpu_max_mhz",
    "temps_c",
    "soc_crit_c",
    "compatible",
    "mem_total_kb",
    "mem_free_kb",
    "mem_available_kb",
    "cma_total_kb",
    "cma_free_kb",
    "swap_total_kb",
    "swap_free_kb",
)
_NO_DETAILS = dict.fromkeys((*DETAIL_NAMES, *FACT_NAMES))
