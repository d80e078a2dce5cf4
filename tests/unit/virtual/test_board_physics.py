"""The stand-in's own physics: near public figures at full clocks, and never a constant of somebody else's model."""

from __future__ import annotations

import dataclasses

import pytest

from virtual import physics
from virtual.artifacts import MODELS
from virtual.config import BoardConfig
from virtual.machine import GIB, Machine, Work
from virtual.physics import Clocks, Luck

FULL = Clocks(npu_hz=1_000_000_000, dmc_hz=2_112_000_000, big_hz=2_304_000_000, soc_mc=50_000)
PLAIN = Luck(factor=1.0, drift=0.0, irq_on_little=False, length_factor=1.0, fault_at=0.5)
BOARDS = [f"board-{number}" for number in range(12)]


def rate_tps(board: str, model: str, cores: int = 3, clocks: Clocks = FULL, depth: int = 160) -> float:
    chip = physics.silicon(board, 0)
    return 1000.0 / physics.token_ms(chip, MODELS[model], cores, depth, clocks, PLAIN)


def test_a_board_is_always_the_same_and_no_other() -> None:
    chips = [physics.silicon(board, 0) for board in BOARDS]
    assert chips == [physics.silicon(board, 0) for board in BOARDS]
    assert len(set(chips)) == len(chips)
    assert physics.silicon("board-0", 1) != chips[0]


@pytest.mark.parametrize("board", BOARDS)
@pytest.mark.parametrize(
    ("model", "published_tps"),
    [("qwen3-0.6b", 32.2), ("qwen3-1.7b", 15.1), ("qwen2.5-1.5b", 16.3), ("tinyllama-1.1b", 24.5)],
)
def test_at_full_clocks_a_board_is_near_the_published_rates(board: str, model: str, published_tps: float) -> None:
    assert rate_tps(board, model) == pytest.approx(published_tps, rel=0.15)


@pytest.mark.parametrize("board", BOARDS)
@pytest.mark.parametrize("model", ["qwen3-0.6b", "qwen3-1.7b", "qwen3-4b"])
def test_fewer_cores_cost_what_was_reported_of_real_boards(board: str, model: str) -> None:
    three = rate_tps(board, model, 3)
    assert 0.38 < rate_tps(board, model, 1) / three < 0.56
    assert 0.70 < rate_tps(board, model, 2) / three < 0.85


def test_the_first_token_of_128_comes_near_the_published_time() -> None:
    chip = physics.silicon("board-0", 0)
    assert physics.prefill_ms(chip, MODELS["qwen3-0.6b"], 3, 128, FULL, PLAIN) == pytest.approx(213.5, rel=0.2)


@pytest.mark.parametrize(
    "worse",
    [
        {"dmc_hz": 1_560_000_000},
        {"big_hz": 1_200_000_000},
        {"soc_mc": 90_000.0},
    ],
)
def test_slower_clocks_and_heat_cost_speed(worse: dict[str, float]) -> None:
    assert rate_tps("board-0", "qwen3-4b", clocks=dataclasses.replace(FULL, **worse)) < rate_tps("board-0", "qwen3-4b")


def test_a_longer_conversation_is_slower() -> None:
    assert rate_tps("board-0", "qwen3-0.6b", depth=4000) < 0.8 * rate_tps("board-0", "qwen3-0.6b", depth=100)


def test_runs_differ_and_can_be_repeated() -> None:
    chip = physics.silicon("board-0", 0)
    runs = [physics.luck(chip, "board-0", 0, number) for number in range(1, 60)]
    assert runs == [physics.luck(chip, "board-0", 0, number) for number in range(1, 60)]
    factors = [run.factor for run in runs]
    assert len(set(factors)) == len(factors)
    assert 0.97 < sorted(factors)[len(factors) // 2] < 1.03


def test_loading_again_is_faster_and_nothing_else_is() -> None:
    chip, arch = physics.silicon("board-0", 0), MODELS["qwen3-4b"]
    cold, warm = (physics.load_ms(chip, arch, FULL, PLAIN, warm=warm) for warm in (False, True))
    assert warm < cold


@pytest.mark.parametrize(
    ("model", "ram_gib", "fits"), [("qwen3-4b", 8, True), ("qwen3-8b", 8, False), ("qwen3-4b", 4, False)]
)
def test_what_fits_in_memory_is_what_fits_on_real_boards(model: str, ram_gib: float, fits: bool) -> None:
    machine = Machine("board-0", BoardConfig(ram_gib=ram_gib))
    assert (physics.system_bytes(machine.chip, MODELS[model], 4096) < machine.available_bytes) is fits


def test_the_published_memory_of_a_small_model_is_met() -> None:
    resident = physics.resident_bytes(physics.silicon("board-0", 0), MODELS["qwen3-0.6b"], 192)
    assert resident / GIB * 1024 == pytest.approx(773, rel=0.05)


def test_an_on_demand_dram_clock_may_leave_a_small_model_slow_and_never_a_large_one_at_the_bottom() -> None:
    for board in BOARDS:
        machine = Machine(board, BoardConfig())
        machine.work[1] = Work(MODELS["qwen3-4b"], 3, PLAIN, on_npu=True)
        machine.settle()
        assert machine.dmc.cur_hz >= 1_560_000_000
