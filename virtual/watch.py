"""Notice at once when somebody writes a file in a folder: inotify, which the standard library does not wrap."""

from __future__ import annotations

import asyncio
import ctypes
import errno
import os
import struct
from collections.abc import Callable
from pathlib import Path

_IN_CLOSE_WRITE = 0x8
_IN_MOVED_TO = 0x80
_HEADER = struct.Struct("iIII")
_libc = ctypes.CDLL(None, use_errno=True)


class Watch:
    """Calls ``written`` in the running event loop with each (folder, name) that was closed after writing."""

    def __init__(self, root: Path, folders: list[str], written: Callable[[set[tuple[str, str]]], None]) -> None:
        self._written = written
        self._fd = _checked(_libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC))
        self._folders = {}
        for folder in folders:
            path = os.fsencode(root / folder)
            self._folders[_checked(_libc.inotify_add_watch(self._fd, path, _IN_CLOSE_WRITE | _IN_MOVED_TO))] = folder
        asyncio.get_running_loop().add_reader(self._fd, self._read)

    def close(self) -> None:
        asyncio.get_running_loop().remove_reader(self._fd)
        os.close(self._fd)

    def _read(self) -> None:
        try:
            data = os.read(self._fd, 65536)
        except BlockingIOError:
            return
        seen: set[tuple[str, str]] = set()
        while data:
            watch, _, _, length = _HEADER.unpack_from(data)
            name = data[_HEADER.size : _HEADER.size + length].rstrip(b"\0").decode(errors="replace")
            data = data[_HEADER.size + length :]
            if watch in self._folders:
                seen.add((self._folders[watch], name))
        self._written(seen)


def _checked(result: int) -> int:
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, f"inotify: {errno.errorcode.get(code, code)}")
    return result
