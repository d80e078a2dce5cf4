"""Speed of a model from its architecture: generate, prefill, time to first token, image, load, and a whole run.

    generate   a token takes layers x (host work) + bytes read / (bus x share of it that so many cores draw)
    prefill    layers x (host work) + 2 x weights x tokens / (arithmetic, which the cores share)

Generating reads every weight that a token passes, the head, and the K and V of the tokens before it; the values are
for the middle of the answer. Of a mixture of experts that is the active experts only; a prompt takes as long as if each
token passed all of them, or so says the one published row (DeepSeekOCR: 701 ms for 128 tokens, 125 by active weights).

The value is for a board as the vendor measures: LPDDR4X, and CPU, NPU and DRAM pinned to their highest clock. Few
boards are like that. With clocks that nobody checked (``Clocks.UNKNOWN``) the low end is what a board with governors
on demand reached, about a third of the value for small models; ``notes`` say what else an interval covers.

Errors on the vendor's ten dense models: generate 2.6 % (1.2.3) and 1.3 % (1.3.0) in the mean, TTFT 9 %.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass

from analysis.architecture import Architecture, Vision
from analysis.constants import (
    COLD_BYTES_PER_S,
    COLD_FASTEST,
    COLD_SLOWEST,
    CORE_HIGH,
    CORE_LOW,
    CORE_SHARE,
    ENCODE_HIGH,
    ENCODE_LOW,
    ENCODE_OPS_PER_S,
    GROUP_SPEED,
    LONG_PROMPT,
    MOE_LOW,
    PINNED_HIGH,
    PINNED_LOW,
    PREFILL_HIGH,
    PREFILL_LAYER_S,
    PREFILL_LOW,
    PREFILL_OPS_PER_S,
    PREFILL_SHIPPED_HIGH,
    SHIPPED_BUS_BYTES_PER_S,
    SHIPPED_LAYER_S,
    SHIPPED_LOW,
    WARM_BYTES_PER_S,
    WARM_FASTEST,
    WARM_SLOWEST,
)
from analysis.interval import Interval
from analysis.memory_model import encoder_bytes, predict_memory
from analysis.quantization import Dtype, dtype_of
from analysis.release import constants_of, release_of
from analysis.roofline import bytes_per_token

ALL_CORES = 3


class Clocks(enum.StrEnum):
    """What is known of the clocks of CPU, NPU and DRAM."""

    PINNED = "pinned"  # at their highest, and checked
    UNKNOWN = "unknown"  # as the board came: governors on demand


@dataclass(frozen=True)
class SpeedEstimate:
    """What one run would take; ``notes`` are sentences about what is not well known."""

    generate_tps: Interval
    prefill_tps: Interval
    ttft_ms: Interval  # prefill of the prompt, which makes the first token too; without image, load and tokenising
    encode_ms: Interval | None  # one image in the vision encoder; None without one
    load_warm_s: Interval  # model file, and the encoder's, in the page cache
    load_cold_s: Interval  # from eMMC; the ends are an SD card and an NVMe disk
    run_s: Interval  # load, image, prompt, answer; the value with a warm file, the high end with a cold one
    notes: tuple[str, ...]


def predict_speed(
    arch: Architecture,
    dtype: str,
    npu_cores: int,
    runtime: str | None = None,
    *,
    prompt_tokens: int = 128,
    new_tokens: int = 64,
    clocks: Clocks = Clocks.UNKNOWN,
    rknn_core_num: int = ALL_CORES,
) -> SpeedEstimate:
    """The speed of one run: a prompt of so many tokens (an image's tokens included), and as many new ones."""
    kept = dtype_of(dtype)
    if kept is None:
        raise ValueError(f"{dtype!r} is no dtype of RKLLM, such as w8a8")
    for name, cores in (("npu_cores", npu_cores), ("rknn_core_num", rknn_core_num)):
        if cores not in CORE_SHARE:
            raise ValueError(f"{name} is {cores}: an RK3588 has 1, 2 or 3")
    if prompt_tokens < 1 or new_tokens < 1:
        raise ValueError(f"a prompt of {prompt_tokens} tokens and an answer of {new_tokens}")
    token_s = _token_s(arch, kept, npu_cores, runtime, clocks, depth=prompt_tokens + new_tokens / 2)
    prefill_s = _prefill_s(arch, npu_cores, prompt_tokens, clocks)
    encode_s = None if arch.vision is None else _encode_s(arch.vision, rknn_core_num)
    memory = predict_memory(arch, dtype, 0, runtime)
    seeing = 0.0 if arch.vision is None else encoder_bytes(arch.vision)
    warm, cold = _load_s(memory.file_bytes + seeing)
    answer_s = Interval(token_s.value * new_tokens, token_s.low * new_tokens, token_s.high * new_tokens)
    work = prefill_s + answer_s if encode_s is None else prefill_s + answer_s + encode_s
    return SpeedEstimate(
        generate_tps=token_s.inverse(),
        prefill_tps=prefill_s.inverse(prompt_tokens),
        ttft_ms=_ms(prefill_s),
        encode_ms=None if encode_s is None else _ms(encode_s),
        load_warm_s=warm,
        load_cold_s=cold,
        run_s=work + Interval(warm.value, min(warm.low, cold.low), max(warm.high, cold.high)),
        notes=tuple(_notes(arch, kept, npu_cores, clocks, prompt_tokens)),
    )


def _token_s(
    arch: Architecture, kept: Dtype, cores: int, runtime: str | None, clocks: Clocks, depth: float
) -> Interval:
    """Seconds to generate one token with ``depth`` tokens before it."""
    constants = constants_of(release_of(runtime))
    read = bytes_per_token(arch, kept.name, depth)

    def at(layer_s: float, bus_bytes_per_s: float) -> float:
        dense = arch.layers * layer_s + read / (bus_bytes_per_s * CORE_SHARE[cores])
        return dense / GROUP_SPEED if kept.grouped else dense

    value = at(constants.layer_s, constants.bus_bytes_per_s)
    slowest = value / PINNED_LOW
    if clocks is Clocks.UNKNOWN:
        slowest = max(slowest, at(SHIPPED_LAYER_S, SHIPPED_BUS_BYTES_PER_S) / SHIPPED_LOW)
    slowest /= CORE_LOW[cores] * (MOE_LOW if arch.moe else 1.0)
    return Interval(value, value / (PINNED_HIGH * CORE_HIGH[cores]), slowest)


def _prefill_s(arch: Architecture, cores: int, tokens: int, clocks: Clocks) -> Interval:
    """Seconds for a prompt. Few cores: the value shares the arithmetic evenly, the low end loses nothing by it."""

    def on(share: float, weights: int) -> float:
        return arch.layers * PREFILL_LAYER_S + 2 * weights * tokens / (PREFILL_OPS_PER_S * share)

    value = on(cores / ALL_CORES, arch.body_weights)
    fastest = on(1.0, arch.active_body_weights)
    slow = PREFILL_HIGH if clocks is Clocks.PINNED else PREFILL_SHIPPED_HIGH
    return Interval(value, fastest * PREFILL_LOW, value * slow)


def _encode_s(vision: Vision, cores: int) -> Interval:
    """Seconds for one image."""
    three = 2 * vision.parameters * vision.encoder_patches / ENCODE_OPS_PER_S
    value = three * ALL_CORES / cores
    return Interval(value, three * ENCODE_LOW, value * ENCODE_HIGH)


def _load_s(file_bytes: float) -> tuple[Interval, Interval]:
    """Seconds to load a model file, from the page cache and from a disk."""
    return (
        Interval(file_bytes / WARM_BYTES_PER_S, file_bytes / WARM_FASTEST, file_bytes / WARM_SLOWEST),
        Interval(file_bytes / COLD_BYTES_PER_S, file_bytes / COLD_FASTEST, file_bytes / COLD_SLOWEST),
    )


def _notes(arch: Architecture, kept: Dtype, cores: int, clocks: Clocks, prompt_tokens: int) -> list[str]:
    found = []
    if clocks is Clocks.UNKNOWN:
        found.append("The value is for pinned clocks; boards with governors on demand reached 0.37 to 0.68 of it.")
    if cores == 1:
        found.append("One core rests on a single published report (0.41 to 0.52 of three cores); measure it.")
    if cores == 2:
        found.append("Two cores rest on one model on an untuned board (0.75 of three cores); measure it.")
    if arch.moe:
        found.append("A mixture of experts: the one published figure is at 0.73 of the value.")
    if kept.grouped:
        found.append("Group quantization: 0.72 of the speed of w8a8, from one report on groups of 128.")
    if prompt_tokens > LONG_PROMPT:
        found.append(f"Prefill of more than {LONG_PROMPT} tokens: attention grows with their square and is left out.")
    if cores != ALL_CORES:
        found.append("How prefill shares among cores is not published; the value shares it evenly.")
    return found


def _ms(seconds: Interval) -> Interval:
    return Interval(seconds.value * 1000, seconds.low * 1000, seconds.high * 1000)
