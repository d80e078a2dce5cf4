"""The process that is a board, from power on to power off: ``python -m virtual.board FOLDER READY_FD``.

It holds the lock ``alive`` in its folder for as long as it lives, which is how others know that it does. It has
one clock: a tick a second while a demo runs, every few seconds otherwise, and none of the ticks does more than
move the hardware's state on and write down what changed.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import json
import os
import signal
import sys
import time
import uuid
from pathlib import Path

import asyncssh

from virtual.config import BoardConfig, parse_config
from virtual.isolation import CanNotIsolate, Enclosure, PowerOn, hand_over, power_on
from virtual.kernel_log import boot_lines
from virtual.machine import Machine
from virtual.npu import Npu
from virtual.rootfs import archive_id, factory_archive
from virtual.ssh import BoardServer
from virtual.sysfs import Pages, clock_folders
from virtual.truth import Truth
from virtual.watch import Watch

BUSY_TICK_S = 1.0
IDLE_TICK_S = 5.0
FULL_DISK = "64k"
DROPPED_S = 0.3
EXIT_CAN_NOT_ISOLATE = 3


class Board:
    """One board while it is switched on."""

    def __init__(self, folder: Path, config: BoardConfig) -> None:
        self.folder = folder
        self.name = folder.name
        self.config = config
        self.truth = Truth(folder / "truth.jsonl")
        self.machine = Machine(self.name, config)
        self.boot_id = str(uuid.uuid4())
        self.host_key = _key(folder / "host_key", f"{self.name} (virtual)")
        self.client_key = _key(folder / "client_key", f"rkfleet virtual {self.name}")
        self.pages = Pages(folder, self.machine, config, self.boot_id)
        for sub in ("root", "usr-local", "bus"):
            path = folder / sub
            if not path.is_dir():
                path.mkdir()
                hand_over(path)
        self.npu = Npu(self)
        home = FULL_DISK if "disk_full" in config.faults else "disk"
        self._enclosure = power_on(PowerOn(folder, self.name, home))
        self._fill_disk()
        self.server = BoardServer(self.truth, self.host_key, self.client_key, lambda: self._enclosure)
        self.stopped = asyncio.Event()
        self._woken = asyncio.Event()
        self._ticked = time.monotonic()
        for at_s, text in boot_lines(self.machine, config):
            self.pages.log(at_s, text)
        self.truth.record("boot", boot_id=self.boot_id, config=json.loads(config.to_json()))

    @property
    def enclosure(self) -> Enclosure:
        return self._enclosure

    def uptime_s(self) -> float:
        """What /proc/uptime says inside."""
        return time.clock_gettime(time.CLOCK_BOOTTIME) + self._enclosure.uptime_offset_s

    def wake(self) -> None:
        """The load has changed: do not wait for the next idle tick."""
        self._woken.set()

    def drop_connections(self) -> None:
        """Cut all SSH connections now; the server is back a moment later."""
        self._dropping = asyncio.get_running_loop().create_task(self.server.drop(DROPPED_S))

    async def run(self, port: int, ready: int) -> int:
        """Live until switched off; says so on the descriptor ``ready`` when it answers. Returns the exit code."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.stopped.set)
        watch = Watch(self.pages.sys, list(clock_folders(self.machine)), self._setting_written)
        self.npu.open()
        if "unreachable" in self.config.faults:
            self.server.refuse(port)
            self.truth.record("fault", fault="unreachable")
        else:
            await self.server.listen(port)
        reason = "idle"
        try:
            _announce(self)
            os.write(ready, b"ready\n")
            os.close(ready)
            reason = await self._live()
        finally:
            self.server.close()
            watch.close()
            self.npu.close()
            self._enclosure.power_off()
            self.pages.close()
            self.truth.record("power_off", reason=reason)
        return 0

    async def _live(self) -> str:
        loop = asyncio.get_running_loop()
        stop = asyncio.ensure_future(self.stopped.wait())
        while True:
            pause_s = BUSY_TICK_S if self.machine.work else min(IDLE_TICK_S, self.config.idle_exit_s)
            wake = asyncio.ensure_future(self._woken.wait())
            await asyncio.wait({stop, wake}, timeout=pause_s, return_when=asyncio.FIRST_COMPLETED)
            wake.cancel()
            self._woken.clear()
            self.tick()
            if stop.done():
                return "switched off"
            if not self._enclosure.alive:
                return "the first process is gone"
            if self.machine.work or self.npu.busy or self.server.connected:
                self.server.last_activity = loop.time()
            elif loop.time() - self.server.last_activity > self.config.idle_exit_s:
                return "idle"

    def tick(self) -> None:
        """Let the time since the last tick pass."""
        now = time.monotonic()
        wall_s, self._ticked = now - self._ticked, now
        self.machine.advance(wall_s, wall_s * self.config.time_scale)
        self.pages.refresh()

    def _setting_written(self, folder: str, name: str) -> None:
        before = clock_folders(self.machine)[folder].governor
        changed = self.pages.written(folder, name)
        if changed:
            self.machine.settle()
            self.truth.record(
                "setting", folder=folder, name=name, before=before, after=clock_folders(self.machine)[folder].governor
            )
        self.pages.refresh()

    def _fill_disk(self) -> None:
        """Unpack the factory's files when the disk is new or the factory makes other ones now."""
        archive = factory_archive(self.name, self.config)
        mark = self.folder / "factory"
        known = mark.read_text() if mark.exists() else ""
        if known == archive_id(archive) and "disk_full" not in self.config.faults:
            return
        done = self._enclosure.run(["tar", "-C", "/", "-xf", "-"], archive)
        if done.returncode != 0:
            raise CanNotIsolate(f"unpacking the board's disk failed: {done.stderr.decode(errors='replace')}")
        mark.write_text(archive_id(archive))


def _key(path: Path, comment: str) -> asyncssh.SSHKey:
    """The key kept at ``path``, made when it is not there; a board keeps its keys as long as its disk."""
    if path.exists():
        return asyncssh.read_private_key(path)
    key = asyncssh.generate_private_key("ssh-ed25519", comment=comment)
    part = path.with_name(f".{path.name}.part")
    fd = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    os.write(fd, key.export_private_key())
    os.close(fd)
    path.with_name(f"{path.name}.pub").write_bytes(key.export_public_key())
    part.replace(path)
    return key


def _announce(board: Board) -> None:
    """Tell the world how to reach the board, and whoever started it that it is there."""
    algorithm, data, *_ = board.host_key.export_public_key().decode().split()
    facts = {
        "name": board.name,
        "address": "127.0.0.1",
        "port": board.server.port,
        "user": "root",
        "identity": str((board.folder / "client_key").resolve()),
        "host_key": f"{algorithm} {data}",
        "pid": os.getpid(),
        "config": json.loads(board.config.to_json()),
    }
    part = board.folder / ".board.json.part"
    part.write_text(json.dumps(facts))
    part.replace(board.folder / "board.json")


def main() -> int:
    folder, ready = Path(sys.argv[1]), int(sys.argv[2])
    alive = os.open(folder / "alive", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    fcntl.flock(alive, fcntl.LOCK_EX | fcntl.LOCK_NB)
    config = parse_config((folder / "config.json").read_text())
    port = 0
    with contextlib.suppress(OSError, ValueError, KeyError):
        port = int(json.loads((folder / "board.json").read_text())["port"])

    async def live() -> int:
        return await Board(folder, config).run(port, ready)

    try:
        return asyncio.run(live())
    except CanNotIsolate as error:
        os.write(ready, f"refused {error}\n".encode())
        return EXIT_CAN_NOT_ISOLATE


if __name__ == "__main__":
    raise SystemExit(main())
