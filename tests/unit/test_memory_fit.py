"""The memory model's constants: refitted where there are models enough, taken only where they predict better."""

from __future__ import annotations

import pytest

from analysis.memory_fit import MemoryPoint, fit_memory

MIB = 2**20
PUBLISHED = (114.0 * MIB, 0.54 * MIB / 1000, 1.0)
SHAPES = ((600, 150, 400), (1100, 32, 90), (1700, 150, 450), (3000, 90, 300), (4000, 65, 560), (2000, 256, 200))


def points(base: float, words: float, cache: float, count: int = 6) -> list[MemoryPoint]:
    """Tensors and cache in MiB, vocabulary in thousands."""
    return [
        MemoryPoint(f"m{at}", t * MIB, 1000 * v, k * MIB, (t + base + words * v + cache * k) * MIB)
        for at, (t, v, k) in enumerate(SHAPES[:count])
    ]


def test_all_three_constants_come_back_from_exact_measurements() -> None:
    fit = fit_memory(points(300, 0.9, 0.25), "1.2.3", PUBLISHED)
    assert fit is not None and fit.fitted == ("base", "vocabulary", "cache")
    assert (fit.base_bytes / MIB, fit.vocab_bytes * 1000 / MIB, fit.cache_share) == pytest.approx((300, 0.9, 0.25))
    assert fit.left_out == pytest.approx(0, abs=1e-9) and fit.published_error > 0.04
    assert fit.predict(1000 * MIB, 100_000, 400 * MIB) == pytest.approx((1000 + 300 + 90 + 100) * MIB)


def test_fewer_than_four_models_fit_nothing_however_many_contexts() -> None:
    assert fit_memory(points(300, 0.9, 0.25, 3), "1.2.3", PUBLISHED) is None
    same = [MemoryPoint("m", 1e9, 1000, at * 1e6, 2e9) for at in range(8)]
    assert fit_memory(same, "1.2.3", PUBLISHED) is None


def test_where_the_published_constants_hold_none_is_fitted() -> None:
    fit = fit_memory(points(114, 0.54, 1.0), "1.2.3", PUBLISHED)
    assert fit is not None and fit.fitted == () and "published ones" in fit.sentence


def test_four_models_never_carry_three_constants() -> None:
    fit = fit_memory(points(300, 0.9, 0.25, 4), "1.2.3", PUBLISHED)
    assert fit is not None and len(fit.fitted) <= 2 and fit.models == 4


def test_the_error_is_of_models_that_were_left_out() -> None:
    five = points(300, 0.54, 1.0, 5)
    odd = MemoryPoint("odd", 1000 * MIB, 0, 0, 1500 * MIB)  # 500 over its tensors, where the others have a base of 300
    fit = fit_memory([*five, odd], "1.2.3", PUBLISHED)
    assert fit is not None
    assert fit.worst == pytest.approx(200 / 1500, rel=0.2)
