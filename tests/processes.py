"""Processes that a test knows by their number."""

from __future__ import annotations

import os
import select
from pathlib import Path

END_S = 60.0  # a kill takes no time on an idle machine; on a busy one the kernel may be a while at it


def is_alive(pid: int) -> bool:
    """Does it run now? One that was killed a moment ago may."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except (ProcessLookupError, FileNotFoundError):
        return False


def wait_for_end(pid: int) -> bool:
    """Did that process end within the limit?"""
    try:
        pidfd = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        return bool(select.select([pidfd], [], [], END_S)[0])
    finally:
        os.close(pidfd)
