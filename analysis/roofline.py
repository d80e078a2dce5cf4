"""What the memory bus allows: bytes that one token reads, the peak of the DRAM, and the share of it that a speed is.

    bytes    weights of the layers that a token passes, the head, and K and V of the tokens before it
    peak     64 bits, two transfers a clock: 16 bytes x clock; 2112 MHz (LPDDR4X) is 33.8 GB/s, 2400 (LPDDR5) 38.4

A share above 1 is no speed but a mistake in the evidence. The vendor's own figures are 0.57 (0.6B) to 0.88 (6B).
Clocks: operating points of public boot logs and sbc-bench results of RK3588 boards.
"""

from __future__ import annotations

from analysis.architecture import Architecture
from analysis.constants import BUS_BYTES_PER_CLOCK
from analysis.quantization import dtype_of

LPDDR4X_TOP_HZ = 2_112_000_000


def bytes_per_token(arch: Architecture, dtype: str | None, depth: float) -> float:
    """Bytes read to generate one token with ``depth`` tokens before it. An unknown dtype counts as int8."""
    kept = dtype_of(dtype) if dtype else None
    weight = 1.0 if kept is None else kept.weight_bytes
    return arch.active_body_weights * weight + arch.head_weights + arch.kv_bytes_per_token * depth


def peak_bytes_per_s(dram_hz: float | None) -> float:
    """Of a 64-bit bus at this clock; of LPDDR4X where nobody says."""
    return BUS_BYTES_PER_CLOCK * (dram_hz or LPDDR4X_TOP_HZ)


def share_of_peak(tps: float, bytes_a_token: float, dram_hz: int | None = None) -> float:
    """Which part of the peak this speed draws."""
    return tps * bytes_a_token / peak_bytes_per_s(dram_hz)
