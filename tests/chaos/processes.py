"""Processes of this machine, as /proc shows them: who belongs to a board or to a driver, and how to end them."""

from __future__ import annotations

import contextlib
import fcntl
import os
import signal
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

OURS = (b"/root/rkfleet/", b"llm_demo", b"RKFLEET_RUN=")


@dataclass(frozen=True)
class Process:
    """One process; ``words`` is its command line, ``environment`` what it was started with."""

    pid: int
    parent: int
    words: bytes
    environment: bytes

    @property
    def shown(self) -> str:
        """For a person."""
        return f"{self.pid} {self.words.replace(bytes(1), b' ').decode(errors='replace')[:160]}"


def everything() -> dict[int, Process]:
    """All processes that are not dead already."""
    found = {}
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError, ValueError, IndexError):
            state, parent = (folder / "stat").read_text(errors="replace").rpartition(")")[2].split()[:2]
            if state not in "ZX":
                words, environment = ((folder / name).read_bytes() for name in ("cmdline", "environ"))
                found[int(folder.name)] = Process(int(folder.name), int(parent), words, environment)
    return found


def below(root: int) -> list[Process]:
    """What a process has started, and that in turn."""
    processes = everything()
    found, wanted = [], {root}
    while wanted:
        children = [one for one in processes.values() if one.parent in wanted]
        found += children
        wanted = {one.pid for one in children}
    return found


def of_runs(processes: Iterable[Process]) -> list[Process]:
    """Those that our scripts or a run have started."""
    return [one for one in processes if any(mark in one.words or mark in one.environment for mark in OURS)]


def shoot(processes: Iterable[Process], scripts: tuple[bytes, ...] = (b"_run\0", b"_guard\0")) -> set[str]:
    """Kill a run with all that could tell of it, as nearly at once as can be; ``<campaign>/<run>`` of what was hit."""
    hit, victims = set(), []
    for one in processes:
        if b"job.sh\0" in one.words and any(script in one.words for script in scripts):
            victims.append(one.pid)
            for word in one.words.split(b"\0"):
                if b"/runs/" in word:
                    hit.add(word.rpartition(b"/runs/")[2].decode())
        elif b"RKFLEET_RUN=[" in one.environment:
            victims.append(one.pid)
    if not hit:
        return hit
    for number in (signal.SIGSTOP, signal.SIGKILL):
        for pid in victims:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)
    return hit


def held(path: Path) -> bool:
    """Does somebody hold this lock; asked with a shared one, for a moment."""
    with _opened(path) as handle:
        if handle is None:
            return False
        try:
            fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        return False


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[int | None]:
    try:
        handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        yield None
        return
    try:
        yield handle
    finally:
        os.close(handle)
