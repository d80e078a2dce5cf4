"""A whole Linux machine to test against: its own kernel, systemd, sshd, OOM killer and disk, emulated by QEMU.

``run`` asks it something over ssh. ``cut`` pulls the power: what the machine had not written to its disk is gone, and
``start`` boots it again from the same disk, at the same port and with the same host key. ``freeze`` and ``thaw`` stop
and continue all of it. No KVM is needed; booting takes 10 to 25 seconds.
"""

from __future__ import annotations

import contextlib
import os
import random
import select
import shlex
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from fleet.deadline import Deadline
from fleet.ssh.endpoint import Endpoint
from fleet.ssh.host_keys import HostKey
from tests.ssh.sshd import DIE_WITH_US
from tests.vm.image import image

BOOT_LIMIT_S = 240.0  # 10 s on an idle machine; two of them beside a test run on two cores take far longer
COMMAND_LIMIT_S = 240.0  # nothing that the tests ask for takes 5 s on an idle host
RAM_MIB = 768
PORTS = range(
    20000, 30000
)  # below those that the kernel gives to clients: a machine that is off must get its port back
KERNEL = (
    "console=ttyS0 quiet mitigations=off nokaslr no_timer_check tsc=reliable cryptomgr.notests random.trust_cpu=on "
    "rcupdate.rcu_expedited=1 systemd.show_status=0 "
    # What Debian sets by systemd-sysctl: who may write to whose files in /tmp and /run/lock.
    "sysctl.fs.protected_regular=2 sysctl.fs.protected_fifos=1 "
    "sysctl.fs.protected_symlinks=1 sysctl.fs.protected_hardlinks=1"
)


class Machine:
    """One machine. Its users are ``root`` and ``rock``; rock may not use sudo."""

    def __init__(self, folder: Path, name: str = "vm", *, ram_mib: int = RAM_MIB) -> None:
        self.image = image()
        self.name = name
        self.folder = folder
        self.ram_mib = ram_mib
        self.port = 0
        self.console = folder / "console.log"
        self.disk = folder / "disk.qcow2"
        self._process: subprocess.Popen[bytes] | None = None
        self._sockets = Path(tempfile.mkdtemp(prefix="rkfleet-vm-"))  # a socket's path may not be long
        folder.mkdir(parents=True, exist_ok=True)
        base = self.image / "disk.raw"
        _tool("qemu-img", "create", "-q", "-f", "qcow2", "-b", str(base), "-F", "raw", str(self.disk))
        self.identity = folder / "id"
        shutil.copyfile(self.image / "id", self.identity)
        self.identity.chmod(0o600)

    @property
    def host_key(self) -> HostKey:
        """What its sshd shows; the same after every boot."""
        return HostKey.parse((self.image / "host_key.pub").read_text())

    @property
    def pid(self) -> int:
        """Of QEMU."""
        assert self._process is not None, f"{self.name} is off"
        return self._process.pid

    @property
    def on(self) -> bool:
        """Is there power?"""
        return self._process is not None and self._process.poll() is None

    def endpoint(self, user: str = "root") -> Endpoint:
        """For ``fleet.ssh.connection.Board``."""
        return Endpoint(self.name, "127.0.0.1", self.port, user, self.identity, agent=False)

    def entry(self, user: str = "root", **paths: str) -> dict[str, Any]:
        """For an inventory; ``paths`` are paths on the machine, such as llm_demo."""
        reach = {"address": "127.0.0.1", "port": self.port, "user": user, "key": str(self.identity)}
        return {**reach, "paths": paths}

    def start(self) -> None:
        """Switch it on and wait until a normal user can log in."""
        self.power_on()
        self.wait_ready()

    def power_on(self) -> None:
        """Switch it on; call it from the main thread, with whose end the machine ends."""
        assert not self.on, f"{self.name} is on"
        while True:
            first = not self.port
            self.port = self.port or _free_port()
            self._process = self._boot()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(0.3)  # long enough for QEMU to find its port taken
            if self.on:
                return
            said = (self.folder / "qemu.log").read_text()
            if not (first and "forwarding" in said):
                raise RuntimeError(f"{self.name} does not start: {said}")
            self.port = 0

    def wait_ready(self, *, not_boot: str = "") -> None:
        """Until rock can log in; ``not_boot``: a boot id that must be over first, as after a reboot."""
        deadline = Deadline.after(BOOT_LIMIT_S)
        while not deadline.expired:
            if not self.on:
                raise RuntimeError(f"{self.name} is off: {(self.folder / 'qemu.log').read_text()}")
            if self._banner(deadline):
                self.forget_connections()
                done = self.run(["cat", "/proc/sys/kernel/random/boot_id"], user="rock", check=False)
                # 255 and pam_nologin's refusal: it still boots.
                if done.returncode == 0 and done.stdout.decode().strip() not in ("", not_boot):
                    return
            select.select([], [], [], 0.2)  # nobody tells us when it is ready: ask again
        tail = self.console.read_text(errors="replace")[-2000:]
        raise RuntimeError(f"{self.name} did not boot within {BOOT_LIMIT_S:g} s: {tail}")

    def run(
        self,
        argv: Sequence[str],
        *,
        user: str = "root",
        stdin: bytes = b"",
        check: bool = True,
        limit_s: float = COMMAND_LIMIT_S,
    ) -> subprocess.CompletedProcess[bytes]:
        """Run words on the machine. 255 is ssh's own failure."""
        done = subprocess.run(
            [*self.ssh(user), shlex.join(argv)], input=stdin, capture_output=True, timeout=limit_s, check=False
        )
        assert not check or done.returncode == 0, f"{argv} ended with {done.returncode}: {done.stderr.decode()}"
        return done

    def text(self, argv: Sequence[str], *, user: str = "root") -> str:
        """What ``run`` printed, without blanks around it."""
        return self.run(argv, user=user).stdout.decode().strip()

    def ssh(self, user: str = "root") -> list[str]:
        """An ssh command line without a command. Logging in is the expensive part: one connection serves all."""
        options = {
            "BatchMode": "yes",
            "StrictHostKeyChecking": "no",
            "UserKnownHostsFile": "/dev/null",
            "LogLevel": "ERROR",
            "ConnectTimeout": "20",
            "ServerAliveInterval": "15",
            "KexAlgorithms": "curve25519-sha256",
            "ControlMaster": "auto",
            "ControlPersist": "yes",
            "ControlPath": str(self._sockets / "%r"),
        }
        words = [word for key, value in options.items() for word in ("-o", f"{key}={value}")]
        return ["ssh", "-F", "none", *words, "-i", str(self.identity), "-p", str(self.port), f"{user}@127.0.0.1"]

    def put(self, source: Path, target: str, *, user: str = "root", mode: str = "755") -> None:
        """A file of ours, on the machine's disk for good."""
        script = 'mkdir -p "${1%/*}" && cat >"$1" && chmod "$2" "$1" && sync "$1"'
        self.run(["sh", "-c", script, "-", target, mode], user=user, stdin=source.read_bytes())

    def boot_id(self) -> str:
        """Another one after every boot."""
        return self.text(["cat", "/proc/sys/kernel/random/boot_id"])

    def cut(self) -> None:
        """Pull the power. What the machine wrote and did not sync may be lost, the rest may not."""
        assert self._process is not None
        self._process.kill()
        self._process.wait(COMMAND_LIMIT_S)
        self.forget_connections()

    def freeze(self) -> None:
        """It answers nothing, and its connections stay open."""
        os.kill(self.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        """It goes on where it stopped."""
        os.kill(self.pid, signal.SIGCONT)

    def forget_connections(self) -> None:
        """The connection that ``run`` shares leads to a machine that is no more."""
        for path in self._sockets.iterdir():
            exit_ = ["ssh", "-F", "none", "-o", f"ControlPath={path}", "-O", "exit", "any"]
            subprocess.run(exit_, capture_output=True, timeout=COMMAND_LIMIT_S, check=False)
            path.unlink(missing_ok=True)

    def stop(self) -> None:
        """Switch it off for good and forget its disk."""
        if self.on:
            self.cut()
        self.forget_connections()
        self._sockets.rmdir()
        self.disk.unlink(missing_ok=True)

    def _boot(self) -> subprocess.Popen[bytes]:
        forward = f"user,id=net,ipv6=off,hostfwd=tcp:127.0.0.1:{self.port}-:22"
        argv = ["qemu-system-x86_64", "-nodefaults", "-no-user-config", "-display", "none"]
        argv += ["-accel", "tcg,thread=multi,tb-size=256", "-cpu", "Nehalem", "-smp", "1", "-m", str(self.ram_mib)]
        argv += ["-kernel", str(self.image / "vmlinuz"), "-initrd", str(self.image / "initrd")]
        argv += ["-append", f"{KERNEL} systemd.hostname={self.name}", "-serial", f"file:{self.console}"]
        # writeback: the machine's disk has a cache, and what the machine flushes is on it for good.
        argv += ["-drive", f"file={self.disk},if=none,id=disk,format=qcow2,cache=writeback"]
        argv += [
            "-device",
            "virtio-blk-pci,drive=disk",
            "-netdev",
            forward,
            "-device",
            "virtio-net-pci,netdev=net,romfile=",
        ]
        with (self.folder / "qemu.log").open("wb") as log:
            return subprocess.Popen([*DIE_WITH_US, *argv], stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    def _banner(self, deadline: Deadline) -> bool:
        """Does sshd send its first words? QEMU accepts connections as soon as it runs and closes those that fail."""
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=deadline.cap(10).left_s) as sock:
                return sock.recv(4) == b"SSH-"
        except OSError:
            return False


@contextlib.contextmanager
def running(folder: Path, *names: str, ram_mib: int = RAM_MIB) -> Iterator[list[Machine]]:
    """Machines for the length of the block; they boot side by side."""
    machines: list[Machine] = []
    try:
        for name in names:
            machines.append(Machine(folder / name, name, ram_mib=ram_mib))
            machines[-1].power_on()
        for machine in machines:
            machine.wait_ready()
        yield machines
    finally:
        for machine in machines:
            machine.stop()


def _free_port() -> int:
    while True:
        port = random.choice(PORTS)
        with socket.socket() as sock, contextlib.suppress(OSError):
            sock.bind(("127.0.0.1", port))
            return port


def _tool(*argv: str) -> None:
    subprocess.run(argv, check=True, capture_output=True, timeout=COMMAND_LIMIT_S)
