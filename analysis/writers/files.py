"""A report appears whole under its name or not at all, and one that would not change is left alone."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from analysis.errors import CannotWrite


def write_whole(path: Path, data: bytes) -> None:
    """Write by temporary name, fsync and rename. Raises CannotWrite; then ``path`` is as it was."""
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.is_file() and not path.is_symlink() and path.read_bytes() == data:
            return
        try:
            with temporary.open("xb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)
        _sync_folder(path.parent)
    except OSError as error:
        raise CannotWrite(
            f"can not be written: {error.strerror or error}",
            file=str(path),
            hint=f"close it where it is open, and see that {path.parent} is writable and has space",
        ) from error


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
