"""What a model file is, chunk by chunk: made by one reading of the file, so the chunks prove the whole.

A chunk is ``defaults.CHUNK_BYTES``. The sha256 of the whole and of each chunk come from the same bytes in the same
pass; whoever has all chunks at their places has the whole. Reading 8 GiB takes a while, so the result is kept in
``$XDG_CACHE_HOME/rkfleet/manifests`` under path, size, mtime in ns and inode. That is a memo: what can not be read,
or does not fit its own sha256, is made anew.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import threading
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from fleet import defaults
from fleet.errors import ConfigError
from fleet.evidence import write_file

_SHA256 = re.compile(r"[0-9a-f]{64}")
_ONE_READER: dict[Path, threading.Lock] = defaultdict(threading.Lock)  # many boards at once ask for the same file


@dataclass(frozen=True)
class FileId:
    """By what a file is known again without reading it."""

    size_bytes: int
    mtime_ns: int
    inode: int

    @classmethod
    def of(cls, stat: os.stat_result) -> FileId:
        """Of what ``stat`` or ``fstat`` said."""
        return cls(stat.st_size, stat.st_mtime_ns, stat.st_ino)


@dataclass(frozen=True)
class Manifest:
    """A file's sha256, and that of each of its chunks."""

    path: Path
    file: FileId
    sha256: str
    chunks: tuple[str, ...]
    chunk_bytes: int

    @property
    def size_bytes(self) -> int:
        """Of the whole."""
        return self.file.size_bytes

    def span(self, number: int) -> tuple[int, int]:
        """Where a chunk begins and how long it is."""
        begin = number * self.chunk_bytes
        return begin, min(self.chunk_bytes, self.size_bytes - begin)

    @property
    def listed(self) -> bytes:
        """The list of chunks as a board takes it: one line each."""
        return "".join(f"{chunk}\n" for chunk in self.chunks).encode()

    @property
    def list_sha256(self) -> str:
        """By which the board knows that the list arrived."""
        return hashlib.sha256(self.listed).hexdigest()

    def same(self, stat: os.stat_result) -> bool:
        """Is this still the file that was read, as far as its size, mtime and inode tell?"""
        return FileId.of(stat) == self.file

    def holds(self, file: BinaryIO, number: int) -> bool:
        """Are the bytes of this chunk still those that were read?"""
        begin, size = self.span(number)
        digest = hashlib.sha256()
        while size and (block := os.pread(file.fileno(), min(size, defaults.BLOCK_BYTES), begin)):
            digest.update(block)
            begin, size = begin + len(block), size - len(block)
        return digest.hexdigest() == self.chunks[number]


def changed(path: Path) -> ConfigError:
    """The error for a file that is written to while we read it."""
    return ConfigError(
        "it was changed while it was read for a push; no board has taken anything of it under its name",
        file=str(path),
        hint="let whoever writes it finish, and push again",
    )


def manifest_of(path: Path, *, chunk_bytes: int | None = None, cache: Path | None = None) -> Manifest:
    """The manifest of a file, from the cache where it is there. Raises ConfigError when it can not be read."""
    chunk_bytes = chunk_bytes or defaults.CHUNK_BYTES
    path = path.absolute()
    folder = cache or cache_folder() / "manifests"
    memo = folder / f"{hashlib.sha256(os.fsencode(path)).hexdigest()[:32]}.json"
    with _ONE_READER[path]:
        try:
            with path.open("rb") as file:
                return _known(memo, path, FileId.of(os.fstat(file.fileno())), chunk_bytes) or _made(
                    memo, path, file, chunk_bytes
                )
        except OSError as error:
            raise ConfigError(f"can not be read: {error.strerror or error}", file=str(path)) from None


def cache_folder() -> Path:
    """Where things lie that can be made again."""
    named = os.environ.get("XDG_CACHE_HOME", "")
    base = Path(named) if named.startswith("/") else Path.home() / ".cache"
    return base / "rkfleet"


def _made(memo: Path, path: Path, file: BinaryIO, chunk_bytes: int) -> Manifest:
    before = FileId.of(os.fstat(file.fileno()))
    whole = hashlib.sha256()
    chunks: list[str] = []
    chunk, left = hashlib.sha256(), chunk_bytes
    block = bytearray(min(defaults.BLOCK_BYTES, chunk_bytes))
    view = memoryview(block)
    while got := os.readv(file.fileno(), [view[: min(left, len(block))]]):
        # Twice, because sha256 of the whole and of its parts can not be had from each other.
        whole.update(view[:got])
        chunk.update(view[:got])
        left -= got
        if not left:
            chunks.append(chunk.hexdigest())
            chunk, left = hashlib.sha256(), chunk_bytes
    if left != chunk_bytes:
        chunks.append(chunk.hexdigest())
    if FileId.of(os.fstat(file.fileno())) != before or -(-before.size_bytes // chunk_bytes) != len(chunks):
        raise changed(path)
    made = Manifest(path, before, whole.hexdigest(), tuple(chunks), chunk_bytes)
    with contextlib.suppress(OSError):  # a cache that can not be written is no reason to stop
        write_file(memo, json.dumps({"is": _digest(made), **_told(made)}).encode())
    return made


def _known(memo: Path, path: Path, now: FileId, chunk_bytes: int) -> Manifest | None:
    try:
        told = json.loads(memo.read_bytes())
        made = Manifest(path, FileId(*told["file"]), told["sha256"], tuple(told["chunks"]), told["chunk_bytes"])
        fits = told["path"] == str(path) and made.file == now and made.chunk_bytes == chunk_bytes
        whole = all(_SHA256.fullmatch(one) for one in (made.sha256, *made.chunks))
        return made if fits and whole and told["is"] == _digest(made) else None
    except (OSError, ValueError, RecursionError, TypeError, KeyError):
        return None


def forget(manifest: Manifest, cache: Path | None = None) -> None:
    """The file is not what it says, though it looks the same: the next push reads it anew."""
    folder = cache or cache_folder() / "manifests"
    with contextlib.suppress(OSError):
        (folder / f"{hashlib.sha256(os.fsencode(manifest.path)).hexdigest()[:32]}.json").unlink(missing_ok=True)


def _told(made: Manifest) -> dict[str, object]:
    file = [made.file.size_bytes, made.file.mtime_ns, made.file.inode]
    return {
        "path": str(made.path),
        "file": file,
        "sha256": made.sha256,
        "chunk_bytes": made.chunk_bytes,
        "chunks": list(made.chunks),
    }


def _digest(made: Manifest) -> str:
    """Of all that is told, so that a bit that turned over in the cache can not give a file another name."""
    return hashlib.sha256(json.dumps(_told(made), sort_keys=True).encode()).hexdigest()
