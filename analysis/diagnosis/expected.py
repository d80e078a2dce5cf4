"""What one run takes on the vendor's board, taken apart into causes; and the published number nearest to it.

    token    layers x host + bytes / bus                  (``analysis.speed_model``, fitted on the vendor's ten models)
    prompt   layers x host of prefill + arithmetic / NPU

The parts are what makes an effect computable: a CPU at half its clock doubles ``host``, a DRAM ``bus``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from analysis.architecture import Architecture
from analysis.constants import CORE_SHARE, GROUP_SPEED, PREFILL_LAYER_S, PREFILL_OPS_PER_S
from analysis.quantization import dtype_of
from analysis.references import Reference
from analysis.release import constants_of, release_of
from analysis.roofline import LPDDR4X_TOP_HZ, bytes_per_token

ALL_CORES = 3


@dataclass(frozen=True)
class Expected:
    """Seconds; ``dram_top_hz`` is the clock that the bus part is for."""

    token_host_s: float
    token_bus_s: float
    bytes_a_token: float
    dram_top_hz: int
    prompt_host_s: float | None
    prompt_npu_s: float | None

    @property
    def token_s(self) -> float:
        """To generate one token."""
        return self.token_host_s + self.token_bus_s

    @property
    def prompt_s(self) -> float | None:
        """To the first token."""
        return (
            None if self.prompt_host_s is None or self.prompt_npu_s is None else self.prompt_host_s + self.prompt_npu_s
        )


def expect(
    arch: Architecture,
    dtype: str | None,
    cores: int,
    runtime: str | None,
    *,
    prompt_tokens: int | None,
    new_tokens: int | None,
    dram_top_hz: int | None = None,
) -> Expected:
    """With every clock at its highest, and the DRAM that this board has."""
    constants = constants_of(release_of(runtime))
    kept = dtype_of(dtype) if dtype else None
    slower = 1 / GROUP_SPEED if kept is not None and kept.grouped else 1.0
    share = CORE_SHARE.get(cores, 1.0)
    read = bytes_per_token(arch, dtype, (prompt_tokens or 0) + (new_tokens or 0) / 2)
    bus = constants.bus_bytes_per_s * (dram_top_hz or LPDDR4X_TOP_HZ) / LPDDR4X_TOP_HZ
    arithmetic = None
    if prompt_tokens:
        arithmetic = 2 * arch.body_weights * prompt_tokens / (PREFILL_OPS_PER_S * cores / ALL_CORES)
    return Expected(
        token_host_s=arch.layers * constants.layer_s * slower,
        token_bus_s=read / (bus * share) * slower,
        bytes_a_token=read,
        dram_top_hz=dram_top_hz or LPDDR4X_TOP_HZ,
        prompt_host_s=arch.layers * PREFILL_LAYER_S if prompt_tokens else None,
        prompt_npu_s=arithmetic,
    )


def nearest_reference(
    references: Iterable[Reference], title: str | None, cores: int | None, runtime: str | None
) -> Reference | None:
    """The published generate speed to hold this against: pinned clocks first, then the release, then the fastest.

    A suspect row is none, and neither is one of another core count.
    """
    wanted = release_of(runtime)

    def rank(one: Reference) -> tuple[bool, bool, float]:
        return (one.clocks == "pinned", release_of(one.runtime) == wanted, one.generate_tps or 0.0)

    fitting = [
        one
        for one in references
        if one.generate_tps is not None and not one.suspect and same_model(one.model, title) and one.npu_cores == cores
    ]
    return max(fitting, key=rank, default=None)


def same_model(name: str | None, other: str | None) -> bool:
    """``Qwen3-VL-2B-decoder`` is the language model of ``qwen3-vl-2b``."""
    return bool(name) and bool(other) and _word(str(name)) == _word(str(other))


def model_named_in(text: str, names: Iterable[str]) -> str | None:
    """The model that a file's name speaks of, such as ``Qwen3-0.6B-w8a8-rk3588.rkllm``; the longest that fits."""
    said = _word(text)
    found = [name for name in names if _word(name) and _word(name) in said]
    return max(found, key=lambda name: (len(_word(name)), name), default=None)


def _word(text: str) -> str:
    return re.sub(r"[^a-z0-9.]+", "", text.casefold().removesuffix("-decoder"))
