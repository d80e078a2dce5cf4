"""A board that stays away is brought back: a real server that power commands stop and start, with its own boot id."""

from __future__ import annotations

import contextlib
import os
import shlex
import signal
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from fleet.config.inventory import BoardEntry, Power
from fleet.deadline import Deadline
from fleet.recovery import Limits, RecoveryLog, recover
from fleet.ssh.connection import Board
from tests.ssh import sshd
from tests.ssh.sshd import SSHD, Sshd

SHORT = Limits(wait_s=1.0, pause_s=0.05, ask_s=20.0, off_s=0.0, power_s=20.0)
LONG = Limits(wait_s=60.0, pause_s=0.05, ask_s=20.0, off_s=0.0, power_s=20.0)


@dataclass
class Rig:
    """A server as a board: its own boot id and programs, and scripts that are its power switch."""

    server: Sshd
    folder: Path
    told: list[tuple[str, str]] = field(default_factory=list)
    opened: list[str] = field(default_factory=list)

    @property
    def boot_id_file(self) -> Path:
        return self.folder / "root/proc/sys/kernel/random/boot_id"

    def script(self, name: str, text: str) -> Path:
        path = self.folder / name
        path.write_text(f"#!/bin/sh\n{text}\n")
        path.chmod(0o755)
        return path

    @property
    def power(self) -> Power:
        off, on = self.folder / "off", self.folder / "on"
        return Power(off=(str(off),), on=(str(on),))

    def entry(self, power: Power | None) -> BoardEntry:
        return BoardEntry(name="rk", address="127.0.0.1", port=self.server.port, power=power)

    def connect(self, entry: BoardEntry) -> Board:
        self.opened.append(entry.name)
        return Board(self.server.endpoint("rk"), self.server.known(), connect_s=5)

    def recover(
        self, power: Power | None = None, *, limits: Limits = SHORT, was: str | None = "boot-0", **more
    ) -> bool:
        log = RecoveryLog(tell=lambda step, what: self.told.append((step, what)))
        stop = more.pop("stop", threading.Event())
        entry = self.entry(power)
        back = recover(entry, self.connect, why="gone", was=was, log=log, stop=stop, limits=limits, **more)
        assert [(step["step"], step["what"]) for step in log.steps] == self.told
        return back

    @property
    def steps(self) -> list[str]:
        return [step for step, _ in self.told]


@pytest.fixture
def rig(tmp_path: Path, key_folder: Path) -> Iterator[Rig]:
    folder = tmp_path / "rig"
    (folder / "bin").mkdir(parents=True)
    boot_id = folder / "root/proc/sys/kernel/random/boot_id"
    boot_id.parent.mkdir(parents=True)
    boot_id.write_text("boot-0\n")
    path = f"{folder}/bin:{os.environ['PATH']}"
    extra = f"Match all\nSetEnv SHLVL=5 RK_SYSROOT={folder}/root PATH={path}\n"
    with sshd.running(tmp_path, keys=key_folder, extra=extra) as server:
        made = Rig(server, folder)
        pids = folder / "pids"
        pids.write_text(f"{server.process.pid}\n")
        config = shlex.quote(str(server.folder / "sshd_config"))
        made.script(
            "off",
            f"echo off >>{folder}/switched; kill -KILL $(cat {pids}) 2>&1; : >{pids}",
        )
        made.script(
            "on",
            f"echo on >>{folder}/switched; echo boot-1 >{boot_id}\n"
            f"{SSHD} -D -e -f {config} </dev/null >>{folder}/log 2>&1 & echo $! >>{pids}\n"
            # What is waited for afterwards is a login, not the start of a server.
            f"until ssh-keyscan -p {server.port} 127.0.0.1 >/dev/null 2>&1; do sleep 0.05; done",
        )
        # This machine is no board: whatever asks it to restart gets these.
        for name in ("reboot", "systemctl", "sudo", "shutdown"):
            made.script(
                f"bin/{name}", f'echo "{name} $*" >>{folder}/asked; [ ! -e {folder}/obeys ] || echo boot-1 >{boot_id}'
            )
        with made.connect(made.entry(None)) as board:
            found = board.run(
                ["sh", "-c", "command -v reboot; command -v systemctl"], deadline=Deadline.after(20)
            ).stdout
            assert found.decode().split() == [f"{folder}/bin/reboot", f"{folder}/bin/systemctl"]
        made.opened.clear()
        yield made
        for pid in pids.read_text().split():
            with contextlib.suppress(ProcessLookupError):
                os.kill(int(pid), signal.SIGKILL)


def kill(rig: Rig) -> None:
    (rig.folder / "pids").write_text("")
    rig.server.process.kill()
    rig.server.process.wait()


def switched(rig: Rig) -> list[str]:
    path = rig.folder / "switched"
    return path.read_text().split() if path.exists() else []


def test_a_board_that_answers_needs_nothing(rig: Rig) -> None:
    assert rig.recover(rig.power) is True
    assert rig.told == [("begin", "gone"), ("back", "the board answers, it did not restart")]
    assert switched(rig) == []


def test_a_board_that_comes_back_by_itself_is_waited_for_and_its_power_left_alone(rig: Rig) -> None:
    kill(rig)

    def connect(entry: BoardEntry) -> Board:
        if len(rig.opened) == 3:  # it has been looked for a few times
            subprocess.run([rig.folder / "on"], check=True)
            (rig.folder / "switched").unlink()
        return rig.connect(entry)

    log = RecoveryLog()
    entry = rig.entry(rig.power)
    assert recover(entry, connect, why="gone", was="boot-0", log=log, stop=threading.Event(), limits=LONG) is True
    assert [step["step"] for step in log.steps] == ["begin", "wait", "back"] and switched(rig) == []


def test_a_board_without_a_life_gets_its_power_switched_and_is_back_with_a_new_boot(rig: Rig) -> None:
    kill(rig)
    assert rig.recover(rig.power, limits=Limits(1.0, 0.05, 20.0, 0.0, 20.0)) is True
    assert rig.steps == ["begin", "wait", "power", "wait", "back"]
    assert rig.told[2] == ("power", "power off, 0 s, power on")
    assert rig.told[-1] == ("back", "the board answers, it has started anew")
    assert switched(rig) == ["off", "on"] and set(rig.opened) == {"rk"}


def test_without_power_in_the_inventory_it_says_what_to_add(rig: Rig) -> None:
    kill(rig)
    assert rig.recover(None) is False
    assert rig.steps == ["begin", "wait", "give up"]
    assert "boards.rk.power: {off: [COMMAND], on: [COMMAND]}" in rig.told[-1][1]


@pytest.mark.parametrize("off", ["exit 4", "exec sleep 600", None], ids=["fails", "hangs", "missing"])
def test_a_power_command_that_does_not_work_is_told_and_the_other_is_run_all_the_same(
    rig: Rig, off: str | None
) -> None:
    kill(rig)
    if off is None:
        (rig.folder / "off").unlink()
    else:
        rig.script("off", off)
    assert rig.recover(rig.power, limits=Limits(1.0, 0.05, 20.0, 0.0, 5.0)) is True
    assert any(what.startswith("power.off ") for step, what in rig.told if step == "power")
    assert switched(rig) == ["on"]


def test_a_board_that_stays_away_after_all_is_given_up_once(rig: Rig) -> None:
    kill(rig)
    rig.script("on", f"echo on >>{rig.folder}/switched")
    assert rig.recover(rig.power) is False
    assert rig.steps == ["begin", "wait", "power", "wait", "give up"] and switched(rig) == ["off", "on"]
    assert "somebody has to look at it" in rig.told[-1][1]


def test_a_wedged_board_that_answers_is_restarted_and_its_new_boot_is_the_proof(rig: Rig) -> None:
    (rig.folder / "obeys").touch()
    assert rig.recover(rig.power, restart=True) is True
    assert rig.told[1] == ("reboot", "asked to restart") and rig.steps[-1] == "back"
    assert (rig.folder / "asked").read_text().split()[0] in {"reboot", "sudo"} and switched(rig) == []


def test_with_systemd_it_is_systemd_that_is_asked(rig: Rig) -> None:
    (rig.folder / "root/run/systemd/system").mkdir(parents=True)
    (rig.folder / "obeys").touch()
    assert rig.recover(None, restart=True, was=None) is True
    assert "systemctl reboot" in (rig.folder / "asked").read_text()


def test_a_wedged_board_that_does_not_restart_loses_its_power(rig: Rig) -> None:
    assert rig.recover(rig.power, restart=True) is True
    assert rig.steps == ["begin", "reboot", "wait", "power", "wait", "back"] and switched(rig) == ["off", "on"]


def test_a_stranger_at_its_address_is_never_switched(rig: Rig, key_folder: Path) -> None:
    other = sshd.public(sshd.new_key(key_folder, "stranger"))
    known = rig.server.known()
    known.replace("127.0.0.1", rig.server.port, [other])
    entry = rig.entry(rig.power)
    log = RecoveryLog()

    def connect(_entry: BoardEntry) -> Board:
        return Board(rig.server.endpoint("rk"), known)

    assert recover(entry, connect, why="gone", was=None, log=log, stop=threading.Event(), limits=SHORT) is False
    assert [step["step"] for step in log.steps] == ["begin", "give up"]
    assert "invoke trust --board rk --rotate" in log.steps[-1]["what"] and switched(rig) == []


def test_ctrl_c_ends_it_in_the_middle_of_a_look_at_a_frozen_board(rig: Rig) -> None:
    rig.server.freeze()
    stop = threading.Event()
    limits = Limits(wait_s=3600.0, pause_s=3600.0, ask_s=5.0, off_s=0.0, power_s=20.0)
    done = threading.Event()

    def run() -> None:
        assert rig.recover(rig.power, limits=limits, stop=stop) is False
        done.set()

    thread = threading.Thread(target=run)
    thread.start()
    deadline = Deadline.after(30)
    while not rig.opened and not deadline.expired:
        done.wait(0.01)
    stop.set()
    assert done.wait(30)
    thread.join()
    assert rig.steps[-1] == "stopped" and switched(rig) == []
