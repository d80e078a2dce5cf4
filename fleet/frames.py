"""What ``job.sh follow`` sends: a JSON header on one line, then exactly as many bytes as the header says.

Binary-safe, so a log may hold anything, and it says its own length, so a connection that drops in the middle is
noticed. A board is not trusted: headers and bodies are limited, and anything else raises ``FrameError``.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

HEADER_BYTES = 64 * 1024  # the largest header is the last one, with the run's state in it
BODY_BYTES = 64 * 2**20  # the largest evidence file that is pulled; logs come in pieces of 1 MiB


class FrameError(ValueError):
    """The stream is not what ``job.sh`` sends."""


@dataclass(frozen=True)
class Frame:
    """One header with the bytes that belong to it (empty for headers without ``bytes``)."""

    header: dict[str, Any]
    body: bytes


def read_frames(chunks: Iterable[bytes]) -> Iterator[Frame]:
    """Split a stream that arrives in arbitrary pieces into frames.

    Raises FrameError for anything that is no frame, and when the stream ends inside one.
    """
    buffer = bytearray()
    header: dict[str, Any] | None = None
    need = 0
    for chunk in chunks:
        buffer += chunk
        while True:
            if header is None:
                end = buffer.find(b"\n")
                if end < 0:
                    if len(buffer) > HEADER_BYTES:
                        raise FrameError(f"no header within {HEADER_BYTES} bytes")
                    break
                header = _header(bytes(buffer[:end]))
                need = _length(header)
                del buffer[: end + 1]
            if len(buffer) < need:
                break
            yield Frame(header, bytes(buffer[:need]))
            del buffer[:need]
            header = None
    if header is not None or buffer:
        raise FrameError("the stream ends inside a frame")


def _header(line: bytes) -> dict[str, Any]:
    try:
        header = json.loads(line)
    except (ValueError, RecursionError):
        raise FrameError(f"not a frame header: {line[:60]!r}") from None
    if not isinstance(header, dict):
        raise FrameError(f"not a frame header: {line[:60]!r}")
    return header


def _length(header: dict[str, Any]) -> int:
    length = header.get("bytes", 0)
    if type(length) is not int or not 0 <= length <= BODY_BYTES:
        raise FrameError(f"a frame of {length!r} bytes")
    return length
