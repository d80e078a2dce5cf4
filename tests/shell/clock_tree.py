"""The clocks of a board as files: what sysfs shows of NPU, DRAM, CPUs and idle states, with as much of it as wanted."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.shell.kit import BoardUnderTest, write_tree

BOOT_ID = "12345678-0000-0000-0000-000000000000"
NPU, DMC = "sys/class/devfreq/fdab0000.npu", "sys/class/devfreq/dmc"
GOVERNORS = "dmc_ondemand userspace powersave performance simple_ondemand"
LPDDR4X = "528000000 1068000000 1560000000 2112000000"


def policy(number: int) -> str:
    return f"sys/devices/system/cpu/cpufreq/policy{number}"


def idle(cpu: int, state: int = 1) -> str:
    return f"sys/devices/system/cpu/cpu{cpu}/cpuidle/state{state}"


def devfreq(node: str, steps: str, governors: str = GOVERNORS, governor: str = "dmc_ondemand") -> dict[str, str]:
    """The clock stands at its top already, as it would a moment after it was asked to."""
    first, last = steps.split()[0], max(steps.split(), key=int)
    files = {
        "governor": governor,
        "cur_freq": last,
        "min_freq": first,
        "max_freq": last,
        "available_frequencies": steps,
        "available_governors": governors,
        "trans_stat": trans_stat({first: 1000, last: 5000}),
    }
    if "userspace" in governors:
        files["userspace/set_freq"] = first
    return {f"{node}/{name}": f"{text}\n" for name, text in files.items()}


def cpufreq(number: int, steps: str, governors: str = "ondemand userspace performance") -> dict[str, str]:
    first, last = steps.split()[0], max(steps.split(), key=int)
    files = {
        "scaling_governor": "ondemand",
        "scaling_cur_freq": last,
        "scaling_min_freq": first,
        "scaling_max_freq": last,
        "cpuinfo_max_freq": last,
        "scaling_available_frequencies": steps,
        "scaling_available_governors": governors,
        "scaling_setspeed": "<unsupported>",
        "stats/time_in_state": f"{first} 100\n{last} 200",
    }
    return {f"{policy(number)}/{name}": f"{text}\n" for name, text in files.items()}


def trans_stat(ms: dict[str, int]) -> str:
    head = "     From  :   To\n           :" + "".join(f"{hz:>10}" for hz in ms) + "   time(ms)\n"
    rows = [
        f"{'*' if hz == list(ms)[-1] else ' '}{hz:>10}:" + f"{0:>10}" * len(ms) + f"{spent:>10}\n"
        for hz, spent in ms.items()
    ]
    return head + "".join(rows) + "Total transition : 3"


def board_files(governors: str = GOVERNORS, dmc: str | None = LPDDR4X) -> dict[str, bytes | str]:
    """An RK3588 with two idle states at most."""
    cpu_governors = "ondemand userspace performance" if "userspace" in governors else "ondemand performance"
    files: dict[str, bytes | str] = {
        "proc/sys/kernel/random/boot_id": f"{BOOT_ID}\n",
        "proc/uptime": "100.00 0.00\n",
        "sys/firmware/devicetree/base/compatible": b"radxa,rock-5b\0rockchip,rk3588\0",
    }
    files |= devfreq(NPU, "300000000 700000000 1000000000", governors, "rknpu_ondemand")
    if dmc is not None:
        files |= devfreq(DMC, dmc, governors)
    for number, steps in ((0, "408000 1800000"), (4, "408000 2256000"), (6, "2400000 408000 1200000")):
        files |= cpufreq(number, steps, cpu_governors)
    for cpu in range(8):
        for state, name in enumerate(("WFI", "cpu-sleep")):
            files |= {f"{idle(cpu, state)}/name": f"{name}\n", f"{idle(cpu, state)}/disable": "0\n"}
    return files


class Tree:
    """A board's RK_SYSROOT with clocks in it."""

    def __init__(self, board: BoardUnderTest, files: dict[str, bytes | str]) -> None:
        self.board = board
        self.root = write_tree(board.folder / "root of it", files)
        self.lock = board.folder / "run.lock"
        self.lock.touch()
        self.saved = self.root / "run/rkfleet/clocks"
        board.env["RK_SYSROOT"] = str(self.root)

    def text(self, name: str) -> str:
        return (self.root / name).read_text().strip()

    def write(self, name: str, text: str) -> None:
        (self.root / name).write_text(text)

    def settings(self) -> dict[str, str]:
        """Every file that can be written."""
        ends = ("governor", "min_freq", "max_freq", "set_freq", "setspeed", "disable")
        return {
            str(path.relative_to(self.root)): path.read_text()
            for path in sorted((self.root / "sys").rglob("*"))
            if path.name.endswith(ends) and not path.name.startswith(("available", "cpuinfo"))
        }

    def lines(self, *words: str, code: int = 0) -> dict[str, Any]:
        """What clocks.sh says: `clock` lines by name, the others by path, and `left`."""
        done = self.board.script("clocks.sh", *words)
        assert done.returncode == code, done.stderr.decode()
        said: dict[str, Any] = {"clock": {}, "was": {}, "is": {}, "time": {}, "left": {}}
        for line in done.stdout.decode().splitlines():
            word, *fields = line.split("\t")
            if word == "clock":
                kind, name, path, wanted, how, why = fields
                said["clock"][name if name != "-" else kind] = (path, wanted, how, why)
            elif word in ("was", "is"):
                said[word][fields[0].lstrip("/")] = tuple(fields[1:])
            elif word == "time":
                said["time"].setdefault(fields[0].lstrip("/"), {})[fields[1]] = int(fields[2])
            elif word == "left":
                said["left"][fields[0]] = fields[1]
            else:
                assert word == "profile"
        return said

    def pin(self, profile: str = "pinned", owner: str = "c1/r1", lock: Path | None = None) -> dict[str, Any]:
        return self.lines("pin", profile, owner, str(lock or self.lock))
