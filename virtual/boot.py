"""One boot of a board, from power on to power off: its hardware, its namespaces, its demos.

A boot can be *frozen*: everything in it stops in one moment, its own clock too, and later goes on where it was. What
outlives a boot, the port and the keys and the disk and the ground truth, is ``board``'s.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import time
import uuid
from collections.abc import Callable
from pathlib import Path

from virtual.config import BoardConfig
from virtual.isolation import CanNotIsolate, PowerOn, child_pids, hand_over, power_on
from virtual.kernel_log import boot_lines
from virtual.machine import Machine
from virtual.npu import Npu
from virtual.rootfs import archive_id, factory_archive
from virtual.sysfs import CONTROLS, Pages, control_folders
from virtual.truth import Truth
from virtual.watch import Watch
from virtual.whole import write_whole

FULL_DISK = "64k"
IDLE_TICK_S = 5.0
BUSY_TICK_S = 1.0
WARM_TICK_SIMULATED_S = 5.0  # a tenth of the chip's time constant, so that the temperature that is shown is its own
LEAST_TICK_S = 0.1
COMPANY_TICK_S = 0.05  # counters that are looked at twice in a tenth of a second
TERM_STEP_S = 0.02
Strike = Callable[[int, int], None]  # pid and run of the demo that is in the middle of an answer


class Boot:
    """A board while it is switched on; made by switching it on. Raises CanNotIsolate."""

    def __init__(
        self, folder: Path, config: BoardConfig, truth: Truth, wake: Callable[[], None], strike: Strike
    ) -> None:
        self.folder = folder
        self.name = folder.name
        self.config = config
        self.truth = truth
        self.wake = wake  # the load has changed: do not wait for the next idle tick
        self.strike = strike
        self.boot_id = str(uuid.uuid4())
        self.machine = Machine(self.name, config)
        self.pages = Pages(folder, self.machine, config, self.boot_id)
        self.thawed = asyncio.Event()
        self.thawed.set()
        self._frozen_s = 0.0
        self._frozen_at = 0.0
        for sub in ("root", "usr-local", "bus"):
            path = folder / sub
            if not path.is_dir():
                path.mkdir()
                hand_over(path)
        self.npu = Npu(self)
        home = FULL_DISK if "disk_full" in config.faults and config.disk_mib is None else "disk"
        self.enclosure = power_on(PowerOn(folder, self.name, home))
        self._fill_disk()
        self._watch = Watch(self.pages.sys, list(control_folders(self.machine)), self._settings_written)
        self.npu.open()
        self._ticked = time.monotonic()
        for at_s, text in boot_lines(self.machine, config):
            self.pages.log(at_s, text)

    @property
    def busy(self) -> bool:
        return bool(self.machine.work or self.npu.busy)

    @property
    def tick_s(self) -> float:
        """Until what is shown is to be brought up to date."""
        if self.machine.company_cores or self.machine.swap_pages_s:
            return COMPANY_TICK_S
        hot_s = max(LEAST_TICK_S, WARM_TICK_SIMULATED_S / self.config.time_scale)
        if self.busy:
            return min(BUSY_TICK_S, hot_s)
        return min(IDLE_TICK_S, hot_s) if self.machine.is_warm else IDLE_TICK_S

    @property
    def root(self) -> Path:
        """The board's / as its processes see it, /run and /proc included."""
        return Path(f"/proc/{self.enclosure.init_pid}/root")

    def uptime_s(self) -> float:
        """What /proc/uptime says inside."""
        return time.clock_gettime(time.CLOCK_BOOTTIME) + self.enclosure.uptime_offset_s

    def oom_score_adj(self, pid: int) -> int:
        """How much a process offers itself to the kernel when memory runs out."""
        with contextlib.suppress(OSError, ValueError):
            return int((self.root / f"proc/{pid}/oom_score_adj").read_text())
        return 0

    def clock(self) -> float:
        """The time that the demos live by: it stands still while the board is frozen."""
        now = self._frozen_at if self.frozen else time.monotonic()
        return now - self._frozen_s

    def tick(self) -> None:
        """Let the time since the last tick pass."""
        self.let_pass()
        if not self.frozen:
            self.pages.refresh()
            _continue_children()

    def let_pass(self) -> None:
        """The same without showing it; before anything that moves a clock."""
        now = self.clock()
        wall_s, self._ticked = now - self._ticked, now
        self.machine.advance(wall_s, wall_s * self.config.time_scale)

    # --- frozen -------------------------------------------------------------------------------------------------

    @property
    def frozen(self) -> bool:
        return not self.thawed.is_set()

    def freeze(self) -> None:
        """Stop every process at once; the kernel takes them under one lock, so none can fork itself free."""
        self._frozen_at = time.monotonic()
        self.thawed.clear()
        self.enclosure.run(["sh", "-c", "kill -STOP -1"])

    def thaw(self) -> None:
        self.enclosure.run(["sh", "-c", "kill -CONT -1"])
        self._frozen_s += time.monotonic() - self._frozen_at
        self.thawed.set()
        _continue_children()
        self.wake()

    # --- the end ------------------------------------------------------------------------------------------------

    async def terminate(self, limit_s: float) -> None:
        """Ask every process to end, as an orderly shutdown does, and give them a moment."""
        deadline = time.monotonic() + limit_s
        self.enclosure.run(["sh", "-c", "kill -TERM -1"])
        while time.monotonic() < deadline and self._processes() > 1:
            await asyncio.sleep(TERM_STEP_S)

    async def power_off(self) -> None:
        """All at once and for certain."""
        self.enclosure.power_off()
        self._watch.close()
        await self.npu.close()
        self.pages.close()
        _continue_children()

    def _processes(self) -> int:
        with contextlib.suppress(OSError):
            return sum(entry.name.isdigit() for entry in os.scandir(self.root / "proc"))
        return 0

    def _settings_written(self, files: set[tuple[str, str]]) -> None:
        folders = {folder for folder, name in files if name in CONTROLS}
        if not folders:
            return
        self.let_pass()
        # All of a folder at once: showing what one has changed would wipe out what was written into the others.
        for folder, control in control_folders(self.machine).items():
            for name, (what, _) in CONTROLS.items():
                if folder not in folders or not self.pages.has(folder, name):
                    continue
                before = control.shown(what)
                if self.pages.written(folder, name):
                    self.machine.settle()
                    self.truth.record("setting", folder=folder, name=name, before=before, after=control.shown(what))
        self.pages.refresh()

    def _fill_disk(self) -> None:
        """Unpack the factory's files when the disk is new or the factory makes other ones now."""
        archive = factory_archive(self.name, self.config)
        mark = self.folder / "factory"
        known = mark.read_text() if mark.exists() else ""
        if known == archive_id(archive) and "disk_full" not in self.config.faults:
            return
        done = self.enclosure.run(["tar", "-C", "/", "-xf", "-"], archive)
        if done.returncode != 0:
            raise CanNotIsolate(f"unpacking the board's disk failed: {done.stderr.decode(errors='replace')}")
        write_whole(mark, archive_id(archive).encode())


def _continue_children() -> None:
    """``nsenter`` stops itself when its child is stopped, a moment later; then it does not see how that child ends."""
    for pid in child_pids(os.getpid()):
        with contextlib.suppress(OSError):
            stat = Path(f"/proc/{pid}/stat").read_text(errors="replace")
            if stat.rpartition(")")[2].split()[0] == "T":
                os.kill(pid, signal.SIGCONT)
