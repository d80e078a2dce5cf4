"""Which files at a path are which streams of which runs, and their bytes.

A path is one log, taken for the stdout of one run, or a folder whose ``*.log`` and ``*.txt`` (its own, not those
below it) are taken. Where a name in it speaks of ``stderr``, ``err``, ``dmesg`` or ``kernel``, the folder is one
run, with one file a stream; where none does, each log is a run of its own. One file that can not be read, or is too
large, refuses all of them.
"""

from __future__ import annotations

import errno
import hashlib
import os
import re
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from fleet import defaults
from fleet.errors import ConfigError
from fleet.stated import EXAMPLE
from fleet.text import readable

ENDINGS = (".log", ".txt")
CHUNK_BYTES = 2**20

_STREAMS = (("dmesg.log", ("dmesg", "kernel")), ("stderr.log", ("stderr", "err")))
_UNREADABLE = {
    errno.ENOENT: "there is no such file or folder",
    errno.ENOTDIR: "there is no such file or folder",
    errno.ELOOP: "is a link that leads back to itself",
    errno.EACCES: "may not be read by this user",
    errno.EPERM: "may not be read by this user",
}


@dataclass(frozen=True)
class Source:
    """One file of a person's: where it lies, the evidence file that it becomes, and what is in it."""

    path: Path
    name: str
    size_bytes: int
    sha256: str


HandRun = tuple[Source, ...]  # the files of one run, one a stream


def find(path: str) -> list[HandRun]:
    """The runs at ``path``. Raises ConfigError when there is none, or when something can not be read."""
    if not path:
        raise ConfigError("say which log, or which folder with logs", key="PATH", hint=EXAMPLE)
    place = Path(path)
    try:
        mode = os.stat(path).st_mode  # noqa: PTH116 - an empty or NUL name is an error here, not False
        names = sorted(os.listdir(path)) if stat.S_ISDIR(mode) else []  # noqa: PTH208
    except (OSError, ValueError) as error:
        raise _unreadable(place, error) from None
    _refuse_evidence(place if stat.S_ISDIR(mode) else place.resolve().parent)
    if not stat.S_ISDIR(mode):
        return [_with_content((_source(place, "stdout.log"),), place)]
    logs = [place / name for name in names if name.lower().endswith(ENDINGS) and not name.startswith(".")]
    logs = [log for log in logs if not log.is_dir()]
    if not logs:
        endings = " or ".join(f"*{ending}" for ending in ENDINGS)
        raise refused(place, f"holds no {endings}", hint="name one log, or one folder that holds logs itself")
    streams = [_stream(log.name) for log in logs]
    sources = [_source(log, stream) for log, stream in zip(logs, streams, strict=True)]
    if set(streams) == {"stdout.log"}:
        return [_with_content((source,), source.path) for source in sources]
    twice = next((stream for stream in streams if streams.count(stream) > 1), None)
    if twice is not None:
        both = " and ".join(file_name(one.path) for one in sources if one.name == twice)
        what = f"{both} would both be {twice} of one run"
        raise refused(place, what, hint="one folder a run, or name the files stdout.log, stderr.log and dmesg.log")
    return [_with_content(tuple(sources), place)]


def _stream(name: str) -> str:
    words = re.split(r"[^a-z]+", name.lower())
    return next((stream for stream, marks in _STREAMS if any(_speaks(words, mark) for mark in marks)), "stdout.log")


def _speaks(words: list[str], mark: str) -> bool:
    """``err`` only as a word of its own: ``terrible.log`` and ``error-free.log`` are plain logs."""
    return mark in words if mark == "err" else any(mark in word for word in words)


def _source(path: Path, name: str) -> Source:
    digest, size = hashlib.sha256(), 0
    for chunk in chunks(path):
        digest.update(chunk)
        size += len(chunk)
    return Source(path, name, size, digest.hexdigest())


def chunks(path: Path) -> Iterator[bytes]:
    """The bytes of a plain file below the limit. Raises ConfigError."""
    size = 0
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)  # a pipe must not be waited on
        with os.fdopen(handle, "rb", buffering=0) as file:
            about = os.fstat(file.fileno())
            if not stat.S_ISREG(about.st_mode):
                raise refused(path, "is no plain file and no folder")
            while about.st_size <= defaults.LOG_LIMIT_BYTES and (chunk := file.read(CHUNK_BYTES)):
                size += len(chunk)
                if size > defaults.LOG_LIMIT_BYTES:
                    break
                yield chunk
    except OSError as error:
        raise _unreadable(path, error) from None
    if max(size, about.st_size) > defaults.LOG_LIMIT_BYTES:
        raise refused(path, f"is larger than {defaults.LOG_LIMIT_BYTES // 2**20} MiB, more than a log can be here")


def _with_content(run: HandRun, path: Path) -> HandRun:
    if not any(source.size_bytes for source in run):
        raise refused(path, "is empty: there is nothing to keep")
    return run


def _refuse_evidence(folder: Path) -> None:
    if os.path.lexists(folder / "spec.json"):
        what = "has a spec.json: it is a run's evidence already, and keeps the origin that it has"
        raise refused(folder, what, hint="invoke parse reads it where it lies")


def file_name(path: Path) -> str:
    """A file's own name, without the folders of somebody's machine, fit for a screen."""
    return readable(os.fsencode(path.name))


def refused(path: Path, what: str, hint: str = "") -> ConfigError:
    return ConfigError(f"{readable(os.fsencode(path))}: {what}", hint=hint)


def _unreadable(path: Path, error: OSError | ValueError) -> ConfigError:
    number = error.errno if isinstance(error, OSError) else errno.ENOENT  # ValueError: a NUL in the name
    why = _UNREADABLE.get(number or 0) or getattr(error, "strerror", None) or str(error)
    return refused(path, why)
