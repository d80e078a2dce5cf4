"""The report's pages as Markdown that a forge renders: no column, link or HTML can come from a board's text."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from urllib.parse import quote

from analysis.report.model import (
    Block,
    Bullets,
    Cell,
    Code,
    Document,
    Link,
    Paragraph,
    Prose,
    Report,
    Span,
    Strong,
    Table,
)
from analysis.report.shown import cell_text
from analysis.report.words import Words
from analysis.text import markdown, plain
from analysis.writers.files import write_whole

# What GitHub's dialect makes something of beyond ``analysis.text.markdown``: entities, emphasis, strikethrough, a bare
# address, mathematics.
_MORE = re.compile(r"([&_~$])|(?<=www)(\.)")
_FIRST = re.compile(r"^(\s*)([#+\-=]|\d+(?=[.)]))")
_REPORTS = ".."  # the pages lie in a folder of the project


def write_pages(report: Report, folder: Path) -> tuple[Path, ...]:
    """Write every page into ``folder``; returns the files. Raises CannotWrite."""
    written = []
    for document in report.documents:
        path = folder / file_name(document, report)
        write_whole(path, page(document, report).encode())
        written.append(path)
    return tuple(written)


def file_name(document: Document, report: Report) -> str:
    """The running table has one name, whatever its language, for both reports point to it."""
    return f"{document.name}.md" if document.name == "benchmark_log" else f"{document.name}.{report.lang}.md"


def page(document: Document, report: Report) -> str:
    """One document."""
    say = Words(report.lang)
    parts = [f"# {_text(document.title)}", *_blocks(document.before, say)]
    for section in document.sections:
        parts.append(f"{'#' * section.level} {_text(section.heading)}")
        parts += _blocks(section.blocks, say)
    return "\n\n".join(part for part in parts if part) + "\n"


def _blocks(blocks: Iterable[Block], say: Words) -> list[str]:
    return [_block(block, say) for block in blocks]


def _block(block: Block, say: Words) -> str:
    if isinstance(block, Paragraph):
        text = _line(block.words)
        return f"> {text}" if block.remark else text
    if isinstance(block, Bullets):
        marks = (f"{n}." for n in range(1, len(block.items) + 1)) if block.numbered else ("-" for _ in block.items)
        return "\n".join(f"{mark} {_line(item)}" for mark, item in zip(marks, block.items, strict=False))
    return _table(block, say)


def _table(table: Table, say: Words) -> str:
    head = [f"**{_text(table.title)}**"] if table.title else []
    if not table.rows:
        return "\n\n".join([*head, _text(table.empty)])
    lines = [
        _row(_text(column.heading) for column in table.columns),
        _row("---:" if column.metric else ":---" for column in table.columns),
        *(_row(_cell(cell, say) for cell in row.cells) for row in table.rows),
    ]
    notes = ["\n".join(f"- {_line(note)}" for note in table.notes)] if table.notes else []
    return "\n\n".join([*head, "\n".join(lines), *notes])


def _row(texts: Iterable[str]) -> str:
    return f"| {' | '.join(texts)} |"


def _cell(cell: Cell, say: Words) -> str:
    if cell.metric is not None:
        return _text(cell_text(cell, say))
    return "".join(map(_span, cell.words))


def _line(words: Prose) -> str:
    return _FIRST.sub(r"\1\\\2", "".join(map(_span, words)), count=1)


def _span(span: Span) -> str:
    if isinstance(span, Code):
        return f"`{plain(span.text).replace('`', chr(39)).replace('|', '¦')}`"
    if isinstance(span, Strong):
        return f"**{_text(span.text)}**"
    if isinstance(span, Link):
        return f"[{_text(span.text)}]({_REPORTS}/{quote(span.target)})"
    lead, tail = span[: len(span) - len(span.lstrip())], span[len(span.rstrip()) :]
    return lead + _text(span) + (tail if span.strip() else "")


def _text(text: str) -> str:
    return _MORE.sub(r"\\\1\2", markdown(text))
