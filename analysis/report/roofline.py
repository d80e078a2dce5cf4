"""How near to what memory could give a speed is, and what of published numbers can not be believed.

Generating a token reads every weight that it passes, the head, and the cache so far. No board is faster than its DRAM
at that: 64 bits wide, two transfers a clock. A published speed above it, or a memory far from what its weights, cache
and encoder add up to, is doubtful; so is a speed far below what the chip does with every clock pinned.
"""

from __future__ import annotations

from analysis.architecture import Architecture
from analysis.claims import Basis
from analysis.memory_model import predict_memory
from analysis.quantization import dtype_of
from analysis.references import Reference
from analysis.report.words import Words
from analysis.speed_model import Clocks, predict_speed

BYTES_PER_CLOCK = 16  # 64 bits, both edges
LPDDR4X_HZ = 2112e6  # the highest clock of LPDDR4X on RK3588: 33.8 GB/s
MEMORY_OFF = 0.25  # of the prediction; believable published numbers are within 0.08
SLOW = 0.5  # of what is predicted for pinned clocks; governors on demand were seen to cost as much


def roofline_tps(
    arch: Architecture, dtype: str, context_used: float, dram_top_hz: float | None = None
) -> float | None:
    """Tokens a second if DRAM did nothing else, with so many tokens before."""
    kept = dtype_of(dtype)
    if kept is None:
        return None
    read = arch.active_body_weights * kept.weight_bytes + arch.head_weights + arch.kv_bytes_per_token * context_used
    return BYTES_PER_CLOCK * (dram_top_hz or LPDDR4X_HZ) / read


def doubts(reference: Reference, arch: Architecture | None, say: Words) -> tuple[str, ...]:
    """Why a published row, or a number of it, is not to be believed as it stands: in words, with numbers."""
    found = [say(f"存疑：{reference.suspect}", f"doubtful: {reference.suspect}")] if reference.suspect else []
    if arch is None or reference.dtype is None:
        return tuple(found)
    if reference.memory_bytes is not None and reference.context is not None:
        need = predict_memory(arch, reference.dtype, reference.context, reference.runtime).total
        off = reference.memory_bytes / need - 1
        if abs(off) > MEMORY_OFF:
            gib = (reference.memory_bytes / 2**30, need / 2**30, off)
            found.append(
                say(
                    "内存 {:.1f} GiB 与按结构算出的 {:.2f} GiB 相差 {:+.0%}".format(*gib),
                    "memory: {:.1f} GiB where weights, cache and encoder add up to {:.2f} ({:+.0%})".format(*gib),
                )
            )
    if reference.generate_tps is not None:
        top = roofline_tps(arch, reference.dtype, 0)
        if top is not None and reference.generate_tps > top:
            found.append(
                say(
                    f"速度 {reference.generate_tps:g} tok/s 高于内存带宽上限 {top:.1f}",
                    f"speed: {reference.generate_tps:g} tok/s is above what DRAM can give ({top:.1f})",
                )
            )
        pinned = predict_speed(
            arch, reference.dtype, reference.npu_cores, reference.runtime, clocks=Clocks.PINNED
        ).generate_tps.value
        share = reference.generate_tps / pinned
        if share < SLOW:
            found.append(
                say(
                    f"速度 {reference.generate_tps:g} tok/s 仅为锁频预测值 {pinned:.1f} 的 {share:.0%}：当时时钟状态未知",
                    f"speed: {reference.generate_tps:g} tok/s is {share:.0%} of what is predicted for pinned clocks "
                    f"({pinned:.1f}): nobody knows what the clocks were",
                )
            )
    return tuple(found)


def comparable(basis: Basis) -> bool:
    """May a number of this basis be shown as a share of a reference: only what ran."""
    return basis in (Basis.MEASURED, Basis.PROVISIONAL)
