"""A disk of a few hundred KiB that really fills up: a tmpfs in a mount namespace that only a test's children see."""

from __future__ import annotations

import contextlib
import os
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

NEW = ["unshare", "-m"] if os.getuid() == 0 else ["unshare", "-r", "-m"]
JOIN = ["nsenter", "-m"] if os.getuid() == 0 else ["nsenter", "-U", "-m", "--preserve-credentials"]


@dataclass(frozen=True)
class SmallDisk:
    """``folder`` is the disk for whoever is started by ``inside``; ``seen`` is the same folder from out here."""

    folder: Path
    holder: int

    @property
    def seen(self) -> Path:
        return Path(f"/proc/{self.holder}/root{self.folder}")

    def inside(self, argv: Sequence[str], folder: Path) -> list[str]:
        """The words that run ``argv`` with this disk in its place, in ``folder``."""
        return [*JOIN, "-t", str(self.holder), "sh", "-c", 'cd "$0" && exec "$@"', str(folder), *argv]

    def fill(self) -> None:
        """Not a byte more fits."""
        fill = f"dd if=/dev/zero of='{self.folder}/.filler' bs=4096 2>/dev/null; dd if=/dev/zero bs=1 count=4096"
        fill += f" >>'{self.folder}/.filler' 2>/dev/null; true"
        subprocess.run(self.inside(["sh", "-c", fill], Path("/")), check=True)

    def free(self) -> None:
        subprocess.run(self.inside(["rm", f"{self.folder}/.filler"], Path("/")), check=True)


@contextlib.contextmanager
def small_disk(folder: Path, size: str) -> Iterator[SmallDisk]:
    """A disk of ``size`` (as tmpfs takes it) at ``folder``."""
    folder.mkdir(parents=True, exist_ok=True)
    script = 'mount -t tmpfs -o "size=$0" none "$1" && echo ready && exec cat'
    holder = subprocess.Popen(
        [*NEW, "sh", "-c", script, size, str(folder)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert holder.stdin is not None and holder.stdout is not None
    try:
        if holder.stdout.readline() != b"ready\n":
            pytest.skip("this user can not mount a small disk")
        yield SmallDisk(folder, holder.pid)
    finally:
        holder.stdin.close()
        holder.wait(30)
        holder.stdout.close()
