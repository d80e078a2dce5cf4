"""Reboot, power cut and freeze of a real machine, seen by the driver and by what lies on the board afterwards."""

from __future__ import annotations

import json

from tests.vm.demo import WAIT_S, board, check_whole, driving, evidence, halves, until
from tests.vm.sockets import ports_to

BENCH = (
    "bench",
    "--suite",
    "vm",
    "--force",
    "--cores",
    "3",
    "--repeats",
    "1",
    "--format",
    "json",
)  # a warm-up and one run


def test_a_board_that_reboots_in_the_middle_of_a_run_costs_that_run_alone(home, machine, demo):
    store = board(home, demo)
    demo.hold(1)
    with driving(home, *BENCH) as driver:
        run_dir = demo.wait_held(1, driver)
        before = machine.boot_id()
        machine.run(["systemctl", "reboot"], check=False)
        machine.wait_ready(not_boot=before)
        out, told = driver.communicate(timeout=WAIT_S)
    assert driver.returncode == 1, told
    runs = evidence(home)
    assert {repeat: how for repeat, (how, _) in runs.items()} == {0: "rebooted", 1: "success"}, told
    partial = runs[0][1]
    assert run_dir.endswith(f"/{partial.name}") and b"held for the 1th time" in (partial / "stdout.log").read_bytes()
    for _, folder in runs.values():
        check_whole(folder)
    assert len(demo.executions()) == 2
    (cell,) = json.loads(out)
    assert (cell["n"], cell["origin"]) == (1, "measured")
    assert machine.run(["ls", f"{run_dir}/end.json"], check=False).returncode != 0
    assert halves(machine, store) == []


def test_a_power_cut_in_mid_write_loses_nothing_that_was_on_the_disk(home, machine, demo):
    store = board(home, demo)
    demo.hold(1)
    with driving(home, *BENCH) as driver:
        run_dir = demo.wait_held(1, driver)
        on_disk = machine.run(["cat", f"{run_dir}/stdout.log"]).stdout
        machine.run(["sync"])
        machine.cut()
        machine.start()
        _, told = driver.communicate(timeout=WAIT_S)
    runs = evidence(home)
    assert {repeat: how for repeat, (how, _) in runs.items()} == {0: "rebooted", 1: "success"}, told
    assert (runs[0][1] / "stdout.log").read_bytes().startswith(on_disk)
    for _, folder in runs.values():
        check_whole(folder)
    assert len(demo.executions()) == 2
    assert halves(machine, store, cut=run_dir) == []


def test_a_frozen_board_is_noticed_and_its_run_goes_on_when_it_thaws(home, machine, demo):
    board(home, demo, "rock")
    demo.hold(1)
    with driving(home, *BENCH) as driver:
        demo.wait_held(1, driver)
        connections = ports_to(machine.port, driver.pid)
        assert connections
        machine.freeze()
        refused = home.invoke("boards", code=4)
        assert "vm" in refused.stderr
        until(lambda: not connections & ports_to(machine.port, driver.pid), "the driver to give its connection up")
        assert driver.poll() is None
        machine.thaw()
        demo.release()
        out, told = driver.communicate(timeout=WAIT_S)
    assert driver.returncode == 0, told
    assert [cell["outcome"] for cell in json.loads(out)] == ["ok"]
    assert len(demo.executions()) == 2
    for how, folder in evidence(home).values():
        assert how == "success"
        check_whole(folder)
