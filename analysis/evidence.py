"""``collected/<campaign>/<board>/<run>/`` as it lies on disk: which runs there are, and their bytes.

A board wrote most of it, so nothing is taken for well-formed: links are not followed, only plain files are
opened, sizes are limited, and a broken file is an answer, not an exception. A folder whose name starts with a
dot is still being filled and does not exist yet.
"""

from __future__ import annotations

import hashlib
import io
import json
import math
import os
import re
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from analysis.errors import CannotRead
from analysis.telemetry import Telemetry, read_telemetry

JSON_LIMIT_BYTES = 2**20  # facts of a board are 10 KiB
LOG_LIMIT_BYTES = 64 * 2**20  # a 1000-token answer is 5 KiB; of a longer log the two ends are read
REBOOT_LIMIT_BYTES = 2**20  # a board sends 256 KiB at most
TEXT_LIMIT = 4096  # characters of one field
TEXTS_LIMIT = 100  # entries of one list
INT_LIMIT = 2**63  # a number beyond it is no count of anything

COLLECTED = (
    *("spec.json", "start.json", "end.json", "facts.before.json", "facts.after.json"),
    *("stdout.log", "stderr.log", "dmesg.log", "telemetry.csv", "clocks.json", "reboot.log"),
)
LOGS = ("stdout.log", "stderr.log", "dmesg.log")
_FILE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,120}")
_CUT = b"\n[rkfleet: the middle of this log was not read]\n"


@dataclass(frozen=True)
class Record:
    """A JSON object of unknown quality. A field that is missing or of another type is None."""

    fields: Mapping[str, Any]

    def get(self, path: str) -> Any:
        """The value at a dotted ``path``, or None."""
        value: Any = self.fields
        for key in path.split("."):
            if not isinstance(value, Mapping):
                return None
            value = value.get(key)
        return value

    def text(self, path: str) -> str | None:
        """A string, cut to ``TEXT_LIMIT``; an empty one is None."""
        value = self.get(path)
        return value[:TEXT_LIMIT] if isinstance(value, str) and value else None

    def whole(self, path: str) -> int | None:
        """A whole number. ``true`` is none, and neither is 3.5."""
        value = self.get(path)
        if isinstance(value, bool) or not isinstance(value, int) or abs(value) >= INT_LIMIT:
            return None
        return value

    def number(self, path: str) -> float | None:
        """A finite number."""
        value = self.get(path)
        if isinstance(value, bool) or not isinstance(value, int | float) or abs(value) >= INT_LIMIT:
            return None
        return float(value) if math.isfinite(value) else None

    def texts(self, path: str) -> tuple[str, ...]:
        """A list of strings; whatever else is in it is left out."""
        value = self.get(path)
        listed = value[:TEXTS_LIMIT] if isinstance(value, list) else []
        return tuple(text[:TEXT_LIMIT] for text in listed if isinstance(text, str) and text)

    def flag(self, path: str) -> bool | None:
        """``true`` or ``false``, nothing that merely looks like it."""
        value = self.get(path)
        return value if isinstance(value, bool) else None


@dataclass(frozen=True)
class Unreadable:
    """There is something by that name, and it is no JSON object; ``why`` says what is the matter."""

    why: str


@dataclass(frozen=True)
class RunFiles:
    """One run's folder. The three names are the folders' own, not what a file in them claims."""

    campaign: str
    board: str
    run: str
    folder: Path
    collected: Path

    def path(self, name: str) -> Path:
        """Where the file of that name lies, if it does."""
        return self.folder / name

    def has(self, name: str) -> bool:
        """Is there a plain file of that name."""
        try:
            return stat.S_ISREG(self.path(name).lstat().st_mode)
        except OSError:
            return False

    def read(self, name: str, limit_bytes: int = LOG_LIMIT_BYTES) -> bytes | None:
        """The bytes of a plain file, None when there is no such file.

        Of a file above the limit the whole lines at its two ends: the banner is at the start and the table at
        the end.
        """
        opened = _open(self.path(name))
        if opened is None:
            return None
        with opened as file:
            size = os.fstat(file.fileno()).st_size
            head = file.read(limit_bytes if size <= limit_bytes else limit_bytes // 2)
            if size <= limit_bytes:
                return head
            file.seek(size - limit_bytes // 2)
            tail = file.read(limit_bytes // 2)
        # A line that was cut could look like a shorter number: drop both halves of it.
        return head[: head.rfind(b"\n") + 1] + _CUT + tail[tail.find(b"\n") + 1 :]

    def stream(self, name: str) -> io.BufferedReader | None:
        """A plain file to read bit by bit, and to close; None when there is no such file."""
        return _open(self.path(name))

    def record(self, name: str) -> Record | Unreadable | None:
        """A JSON file as a record; None when there is no such file."""
        opened = _open(self.path(name))
        if opened is None:
            return Unreadable("is no plain file") if os.path.lexists(self.path(name)) else None
        with opened as file:
            data = file.read(JSON_LIMIT_BYTES + 1)
        if len(data) > JSON_LIMIT_BYTES:
            return Unreadable(f"is larger than {JSON_LIMIT_BYTES // 2**20} MiB")
        try:
            value = json.loads(data.decode(errors="replace"))
        except (ValueError, RecursionError) as error:
            return Unreadable(f"is no JSON: {error}")
        return Record(value) if isinstance(value, dict) else Unreadable("is no JSON object")

    def changed(self) -> tuple[str, ...]:
        """Files that are not, or no longer, as ``manifest.json`` says; nothing without a manifest."""
        manifest = self.record("manifest.json")
        if manifest is None:
            return ()
        listed = None if isinstance(manifest, Unreadable) else manifest.get("files")
        if not isinstance(listed, Mapping):
            return ("manifest.json",)
        wrong = {name for name, entry in listed.items() if not self._is_as_listed(name, entry)}
        return tuple(sorted(wrong | {name for name in COLLECTED if name not in listed and self.has(name)}))

    def _is_as_listed(self, name: str, entry: object) -> bool:
        listed = Record(entry).text("sha256") if isinstance(entry, Mapping) else None
        return listed is not None and listed == self.sha256(name)

    def stamp(self) -> str:
        """What changes when a file of the folder does: names, sizes and times, without a byte read."""
        with os.scandir(self.folder) as entries:
            seen = sorted((entry.name, entry.stat(follow_symlinks=False)) for entry in entries)
        told = "\n".join(f"{name}/{about.st_mode}/{about.st_size}/{about.st_mtime_ns}" for name, about in seen)
        return hashlib.sha256(os.fsencode(told)).hexdigest()[:16]

    def sha256(self, name: str) -> str | None:
        """Of a plain file's content; None when there is no such file, or the name is none that evidence has."""
        opened = _open(self.path(name)) if _FILE_NAME.fullmatch(name) else None
        if opened is None:
            return None
        with opened as file:
            return hashlib.file_digest(file, "sha256").hexdigest()

    def telemetry(self) -> Telemetry:
        """What the samples in ``telemetry.csv`` show; of no file, nothing."""
        opened = _open(self.path("telemetry.csv"))
        if opened is None:
            return Telemetry()
        with opened as file:
            return read_telemetry(file)


def find_runs(collected: Path, campaign: str | None = None) -> tuple[RunFiles, ...]:
    """All runs under ``collected``, or those of one campaign, by campaign, board and run. No folder is no runs.

    Raises CannotRead when ``collected`` is something else than a folder, or closed to us.
    """
    if not os.path.lexists(collected):
        return ()
    if not collected.is_dir():
        raise CannotRead("is no folder", file=str(collected))
    return tuple(
        RunFiles(of.name, board.name, run.name, run, collected)
        for of in _folders(collected)
        if campaign in (None, of.name)
        for board in _folders(of)
        for run in _folders(board)
    )


def _folders(parent: Path) -> list[Path]:
    try:
        with os.scandir(parent) as entries:
            finished = [entry for entry in entries if not entry.name.startswith(".")]
            names = [entry.name for entry in finished if entry.is_dir(follow_symlinks=False)]
    except OSError as error:
        raise CannotRead(f"can not be read: {error.strerror or error}", file=str(parent)) from error
    return [parent / name for name in sorted(names)]


def _open(path: Path) -> io.BufferedReader | None:
    """A plain file for reading, or None: no link is followed, no pipe is waited on."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return None
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        return None
    return os.fdopen(handle, "rb")
