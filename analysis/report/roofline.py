"""How near to what DRAM could give a speed is, and what of published numbers is not believed, in words.

Generating a token reads every weight that it passes, the head, and the cache so far. No board is faster than its DRAM
at that. What can not be is decided by ``analysis.physics``; a speed that is possible and far below what the chip does
with every clock pinned is doubtful, too, since nobody knows what the clocks were.
"""

from __future__ import annotations

from analysis.architecture import Architecture
from analysis.claims import Basis
from analysis.constants import BUS_BYTES_PER_CLOCK
from analysis.memory_model import predict_memory
from analysis.physics import check_reference
from analysis.quantization import dtype_of
from analysis.references import Reference
from analysis.report.words import Words
from analysis.speed_model import Clocks, predict_speed

LPDDR4X_HZ = 2112e6  # its highest clock on RK3588, 33.8 GB/s; of a board that does not say which memory it has
SLOW = 0.5  # of what is predicted for pinned clocks; governors on demand were seen to cost as much


def roofline_tps(arch: Architecture, dtype: str, depth: float, dram_top_hz: float | None = None) -> float | None:
    """Tokens a second if DRAM did nothing else, with so many tokens before."""
    kept = dtype_of(dtype)
    if kept is None:
        return None
    read = arch.active_body_weights * kept.weight_bytes + arch.head_weights + arch.kv_bytes_per_token * depth
    return BUS_BYTES_PER_CLOCK * (dram_top_hz or LPDDR4X_HZ) / read


def doubts(one: Reference, arch: Architecture | None, say: Words) -> tuple[str, ...]:
    """Why a published row, or a number of it, is not believed as it stands: in words, with numbers."""
    found = [say(f"存疑（原文）：{one.suspect}", one.suspect)] if one.suspect else []
    if arch is None:
        return tuple(found)
    for wrong in check_reference(one, arch):
        if wrong.metric == "memory_bytes" and one.memory_bytes is not None and one.context is not None:
            need = predict_memory(arch, one.dtype or "w8a8", one.context, one.runtime).total
            gib = (one.memory_bytes / 2**30, need / 2**30, one.memory_bytes / need - 1)
            zh = "内存 {:.2f} GiB，而权重、KV cache、运行时与视觉编码器合计 {:.2f} GiB（{:+.0%}）".format(*gib)
        else:
            zh = f"未通过物理检查：{wrong.reason}"
        found.append(say(zh, wrong.reason))
    if one.generate_tps is not None and one.dtype is not None and dtype_of(one.dtype) is not None:
        pinned = predict_speed(arch, one.dtype, one.npu_cores, one.runtime, clocks=Clocks.PINNED).generate_tps.value
        share = one.generate_tps / pinned
        if share < SLOW:
            found.append(
                say(
                    f"{one.generate_tps:g} tok/s 仅为锁频预测值 {pinned:.1f} 的 {share:.0%}，当时的时钟状态没有记录",
                    f"{one.generate_tps:g} tok/s is {share:.0%} of what is predicted for pinned clocks ({pinned:.1f}); "
                    "what the clocks were is not recorded",
                )
            )
    return tuple(found)


def comparable(basis: Basis) -> bool:
    """May a number of this basis be shown as a share of a reference: only what ran."""
    return basis in (Basis.MEASURED, Basis.PROVISIONAL)
