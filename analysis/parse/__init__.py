"""Bytes of a log in, facts out: what an RKLLM demo, its libraries, the kernel and the shell print.

Nothing here opens a connection, knows a file name or guesses. Any bytes give an answer; what is not in them
is None. ``parse_log`` reads one file's bytes, ``parse_stream`` a file of any size, ``parse_run`` the streams
of one run together.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from analysis.parse.failures import BY_NAME as FAILURE_CLASSES
from analysis.parse.integrity import Check, Planned
from analysis.parse.lines import BLOCK_BYTES, pieces
from analysis.parse.reader import read
from analysis.parse.records import Memory, ParsedLog, Stage, Turn
from analysis.parse.run import ParsedRun, parse_run
from analysis.parse.signs import FailureClass

__all__ = [
    "FAILURE_CLASSES",
    "Check",
    "FailureClass",
    "Memory",
    "ParsedLog",
    "ParsedRun",
    "Planned",
    "Stage",
    "Turn",
    "parse_log",
    "parse_run",
    "parse_stream",
]


def parse_log(data: bytes) -> ParsedLog:
    """Read one log."""
    return read(pieces(data))


def parse_stream(path: str | Path) -> ParsedLog:
    """Read a file of any size in constant memory. Raises OSError when it can not be opened."""
    return read(_chunks(path))


def _chunks(path: str | Path) -> Iterator[bytes]:
    file = os.open(path, os.O_RDONLY)  # most logs are so small that a file object costs more than their bytes
    try:
        while chunk := os.read(file, BLOCK_BYTES):
            yield chunk
    finally:
        os.close(file)
