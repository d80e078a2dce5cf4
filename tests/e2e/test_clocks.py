"""bench pins a board's clocks while a run lasts, its evidence says so, and the board has them back whatever dies."""

from __future__ import annotations

import contextlib
import csv
import json
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.chaos import processes
from tests.e2e.home import LIMIT_S, Home, virtual
from virtual import lifecycle

ONE = ("--cores", "3", "--repeats", "1", "--new-tokens", "64")
SETTINGS = (
    *("class/devfreq/fdab0000.npu/governor", "class/devfreq/dmc/governor", "class/devfreq/dmc/min_freq"),
    *(f"devices/system/cpu/cpufreq/policy{cpu}/scaling_governor" for cpu in (0, 4, 6)),
    *(f"devices/system/cpu/cpu{cpu}/cpuidle/state1/disable" for cpu in range(8)),
)
AT_BOOT = ["rknpu_ondemand", "dmc_ondemand", "528000000", *["ondemand"] * 3, *["0"] * 8]


def settings(home: Home, board: str = "a") -> list[str]:
    """As the board's kernel has them now."""
    return [(home.folder / ".virtual" / board / "sys" / name).read_text().strip() for name in SETTINGS]


def eventually(true: Callable[[], object], why: str) -> None:
    deadline = time.monotonic() + LIMIT_S
    while not true():
        assert time.monotonic() < deadline, why
        time.sleep(0.05)


def clocks_of(folder: Path) -> dict[str, dict[str, Any]]:
    return {clock["name"]: clock for clock in json.loads((folder / "clocks.json").read_bytes())["clocks"]}


def summary(home: Home) -> list[dict[str, str]]:
    with (home.folder / "reports" / "summary.csv").open(encoding="utf-8-sig") as file:
        return list(csv.DictReader(file))


def board_processes(home: Home) -> list[processes.Process]:
    return processes.below(int(lifecycle.look(home.folder / ".virtual" / "a").facts["pid"]))


def in_mid_run(home: Home, tokens: str = "64") -> Any:
    """A bench whose first run is at its demo."""
    bench = home.start("bench", "--cores", "3", "--repeats", "1", "--new-tokens", tokens)
    truth = home.folder / ".virtual" / "a" / "truth.jsonl"
    eventually(
        lambda: truth.exists() and any(event["event"] == "demo_started" for event in home.truth("a")),
        "the demo did not begin",
    )
    assert settings(home)[1] == "userspace"
    return bench


def finish(bench: Any) -> int:
    try:
        bench.communicate(timeout=LIMIT_S)
        return int(bench.returncode)
    finally:
        bench.kill()


def test_a_board_is_faster_when_it_is_pinned_and_as_it_was_afterwards(home: Home) -> None:
    home.inventory({"a": virtual(time_scale=50)})
    home.invoke("bench", *ONE, "--clocks", "as-is", "--campaign", "loose")
    assert not [event for event in home.truth("a") if event["event"] == "setting"]
    home.invoke("bench", *ONE, "--campaign", "pinned")
    assert settings(home) == AT_BOOT
    assert any(event["event"] == "setting" for event in home.truth("a"))
    home.invoke("collect")
    rows = {row["campaign"]: row for row in summary(home) if row["warm-up"] == "no"}
    speed = {campaign: float(row["generate (tok/s)"]) for campaign, row in rows.items()}
    assert speed["pinned"] > 1.15 * speed["loose"]
    assert (rows["pinned"]["clocks"], rows["loose"]["clocks"]) == ("pinned", "as is")
    assert rows["pinned"]["condition"] and rows["pinned"]["condition"] != rows["loose"]["condition"]
    assert {row["outcome"] for row in rows.values()} == {"ok"}
    for folder in home.runs():
        spec = json.loads((folder / "spec.json").read_bytes())
        dmc = clocks_of(folder)["dmc"]
        if spec["clocks"] == "pinned":
            assert (dmc["share_at_wanted"], dmc["restored"]["governor"]) == (1.0, "dmc_ondemand")
        else:
            assert len(dmc["residency_ms"]) > 1 and dmc["wanted"] is None


def test_every_board_is_pinned_as_far_as_it_goes(home: Home) -> None:
    home.inventory(
        {
            "plain": virtual(traits=["no_userspace", "no_dmc"]),
            "five": virtual(traits=["lpddr5"]),
            "hot": virtual(time_scale=2, traits=["capped"]),  # seconds, as a sample a second needs them
        }
    )
    home.invoke("bench", *ONE, "--force", code=1)  # no DMC node is a failed check
    home.invoke("collect")
    rows = {row["board"]: row for row in summary(home) if row["warm-up"] == "no"}
    assert rows["plain"]["outcome"] == "ok"
    assert rows["plain"]["clocks"].startswith("partly: not dmc: no devfreq node dmc")
    assert rows["five"]["clocks"] == "pinned"
    assert rows["hot"]["outcome"] == "tainted" and "throttled against heat" in rows["hot"]["reason"]
    clocks = {folder.parent.name: clocks_of(folder) for folder in home.runs()}
    assert clocks["plain"]["policy4"]["how"] == "performance"
    assert clocks["five"]["dmc"]["wanted"] == 2_400_000_000
    assert len({row["condition"] for row in rows.values()}) == 3
    assert settings(home, "five")[1:3] == ["dmc_ondemand", "534000000"]


@pytest.mark.parametrize("who", ["wrapper", "wrapper and guard", "all of the run", "even the keeper"])
def test_the_clocks_come_back_after_a_sigkill(home: Home, who: str) -> None:
    home.inventory({"a": virtual(time_scale=1)})
    bench = in_mid_run(home)
    bench.send_signal(signal.SIGKILL)
    finish(bench)
    found = board_processes(home)
    if who == "all of the run":
        assert processes.shoot(found)
    elif who == "even the keeper":
        victims = [one for one in processes.of_runs(found) if b"follow" not in one.words]
        for number in (signal.SIGSTOP, signal.SIGKILL):
            for one in victims:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(one.pid, number)
        assert settings(home)[1] == "userspace", "nobody is left to put them back"
        assert json.loads(home.invoke("status", "--board", "a", "--format", "json").stdout)[0]["state"] == "lost"
        home.invoke("collect")
        (row,) = summary(home)
        assert row["outcome"] == "lost" and "gone without an end record" in row["reason"]
    else:
        scripts = [b"_run\0"] if who == "wrapper" else [b"_run\0", b"_guard\0"]
        ours = [one for one in found if b"job.sh\0" in one.words]
        for script in scripts:
            wanted = [one.pid for one in ours if script in one.words]
            assert wanted, script
            for pid in wanted:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
    eventually(lambda: settings(home) == AT_BOOT, f"{who} was killed, and the clocks are {settings(home)}")


@pytest.mark.parametrize("fault", ["reboot", "power_loss"])
def test_after_a_reboot_in_mid_run_nothing_old_is_believed(home: Home, fault: str) -> None:
    home.inventory({"a": virtual(fault, time_scale=20)})
    home.invoke("bench", *ONE, code=1)
    assert settings(home) == AT_BOOT
    last = clocks_of(home.runs()[-1])["dmc"]
    assert (last["before"]["governor"], last["start"]["governor"]) == ("dmc_ondemand", "userspace")
    boots = [event for event in home.truth("a") if event["event"] in ("boot", "setting")]
    assert boots[0]["event"] == "boot"


def test_a_driver_that_dies_leaves_the_board_to_itself(home: Home) -> None:
    home.inventory({"a": virtual(time_scale=1)})
    bench = in_mid_run(home)
    bench.send_signal(signal.SIGKILL)
    finish(bench)
    eventually(lambda: settings(home) == AT_BOOT, "the clocks did not come back")
    home.invoke("attach", "--board", "a")  # the clocks are back a moment before the run has ended
    home.invoke("collect")
    (run,) = home.runs()
    assert clocks_of(run)["dmc"]["restored"]["governor"] == "dmc_ondemand"


def test_a_cancelled_run_gives_the_clocks_back(home: Home) -> None:
    home.inventory({"a": virtual(time_scale=1)})
    bench = in_mid_run(home, tokens="1024")
    try:
        home.invoke("cancel", "--board", "a")
        bench.send_signal(signal.SIGINT)
    finally:
        finish(bench)
    eventually(lambda: settings(home) == AT_BOOT, "the clocks did not come back")
