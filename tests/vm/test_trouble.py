"""A full disk and a killed driver, on a machine with a disk of its own."""

from __future__ import annotations

import json
import re

import pytest

from tests.vm.demo import WAIT_S, board, check_whole, driving, evidence, halves, until
from tests.vm.machine import Machine

BENCH = ("bench", "--suite", "vm", "--force", "--cores", "3", "--repeats", "1", "--format", "json")


def fill(machine: Machine) -> None:
    """Not one block is left, not even of those that are kept for root."""
    script = """
        size=2147483648 count=0
        while [ $size -ge 4096 ]; do
            count=$((count + 1))
            fallocate -l $size /filler.$count 2>/dev/null || size=$((size / 2))
        done
        ! head -c 8192 /dev/zero 2>/dev/null >/filler.proof"""
    machine.run(["sh", "-c", script])


def free(machine: Machine) -> None:
    machine.run(["sh", "-c", "rm -f /filler*"])


def files(machine: Machine, store: str) -> str:
    return machine.text(["sh", "-c", 'find "$1/runs" "$1/models" | sort', "-", store])


def test_a_full_disk_is_named_before_a_run_and_leaves_no_halves(home, machine, demo):
    store = board(home, demo)
    home.invoke(*BENCH)  # the store and the scripts are there; what a run needs is not
    before = files(machine, store)
    fill(machine)
    try:
        refused = home.invoke(*BENCH, code=1)
    finally:
        free(machine)
    assert re.search(rf"vm: .*needs .* MiB, {store}\S* has 0\.0 MiB free", refused.stderr)
    assert "free some space on vm" in refused.stderr
    assert files(machine, store) == before and halves(machine, store) == []
    assert len(demo.executions()) == 2


def test_a_full_disk_is_named_when_a_board_is_new(home, machine, demo):
    store = board(home, demo)
    fill(machine)
    try:
        refused = home.invoke(*BENCH, code=1)
        assert re.search(r"vm: .*needs .* MiB, \S+ has 0\.0 MiB free", refused.stderr)
        assert halves(machine, store) == []
    finally:
        free(machine)
    assert demo.executions() == []


def test_a_disk_that_fills_up_during_a_run_keeps_room_for_its_end(home, machine, demo):
    store = board(home, demo)
    demo.hold(1)
    with driving(home, *BENCH) as driver:
        run_dir = demo.wait_held(1, driver)
        try:
            fill(machine)
            # The log has the rest of its last block, and then nothing.
            until(lambda: int(machine.text(["stat", "-c", "%s", f"{run_dir}/stdout.log"])) % 4096 == 0, "a full log")
            demo.release()
            machine.run(["flock", "-w", "200", "-s", f"{run_dir}/lock", "true"])
            end = json.loads(machine.run(["cat", f"{run_dir}/end.json"]).stdout)
        finally:
            free(machine)
        _, told = driver.communicate(timeout=WAIT_S)
    assert end["result"] == "exit-code", end
    runs = evidence(home)
    assert {repeat: how for repeat, (how, _) in runs.items()} == {0: "exit-code", 1: "success"}, told
    for _, folder in runs.values():
        check_whole(folder)
    assert halves(machine, store) == []


@pytest.mark.parametrize("verb", ["attach", "collect"])
def test_a_run_whose_driver_is_killed_is_complete_and_was_executed_once(home, machine, demo, verb):
    board(home, demo, "rock")
    demo.hold(1)
    with driving(home, *BENCH) as driver:
        run_dir = demo.wait_held(1, driver)
    assert not home.runs()
    if verb == "attach":
        with driving(home, "attach", "--board", "vm") as second:
            assert any("run" in line for line in second.stderr)
            demo.release()
            _, told = second.communicate(timeout=WAIT_S)
        assert second.returncode == 0, told
    else:
        demo.release()
        machine.run(["flock", "-w", "200", "-s", f"{run_dir}/lock", "true"])
        home.invoke("collect")
    ((_, (how, folder)),) = evidence(home).items()
    assert how == "success" and run_dir.endswith(f"/{folder.name}")
    check_whole(folder)
    assert b"held for the 1th time" in (folder / "stdout.log").read_bytes()
    assert demo.executions() == [run_dir]
    again = home.invoke("collect")
    assert len(home.runs()) == 1, again.stderr
    assert json.loads((folder / "end.json").read_bytes())["exit_code"] == 0
