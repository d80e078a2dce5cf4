"""Bytes that a board printed, made fit for a person's screen: they may not move the cursor nor fill it."""

from __future__ import annotations

import re

TAIL_CHARS = 600  # of a command's stderr in a message: about eight lines

_ESCAPES = re.compile(
    r"\x1b\[[0-?]*[ -/]*[@-~]"  # CSI: colours, cursor
    r"|\x1b[\]PX^_].*?(?:\x1b\\|\x07|\Z)"  # OSC and other strings: titles, links
    r"|\x1b[ -/]*[0-~]?",
    re.DOTALL,
)
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


def readable(data: bytes) -> str:
    """Text without escape sequences and control characters; newline and tab stay, the last overwrite of a line wins."""
    text = _ESCAPES.sub("", data.decode("utf-8", "replace")).replace("\r\n", "\n")
    lines = (line.rstrip("\r").rpartition("\r")[2] for line in text.split("\n"))
    return _CONTROL.sub("�", "\n".join(lines))


def tail(data: bytes, chars: int = TAIL_CHARS) -> str:
    """The end of what a command printed, for a message."""
    text = readable(data[-8 * chars :]).strip()
    return text if len(text) <= chars else "…" + text[-chars:]


def one_line(error: BaseException) -> str:
    """What an exception says, on one line; some carry the server's own words."""
    words = readable(str(error).encode("utf-8", "replace")).split()
    return " ".join(words)[:TAIL_CHARS] or type(error).__name__
