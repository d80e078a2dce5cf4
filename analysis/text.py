"""Text that came from a board is hostile until it went through here.

``plain`` makes one harmless line of it: no control characters, no ANSI, nothing that turns the line around. Every
writer starts from that. ``spreadsheet`` adds what Excel and its kin need: no formula, and not too long for a cell.
"""

from __future__ import annotations

import re
import unicodedata

CELL_LIMIT = 32767  # UTF-16 units in one cell of a worksheet; Excel calls a file with more of them damaged
LINE_LIMIT = 600  # characters of a reason on a terminal; the whole of it is in the spreadsheet

_ANSI = re.compile(
    r"\x1b\[[0-?]*[ -/]*[@-~]"  # CSI: colours, cursor
    r"|\x1b[\]PX^_].*?(?:\x07|\x1b\\)"  # OSC, DCS and others: titles, links, clipboard
    r"|\x1b[ -/]*[0-~]",
    re.DOTALL,
)
_BLANKS = re.compile(r"[\s\u2028\u2029\x85]+")
# Arabic mark, left/right marks, embeddings, overrides and isolates: what follows them is shown in another order.
_TURNS = re.compile("[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")
_UNPRINTABLE = frozenset({"Cc", "Cs", "Cn", "Co"})

# A full-width sign is a sign too for spreadsheets in Japanese and Chinese locales. A semicolon parts the columns where
# the comma is the decimal mark, so the sign behind it would come first in a cell of its own.
_FORMULA = re.compile(r"""(^[\s"']*|;[\s"']*)(?=[=+\-@＝＋－＠|%])""")


def plain(text: str, limit: int | None = None) -> str:
    """One line of visible text; what can not be shown becomes U+FFFD, cut to ``limit`` characters if given."""
    line = _TURNS.sub("", _BLANKS.sub(" ", _ANSI.sub("", text))).strip()
    if not line.isprintable():
        line = "".join("\ufffd" if unicodedata.category(c) in _UNPRINTABLE else c for c in line)
    if limit is not None and len(line) > limit:
        line = line[: limit - 1] + "…"
    return line


def spreadsheet(text: str) -> str:
    """``plain`` text that no spreadsheet takes for a formula, at most ``CELL_LIMIT`` UTF-16 units long."""
    return _fit(_FORMULA.sub(r"\1'", plain(text)))


def markdown(text: str) -> str:
    """``plain`` text that stays text in a Markdown table: no column, no HTML, no link."""
    return re.sub(r"([\\|<>\[\]`*]|:(?=//))", r"\\\1", plain(text))


def _fit(text: str) -> str:
    """Cut at a character, not between the halves of one."""
    if len(text) * 2 <= CELL_LIMIT or len(text.encode("utf-16-le")) <= 2 * CELL_LIMIT:
        return text
    mark = " … cut"
    kept = text.encode("utf-16-le")[: 2 * (CELL_LIMIT - len(mark))]
    return kept.decode("utf-16-le", errors="ignore") + mark
