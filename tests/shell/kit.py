"""A board for the scripts: a store, a fake tree as RK_SYSROOT where a test wants one, stub programs first in PATH.

Every test that takes ``board`` runs under dash, busybox ash and bash as ``sh``: PATH begins with a folder in which
``sh`` is that shell, so what the scripts start is run by it too. Events are waited for on pipes and locks.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.processes import wait_for_end

SCRIPTS = Path(__file__).parents[2] / "board_scripts"
SHELLS = ("dash", "busybox", "bash")
DEADLINE_S = 30.0  # for things that take a fraction of a second; only a hanging script gets near it

# What a run leaves, beside its lock.
EVIDENCE = {
    "spec.json",
    "start.json",
    "end.json",
    "facts.before.json",
    "facts.after.json",
    "stdout.log",
    "stderr.log",
    "dmesg.log",
    "telemetry.csv",
    "clocks.json",
}


def make_sh(folder: Path, shell: str) -> None:
    """``folder/sh`` is the shell; busybox and bash go by the name they are called with, and bash becomes POSIX."""
    found = shutil.which(shell)
    if found is None:
        pytest.skip(f"{shell} is not installed")
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "sh").symlink_to(Path(found).resolve())


def eventually(true: Callable[[], bool]) -> None:
    """Ask until it is so."""
    deadline = time.monotonic() + DEADLINE_S
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def say_up_and_stay(pipe: Path) -> str:
    """Shell text: say `up` through the pipe, then stay until killed."""
    return f"echo up >'{pipe}'; exec sleep 1000"


def processes_with(token: str) -> list[int]:
    """Processes that are alive and have ``token`` in their command line or environment."""
    found = []
    for proc in Path("/proc").iterdir():
        if not proc.name.isdigit() or int(proc.name) == os.getpid():
            continue
        try:
            if token.encode() in _words(proc):
                found.append(int(proc.name))
        except OSError:
            continue
    return found


def _words(proc: Path) -> bytes:
    """What a process is and was started with. One that is in the middle of becoming a program has neither yet."""
    while not (words := (proc / "cmdline").read_bytes() + (proc / "environ").read_bytes()):
        (proc / "exe").readlink()  # dead ones and threads of the kernel have none
        time.sleep(0.001)
    return words


def waits_for(locked: Path) -> bool:
    """Does somebody wait for the lock on this file?"""
    inode = f":{locked.stat().st_ino} "
    return any("->" in line and inode in line for line in Path("/proc/locks").read_text().splitlines())


def kill_at_once(token: str, spare: Collection[int] = ()) -> None:
    """Kill every process with ``token`` as a power cut does: none sees another die, and on return all are dead.

    They stand still before the first is killed. Who runs at a look may have had a child since, so it is looked until
    none runs. One that waits in vfork for a child that stands still (state D) can not stop, and does nothing either.
    """
    told: set[int] = set()
    deadline = time.monotonic() + DEADLINE_S
    while moving := [
        pid for pid in processes_with(token) if pid not in spare and (pid not in told or _state(pid) in "RS")
    ]:
        assert time.monotonic() < deadline, moving
        for pid in moving:
            told.add(pid)
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGSTOP)
    victims = [pid for pid in processes_with(token) if pid not in spare]
    for pid in victims:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    for pid in victims:
        assert wait_for_end(pid)


def _state(pid: int) -> str:
    """One of the letters of proc(5): R and S run or wait, T stands still, X is gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (ProcessLookupError, FileNotFoundError):
        return "X"


class Pipe:
    """A named pipe through which a program on the board says that it got somewhere, or is told to go on."""

    def __init__(self, path: Path) -> None:
        os.mkfifo(path)
        self.path = path
        self._fd = os.open(path, os.O_RDWR | os.O_NONBLOCK)
        self._buffer = b""

    def read_line(self) -> str:
        deadline = time.monotonic() + DEADLINE_S
        while b"\n" not in self._buffer:
            ready, _, _ = select.select([self._fd], [], [], max(0.0, deadline - time.monotonic()))
            assert ready, f"nothing came through {self.path.name}"
            self._buffer += os.read(self._fd, 65536)
        line, _, self._buffer = self._buffer.partition(b"\n")
        return line.decode()

    def tell(self, text: str) -> None:
        os.write(self._fd, text.encode() + b"\n")

    def close(self) -> None:
        os.close(self._fd)


def read_frames(data: bytes) -> list[tuple[dict[str, Any], bytes]]:
    """The frames of ``job.sh follow``: a header line, then as many bytes as it says."""
    frames = []
    while data:
        line, newline, data = data.partition(b"\n")
        assert newline, f"no whole header: {line!r}"
        header = json.loads(line)
        size = header.get("bytes", 0)
        assert len(data) >= size, f"cut off in {header}"
        frames.append((header, data[:size]))
        data = data[size:]
    return frames


def log_of(frames: list[tuple[dict[str, Any], bytes]], name: str) -> bytes:
    return b"".join(body for header, body in frames if header.get("file") == name)


@dataclass
class BoardUnderTest:
    shell: str
    folder: Path
    env: dict[str, str]
    pipes: list[Pipe]

    @property
    def runs(self) -> Path:
        return self.folder / "store" / "runs"

    @property
    def stubs(self) -> Path:
        return self.folder / "bin"

    def run_dir(self, run: str = "r1", campaign: str = "c1") -> Path:
        return self.runs / campaign / run

    def stub(self, name: str, text: str) -> Path:
        """A program of this name comes first in PATH."""
        path = self.stubs / name
        path.write_text("#!/bin/sh\n" + text)
        path.chmod(0o755)
        return path

    def term_at_first(self, name: str) -> Path:
        """The first time that this program is started, it and who starts it get a TERM; returns an empty TMPDIR."""
        places = self.folder / "tmp"
        places.mkdir()
        once = f'! mkdir \'{self.folder}/once\' || kill -s TERM "$PPID" "$$"\n'
        self.stub(name, once + f'exec {shutil.which(name)} "$@"\n')
        self.env["TMPDIR"] = str(places)
        return places

    def pipe(self, name: str) -> Pipe:
        pipe = Pipe(self.folder / name)
        self.pipes.append(pipe)
        return pipe

    def argv(self, script: str, *args: str | os.PathLike[str]) -> list[str]:
        return [str(self.stubs / "sh"), str(SCRIPTS / script), *map(os.fspath, args)]

    def script(
        self, script: str, *args: str | os.PathLike[str], stdin: bytes = b"", timeout: float = DEADLINE_S
    ) -> subprocess.CompletedProcess[bytes]:
        return subprocess.run(
            self.argv(script, *args), input=stdin, env=self.env, capture_output=True, timeout=timeout, check=False
        )

    def popen(self, script: str, *args: str | os.PathLike[str], **kwargs: Any) -> subprocess.Popen[bytes]:
        # Unbuffered: communicate() would lose what a readline() before it has read ahead.
        return subprocess.Popen(self.argv(script, *args), env=self.env, bufsize=0, **kwargs)

    def start(
        self, *program: str, run: str = "r1", limit: str = "60", spec: bytes = b'{"schema": 1}\n'
    ) -> subprocess.CompletedProcess[bytes]:
        return self.script("job.sh", "start", self.run_dir(run), limit, "--", *program, stdin=spec)

    def started(self, *program: str, run: str = "r1", limit: str = "60") -> Path:
        done = self.start(*program, run=run, limit=limit)
        assert (done.returncode, done.stdout, done.stderr) == (0, b'{"started":true}\n', b"")
        return self.run_dir(run)

    def ran(self, *program: str, run: str = "r1", limit: str = "60") -> dict[str, Any]:
        """Start, wait for the end, return end.json."""
        return self.wait(self.started(*program, run=run, limit=limit))

    def wait_for_guard(self, run: str = "r1") -> None:
        """The wrapper starts the program first, so one that says that it is up does not say that it is guarded."""
        eventually(lambda: waits_for(self.run_dir(run) / "keeper.lock"))

    def wait(self, run_dir: Path) -> dict[str, Any]:
        self.wait_free(run_dir / "lock")
        end: dict[str, Any] = json.loads((run_dir / "end.json").read_bytes())
        return end

    def wait_free(self, lock: Path) -> None:
        subprocess.run(["flock", "-s", "-w", str(DEADLINE_S), str(lock), "true"], check=True)

    def json(self, *args: str | os.PathLike[str], timeout: float = DEADLINE_S) -> Any:
        done = self.script("job.sh", *args, timeout=timeout)
        assert done.returncode == 0, done.stderr.decode()
        assert done.stdout.count(b"\n") == 1
        return json.loads(done.stdout)

    def state(self, run: str = "r1") -> Any:
        return self.json("state", self.run_dir(run))

    def follow(self, out: int = 0, err: int = 0, *options: str, run: str = "r1") -> list[tuple[dict[str, Any], bytes]]:
        done = self.script("job.sh", "follow", self.run_dir(run), str(out), str(err), *options)
        assert (done.returncode, done.stderr) == (0, b"")
        return read_frames(done.stdout)

    def close(self) -> None:
        for pipe in self.pipes:
            pipe.close()
        for pid in processes_with(str(self.folder)):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


def make_board(folder: Path, shell: str) -> BoardUnderTest:
    folder.mkdir(parents=True, exist_ok=True)
    make_sh(folder / "bin", shell)
    env = {
        "PATH": f"{folder / 'bin'}:{os.environ['PATH']}",
        "HOME": str(folder),
        "RKFLEET_BOARD_LOCK": str(folder / "board.lock"),
        "RKFLEET_WAY": "setsid",  # these are no services of the machine that runs the tests
        "RKFLEET_LEASE": str(folder / "lease"),
    }
    return BoardUnderTest(shell, folder, env, [])


def write_tree(root: Path, files: dict[str, bytes | str]) -> Path:
    """A small tree to be RK_SYSROOT."""
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
    return root
