"""All checks, in the order in which they stand where nothing else orders them: what decides first, notes last.

A direct check knows its own cost. A residual one is told what those leave and takes its part of it,
so its place counts.
"""

from __future__ import annotations

from analysis.diagnosis.checks_board import background, board_fit, driver, npu_load, storage, swap
from analysis.diagnosis.checks_clocks import (
    cpu_clock,
    cpu_cluster,
    dram_clock,
    dram_node,
    idle_states,
    npu_clock,
    pins,
    throttled,
)
from analysis.diagnosis.checks_log import (
    answer_length,
    cache_hit,
    context,
    cores_label,
    depth,
    failure,
    impossible,
    integrity,
    opencl,
    other_model,
    rest,
    software,
    wall_time,
)
from analysis.diagnosis.finding import Direct, Residual

DIRECT: tuple[Direct, ...] = (
    driver,
    context,
    failure,
    impossible,
    other_model,
    cores_label,
    cache_hit,
    integrity,
    swap,
    throttled,
    cpu_cluster,
    cpu_clock,
    npu_clock,
    dram_clock,
    background,
    depth,
    opencl,
    npu_load,
    answer_length,
    software,
    pins,
    idle_states,
    storage,
    wall_time,
)
RESIDUAL: tuple[Residual, ...] = (dram_node, board_fit, rest)
INCLUDED = {"throttle": ("cpu_clock", "npu_clock")}  # whose cost is told by the first, too
NOTES = frozenset({"pins", "idle_states", "storage", "software"})  # after what has no effect either
