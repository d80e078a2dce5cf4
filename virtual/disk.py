"""What is on a board's disk and who holds which lock, seen from outside of the board.

A board may have put anything there: links are not followed, only plain files are read, nothing is ever written.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

STORE_RUNS = ("root", "rkfleet", "runs")  # below the board's /
RUN_FILES = ("spec.json", "start.json", "end.json", "stdout.log", "stderr.log")
BOARD_LOCK = "rkfleet.lock"
LEASES = "rkfleet"
SHOWN_BYTES = 4096  # of a lease file
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC

Seen = dict[str, dict[str, Any]]


def runs_on_disk(root: Path) -> Seen:
    """Every run folder below the board's ``root``: size and sha256 of its files, and is its lock held?"""
    found: Seen = {}
    with _root(root) as top, _folder(top, *STORE_RUNS) as runs:
        for campaign in _names(runs):
            with _folder(runs, campaign) as folder:
                for run in _names(folder):
                    with _folder(folder, run) as run_fd:
                        if run_fd is not None:
                            files = {name: seen for name in RUN_FILES if (seen := _file(run_fd, name)) is not None}
                            found[f"{campaign}/{run}"] = {"files": files, "lock_held": _held(run_fd, "lock")}
    return found


def locks(root: Path) -> dict[str, Any]:
    """Who holds the board: its run lock, and what lies in the folder of leases. ``root`` is a running board's own."""
    with _root(root) as top, _folder(top, "run", "lock") as folder:
        held = _held(folder, BOARD_LOCK)
        leases = {}
        with _folder(folder, LEASES) as lease_fd:
            for name in _names(lease_fd):
                with _plain(lease_fd, name) as fd:
                    if fd is not None:
                        leases[name] = os.read(fd, SHOWN_BYTES).decode(errors="replace")
        return {"board_lock_held": held, "lease_files": leases}


@contextlib.contextmanager
def _folder(above: int | None, *names: str) -> Iterator[int | None]:
    """A folder's descriptor, reached without following a link; None when there is no such folder."""
    with contextlib.ExitStack() as stack:
        fd = above
        for name in names:
            try:
                if fd is None:
                    break
                fd = os.open(name, _FOLDER | os.O_NOFOLLOW, dir_fd=fd)
                stack.callback(os.close, fd)
            except OSError:
                fd = None
        yield fd


@contextlib.contextmanager
def _root(path: Path) -> Iterator[int | None]:
    fd = None
    with contextlib.suppress(OSError):
        fd = os.open(path, _FOLDER)
    try:
        yield fd
    finally:
        if fd is not None:
            os.close(fd)


@contextlib.contextmanager
def _plain(folder: int | None, name: str) -> Iterator[int | None]:
    """A plain file's descriptor; None when there is none of that name."""
    fd = None
    with contextlib.suppress(OSError):
        if folder is not None and stat.S_ISREG(os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode):
            fd = os.open(name, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=folder)
    try:
        yield fd
    finally:
        if fd is not None:
            os.close(fd)


def _names(folder: int | None) -> list[str]:
    if folder is None:
        return []
    with os.scandir(folder) as entries:
        return sorted(entry.name for entry in entries)


def _file(folder: int, name: str) -> dict[str, Any] | None:
    with _plain(folder, name) as fd:
        if fd is None:
            return None
        with open(fd, "rb", closefd=False) as file:
            digest = hashlib.file_digest(file, "sha256")
            return {"bytes": file.tell(), "sha256": digest.hexdigest()}


def _held(folder: int | None, name: str) -> bool:
    """Asked with a shared lock for a moment, as the board's own scripts ask."""
    with _plain(folder, name) as fd:
        if fd is None:
            return False
        try:
            fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        return False
