"""Bytes of a log in, facts out: what an RKLLM demo, its libraries, the kernel and the shell print.

Nothing here opens a connection, knows a file name or guesses. Any bytes give an answer; what is not in them
is None. ``parse_log`` reads one file's bytes, ``parse_stream`` a file of any size, ``parse_run`` the streams
of one run together.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from analysis.parse.failures import BY_NAME as FAILURE_CLASSES
from analysis.parse.failures import FailureClass
from analysis.parse.integrity import Check, Planned
from analysis.parse.lines import BLOCK_BYTES, pieces
from analysis.parse.reader import read
from analysis.parse.records import Memory, ParsedLog, Stage, Turn
from analysis.parse.run import ParsedRun, parse_run

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
    with open(path, "rb", buffering=0) as file:  # noqa: PTH123 - half the time of Path.open for a small file
        while chunk := file.read(BLOCK_BYTES):
            yield chunk
