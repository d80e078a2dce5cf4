"""Memory of one loaded model, by part, from its architecture alone.

    layers      a byte a weight (int8); groups add their scales; every expert of a mixture
    head        vocabulary x hidden, int8, a tensor of its own even where the model ties it
    kv_cache    2 x layers x kv_heads x head_dim x fp16, a token of context
    embeddings  nothing from runtime 1.2.0 on, when they stay in the file (embed_flash); else fp32
    runtime     a constant, and some for each word of the vocabulary
    vision      fp16 weights of the encoder and the RKNN runtime

``context`` is the number of tokens whose K and V are held. For what the machine as a whole must have, that is all of
max_context. The runtime's own figure (VmHWM) counts pages that were touched: the vendor's table, 128 tokens in and 64
out, is met with 192; the figures of users with the whole context. Which it is on a given board, two runs at different
contexts would tell; nobody has published them.

Checks: the layers of Qwen3-4B come out at 3,633,315,840 bytes and layers with head at 4,022,272,000, to the byte what
the runtime asked the driver for in published logs with one core and with three. Mean error on the vendor's ten dense
models 2.3 % (1.2.3) and 2.0 % (1.3.0), on three models of one user's board 2.0 %. The interval is 0.94 to 1.08.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from analysis.architecture import Architecture, Vision
from analysis.constants import (
    CONTEXT_LIMIT,
    CONTEXT_STEP,
    FILE_OVERHEAD,
    FLASH_SINCE,
    FP16_BYTES,
    FP32_BYTES,
    MEMORY_HIGH,
    MEMORY_LOW,
    VISION_BASE_BYTES,
)
from analysis.interval import around
from analysis.quantization import dtype_of
from analysis.release import constants_of, release_of

PARTS = ("layers", "head", "kv_cache", "embeddings", "runtime", "vision")


@dataclass(frozen=True)
class MemoryEstimate:
    """Bytes. ``parts`` has every name of ``PARTS``, 0 where there is nothing; they add up to ``total``."""

    parts: Mapping[str, float]
    total: float
    low: float
    high: float
    file_bytes: float  # of the .rkllm, which holds the embeddings and neither cache nor vision encoder


def predict_memory(
    arch: Architecture, dtype: str, context: int, runtime: str | None = None, *, embed_flash: bool | None = None
) -> MemoryEstimate:
    """What a model needs at this context. ``embed_flash`` None is what the runtime's own demos do."""
    kept = dtype_of(dtype)
    if kept is None:
        raise ValueError(f"{dtype!r} is no dtype of RKLLM, such as w8a8")
    if context < 0:
        raise ValueError(f"a context of {context} tokens")
    release = release_of(runtime)
    constants = constants_of(release)
    flash = embed_flash if embed_flash is not None else release is None or release >= FLASH_SINCE
    layers = arch.body_weights * kept.weight_bytes
    parts = {
        "layers": layers,
        "head": float(arch.head_weights),
        "kv_cache": float(arch.kv_bytes_per_token * context),
        "embeddings": 0.0 if flash else float(FP32_BYTES * arch.head_weights),
        "runtime": constants.base_bytes + constants.vocab_bytes * arch.vocab,
        "vision": _vision_bytes(arch),
    }
    total = around(sum(parts.values()), MEMORY_LOW, MEMORY_HIGH)
    tensors = layers + arch.head_weights * (1 + FP16_BYTES)
    return MemoryEstimate(MappingProxyType(parts), total.value, total.low, total.high, tensors * FILE_OVERHEAD)


def largest_context(
    arch: Architecture,
    dtype: str,
    budget_bytes: float,
    runtime: str | None = None,
    *,
    embed_flash: bool | None = None,
    limit: int = CONTEXT_LIMIT,
) -> int:
    """The most tokens of context, in steps of ``CONTEXT_STEP``, with which even the high end is within the budget.

    0 when not even the smallest fits. ``limit`` is the artifact's own, or the converter's.
    """

    def fits(steps: int) -> bool:
        need = predict_memory(arch, dtype, steps * CONTEXT_STEP, runtime, embed_flash=embed_flash)
        return need.high <= budget_bytes

    # Bisection on the prediction itself, so that this can not disagree with it by a rounding.
    below, above = 0, limit // CONTEXT_STEP + 1
    while above - below > 1:
        middle = (below + above) // 2
        below, above = (middle, above) if fits(middle) else (below, middle)
    return below * CONTEXT_STEP


def encoder_bytes(vision: Vision) -> float:
    """Of the encoder's file, which is its weights."""
    return float(FP16_BYTES * vision.parameters if vision.size_bytes is None else vision.size_bytes)


def _vision_bytes(arch: Architecture) -> float:
    return 0.0 if arch.vision is None else encoder_bytes(arch.vision) + VISION_BASE_BYTES
