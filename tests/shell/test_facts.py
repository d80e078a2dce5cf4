"""facts.sh: what a board is, in one JSON object; what can not be read is null, with the reason."""

from __future__ import annotations

import hashlib
import json
import os
import random
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.shell.kit import SCRIPTS, BoardUnderTest, write_tree

CLOCK = {
    "governor": "performance\n",
    "min_freq": "300000000\n",
    "max_freq": "1000000000\n",
    "available_governors": "rknpu_ondemand userspace performance \n",
    "available_frequencies": "300000000 1000000000 \n",
}
BOARD: dict[str, bytes | str] = {
    "proc/device-tree/model": b"Radxa ROCK 5B\0",
    "proc/device-tree/compatible": b"radxa,rock-5b\0rockchip,rk3588\0",
    "proc/sys/kernel/osrelease": "6.1.84-vendor-rk35xx\n",
    "proc/sys/kernel/version": "#1 SMP Thu\n",
    "proc/sys/kernel/hostname": "rock\n",
    "proc/sys/kernel/random/boot_id": "11111111-2222-3333-4444-555555555555\n",
    "proc/uptime": "123.45 900.00\n",
    "proc/loadavg": "0.10 0.20 0.30 1/120 4321\n",
    "proc/meminfo": "MemTotal:       16335440 kB\nMemFree:         6580580 kB\nMemAvailable:   15576668 kB\n"
    "SwapTotal:       8167716 kB\nSwapFree:        8167716 kB\n"
    "CmaTotal:         524288 kB\nCmaFree:          515832 kB\n",
    "sys/block/zram0/disksize": "8363741184\n",
    "etc/os-release": 'ID=debian\nVERSION_ID="12"\nPRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\nBUG="x"\n',
    "sys/kernel/debug/rknpu/version": "RKNPU driver: v0.9.8\n",
    "sys/kernel/debug/rknpu/load": "NPU load:  Core0:  0%, Core1: 12%, Core2:  0%,\n",
    **{f"sys/class/devfreq/fdab0000.npu/{name}": text for name, text in CLOCK.items()},
    "sys/class/devfreq/fdab0000.npu/cur_freq": "1000000000\n",
    **{f"sys/class/devfreq/dmc/{name}": text for name, text in CLOCK.items()},
    "sys/class/devfreq/dmc/cur_freq": "2112000000\n",
    "sys/class/devfreq/dmc/load": "7@2112000000Hz\n",
    **{f"sys/class/devfreq/fb000000.gpu/{name}": text for name, text in CLOCK.items()},
    "sys/class/devfreq/fb000000.gpu/cur_freq": "300000000\n",
    "sys/class/devfreq/fb000000.gpu/load": "0@300000000Hz\n",
    **{
        f"sys/devices/system/cpu/cpufreq/policy4/{name}": text
        for name, text in {
            "affected_cpus": "4 5\n",
            "scaling_governor": "ondemand\n",
            "scaling_cur_freq": "408000\n",
            "scaling_min_freq": "408000\n",
            "scaling_max_freq": "2304000\n",
            "scaling_available_governors": "ondemand performance\n",
            "scaling_available_frequencies": "408000 2304000 \n",
        }.items()
    },
    "sys/class/thermal/thermal_zone0/type": "soc-thermal\n",
    "sys/class/thermal/thermal_zone0/temp": "45300\n",
    "sys/class/thermal/cooling_device0/type": "thermal-cpufreq-0\n",
    "sys/class/thermal/cooling_device0/cur_state": "0\n",
    "sys/class/thermal/cooling_device0/max_state": "7\n",
}
CLOCK_FACTS = {
    "governor": "performance",
    "min_hz": 300_000_000,
    "max_hz": 1_000_000_000,
    "governors": ["rknpu_ondemand", "userspace", "performance"],
    "available_hz": [300_000_000, 1_000_000_000],
}


def facts(board: BoardUnderTest, files: dict[str, bytes | str], *args: str | os.PathLike[str]) -> Any:
    root = write_tree(board.folder / "root", files)
    board.env["RK_SYSROOT"] = str(root)
    done = board.script("facts.sh", *args)
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout.count(b"\n") == 1
    return json.loads(done.stdout)


def nulls(value: Any, path: str = "") -> list[str]:
    if value is None:
        return [path]
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [null for name, each in items for null in nulls(each, f"{path}.{name}".lstrip("."))]


def test_a_whole_board_is_read_without_a_gap(board: BoardUnderTest) -> None:
    board.stub("uname", "echo aarch64\n")
    seen = facts(board, BOARD)
    assert seen.pop("epoch_s") > 1_700_000_000
    user, tools = seen.pop("user"), seen.pop("tools")
    assert seen == {
        "schema": 1,
        "simulated": None,
        "board": {"model": "Radxa ROCK 5B", "compatible": ["radxa,rock-5b", "rockchip,rk3588"]},
        "kernel": {"release": "6.1.84-vendor-rk35xx", "version": "#1 SMP Thu", "machine": "aarch64"},
        "hostname": "rock",
        "os": {"id": "debian", "version_id": "12", "pretty_name": "Debian GNU/Linux 12 (bookworm)"},
        "boot_id": "11111111-2222-3333-4444-555555555555",
        "uptime_s": 123.45,
        "memory": {
            "total_bytes": 16335440 * 1024,
            "available_bytes": 15576668 * 1024,
            "free_bytes": 6580580 * 1024,
            "swap_total_bytes": 8167716 * 1024,
            "swap_free_bytes": 8167716 * 1024,
            "zram_bytes": 8363741184,
            "cma_total_bytes": 524288 * 1024,
            "cma_free_bytes": 515832 * 1024,
        },
        "npu": {
            "driver": "0.9.8",
            "driver_source": f"{board.folder}/root/sys/kernel/debug/rknpu/version",
            "node": "fdab0000.npu",
            "cur_hz": 1_000_000_000,
            "load": "NPU load:  Core0:  0%, Core1: 12%, Core2:  0%,",
            **CLOCK_FACTS,
        },
        "dmc": {"node": "dmc", "cur_hz": 2_112_000_000, "load": "7@2112000000Hz", **CLOCK_FACTS},
        "gpu": {"node": "fb000000.gpu", "cur_hz": 300_000_000, "load": "0@300000000Hz", **CLOCK_FACTS},
        "cpu": [
            {
                "policy": "policy4",
                "cpus": "4 5",
                "governor": "ondemand",
                "cur_hz": 408_000_000,
                "min_hz": 408_000_000,
                "max_hz": 2_304_000_000,
                "governors": ["ondemand", "performance"],
                "available_hz": [408_000_000, 2_304_000_000],
            }
        ],
        "runtime": {"rkllm": [], "rknn": []},
        "thermal": {
            "zones": [{"type": "soc-thermal", "temp_mc": 45300}],
            "cooling": [{"type": "thermal-cpufreq-0", "cur_state": 0, "max_state": 7}],
        },
        "load": {"m1": 0.1, "m5": 0.2, "m15": 0.3, "running": 1, "tasks": 120},
        "disk": [],
        "npu_users": [],
        "missing": {},
    }
    assert user["uid"] == os.geteuid()
    needed = {"awk", "dd", "find", "flock", "setsid", "sha256sum", "stat", "stdbuf", "timeout"}
    assert set(tools) == {*needed, "systemd"}


def test_an_empty_board_has_a_reason_for_every_null(board: BoardUnderTest) -> None:
    seen = facts(board, {"nothing": ""})
    missing = seen.pop("missing")
    assert set(nulls(seen)) - {"simulated"} == set(missing)
    assert "npu.driver" in missing
    assert all(missing.values())


def test_it_works_from_standard_input_with_arguments(board: BoardUnderTest) -> None:
    done = subprocess.run(
        [str(board.stubs / "sh"), "-s", "--", "--disk", str(board.folder)],
        input=(SCRIPTS / "facts.sh").read_bytes(),
        env=board.env,
        capture_output=True,
        check=True,
    )
    seen = json.loads(done.stdout)
    stats = os.statvfs(board.folder)
    assert [disk["path"] for disk in seen["disk"]] == [str(board.folder)]
    assert seen["disk"][0]["total_bytes"] == stats.f_frsize * stats.f_blocks
    assert seen["boot_id"] == Path("/proc/sys/kernel/random/boot_id").read_text().strip()


def test_a_disk_path_that_is_not_there_yet_is_that_of_its_parent(board: BoardUnderTest) -> None:
    seen = facts(board, {"x": ""}, "--disk", board.folder / "no" / "such 'folder'", "--disk", "/")
    assert [disk["path"] for disk in seen["disk"]] == [f"{board.folder}/no/such 'folder'", "/"]
    assert seen["disk"][0]["free_bytes"] > 0


@pytest.mark.parametrize("args", [["--frob", "x"], ["--disk"], ["x"], ["--check"], ["--file"]])
def test_wrong_options_are_2(board: BoardUnderTest, args: list[str]) -> None:
    done = board.script("facts.sh", *args)
    assert (done.returncode, done.stdout) == (2, b"")
    assert done.stderr


@pytest.mark.parametrize(
    ("mark", "want"), [(b"20\0", {"time_scale": 20}), (b"2.5\n", {"time_scale": 2.5}), (b"", {"time_scale": None})]
)
@pytest.mark.parametrize("tree", ["proc/device-tree", "sys/firmware/devicetree/base"])
def test_a_stand_in_is_known_by_its_mark(board: BoardUnderTest, tree: str, mark: bytes, want: dict[str, Any]) -> None:
    seen = facts(board, {f"{tree}/rkfleet-simulated/time-scale": mark, f"{tree}/compatible": b"a\0b\0"})
    assert seen["board"]["compatible"] == ["a", "b"]
    assert seen["simulated"] == want
    assert ("simulated.time_scale" in seen["missing"]) == (want["time_scale"] is None)


@pytest.mark.parametrize(
    ("files", "kernel_log", "driver", "source"),
    [
        ({"proc/rknpu/version": "RKNPU driver: v0.9.6\n"}, "", "0.9.6", "/proc/rknpu/version"),
        ({"sys/module/rknpu/version": "0.9.3\n"}, "", "0.9.3", "/sys/module/rknpu/version"),
        ({"a": ""}, "[    9.9] [drm] Initialized rknpu 0.9.8 20240828 for fdab0000.npu on minor 1", "0.9.8", "dmesg"),
        ({"a": ""}, "[    9.9] RKNPU: Initialized RKNPU driver: v0.9.7 for 20240424", "0.9.7", "dmesg"),
        ({"a": ""}, "[    9.9] something else", None, None),
    ],
)
def test_the_driver_version_is_looked_for_in_several_places(
    board: BoardUnderTest, files: dict[str, bytes | str], kernel_log: str, driver: str | None, source: str | None
) -> None:
    board.stub("dmesg", f"echo '{kernel_log}'\n")
    npu = facts(board, files)["npu"]
    assert npu["driver"] == driver
    assert (npu["driver_source"] or "").removeprefix(f"{board.folder}/root") == (source or "")


def test_the_mainline_driver_is_named_as_the_reason(board: BoardUnderTest) -> None:
    board.stub("dmesg", "echo '[    6.0] [drm] Initialized rocket 0.0.0 for rknn on minor 0'\n")
    seen = facts(board, {"a": ""})
    assert seen["npu"]["driver"] is None
    assert "rocket" in seen["missing"]["npu.driver"]


def test_sudo_reads_what_only_root_may(board: BoardUnderTest) -> None:
    board.stub("id", "echo 'uid=1000(rock) gid=1000(rock) groups=1000(rock),27(sudo),44(video)'\n")
    board.stub(
        "sudo", '[ "$1" = -n ] || exit 9\nshift\ncase $1 in true) exit 0 ;; cat) echo "RKNPU driver: v0.9.8" ;; esac\n'
    )
    seen = facts(board, {"a": ""})
    assert seen["npu"]["driver"] == "0.9.8"
    assert seen["npu"]["driver_source"].startswith("sudo /")
    assert seen["user"] == {"name": "rock", "uid": 1000, "groups": ["rock", "sudo", "video"], "sudo": True}


def test_without_sudo_an_unprivileged_user_is_told_what_it_can_not_see(board: BoardUnderTest) -> None:
    board.stub("id", "echo 'uid=1000(rock) gid=1000(rock) groups=1000(rock)'\n")
    board.stub("sudo", "echo 'sudo: a password is required' >&2; exit 1\n")
    seen = facts(board, {"dev/dri/renderD129": ""})
    assert seen["user"]["sudo"] is False
    assert seen["npu_users"] is None
    assert "npu_users" in seen["missing"]


def test_runtime_libraries_tell_their_version(board: BoardUnderTest) -> None:
    libs = write_tree(
        board.folder / "my lib",
        {
            "librkllmrt.so": b"\x7fELF\0\xff\nI rkllm: rkllm-runtime version: 1.2.3\0x" + bytes(range(256)),
            "librknnrt.so": b"\0\0librknnrt version: 2.3.2 (429f97ae6b@2025-04-09T09:09:27)\0",
            "old/librkllmrt.so": b"rkllm-runtime version: %s\0",
        },
    )
    seen = facts(
        board,
        {"usr/lib/librknnrt.so": b"librknnrt version: 1.6.0\0"},
        "--lib",
        libs,
        "--lib",
        libs / "old/librkllmrt.so",
    )
    assert seen["runtime"] == {
        "rkllm": [
            {"path": f"{libs}/librkllmrt.so", "version": "1.2.3"},
            {"path": f"{libs}/old/librkllmrt.so", "version": None},
        ],
        "rknn": [
            {"path": f"{libs}/librknnrt.so", "version": "2.3.2"},
            {"path": f"{board.folder}/root/usr/lib/librknnrt.so", "version": "1.6.0"},
        ],
    }
    assert "runtime.rkllm.1.version" in seen["missing"]


def test_processes_on_the_npu_are_named(board: BoardUnderTest) -> None:
    root = write_tree(
        board.folder / "root",
        {
            "dev/dri/renderD128": "",
            "dev/dri/renderD129": "",
            "sys/class/drm/renderD128/device/uevent": "DRIVER=rockchip-drm\n",
            "sys/class/drm/renderD129/device/uevent": "DRIVER=RKNPU\n",
            "proc/12/comm": "llm_demo\n",
            "proc/13/comm": "Xorg\n",
            "proc/14/comm": "bash\n",
        },
    )
    for pid, target in ((12, "/dev/dri/renderD129"), (13, "/dev/dri/renderD128"), (14, "/dev/null")):
        (root / f"proc/{pid}/fd").mkdir()
        (root / f"proc/{pid}/fd/3").symlink_to(target)
    (root / "proc/12/fd/4").symlink_to("/dev/dri/renderD129")
    assert facts(board, {})["npu_users"] == [{"pid": 12, "comm": "llm_demo"}]
    (root / "proc/12/environ").write_bytes(b"A=1\0RKFLEET_RUN=[/s/runs/c/r]\0B=2\0")
    assert facts(board, {})["npu_users"] == [{"pid": 12, "comm": "llm_demo", "run": "[/s/runs/c/r]"}]


def test_text_beyond_ascii_is_kept_and_what_is_no_text_is_dropped(board: BoardUnderTest) -> None:
    name = 'é "q" \\ 板\t'.encode() + b"\xff\xc0\x80\xed\xa0\x80\xf4\x90\x80\x80 end"
    assert facts(board, {"proc/device-tree/model": name + b"\0"})["board"]["model"] == 'é "q" \\ 板\t end'


NPU_NODE: dict[str, bytes | str] = {
    "dev/dri/renderD128": "",
    "dev/dri/renderD129": "",
    "sys/class/drm/renderD128/device/uevent": "DRIVER=panthor\n",
    "sys/class/drm/renderD129/device/uevent": "DRIVER=RKNPU\n",
}


def stat_page(pid: int, name: str, ticks: int) -> str:
    return f"{pid} ({name}) S 1 {pid} {pid} 0 -1 4194560 1 0 0 0 {ticks} 1 0 0 20 0 1 0 500 1 1\n"


def test_what_only_checks_ask_for_is_read_for_them_alone(board: BoardUnderTest) -> None:
    assert "check" not in facts(board, BOARD)
    seen = facts(board, BOARD | NPU_NODE, "--check", board.folder / "store", "--demo", board.folder / "demo")
    assert seen["check"]["device"] == {"path": "/dev/dri/renderD129", "may": "rw"}
    assert seen["check"]["demos"] == [{"path": f"{board.folder}/demo", "is": "missing"}]
    assert seen["check"]["files"] == []
    assert seen["check"]["background"] is None and "check.background" in seen["missing"]


def test_each_demo_is_there_or_executable(board: BoardUnderTest) -> None:
    demo, other = board.folder / "a demo", board.folder / "another"
    demo.write_text("")
    for mode, state in ((0o644, "there"), (0o755, "executable")):
        demo.chmod(mode)
        seen = facts(board, {"x": ""}, "--check", board.folder, "--demo", demo, "--demo", other)
        rows = [{"path": str(demo), "is": state}, {"path": str(other), "is": "missing"}]
        assert seen["check"]["demos"] == rows
    assert seen["check"]["device"] is None and "no /dev/dri" in seen["missing"]["check.device"]


def test_the_newest_glibc_that_the_runtime_was_linked_against_is_named(board: BoardUnderTest) -> None:
    board.stub("getconf", "echo glibc 2.31\n")
    libs = write_tree(board.folder / "libs", {"librkllmrt.so": b"\0GLIBC_2.17\0GLIBC_2.9\0GLIBC_2.34\0GLIBC_PRIVATE"})
    seen = facts(board, {"x": ""}, "--lib", libs, "--check", board.folder)
    assert seen["check"]["glibc"] == {"version": "2.31", "needed": "2.34", "needed_by": f"{libs}/librkllmrt.so"}


def test_who_else_computes_is_counted_in_cores_and_named(board: BoardUnderTest) -> None:
    """The pages change between two looks, as they do on a board: `sleep` is when they do."""
    root = board.folder / "root"
    first: dict[str, bytes | str] = {
        "proc/uptime": "100.00 1.00\n",
        "proc/vmstat": "pswpin 10\npswpout 5\n",
        "proc/12/stat": stat_page(12, "a) (b 7", 500),
        "proc/13/stat": stat_page(13, "idle", 10),
    }
    second = write_tree(
        board.folder / "second",
        {
            "uptime": "100.50 1.00\n",
            "vmstat": "pswpin 10\npswpout 9\n",
            "12/stat": stat_page(12, "a) (b 7", 540),
            "13/stat": stat_page(13, "idle", 10),
            "14/stat": stat_page(14, "new", 900),
        },
    )
    board.stub("sleep", f"cp -R '{second}/.' '{root}/proc/'\n")
    seen = facts(board, first, "--check", board.folder)["check"]["background"]
    assert seen == {"seconds": 0.5, "cores": 0.8, "swapped_pages": 4, "most_pid": 12, "most_comm": "a) (b 7"}


def test_every_copy_of_a_model_file_is_told_with_what_is_remembered_of_it(board: BoardUnderTest) -> None:
    data = b"weights"
    sha256 = hashlib.sha256(data).hexdigest()
    store = write_tree(board.folder / "my store", {f"sha256/{sha256}": data, "models/x": ""})
    folder = write_tree(board.folder / "own", {"m.rkllm": data, "cut.rkllm": b"w"})
    found = board.script("artifact.sh", "find", store, sha256, "m.rkllm", folder / "m.rkllm")
    assert found.returncode == 0
    words = ["--check", store, "--folder", folder, "--file", f"{sha256}/m.rkllm", "--file", "/cut.rkllm"]
    seen = facts(board, {"x": ""}, *words, "--file", "/gone.rkllm")
    assert seen["check"]["files"] == [
        {"name": "m.rkllm", "path": f"{folder}/m.rkllm", "size_bytes": 7, "sha256": sha256},
        {"name": "m.rkllm", "path": f"{store}/sha256/{sha256}", "size_bytes": 7, "sha256": None},
        {"name": "cut.rkllm", "path": f"{folder}/cut.rkllm", "size_bytes": 1, "sha256": None},
    ]
    (folder / "m.rkllm").write_bytes(b"w3ights")
    assert facts(board, {"x": ""}, *words)["check"]["files"][0]["sha256"] is None


@pytest.mark.parametrize("seed", range(4))
def test_any_bytes_in_any_file_give_json(board: BoardUnderTest, seed: int) -> None:
    rng = random.Random(seed)
    odd = (
        b"",
        b"\0",
        b"\n",
        b"-",
        b"08\n",
        b"99999999999999999999\n",
        b"1e9\n",
        b"* ? [a]\n",
        b"$(exit 9) `exit 9`\n",
        b"\\\n",
    )
    files: dict[str, bytes | str] = {
        name: rng.choice([*odd, rng.randbytes(rng.randrange(1, 200)), bytes([rng.randrange(1, 256)]) * 3])
        for name in [*BOARD, "proc/12/stat", "proc/vmstat", "dev/rknpu"]
    }
    board.stub("sleep", "exit 0\n")
    facts(board, files, "--check", board.folder, "--demo", "/a", "--file", "/b.rkllm")
