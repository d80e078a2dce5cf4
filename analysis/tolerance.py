"""From which size on a difference matters, in practice and for each metric; statistics come after this.

Speeds and times of one board wander by 0.8 to 1.5 % from night to night (MEASURING 2.3): 3 % is what a person would act
on. Memory is almost free of noise, so there it is 1 %, or 16 MiB where that is more: pages are given out in such lumps.
"""

from __future__ import annotations

from analysis.metrics import BY_NAME, TABLE_METRICS, Metric

COMPARED: tuple[Metric, ...] = tuple(metric for metric in TABLE_METRICS if metric.better != "neither")
TIME_BAND = 0.03
MEMORY_BAND = 0.01
MEMORY_BAND_BYTES = 16 * 2**20


def band(metric: str, level: float) -> float:
    """What differs by no more than this part of ``level`` is the same for every purpose."""
    if not is_memory(metric):
        return TIME_BAND
    return max(MEMORY_BAND, MEMORY_BAND_BYTES / level if level > 0 else MEMORY_BAND)


def worse_by(metric: str, value: float, level: float) -> float:
    """By which part of ``level`` the value is worse: positive for fewer tok/s and for more milliseconds or bytes."""
    change = value / level - 1
    return -change if BY_NAME[metric].better == "up" else change


def words(metric: str) -> tuple[str, str]:
    """What a worse and a better number of this metric is called."""
    return ("bigger", "smaller") if is_memory(metric) else ("slower", "faster")


def is_memory(metric: str) -> bool:
    """Is it counted in bytes."""
    return metric.endswith("_bytes")
