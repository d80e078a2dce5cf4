"""``invoke check`` on virtual boards: each check fails when its trouble is there, and ``bench`` stops before it."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from fleet.checks import CHECKS
from tests.e2e.board_kit import Board
from tests.e2e.home import LIMIT_S, PROJECT, Home, virtual

DEBUG, LIB = "/sys/kernel/debug", "/opt/rkllm/lib"
NO_DRIVER = (
    f"mv /sys/module/rknpu /sys/module/.rknpu; mv {DEBUG}/rknpu {DEBUG}/.rknpu;"
    f" cp {DEBUG}/rkfleet_kmsg /tmp/kmsg; : >{DEBUG}/rkfleet_kmsg"
)
DRIVER = (
    f"mv /sys/module/.rknpu /sys/module/rknpu; mv {DEBUG}/.rknpu {DEBUG}/rknpu; cat /tmp/kmsg >{DEBUG}/rkfleet_kmsg"
)
ROCKET = f"echo '<6>[    6.0] [drm] Initialized rocket 0.0.0 for rknn on minor 0' >{DEBUG}/rkfleet_kmsg"
GOVERNORS = "/sys/devices/system/cpu/cpufreq/policy4/scaling_available_governors"
BACKGROUND = "setsid sh -c 'echo $$ >>/tmp/{0}; {1}' </dev/null >/dev/null 2>&1 &"
BUSY = BACKGROUND.format("busy", "while :; do :; done")
ON_NPU = BACKGROUND.format("user", "exec sleep 600 7<>/dev/dri/renderD129")
MODEL = "rkfleet/models/standin-qwen3-0.6b-w8a8-rk3588-1core.rkllm"
DMC = "/sys/class/devfreq/dmc"
AWAY_DMC = "/sys/class/devfreq/.dmc"

# What is done to the board `fit`, how it is undone, and which other checks fail by the same cause.
DONE: dict[str, tuple[str, str, set[str]]] = {
    "npu-driver": (NO_DRIVER, DRIVER, set()),
    "kernel": (f"{NO_DRIVER}; {ROCKET}", DRIVER, {"npu-driver"}),
    "npu-device": ("mv /dev/dri/renderD129 /dev/dri/.node", "mv /dev/dri/.node /dev/dri/renderD129", set()),
    "rkllm-library": (f"mv {LIB}/librkllmrt.so {LIB}/away", f"mv {LIB}/away {LIB}/librkllmrt.so", set()),
    "library-versions": (
        f"sed s/1[.]2[.]3/1.1.4/g {LIB}/librkllmrt.so >/opt/rkllm/librkllmrt.so",
        "rm /opt/rkllm/librkllmrt.so",
        set(),
    ),
    "glibc": (
        f"cp {LIB}/librkllmrt.so /tmp/lib; echo GLIBC_2.99 >>{LIB}/librkllmrt.so",
        f"cp /tmp/lib {LIB}/librkllmrt.so",
        set(),
    ),
    "demo": ("chmod a-x /opt/rkllm/llm_demo", "chmod a+x /opt/rkllm/llm_demo", set()),
    "tools": ("mount --bind /dev/null /usr/bin/stdbuf", "umount /usr/bin/stdbuf", set()),
    "clocks": (f"cp {GOVERNORS} /tmp/governors; echo ondemand >{GOVERNORS}", f"cp /tmp/governors {GOVERNORS}", set()),
    "dram-clock": (f"mv {DMC} {AWAY_DMC}", f"mv {AWAY_DMC} {DMC}", set()),
    "background-load": (BUSY * 6, "kill $(cat /tmp/busy); rm /tmp/busy", set()),
    "npu-users": (ON_NPU, "kill $(cat /tmp/user); rm /tmp/user", set()),
    "wall-clock": (
        "printf '#!/bin/sh\\necho 1500000000\\n' >/usr/local/bin/date; chmod +x /usr/local/bin/date",
        "rm /usr/local/bin/date",
        set(),
    ),
    "model-files": (f"mkdir -p rkfleet/models; echo cut >{MODEL}", f"rm {MODEL}", set()),
}
# What a board can only be from the start.
BORN = {
    "driver-version": "driver 0.9.2",
    "temperature": "°C",
    "swap": "512 MiB of 1.0 GiB swap",
    "memory": "any model needs 1.0 GiB",
    "disk": "free for rkfleet",
}


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    home = Home(tmp_path_factory.mktemp("lab"))
    sick = virtual(driver="0.9.2", ambient_c=90, swap_used_mib=512, ram_gib=1, disk_mib=24)
    home.inventory({"fit": virtual(), "sick": sick, "down": virtual("unreachable")})
    home.invoke("boards", code=4)  # they are on
    yield home
    down = [sys.executable, "-m", "virtual", "down", "--all", "--state", str(home.folder / ".virtual")]
    subprocess.run(down, cwd=PROJECT, check=True, capture_output=True, timeout=LIMIT_S)


def findings(home: Home, board: str, *, code: int) -> dict[str, dict[str, Any]]:
    told = json.loads(home.invoke("check", "--board", board, "--format", "json", code=code).stdout)
    assert {row["board"] for row in told} == {board} and {row["origin"] for row in told} == {"simulated"}
    return {row["check"]: row for row in told}


def failing(found: dict[str, dict[str, Any]]) -> set[str]:
    return {name for name, row in found.items() if row["verdict"] == "fail"}


def on_board(home: Home, name: str) -> Callable[[str], str]:
    state = home.folder / ".virtual"
    return Board(state, json.loads((state / name / "board.json").read_text())).say


def test_a_healthy_board_fails_nothing_and_knows_everything(lab: Home) -> None:
    found = findings(lab, "fit", code=0)
    assert list(found) and set(found) == {check.name for check in CHECKS}
    assert {name for name, row in found.items() if row["verdict"] != "ok"} == {"clocks", "dram-clock"}
    assert {found[name]["verdict"] for name in ("clocks", "dram-clock")} == {"warn"}


@pytest.mark.parametrize("name", [name for name in (check.name for check in CHECKS) if name not in BORN])
def test_each_check_fails_when_its_trouble_is_there_and_not_after_it(lab: Home, name: str) -> None:
    trouble, cure, others = DONE[name]
    say = on_board(lab, "fit")
    say(trouble)
    try:
        found = findings(lab, "fit", code=3)
    finally:
        say(cure)
    assert failing(found) == {name} | others
    assert found[name]["next action"] and found[name]["rule"]


def test_what_a_board_was_born_with_fails_too(lab: Home) -> None:
    on_board(lab, "sick")("dd if=/dev/zero of=/root/full bs=1M count=14 status=none")
    found = findings(lab, "sick", code=3)
    assert failing(found) == set(BORN)
    for name, says in BORN.items():
        assert says in found[name]["seen"]


def test_after_all_that_the_board_is_fit_again(lab: Home) -> None:
    assert not failing(findings(lab, "fit", code=0))


def test_a_board_that_is_down_is_4_and_a_failed_check_beside_it_is_3(lab: Home) -> None:
    alone = lab.invoke("check", "--board", "down,fit", code=4)
    assert "down: " in alone.stderr and "fit " in alone.stdout
    lab.invoke("check", "--board", "down,sick", code=3)


def test_a_bench_stops_at_that_board_in_the_same_words_and_the_others_go_on(home: Home) -> None:
    home.inventory({"lame": virtual(), "fit": virtual()})
    home.invoke("boards")
    on_board(home, "lame")("mount --bind /dev/null /usr/bin/stdbuf")
    seen = findings(home, "lame", code=3)["tools"]["seen"]
    done = home.invoke("bench", "--cores", "1", "--repeats", "1", "--campaign", "first", "--format", "json", code=3)
    cells = {cell["board"]: cell for cell in json.loads(done.stdout)}
    assert {name: cell["outcome"] for name, cell in cells.items()} == {"lame": "skipped", "fit": "ok"}
    assert f"tools: {seen}" in json.dumps(cells["lame"]["reasons"]) and f"tools: {seen}" in done.stderr
    assert "invoke bench --failed-from first" in done.stderr and "--force" in done.stderr
    assert not [event for event in home.truth("lame") if event["event"] == "demo_started"]


def test_force_goes_on_and_every_run_says_so(home: Home) -> None:
    home.inventory({"a": virtual()})
    home.invoke("boards")
    on_board(home, "a")(f"mv {DMC} {AWAY_DMC}")
    done = home.invoke("bench", "--cores", "1", "--repeats", "1", "--force")
    assert "a: measured although these checks failed (--force): dram-clock" in done.stdout
    assert {tuple(json.loads((run / "spec.json").read_text())["forced"]) for run in home.runs()} == {("dram-clock",)}
    home.invoke("collect")
    assert "dram-clock" in (home.folder / "reports" / "summary.csv").read_text()
