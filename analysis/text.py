"""Text that came from a board is hostile until it went through here.

``plain`` makes one harmless line of it: no control characters, no ANSI, nothing that turns the line around.
Every writer starts from that. ``spreadsheet`` adds what Excel and its kin need: no formula, and not too long
for a cell.
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
# Control characters, halves of a character, and what no font has. Format characters (Cf) are dropped instead:
# they have no shape, and some of them turn round the order in which the text behind them is shown.
_UNPRINTABLE = frozenset({"Cc", "Cs", "Cn", "Co"})

# A full-width sign is a sign too for spreadsheets in Japanese and Chinese locales. A semicolon parts the
# columns where the comma is the decimal mark, so the sign behind it would come first in a cell of its own.
_FORMULA = re.compile(r"""(^[\s"']*|;[\s"']*)(?=[=+\-@＝＋－＠|%])""")


def plain(text: str, limit: int | None = None) -> str:
    """One line of visible text; what can not be shown is U+FFFD. Cut to ``limit`` characters if given."""
    line = _BLANKS.sub(" ", _ANSI.sub("", text)).strip()
    if not line.isprintable():
        line = _BLANKS.sub(" ", "".join(map(_visible, line))).strip()
    if limit is not None and len(line) > limit:
        line = line[: limit - 1] + "…"
    return line


def plain_lines(text: str) -> str:
    """Several lines of visible text, for a block that keeps blanks: columns stay under each other."""
    lines = _ANSI.sub("", text).replace("\t", "    ").splitlines()
    return "\n".join(line if line.isprintable() else "".join(map(_visible, line)) for line in lines)


def spreadsheet(text: str) -> str:
    """``plain`` text that no spreadsheet takes for a formula, at most ``CELL_LIMIT`` UTF-16 units long."""
    return _fit(_FORMULA.sub(r"\1'", plain(text)))


def markdown(text: str) -> str:
    """``plain`` text that stays text in a Markdown table: no column, no HTML, no link."""
    return re.sub(r"([\\|<>\[\]`*]|:(?=//))", r"\\\1", plain(text))


def _visible(character: str) -> str:
    category = unicodedata.category(character)
    return "" if category == "Cf" else "\ufffd" if category in _UNPRINTABLE else character


def _fit(text: str) -> str:
    """Cut at a character, not between the halves of one."""
    if len(text) * 2 <= CELL_LIMIT or len(text.encode("utf-16-le")) <= 2 * CELL_LIMIT:
        return text
    mark = " … cut"
    kept = text.encode("utf-16-le")[: 2 * (CELL_LIMIT - len(mark))]
    return kept.decode("utf-16-le", errors="ignore") + mark
