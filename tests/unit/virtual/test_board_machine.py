from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from virtual.artifacts import MODELS
from virtual.config import BoardConfig
from virtual.machine import DMC_HZ, RELEASE_MC, TRIP_MC, ZONES, Machine, Work
from virtual.physics import Luck
from virtual.sysfs import Pages, loadavg, meminfo

PLAIN = Luck(factor=1.0, drift=0.0, irq_on_little=False, length_factor=1.0, fault_at=0.5)
BUSY = Work(MODELS["qwen3-4b"], 3, PLAIN, on_npu=True)


@pytest.fixture
def machine() -> Machine:
    return Machine("board", BoardConfig())


@pytest.fixture
def pages(machine: Machine, tmp_path: Path) -> Pages:
    return Pages(tmp_path, machine, BoardConfig(), "0b0e71d0-0000-4000-8000-000000000000")


@pytest.mark.parametrize(("what", "text"), [("governor", "turbo"), ("governor", ""), ("max", "-1"), ("min", "fast")])
def test_nonsense_is_refused_as_the_kernel_does(machine: Machine, what: str, text: str) -> None:
    before = dataclasses.replace(machine.dmc)
    assert machine.dmc.write(what, text) is False
    assert machine.dmc == before


@pytest.mark.parametrize(
    ("governor", "hz"), [("performance", DMC_HZ[-1]), ("powersave", DMC_HZ[0]), ("userspace", DMC_HZ[2])]
)
def test_a_governor_goes_where_its_name_says(machine: Machine, governor: str, hz: int) -> None:
    machine.dmc.write("wanted", str(DMC_HZ[2]))
    machine.dmc.write("governor", governor)
    machine.settle()
    assert machine.dmc.cur_hz == hz


def test_an_on_demand_governor_follows_the_load_and_comes_back(machine: Machine) -> None:
    assert machine.dmc.cur_hz == DMC_HZ[0]
    machine.work[1] = BUSY
    machine.settle()
    assert machine.dmc.cur_hz > DMC_HZ[0]
    machine.work.clear()
    machine.settle()
    assert machine.dmc.cur_hz == DMC_HZ[0]
    assert sum(machine.dmc.moves.values()) == 2


def test_a_limit_binds_even_the_performance_governor(machine: Machine) -> None:
    machine.dmc.write("governor", "performance")
    machine.dmc.write("max", str(DMC_HZ[1]))
    machine.settle()
    assert machine.dmc.cur_hz == DMC_HZ[1]


def test_work_heats_and_rest_cools(machine: Machine) -> None:
    cold_mc = machine.soc_mc
    machine.work[1] = BUSY
    for _ in range(60):
        machine.advance(1.0, 20.0)
    hot_mc = machine.soc_mc
    assert hot_mc > cold_mc + 8000
    machine.work.clear()
    for _ in range(60):
        machine.advance(1.0, 20.0)
    assert machine.soc_mc < cold_mc + 2000


def test_a_board_in_the_sun_throttles_its_big_cores_and_recovers(machine: Machine) -> None:
    machine.chip = dataclasses.replace(machine.chip, ambient_mc=70_000, kelvin_per_watt=5.0)
    for policy in (4, 6):
        machine.cpu[policy].write("governor", "performance")
    machine.settle()
    full_hz = machine.clocks.big_hz
    machine.work[1] = BUSY
    for _ in range(30):
        machine.advance(1.0, 20.0)
    assert machine.soc_mc > RELEASE_MC
    assert machine.clocks.big_hz < full_hz
    machine.chip = dataclasses.replace(machine.chip, ambient_mc=25_000)
    machine.work.clear()
    for _ in range(60):
        machine.advance(1.0, 20.0)
    assert machine.soc_mc < TRIP_MC
    assert machine.clocks.big_hz == full_hz


def test_time_spent_at_a_clock_is_wall_time(machine: Machine) -> None:
    machine.advance(2.0, 40.0)
    assert machine.dmc.spent_ms[DMC_HZ[0]] == pytest.approx(2000)


def test_pages_of_proc_never_change_their_length(machine: Machine) -> None:
    lengths = {(len(meminfo(machine)), len(loadavg(machine)))}
    machine.work[1] = BUSY
    machine.taken_bytes[1] = 4.6e9
    machine.advance(300.0, 300.0)
    lengths.add((len(meminfo(machine)), len(loadavg(machine))))
    machine.taken_bytes[2] = 9e9
    lengths.add((len(meminfo(machine)), len(loadavg(machine))))
    assert len(lengths) == 1


def test_every_page_is_whole_whenever_it_is_read(machine: Machine, pages: Pages) -> None:
    page = pages.sys / "class/devfreq/dmc/trans_stat"
    with page.open() as held:
        machine.work[1] = BUSY
        machine.advance(1.0, 20.0)
        pages.refresh()
        assert "Total transition : 0\n" in held.read()
    assert "Total transition : 1\n" in page.read_text()


def test_a_written_governor_is_taken_and_a_wrong_one_put_back(machine: Machine, pages: Pages) -> None:
    folder = "class/devfreq/dmc"
    page = pages.sys / folder / "governor"
    page.write_text("performance\n")
    assert pages.written(folder, "governor") is True
    pages.refresh()
    page.write_text("nonsense\n")
    assert pages.written(folder, "governor") is False
    pages.refresh()
    assert page.read_text() == "performance\n"
    assert machine.dmc.governor == "performance"


def test_a_board_that_links_its_sys_elsewhere_does_not_lead_us_there(
    machine: Machine, pages: Pages, tmp_path: Path
) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "cur_freq").write_text("mine")
    node = pages.sys / "class/devfreq/dmc"
    node.rename(pages.sys / "class/devfreq/moved")
    node.symlink_to(outside)
    machine.dmc.write("governor", "performance")
    machine.settle()
    pages.refresh()
    assert (outside / "cur_freq").read_text() == "mine"


def test_there_are_seven_thermal_zones_in_the_kernels_order(pages: Pages) -> None:
    types = [(pages.sys / f"class/thermal/thermal_zone{zone}/type").read_text().strip() for zone in range(7)]
    assert types == [f"{zone}-thermal" for zone in ZONES]
    assert types[0] == "soc-thermal"
