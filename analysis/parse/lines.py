"""Bytes become lines, whatever the bytes are.

A line is what is left after NULs and terminal sequences are taken out and the text is split at ``\\n``,
``\\r\\n`` or ``\\r``; it is decoded as UTF-8 with replacement. A log is read in blocks that end at a line
end, so memory does not grow with the file; a line longer than ``LINE_LIMIT_BYTES`` keeps its two ends with a
gap mark between them, so that no value is ever cut in the middle and read as a whole one.

Text of a *closed* line ends with a newline, that of an *open* one (the file stops there) does not. Patterns
ask for one more character behind each value, and so a value that runs to the end of the file is never taken.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

BLOCK_BYTES = 1 << 16  # a larger buffer costs more in page faults than most logs take to read
LINE_LIMIT_BYTES = 1 << 15  # an answer of 4096 tokens in one line is about 20 kB
LINE_KEEP_BYTES = 1 << 13  # of each end of a longer line
_MOST_DIGITS = 15
GAP = "\ufffd".encode()

# CSI (colours, cursor), OSC (window titles of shell prompts) and the two-character escapes.
_ESCAPES = re.compile(rb"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b\n\r]*(?:\x07|\x1b\\)|[()][0-9A-B]|[=>78cDEHM])")

_MONTH = "(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)"
_CLOCK = r"\d\d:\d\d:\d\d(?:[.,]\d+)?"
# What others put before a line: quote marks, bracketed stamps and tags, journald, ISO stamps, logcat, docker compose.
_PREFIX = re.compile(
    rf"""(?:
        \ ?[>_]+\ ?
      | \ *\[[^\[\]\n]{{1,80}}\]:?\ ?
      | {_MONTH}\ +\d{{1,2}}\ {_CLOCK}\ (?:\S+\ [^\s:\[]+(?:\[\d+\])?:\ )?
      | \d{{4}}-\d\d-\d\d[T\ ]{_CLOCK}(?:Z|[+-]\d\d:?\d\d)?\ (?:\S+\ [^\s:\[]+\[\d+\]:\ |std(?:out|err)\ [FP]\ )?
      | \d\d-\d\d\ {_CLOCK}\ +\d+\ +\d+\ (?=[VDIWEF]\ )
      | [\w.-]+\ +\|\ (?!\ *(?:\||:?-+:?\ *\|))
    )+""",
    re.VERBOSE,
)
_PREFIX_STARTS = frozenset(" >_[0123456789JFMASONDabcdefghijklmnopqrstuvwxyz")
_QUOTES = re.compile(r"[ >_]+")
# The runtime's mark, on a console and as logcat writes it (`I rkllm   :` or `I/rkllm ( 300):`).
MARK = r"I[ /]rkllm\s*(?:\(\s*\d+\)\s*)?:"
_RUNTIME_START = re.compile(r"\s*[IWE][ /](?:rkllm|RKNN)\s*(?:\(\s*\d+\)\s*)?:")


# Numbers of more digits than anything that is printed here are noise, and too long ones break int() and float().
WHOLE = r"(\d{1,15})(?![\d.])"
DECIMAL = r"(\d{1,15}(?:\.\d{1,9})?)(?![\d.])"


def whole(text: str) -> int | None:
    """A whole number, unless it is no number or absurdly long."""
    return int(text) if text.isascii() and text.isdecimal() and len(text) <= _MOST_DIGITS else None


class Line:
    """One line of a log: its text, and what stands behind the prefixes that others put there."""

    __slots__ = ("_body", "text")

    def __init__(self, raw: bytes) -> None:
        self.text = (raw if len(raw) <= LINE_LIMIT_BYTES else shorten(raw)).decode("utf-8", "replace")
        self._body: str | None = None

    @property
    def body(self) -> str:
        """The text without any prefixes."""
        if self._body is None:
            text = self.text
            found = _PREFIX.match(text) if text[:1] in _PREFIX_STARTS else None
            self._body = text[found.end() :] if found else text
        return self._body

    @property
    def prefix(self) -> str:
        """What stands before the body."""
        return self.text[: len(self.text) - len(self.body)]

    @property
    def is_quoted(self) -> bool:
        """Whether the only prefix is a quote mark: a reporter's, or Markdown in a model's answer."""
        return bool(self.prefix) and _QUOTES.fullmatch(self.prefix) is not None

    @property
    def is_runtimes(self) -> bool:
        """Whether the line begins as the runtime's own do."""
        return _RUNTIME_START.match(self.body) is not None


def clean(block: bytes) -> bytes:
    """Take out NULs and terminal sequences; every line end becomes ``\\n``."""
    if b"\0" in block:
        block = block.replace(b"\0", b"")
    if b"\x1b" in block:
        block = _ESCAPES.sub(b"", block)
    if b"\r" in block:
        block = block.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    return block


def blocks(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Blocks of whole lines; only the last one may end without a line end."""
    rest = b""
    for chunk in chunks:
        rest += chunk
        # A \r that ends the chunk may be half of \r\n: it stays for the next round.
        cut = max(rest.rfind(b"\n"), rest.rfind(b"\r", 0, len(rest) - 1)) + 1
        if cut:
            yield rest[:cut]
            rest = rest[cut:]
        rest = shorten(rest)
    if rest:
        yield rest


def shorten(line: bytes) -> bytes:
    """The two ends of a line that is too long to be one of a log; no pattern reaches over the gap."""
    if len(line) <= LINE_LIMIT_BYTES:
        return line
    return line[:LINE_KEEP_BYTES] + GAP + line[-LINE_KEEP_BYTES:]


def pieces(data: bytes) -> Iterator[bytes]:
    """``data`` in blocks; a small log, the usual case, is one."""
    if len(data) <= BLOCK_BYTES:
        return iter((data,))
    return (data[start : start + BLOCK_BYTES] for start in range(0, len(data), BLOCK_BYTES))
