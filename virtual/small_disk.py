"""A home of a limited size, so that it can really be full: a tmpfs that outlives the board's boots.

It is mounted in a mount namespace of the board process (``lifecycle`` gives it one when there is a ``disk_mib``), over
the folder that the home otherwise is. At power on of the process the folder's contents go in, at its orderly end they
come back; a board process that dies by KILL takes what was written since with it.
"""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
from pathlib import Path

from virtual.isolation import CanNotIsolate, hand_over

MIB = 1024 * 1024
LEAST_PIECE = 4096
PRIVATE_NAMESPACE = ("unshare", "--mount", "--propagation", "private")
AS_ANYBODY = ("unshare", "--user", "--map-root-user", "--mount", "--propagation", "private")


class SmallDisk:
    """The mounted disk; made by mounting it. Raises CanNotIsolate."""

    def __init__(self, folder: Path, size_mib: int) -> None:
        self._plain = folder / "root" / "root"
        self._mounted = folder / "disk"
        self._home = self._mounted / "home"
        self._filler = self._mounted / "filler"  # beside the home, where nobody on the board can remove it
        for path in (folder / "root", self._plain):
            if not path.is_dir():
                path.mkdir()
                hand_over(path)
        self._mounted.mkdir(exist_ok=True)
        _run("mount", "-t", "tmpfs", "-o", f"size={size_mib}m,mode=755,nosuid,nodev", "tmpfs", str(self._mounted))
        self._home.mkdir(mode=0o700)
        hand_over(self._home)
        _run("cp", "-a", f"{self._plain}/.", f"{self._home}/")
        _run("mount", "--bind", str(self._home), str(self._plain))

    def fill(self) -> int:
        """Take all the room that is left; says how many bytes that was."""
        fd = os.open(self._filler, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            before = at = os.fstat(fd).st_size
            piece = MIB
            while piece >= LEAST_PIECE:
                try:
                    os.posix_fallocate(fd, at, piece)
                    at += piece
                except OSError as error:
                    if error.errno != errno.ENOSPC:
                        raise
                    piece //= 2
            return at - before
        finally:
            os.close(fd)

    def free(self) -> None:
        self._filler.unlink(missing_ok=True)

    def close(self) -> None:
        """Nothing of the board lives any more: bring its home back to where it stays."""
        self.free()
        _run("umount", str(self._plain))
        for path in self._plain.iterdir():
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink()
        _run("cp", "-a", f"{self._home}/.", f"{self._plain}/")
        _run("umount", "-l", str(self._mounted))


def _run(*words: str) -> None:
    done = subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    if done.returncode != 0:
        raise CanNotIsolate(f"a disk of a limited size: {' '.join(words)}: {done.stderr.strip()}")
