"""How near to what DRAM could give a speed is, and what of published numbers is not believed, in words.

Generating a token reads every weight that it passes, the head, and the cache so far. No board is faster than its DRAM
at that. What can not be is decided by ``analysis.physics``; a speed that is possible and far below what the chip does
with every clock pinned is doubtful, too, since nobody knows what the clocks were.
"""

from __future__ import annotations

from collections.abc import Iterator

from analysis.architecture import Architecture
from analysis.claims import Basis
from analysis.constants import GIB
from analysis.memory_model import predict_memory
from analysis.physics import Impossible, check_reference
from analysis.quantization import dtype_of
from analysis.references import Reference
from analysis.report.given import MEMORY
from analysis.report.model import Doubt
from analysis.report.words import Words
from analysis.roofline import bytes_per_token, peak_bytes_per_s
from analysis.speed_model import Clocks, predict_speed

# The field of a reference that a claim's metric is.
FIELDS = {
    MEMORY: "memory_bytes",
    "generate_tps": "generate_tps",
    "ttft_ms": "ttft_ms",
    "image_encode_ms": "encode_ms",
}
SLOW = 0.5  # of what is predicted for pinned clocks; governors on demand were seen to cost as much


def roofline_tps(arch: Architecture, dtype: str, depth: float, dram_top_hz: float | None = None) -> float | None:
    """Tokens a second if DRAM did nothing else, with so many tokens before."""
    if dtype_of(dtype) is None:
        return None
    return peak_bytes_per_s(dram_top_hz) / bytes_per_token(arch, dtype, depth)


def doubts(one: Reference, arch: Architecture | None, say: Words) -> Iterator[Doubt]:
    """Why numbers of a published row are not believed as they stand: in words, with numbers."""
    told: tuple[str, ...] = ()
    there = tuple(metric for metric, field in FIELDS.items() if getattr(one, field) is not None)
    if one.suspect:
        said = say(one.suspect_zh or one.suspect, one.suspect)
        of = {"memory": "memory_bytes"}.get(one.suspect_of or "", one.suspect_of)
        told = tuple(metric for metric in there if of in (None, FIELDS[metric]))
        yield Doubt(one, told, said)
        if of is None:
            return
    if arch is None:
        return
    for wrong in check_reference(one, arch):
        metrics = tuple(metric for metric, field in FIELDS.items() if field == wrong.metric)
        if one.suspect and set(metrics) <= set(told):
            continue  # its keeper has said so already
        yield Doubt(one, metrics, say(_impossible(one, arch, wrong), wrong.reason))
    if one.generate_tps is not None and one.dtype is not None and dtype_of(one.dtype) is not None:
        pinned = predict_speed(arch, one.dtype, one.npu_cores, one.runtime, clocks=Clocks.PINNED).generate_tps.value
        share = one.generate_tps / pinned
        if share < SLOW:
            slow = say(
                f"仅为锁频预测值 {pinned:.1f} tok/s 的 {share:.0%}，当时的时钟状态没有记录",
                f"{share:.0%} of what is predicted for pinned clocks ({pinned:.1f} tok/s); what the clocks were is not "
                "recorded",
            )
            yield Doubt(one, ("generate_tps",), slow)


def _impossible(one: Reference, arch: Architecture, wrong: Impossible) -> str:
    """Physics' reason in Chinese."""
    if wrong.metric != "memory_bytes" or one.memory_bytes is None or one.context is None:
        return f"未通过物理检查：{wrong.reason}"
    need = predict_memory(arch, one.dtype or "w8a8", one.context, one.runtime).total
    gib = (one.memory_bytes / GIB, need / GIB, one.memory_bytes / need - 1)
    return "内存 {:.2f} GiB，而权重、KV cache、运行时与视觉编码器合计 {:.2f} GiB（{:+.0%}）".format(*gib)


def comparable(basis: Basis) -> bool:
    """May a number of this basis be shown as a share of a reference: only what ran."""
    return basis in (Basis.MEASURED, Basis.PROVISIONAL)
