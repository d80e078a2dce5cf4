"""Every number of a run, declared once: headings, units, rounding, direction and glossary come from here.

Stored are bytes, milliseconds and tok/s, as in the names. ``scale`` stored units make one ``unit`` as it is
shown.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

GIB = 2**30
Better = Literal["up", "down", "neither"]


@dataclass(frozen=True)
class Metric:
    """One number that a run can have. ``digits`` decimals are shown, and no more is claimed."""

    name: str
    title: str
    unit: str
    better: Better
    digits: int
    means: str
    scale: int = 1

    @property
    def heading(self) -> str:
        """The column's heading with its unit."""
        return f"{self.title} ({self.unit})"

    def shown(self, value: float | None) -> float | None:
        """``value`` in the shown unit, rounded; None stays None, for what is not in the log is never 0."""
        if value is None:
            return None
        rounded = round(value / self.scale, self.digits)
        return int(rounded) if self.digits == 0 else rounded

    def text(self, value: float | None) -> str:
        """``value`` for a reader; empty when there is none."""
        shown = self.shown(value)
        return "" if shown is None else f"{shown:.{self.digits}f}"

    @property
    def number_format(self) -> str:
        """The same rounding as a worksheet's number format."""
        return "0" if self.digits == 0 else "0." + "0" * self.digits


METRICS: tuple[Metric, ...] = (
    Metric(
        "ttft_ms",
        "TTFT",
        "ms",
        "down",
        1,
        "time to first token, the runtime's own: total time of the Prefill row, which makes the first token "
        "too. Without model load, tokenising and the way to the terminal; not wall time. Text runs only.",
    ),
    Metric(
        "image_encode_ms",
        "image encode",
        "ms",
        "down",
        1,
        "one image through the vision encoder, by the demo's clock; never its load. VLM_NPU does not print it",
    ),
    Metric(
        "vision_ttft_ms",
        "encode + prefill",
        "ms",
        "down",
        1,
        "image encode plus total time of the Prefill row, which makes the first token too: what a vision model takes "
        "from an image to its first token, loads not included",
    ),
    Metric(
        "prefill_tps",
        "prefill",
        "tok/s",
        "up",
        2,
        "prompt tokens / prefill time, from the runtime's Prefill row",
    ),
    Metric(
        "prefill_tokens",
        "prefill",
        "tokens",
        "neither",
        0,
        "tokens of the prompt with the chat template round it; fewer than expected means a cache answered",
    ),
    Metric(
        "generate_tps",
        "generate",
        "tok/s",
        "up",
        2,
        "generated tokens / generate time, from the runtime's Generate row; the first token is in Prefill",
    ),
    Metric(
        "generate_tokens",
        "generate",
        "tokens",
        "neither",
        0,
        "tokens of the answer after the first; one less than the limit when the limit cut the answer",
    ),
    Metric("init_ms", "init", "ms", "down", 1, "the runtime's own model init time"),
    Metric(
        "llm_load_ms",
        "LLM load",
        "ms",
        "down",
        1,
        "loading the language model by the multimodal demo's clock: a little longer than init",
    ),
    Metric(
        "imgenc_load_ms", "encoder load", "ms", "down", 1, "loading the vision encoder by the same clock; no encode"
    ),
    Metric(
        "memory_rkllm_bytes",
        "peak memory",
        "GiB",
        "down",
        2,
        "the runtime's peak memory: the process' VmHWM, weights and vision encoder included. What the "
        "runtime calls GB is GiB. Not what the whole machine used.",
        scale=GIB,
    ),
    Metric(
        "memory_vmhwm_bytes",
        "VmHWM",
        "GiB",
        "down",
        2,
        "highest VmHWM of the demo's process among samples taken on the board once a second; a second witness for "
        "peak memory",
        scale=GIB,
    ),
    Metric(
        "memory_available_drop_bytes",
        "memory drop",
        "GiB",
        "down",
        2,
        "what the whole board had less: MemAvailable before the run minus its least during it. Sees the context's "
        "memory that the process has not touched and the driver's own; decides whether a model fits. Samples are a "
        "second apart, so a short peak may be missing; other programs count, too.",
        scale=GIB,
    ),
    Metric(
        "max_temperature_mc",
        "max temperature",
        "°C",
        "down",
        1,
        "highest temperature of any thermal zone of the board during the run; above 85 the run is tainted",
        scale=1000,
    ),
    Metric("duration_s", "duration", "s", "neither", 1, "wall time of the run on the board, model load included"),
)

BY_NAME = {metric.name: metric for metric in METRICS}

# What claims are made of. Of the three witnesses of memory a claim takes one, and says which.
CLAIMED: dict[str, Metric] = {
    metric.name: metric
    for metric in (
        *(BY_NAME[name] for name in ("ttft_ms", "prefill_tps", "generate_tps", "image_encode_ms", "vision_ttft_ms")),
        Metric(
            "peak_memory_bytes",
            "peak memory",
            "GiB",
            "down",
            2,
            "what the board as a whole had less (memory drop); where nobody saw that, the process' VmHWM, and the "
            "claim says so",
            scale=GIB,
        ),
        BY_NAME["init_ms"],
    )
}


@dataclass(frozen=True)
class Label:
    """A column that is no metric: what a row is about, where its number is from, what became of it."""

    name: str
    title: str
    means: str

    @property
    def heading(self) -> str:
        """The column's heading; a label has no unit."""
        return self.title


_ORIGIN = (
    "where the numbers come from: measured (a real board), simulated (a virtual board: says nothing about "
    "any real one), manual (a log made by hand), unknown (the evidence does not say). They never share "
    "a statistic."
)
_OUTCOME = (
    "ok, tainted, failed, oom, timeout, rebooted, lost, cancelled, unreachable or skipped; only ok runs "
    "enter a statistic"
)

# Order of the columns: what the row is, what became of it, its numbers, and then all that explains them.
RUN_COLUMNS: tuple[Label | Metric, ...] = (
    Label("campaign", "campaign", "all runs of one invocation"),
    Label("board", "board", "name in the inventory"),
    Label("run", "run", "one process on one board; sorts in the order of execution"),
    Label("origin", "origin", _ORIGIN),
    Label("model", "model", "name in the catalogue"),
    Label("npu_cores", "cores planned", "NPU cores that the artifact was chosen for"),
    Label("npu_core_num", "cores in banner", "NPU cores that the runtime admits; this is the truth"),
    Label("vision_cores", "vision cores", "NPU cores that the demo was told to run the vision encoder on"),
    Label("vision_core_num", "vision cores in log", "the same as the demo says it; demos before 1.2.1 say nothing"),
    Label("warmup", "warm-up", "yes: the first, cold run of a cell; in no statistic"),
    Label("outcome", "outcome", _OUTCOME),
    *METRICS,
    Label("reason", "reason", "why the outcome is not ok"),
    Label("advice", "advice", "what to try next"),
    Label("memory_note", "memory note", "what the three figures of memory say, where they are more than 10 % apart"),
    Label("quarantined", "quarantined", "numbers that physics does not allow, each with why; they are in no statistic"),
    Label("prompt_set", "prompt set", "file that the prompt is from"),
    Label("prompt_id", "prompt", "prompt within its set"),
    Label("image", "image", "image that the prompt is about"),
    Label("image_sha256", "image sha256", "of the image file"),
    Label(
        "resolution", "resolution", "of the vision encoder's input in pixels, from the log; the image is scaled to it"
    ),
    Label("max_new_tokens", "max new tokens", "limit of the answer that was asked for"),
    Label("max_context_len", "context tokens", "context length that was asked for"),
    Label("repeat", "repeat", "counts from 0 within a cell"),
    Label("runtime", "runtime", "RKLLM runtime version, from the banner"),
    Label("driver", "driver", "rknpu driver version, from the banner, else from the board's facts"),
    Label("toolkit", "toolkit", "version of the toolkit that made the artifact, from the banner"),
    Label("dtype", "dtype", "quantisation, from the banner"),
    Label("clock_profile", "clocks asked for", "pinned, no_dmc or as_is: see the benchmark guide"),
    Label("clocks", "clocks", "pinned for the length of the run, as is, or what could not be pinned and why"),
    Label("condition", "condition", "fingerprint of all that must match before two runs may be compared"),
    Label("artifact", "artifact", "model file"),
    Label("artifact_sha256", "artifact sha256", "of the model file, as planned"),
    Label("encoder", "encoder", "vision encoder file"),
    Label("encoder_sha256", "encoder sha256", "of the vision encoder file, as planned"),
    Label("created_utc", "created (UTC)", "when the run was planned, ISO 8601, workstation's clock"),
    Label("tool", "rkfleet", "version of rkfleet that planned the run"),
    Label("start_c", "start (°C)", "the board's hottest sensor when the run was started"),
    Label("gate_waited_s", "waited (s)", "for the board to be as the suite wants it before the run"),
    Label("forced", "failed checks", "checks that the board had failed when it was measured all the same (--force)"),
    Label("log", "log", "the run's standard output, relative to the project"),
)

CELL_COLUMNS: tuple[Label | Metric, ...] = (
    Label("board", "board", "name in the inventory"),
    Label("model", "model", "name in the catalogue"),
    Label("npu_cores", "cores", "NPU cores that the artifact was chosen for"),
    Label("vision_cores", "vision cores", "NPU cores that the demo was told to run the vision encoder on"),
    Label("workload", "workload", "prompt, image, new tokens at most, context tokens"),
    Label("clock_profile", "clocks asked for", "pinned, no_dmc or as_is: see the benchmark guide"),
    Label("origin", "origin", _ORIGIN),
    Label("outcome", "outcome of runs", "of the cell's runs; warm-ups count only when they are not ok"),
    Label("n", "n", "ok runs that are no warm-up: what the medians are of"),
    *METRICS,
    Label("runtimes", "runtimes", "RKLLM runtime versions of these runs; two in one cell are a warning"),
    Label("drivers", "drivers", "rknpu driver versions of these runs"),
    Label("artifacts", "artifacts", "first 12 digits of the sha256 of each model file behind these runs"),
    Label("encoders", "encoders", "the same of each vision encoder file"),
    Label("campaigns", "campaigns", "how many campaigns the runs are from"),
    Label("forced", "failed checks", "checks that the board had failed before these runs (--force)"),
    Label("reasons", "reasons", "why runs are not ok"),
    Label("quarantined", "quarantined", "numbers that physics does not allow, each with why; they are in no statistic"),
    Label("memory_note", "memory note", "what the medians of memory say, where they are more than 10 % apart"),
)

# Columns that only a vision run fills: where there is none, no file and no table has them.
VISION = frozenset(
    {
        *("vision_cores", "vision_core_num", "image", "image_sha256", "resolution", "encoder", "encoder_sha256"),
        "encoders",
        *("image_encode_ms", "vision_ttft_ms", "llm_load_ms", "imgenc_load_ms"),
    }
)

# What the table on the screen shows; all of them are in the spreadsheets.
TABLE_METRICS: tuple[Metric, ...] = tuple(
    BY_NAME[name]
    for name in (
        "ttft_ms",
        "image_encode_ms",
        "vision_ttft_ms",
        "prefill_tps",
        "generate_tps",
        "memory_rkllm_bytes",
    )
)
