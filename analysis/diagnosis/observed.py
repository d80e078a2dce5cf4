"""What is known of one run, wherever it is from. Everything may be None, and None is "the evidence does not say"."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from analysis.architecture import Architecture
from analysis.board_fit import BoardFit
from analysis.clocks import Clocks
from analysis.diagnosis.expected import Expected
from analysis.diagnosis.work_clocks import BusySamples
from analysis.evidence import Record
from analysis.references import Reference
from analysis.runs import Run
from analysis.telemetry import Telemetry

NOTHING = Record({})


@dataclass(frozen=True)
class Observed:
    """One run. ``parsed`` is the log as a record, ``text`` what runtime and libraries said, in small letters."""

    parsed: Record
    run: Run | None = None
    text: str = ""
    warnings: tuple[str, ...] = ()
    failure: str | None = None
    advice: str | None = None
    spec: Record = NOTHING
    before: Record = NOTHING
    after: Record = NOTHING
    clocks: Clocks | None = None
    telemetry: Telemetry = field(default_factory=Telemetry)
    busy: BusySamples = field(default_factory=BusySamples)
    expected: Expected | None = None
    reference: Reference | None = None
    usual_contexts: tuple[int, ...] = ()  # of this model's other campaigns on this board
    arch: Architecture | None = None
    fit: BoardFit | None = None

    @property
    def has_board(self) -> bool:
        """Are there facts of a board, and not only a log."""
        return bool(self.before.fields)

    @property
    def time_scale(self) -> float:
        """How many of the log's seconds pass in one of the board's; 1 on real hardware."""
        scale = self.before.number("simulated.time_scale")
        return scale if scale is not None and scale > 0 else 1.0

    @property
    def token_s(self) -> float | None:
        """Seconds a generated token."""
        tps = self.parsed.number("generate.tps")
        return 1 / tps if tps else None

    @property
    def prompt_s(self) -> float | None:
        """Seconds to the first token."""
        ms = self.parsed.number("prefill.total_ms")
        return ms / 1000 if ms else None

    @property
    def work_s(self) -> float | None:
        """Board's seconds of prompt and answer, without loading."""
        parts = [self.parsed.number(f"{stage}.total_ms") for stage in ("prefill", "generate")]
        encode = self.parsed.number("image_encode_ms") or 0.0
        if None in parts:
            return None
        return (sum(part for part in parts if part is not None) + encode) / 1000 / self.time_scale

    @property
    def cores(self) -> int | None:
        """That were planned, else what the banner says."""
        planned = self.run.npu_cores if self.run is not None else None
        return planned or self.parsed.whole("npu_core_num")

    @property
    def enabled_cpus(self) -> tuple[int, ...]:
        """Those that the runtime says it uses."""
        cpus = self.parsed.get("enabled_cpus")
        return tuple(cpu for cpu in cpus if isinstance(cpu, int)) if isinstance(cpus, Sequence) else ()

    @property
    def policies(self) -> tuple[Record, ...]:
        """The cpufreq policies that the board has."""
        rows = self.before.get("cpu")
        return tuple(Record(row) for row in rows if isinstance(row, Mapping)) if isinstance(rows, list) else ()
