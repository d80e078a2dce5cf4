"""What /sys and /proc of a board show of its hardware, and how it gets there.

The pages are plain files in a folder that the board sees as its /sys. They change whole: a new text is written
beside the folder and renamed into place through a descriptor of its directory that was opened before anything
ran on the board, so nothing that the board does to its /sys can make us write elsewhere. The few pages of /proc
are bound one by one and keep their inode: they have a fixed length and are overwritten in place.
"""

from __future__ import annotations

import contextlib
import os
import shutil
from pathlib import Path

from virtual.config import BoardConfig
from virtual.isolation import hand_over
from virtual.machine import ZONES, Clock, IdleState, Machine
from virtual.rootfs import KERNEL_RELEASE, KERNEL_VERSION

DEVFREQ = {"fdab0000.npu": "npu", "dmc": "dmc", "fb000000.gpu": "gpu"}
CPUS = {0: "0 1 2 3", 4: "4 5", 6: "6 7"}
MODEL = "rkfleet virtual RK3588 board (simulated)"
COMPATIBLE = ("rkfleet,virtual-rk3588", "rockchip,rk3588")
KMSG = "kernel/debug/rkfleet_kmsg"
CONTROLS = {  # file name -> what it sets, and its unit in Hz
    "governor": ("governor", 1),
    "min_freq": ("min", 1),
    "max_freq": ("max", 1),
    "set_freq": ("wanted", 1),
    "scaling_governor": ("governor", 1),
    "scaling_min_freq": ("min", 1000),
    "scaling_max_freq": ("max", 1000),
    "scaling_setspeed": ("wanted", 1000),
    "disable": ("disable", 1),
}


def clock_folders(machine: Machine) -> dict[str, Clock]:
    """Where each clock's files are, below /sys."""
    steered = {node: attribute for node, attribute in DEVFREQ.items() if machine.has_dmc or node != "dmc"}
    folders = {f"class/devfreq/{node}": getattr(machine, attribute) for node, attribute in steered.items()}
    return folders | {f"devices/system/cpu/cpufreq/policy{cpu}": clock for cpu, clock in machine.cpu.items()}


def control_folders(machine: Machine) -> dict[str, Clock | IdleState]:
    """Where a person may write, below /sys."""
    clocks = clock_folders(machine)
    below = {f"{folder}/userspace": clock for folder, clock in clocks.items() if "devfreq" in folder}
    return clocks | below | {_idle_folder(cpu): state for cpu, state in machine.idle.items()}


def _idle_folder(cpu: int) -> str:
    return f"devices/system/cpu/cpu{cpu}/cpuidle/state1"


class Pages:
    """The files of one boot of one board."""

    def __init__(self, folder: Path, machine: Machine, config: BoardConfig, boot_id: str) -> None:
        self._machine = machine
        self._shown: dict[str, str] = {}
        self._folders: dict[str, int] = {}
        self.sys = folder / "sys"
        self.proc = folder / "proc"
        staging = folder / "staging"
        for path in (self.sys, self.proc, staging):
            shutil.rmtree(path, ignore_errors=True)
            path.mkdir()
            hand_over(path)
        staging.chmod(0o700)
        self._staging = os.open(staging, os.O_RDONLY | os.O_DIRECTORY)
        for page, text in _fixed_pages(machine, config).items():
            self._show(page, text)
        self._link_cpus()
        for page, text in _proc_pages(machine, config, boot_id).items():
            path = self.proc / page
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        self._meminfo = os.open(self.proc / "meminfo", os.O_WRONLY)
        self._loadavg = os.open(self.proc / "loadavg", os.O_WRONLY)
        self._counters = {page: os.open(self.proc / page, os.O_WRONLY) for page in ("stat", "vmstat")}
        self._show(KMSG, "")
        self._kmsg = os.open(self.sys / KMSG, os.O_WRONLY | os.O_APPEND)
        self.refresh()

    def refresh(self) -> None:
        """Show the hardware as it is now; pages that did not change are not touched."""
        for page, text in _live_pages(self._machine).items():
            if self._shown.get(page) != text:
                self._show(page, text)
        self.show_memory()
        os.pwrite(self._loadavg, loadavg(self._machine).encode(), 0)
        os.pwrite(self._counters["stat"], stat(self._machine).encode(), 0)
        os.pwrite(self._counters["vmstat"], vmstat(self._machine).encode(), 0)

    def show_memory(self) -> None:
        """What is free, alone: it moves faster than the rest."""
        os.pwrite(self._meminfo, meminfo(self._machine).encode(), 0)

    def has(self, folder: str, name: str) -> bool:
        """Do we show a file of that name there."""
        return f"{folder}/{name}" in self._shown

    def written(self, folder: str, name: str) -> bool:
        """Somebody wrote to one of the files that set something; True when a setting has changed."""
        control = CONTROLS.get(name)
        clock = control_folders(self._machine).get(folder)
        if control is None or clock is None:
            return False
        page = f"{folder}/{name}"
        try:
            fd = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=self._folders[folder])
            text = os.read(fd, 100).decode(errors="replace")
            os.close(fd)
        except OSError:
            return False
        if text == self._shown.get(page):
            return False  # our own rename
        what, unit_hz = control
        word = text.strip()
        changed = clock.write(what, str(int(word) * unit_hz) if unit_hz > 1 and word.isdigit() else word)
        self._shown.pop(page, None)  # whatever was written, the kernel's own spelling is what is read back
        return changed

    def log(self, uptime_s: float, text: str, level: int = 6) -> None:
        """One line of the kernel's log."""
        os.write(self._kmsg, f"<{level}>[{uptime_s:12.6f}] {text}\n".encode())

    def close(self) -> None:
        for fd in (
            *self._folders.values(),
            *self._counters.values(),
            self._staging,
            self._meminfo,
            self._loadavg,
            self._kmsg,
        ):
            os.close(fd)
        self._folders.clear()

    def _show(self, page: str, text: str) -> None:
        folder, _, name = page.rpartition("/")
        if folder not in self._folders:
            path = self.sys
            for part in folder.split("/"):
                path /= part
                if not path.is_dir():
                    path.mkdir()
                    hand_over(path)
            self._folders[folder] = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
        with contextlib.suppress(FileNotFoundError):  # the board may remove its own /sys: its loss
            fd = os.open("page", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644, dir_fd=self._staging)
            try:
                hand_over(fd)
                os.write(fd, text.encode())
            finally:
                os.close(fd)
            os.rename("page", name, src_dir_fd=self._staging, dst_dir_fd=self._folders[folder])
        self._shown[page] = text

    def _link_cpus(self) -> None:
        for policy, cpus in CPUS.items():
            for cpu in cpus.split():
                link = self.sys / f"devices/system/cpu/cpu{cpu}/cpufreq"
                link.symlink_to(f"../cpufreq/policy{policy}")


def meminfo(machine: Machine) -> str:
    """/proc/meminfo; every line as wide as the kernel makes it, so its length never changes."""
    available = machine.available_bytes
    cached = min(machine.cached_bytes, max(0, available - 64 * 1024 * 1024))
    npu = int(sum(machine.taken_bytes.values()))
    fields = {
        "MemTotal": machine.total_bytes,
        "MemFree": max(0, available - cached),
        "MemAvailable": available,
        "Buffers": 9 * 1024 * 1024,
        "Cached": cached,
        "SwapCached": 0,
        "SwapTotal": 2 * machine.swap_used_bytes,
        "SwapFree": machine.swap_used_bytes,
        "Shmem": 12 * 1024 * 1024 + npu,
        "CmaTotal": 8 * 1024 * 1024,
        "CmaFree": 6 * 1024 * 1024,
    }
    return "".join(f"{name + ':':<15}{value // 1024:>9} kB\n" for name, value in fields.items())


def loadavg(machine: Machine) -> str:
    one = min(machine.load1, 9.99)
    return (
        f"{one:.2f} {one * 0.8:.2f} {one * 0.6:.2f} {1 + 3 * len(machine.work)}/{140 + 9 * len(machine.work)} 12345\n"
    )


def stat(machine: Machine) -> str:
    """The ticks of /proc/stat. They are counted where somebody else keeps cores busy, and stand at 0 elsewhere: a
    board at rest writes nothing ten times a second."""
    share = machine.company_cores / 8
    ticks = machine.lived_s * 100
    each = f"{ticks * share:>12.0f} 0 0 {ticks * (1 - share):>12.0f} 0 0 0 0 0 0\n"
    all_ticks = f"{8 * ticks * share:>12.0f} 0 0 {8 * ticks * (1 - share):>12.0f} 0 0 0 0 0 0\n"
    return f"cpu  {all_ticks}" + "".join(f"cpu{cpu} {each}" for cpu in range(8)) + "btime 1700000000\n"


def vmstat(machine: Machine) -> str:
    """Of /proc/vmstat, the pages of swap."""
    return f"pswpin {machine.swapped_pages:>12.0f}\npswpout {0:>12}\n"


def _live_pages(machine: Machine) -> dict[str, str]:
    pages = {}
    for folder, clock in clock_folders(machine).items():
        pages.update(_devfreq(folder, clock) if "devfreq" in folder else _cpufreq(folder, clock))
    pages |= {f"{_idle_folder(cpu)}/disable": f"{int(state.disabled)}\n" for cpu, state in machine.idle.items()}
    busy = 97 if machine.on_npu else 0
    cores = max((work.cores for work in machine.work.values() if work.on_npu), default=0)
    loads = [busy - 3 * core if core < cores else 0 for core in range(3)]
    pages["class/devfreq/fdab0000.npu/load"] = f"{max(loads)}@{machine.npu.cur_hz}Hz\n"
    if machine.has_dmc:
        pages["class/devfreq/dmc/load"] = f"{60 if machine.on_npu else 2}@{machine.dmc.cur_hz}Hz\n"
    pages["class/devfreq/fb000000.gpu/load"] = f"0@{machine.gpu.cur_hz}Hz\n"
    shown = ", ".join(f"Core{core}: {load:2d}%" for core, load in enumerate(loads))
    pages["kernel/debug/rknpu/load"] = f"NPU load:  {shown},\n"
    pages["kernel/debug/rknpu/freq"] = f"{machine.npu.cur_hz}\n"
    pages["kernel/debug/rknpu/power"] = "on\n" if machine.work else "off\n"
    for index, temp_mc in enumerate(machine.temperatures_mc().values()):
        pages[f"class/thermal/thermal_zone{index}/temp"] = f"{temp_mc}\n"
    for index, clock in enumerate(_cooled(machine).values()):
        pages[f"class/thermal/cooling_device{index}/cur_state"] = f"{clock.cooling}\n"
    return pages


def _cooled(machine: Machine) -> dict[str, Clock]:
    """What is slowed down against heat, by the type of its cooling device."""
    return {f"cpufreq-cpu{policy}": machine.cpu[policy] for policy in CPUS} | {"devfreq-fdab0000.npu": machine.npu}


def _devfreq(folder: str, clock: Clock) -> dict[str, str]:
    return {
        f"{folder}/trans_stat": _trans_stat(clock),  # first: who sees the new clock finds the old one's time counted
        f"{folder}/governor": f"{clock.governor}\n",
        f"{folder}/cur_freq": f"{clock.cur_hz}\n",
        f"{folder}/target_freq": f"{clock.cur_hz}\n",
        f"{folder}/min_freq": f"{clock.min_hz}\n",
        f"{folder}/max_freq": f"{clock.max_hz}\n",
        f"{folder}/userspace/set_freq": f"{clock.wanted_hz}\n",
    }


def _cpufreq(folder: str, clock: Clock) -> dict[str, str]:
    spent = "".join(f"{hz // 1000} {ms / 10:.0f}\n" for hz, ms in clock.spent_ms.items())
    wanted = str(clock.wanted_hz // 1000) if clock.governor == "userspace" else "<unsupported>"
    return {
        f"{folder}/stats/time_in_state": spent,  # first, as above
        f"{folder}/scaling_governor": f"{clock.governor}\n",
        f"{folder}/scaling_cur_freq": f"{clock.cur_hz // 1000}\n",
        f"{folder}/cpuinfo_cur_freq": f"{clock.cur_hz // 1000}\n",
        f"{folder}/scaling_min_freq": f"{clock.min_hz // 1000}\n",
        f"{folder}/scaling_max_freq": f"{clock.max_hz // 1000}\n",
        f"{folder}/scaling_setspeed": f"{wanted}\n",
    }


def _trans_stat(clock: Clock) -> str:
    """The kernel's table: a row a clock left, a column a clock gone to, then the time spent there."""
    steps = clock.available_hz
    lines = ["     From  :   To\n", "           :" + "".join(f"{hz:>10}" for hz in steps) + "   time(ms)\n"]
    for left in steps:
        counts = "".join(f"{clock.moves.get((left, to), 0):>10}" for to in steps)
        lines.append(f"{'*' if left == clock.cur_hz else ' '}{left:>10}:{counts}{clock.spent_ms[left]:>11.0f}\n")
    lines.append(f"Total transition : {sum(clock.moves.values())}\n")
    return "".join(lines)


def _fixed_pages(machine: Machine, config: BoardConfig) -> dict[str, str]:
    driver = config.driver_shown
    scale = f"{config.time_scale:g}"
    tree = "firmware/devicetree/base"
    pages = {
        "kernel/debug/rknpu/version": f"RKNPU driver: v{driver}\n",
        "kernel/debug/rknpu/volt": "850000\n",
        "kernel/debug/rknpu/delayms": "3000\n",
        "module/rknpu/version": f"{driver}\n",
        f"{tree}/model": f"{MODEL}\0",
        f"{tree}/compatible": "".join(f"{word}\0" for word in COMPATIBLE),
        f"{tree}/rkfleet-simulated/time-scale": f"{scale}\n",
        "devices/system/cpu/online": "0-7\n",
        "devices/system/cpu/present": "0-7\n",
        "devices/system/cpu/possible": "0-7\n",
    }
    for cpu in range(8):
        pages[f"{_idle_folder(cpu)}/name"] = "cpu-sleep\n"
    for folder, clock in clock_folders(machine).items():
        if "devfreq" in folder:
            pages[f"{folder}/available_governors"] = " ".join(clock.governors) + "\n"
            pages[f"{folder}/available_frequencies"] = " ".join(map(str, clock.available_hz)) + "\n"
            pages[f"{folder}/polling_interval"] = "50\n"
    for policy, cpus in CPUS.items():
        folder, clock = f"devices/system/cpu/cpufreq/policy{policy}", machine.cpu[policy]
        steps_khz = [hz // 1000 for hz in clock.available_hz]
        pages[f"{folder}/affected_cpus"] = pages[f"{folder}/related_cpus"] = f"{cpus}\n"
        pages[f"{folder}/scaling_driver"] = "cpufreq-dt\n"
        pages[f"{folder}/cpuinfo_min_freq"] = f"{steps_khz[0]}\n"
        pages[f"{folder}/cpuinfo_max_freq"] = f"{steps_khz[-1]}\n"
        pages[f"{folder}/scaling_available_governors"] = " ".join(clock.governors) + "\n"
        pages[f"{folder}/scaling_available_frequencies"] = " ".join(map(str, steps_khz)) + "\n"
    for index, zone in enumerate(ZONES):
        pages[f"class/thermal/thermal_zone{index}/type"] = f"{zone}-thermal\n"
        pages[f"class/thermal/thermal_zone{index}/trip_point_0_temp"] = "115000\n"
        pages[f"class/thermal/thermal_zone{index}/trip_point_0_type"] = "critical\n"
    for index, (kind, clock) in enumerate(_cooled(machine).items()):
        folder = f"class/thermal/cooling_device{index}"
        pages[f"{folder}/type"] = f"{kind}\n"
        pages[f"{folder}/max_state"] = f"{len(clock.available_hz) - 1}\n"
    return pages


def _proc_pages(machine: Machine, config: BoardConfig, boot_id: str) -> dict[str, str]:
    parts = ["0xd05"] * 4 + ["0xd0b"] * 4  # Cortex-A55, Cortex-A76
    cpuinfo = "".join(
        f"processor\t: {cpu}\nBogoMIPS\t: 48.00\nCPU implementer\t: 0x41\nCPU architecture: 8\nCPU part\t: {part}\n\n"
        for cpu, part in enumerate(parts)
    )
    builder = "(build@rkfleet.invalid) (aarch64-linux-gnu-gcc 12.2.0)"
    return {
        "meminfo": meminfo(machine),
        "loadavg": loadavg(machine),
        "stat": stat(machine),
        "vmstat": vmstat(machine),
        "version": f"Linux version {KERNEL_RELEASE} {builder} {KERNEL_VERSION}\n",
        "cpuinfo": cpuinfo,
        "cmdline": f"root=/dev/mmcblk0p2 console=ttyFIQ0 rkfleet.virtual=1 rkfleet.time_scale={config.time_scale:g}\n",
        "sys/kernel/osrelease": f"{KERNEL_RELEASE}\n",
        "sys/kernel/version": f"{KERNEL_VERSION}\n",
        "sys/kernel/random/boot_id": f"{boot_id}\n",
    }
