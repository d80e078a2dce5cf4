"""Which connections a process has, as the kernel says."""

from __future__ import annotations

import contextlib
from pathlib import Path

ESTABLISHED = "01"


def ports_to(port: int, pid: int) -> set[int]:
    """Our ends of the connections of ``pid``, and of its children, to ``port`` of this machine."""
    inodes = set()
    for one in (pid, *_children(pid)):
        with contextlib.suppress(OSError):  # of a child that has just ended
            for fd in Path(f"/proc/{one}/fd").iterdir():
                with contextlib.suppress(FileNotFoundError):
                    name = str(fd.readlink())
                    if name.startswith("socket:["):
                        inodes.add(name[8:-1])
    found = set()
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        (
            _,
            local,
            remote,
            state,
            *_,
        ) = fields = line.split()
        if state == ESTABLISHED and int(remote.rpartition(":")[2], 16) == port and fields[9] in inodes:
            found.add(int(local.rpartition(":")[2], 16))
    return found


def _children(pid: int) -> list[int]:
    return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
