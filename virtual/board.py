"""The process that is a board: ``python -m virtual.board FOLDER READY_FD``.

It holds the lock ``alive`` in its folder for as long as it lives, which is how others know that it does. What it owns
outlives a reboot and a power cut: the port, the keys, the disk, the ground truth; the rest is a ``boot``'s. It has one
clock: a tick a second while a demo runs, every few seconds otherwise, and none of the ticks does more than move the
hardware's state on and write down what changed.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

import asyncssh

from virtual import control, listener
from virtual.boot import IDLE_TICK_S, Boot
from virtual.config import BoardConfig, parse_config
from virtual.disk import locks, runs_on_disk
from virtual.faults import Faults, Wish
from virtual.isolation import CanNotIsolate, Enclosure
from virtual.small_disk import SmallDisk
from virtual.ssh import BoardServer
from virtual.truth import Truth
from virtual.whole import write_whole

DROPPED_S = 0.3
TERM_S = 5.0  # what an orderly shutdown leaves its processes
CYCLE_S = 1.5  # off, when `power cycle` is asked for and the config does not say how long
EXIT_CAN_NOT_ISOLATE = 3


class Board:
    """One board while its process lives, switched on or off."""

    def __init__(self, folder: Path, config: BoardConfig, port: int) -> None:
        self.folder = folder
        self.name = folder.name
        self.config = config
        self.truth = Truth(folder / "truth.jsonl")
        self.host_key = _key(folder / "host_key", f"{self.name} (virtual)")
        self.client_key = _key(folder / "client_key", f"rkfleet virtual {self.name}")
        self.disk = None if config.disk_mib is None else SmallDisk(folder, config.disk_mib)
        self.boot: Boot | None = None
        self.going_down = False
        self.stopped = asyncio.Event()
        self._woken = asyncio.Event()
        self.server = BoardServer(self.truth, self.host_key, self.client_key, self._enclosure, port)
        self.faults = Faults(self)
        self._bars = {"power"}  # why the port refuses; none, and it answers
        self._switch = asyncio.Lock()
        self._return: asyncio.TimerHandle | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def run(self, ready: int) -> int:
        """Live until the process is to end; says so on ``ready`` when it answers. Returns the exit code."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.stopped.set)
        if "unreachable" in self.config.faults:
            self.bar("config")
            self.truth.record("fault", fault="unreachable")
        reason = "idle"
        ear: asyncio.Server | None = None
        try:
            await self._switch_on()
            ear = await listener.listen(self.folder, self._asked)
            _announce(self)
            os.write(ready, b"ready\n")
            os.close(ready)
            reason = await self._live()
        finally:
            if ear is not None:
                ear.close()
                (self.folder / control.NAME).unlink(missing_ok=True)
            self.faults.close()
            self._never_return()
            for task in self._tasks:
                task.cancel()
            if self.boot is not None:
                await self._go_dark(self.boot, reason)
            self.server.wire.close()
            if self.disk is not None:
                try:
                    self.disk.close()
                except CanNotIsolate as error:  # too late to tell anybody but the log
                    sys.stderr.write(f"what was written to the home is lost: {error}\n")
        return 0

    # --- power --------------------------------------------------------------------------------------------------

    async def lose_power(self, reason: str, away_s: float | None) -> None:
        """All at once. Clients hear nothing until the board is back; then their connections are unknown to it."""
        self.bar("power")
        self.server.wire.go_dumb()
        async with self._switch:
            self._never_return()
            if self.boot is not None:
                await self._go_dark(self.boot, reason)
            self._return_after(away_s)

    def reboot(self, away_s: float | None) -> None:
        """Begin an orderly one: processes are asked to end, connections are closed."""
        self.going_down = True
        self._spawn(self._reboot(away_s))

    async def switch_on(self) -> None:
        """Give it power, unless it has."""
        async with self._switch:
            self._never_return()
            if self.boot is None:
                await self._switch_on()

    def bar(self, name: str) -> None:
        """Refuse whoever wants to connect, until ``unbar`` of the same name."""
        self._bars.add(name)
        self.server.wire.shut()

    def unbar(self, name: str) -> None:
        self._bars.discard(name)
        if not self._bars:
            self.server.wire.open()

    def drop_connections(self) -> None:
        """Cut all SSH connections now; the server is back a moment later."""
        self.bar("drop")
        self.server.wire.reset()
        asyncio.get_running_loop().call_later(DROPPED_S, self.unbar, "drop")

    def record_disk(self, at: str) -> None:
        """Write down what every run has on the disk at this moment."""
        self.truth.record("disk", at=at, runs=runs_on_disk(self.folder / "root"))

    async def _reboot(self, away_s: float | None) -> None:
        async with self._switch:
            try:
                if self.boot is not None:
                    self.bar("power")
                    await self.boot.terminate(TERM_S)
                    self.server.wire.hang_up()
                    await self._go_dark(self.boot, "reboot")
                    self._return_after(away_s)
            finally:
                self.going_down = False

    async def _go_dark(self, boot: Boot, reason: str) -> None:
        self.boot = None
        self.faults.power_went()
        await boot.power_off()
        self.server.last_activity = asyncio.get_running_loop().time()
        self.truth.record("power_off", reason=reason, boot_id=boot.boot_id)
        self.record_disk(reason)

    async def _switch_on(self) -> None:
        self.boot = Boot(self.folder, self.config, self.truth, self._woken.set, self.faults.strike)
        self.truth.record("boot", boot_id=self.boot.boot_id, config=json.loads(self.config.to_json()))
        self.server.wire.reset()  # what is left of the time before: nobody here knows these connections
        self.server.last_activity = asyncio.get_running_loop().time()
        self.unbar("power")
        self._woken.set()

    def _return_after(self, away_s: float | None) -> None:
        if away_s is not None:
            self._return = asyncio.get_running_loop().call_later(away_s, lambda: self._spawn(self._come_back()))

    def _never_return(self) -> None:
        if self._return is not None:
            self._return.cancel()
            self._return = None

    async def _come_back(self) -> None:
        try:
            await self.switch_on()
        except (CanNotIsolate, OSError) as error:
            self.truth.record("boot_failed", why=str(error))

    def _spawn(self, work: Any) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _enclosure(self) -> Enclosure:
        if self.boot is None:
            raise OSError("it is switched off")
        return self.boot.enclosure

    # --- the control socket -------------------------------------------------------------------------------------

    async def _asked(self, request: dict[str, Any]) -> dict[str, Any]:
        verb = request.get("verb")
        if verb == "fault":
            return await self.faults.fire(str(request["fault"]), Wish(**request["wish"]))
        if verb == "power":
            return await self._power(str(request["to"]))
        if verb == "look":
            return self._look()
        raise control.Refused(f"{verb!r} means nothing to it")

    async def _power(self, to: str) -> dict[str, Any]:
        self.truth.record("power", to=to)
        if to != "on":
            await self.lose_power("power off", None)
        if to == "cycle":
            await asyncio.sleep(CYCLE_S if self.config.away_s is None else self.config.away_s)
        if to != "off":
            try:
                await self.switch_on()
            except CanNotIsolate as error:
                raise control.Refused(str(error)) from error
        return self._state()

    def _state(self) -> dict[str, Any]:
        if self.boot is not None:
            power = "going down" if self.going_down else "on"
            return {"power": power, "boot_id": self.boot.boot_id, "frozen": self.boot.frozen}
        return {"power": "off" if self._return is None else "returning", "boot_id": None, "frozen": False}

    def _look(self) -> dict[str, Any]:
        held = None if self.boot is None else locks(self.boot.root)
        going_on = self.faults.going_on
        state = {**self._state(), "connections": self.server.wire.connections, "faults": going_on, "locks": held}
        return {**state, "runs": runs_on_disk(self.folder / "root")}

    # --- time ---------------------------------------------------------------------------------------------------

    async def _live(self) -> str:
        loop = asyncio.get_running_loop()
        stop = asyncio.ensure_future(self.stopped.wait())
        while True:
            pause_s = min(IDLE_TICK_S if self.boot is None else self.boot.tick_s, self.config.idle_exit_s)
            wake = asyncio.ensure_future(self._woken.wait())
            await asyncio.wait({stop, wake}, timeout=pause_s, return_when=asyncio.FIRST_COMPLETED)
            wake.cancel()
            self._woken.clear()
            if stop.done():
                return "switched off"
            boot = self.boot
            if boot is not None and not self._switch.locked():
                boot.tick()
                if not boot.enclosure.alive:
                    return "the first process is gone"
            if (boot is not None and boot.busy) or self.server.connected or self._return is not None:
                self.server.last_activity = loop.time()
            elif loop.time() - self.server.last_activity > self.config.idle_exit_s:
                return "idle"


def _key(path: Path, comment: str) -> asyncssh.SSHKey:
    """The key kept at ``path``, made when it is not there; a board keeps its keys as long as its disk."""
    if path.exists():
        return asyncssh.read_private_key(path)
    key = asyncssh.generate_private_key("ssh-ed25519", comment=comment)
    write_whole(path.with_name(f"{path.name}.pub"), key.export_public_key())
    write_whole(path, key.export_private_key(), mode=0o600)
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
    write_whole(board.folder / "board.json", json.dumps(facts).encode())


def main() -> int:
    folder, ready = Path(sys.argv[1]), int(sys.argv[2])
    alive = os.open(folder / "alive", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    fcntl.flock(alive, fcntl.LOCK_EX | fcntl.LOCK_NB)
    config = parse_config((folder / "config.json").read_text())
    port = 0
    with contextlib.suppress(OSError, ValueError, KeyError):
        port = int(json.loads((folder / "board.json").read_text())["port"])

    async def live() -> int:
        return await Board(folder, config, port).run(ready)

    try:
        return asyncio.run(live())
    except CanNotIsolate as error:
        os.write(ready, f"refused {error}\n".encode())
        return EXIT_CAN_NOT_ISOLATE


if __name__ == "__main__":
    raise SystemExit(main())
