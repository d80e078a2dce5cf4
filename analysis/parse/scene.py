"""Who is speaking: the runtime and the shell, or the model in its answer.

A *segment* runs from one ``robot:`` to the next prompt, banner or shell prompt. In it the model may print
anything, a performance table or ``Killed`` included, so the readers ask here before they believe a line. Two
things that are true of processes settle most doubts: the runtime prints one table an answer, and it prints it
last; and a process that died prints no table afterwards.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from analysis.parse.lines import MARK, Line

# The official demo on a tty and in a pipe (`user: robot: `), behind a glued error line, and Qengineering's.
_ANSWER = re.compile(r"(?:^|run failed)(?P<user>user:\s*)?(?:(?P<robot>robot:)|answer:)\s?", re.IGNORECASE)
_PROMPT = re.compile(r"\s*user:", re.IGNORECASE)
_SHELL = re.compile(r"(?:\([\w.-]+\) )?[\w.-]+@[\w.-]+:\S* ?[#$] ?|rk35\w\w:/\S* [#$] ")
_RULER = re.compile(rf"\s*(?:{MARK})?\s*-{{20,}}")


class Scene:
    """Where in the dialogue the reader stands, shared by all readers of one log."""

    def __init__(self) -> None:
        self.in_answer = False
        self.segment = 0  # counts answers; 0 is before the first
        self.line_number = 0  # of candidate lines: it orders findings and nothing else
        self.block = b""  # the lines in hand
        self.line_start = 0  # of the line in hand, in the block
        self._block_before = b""
        self.wanted: dict[Callable[[Line], bool], int] = {}  # who reads the next lines, how many at most
        self.on_segment_end: list[Callable[[], None]] = []
        self._answer_is_quoted = False

    @property
    def previous(self) -> Line:
        """The line before the one in hand."""
        block, end = self.block, self.line_start
        if end == 0:
            block, end = self._block_before, len(self._block_before)
        return Line(block[block.rfind(b"\n", 0, max(end - 1, 0)) + 1 : end])

    def begin_block(self, block: bytes) -> None:
        """Go on to the next lines; the last one of those before is a neighbour."""
        self._block_before, self.block = self.block, block
        self.line_start = 0

    def line_at(self, start: int, end: int) -> Line:
        """Take this line in hand."""
        self.line_start = start
        self.line_number += 1
        return Line(self.block[start:end])

    def want(self, reader: Callable[[Line], bool], lines: int) -> None:
        """Give the next lines to ``reader`` until it says False."""
        self.wanted[reader] = lines

    def give_lines(self, start: int, stop: int) -> None:
        """Hand out the lines between, which hold no cue, as long as somebody wants them."""
        while self.wanted and start < stop:
            end = self.block.find(b"\n", start) + 1 or stop
            self.give(self.line_at(start, end))
            start = end

    def give(self, line: Line) -> None:
        """The next line for those who asked for it."""
        for reader, left in tuple(self.wanted.items()):
            if reader(line) and left > 1:
                self.wanted[reader] = left - 1
            else:
                self.wanted.pop(reader, None)

    def end_segment(self) -> None:
        """The model has finished; what was provisional is settled."""
        if self.in_answer:
            self.in_answer = False
            for settle in self.on_segment_end:
                settle()

    def is_own_line(self, line: Line) -> bool:
        """Whether the line's start may be the runtime's or the shell's: not so for a quote in an answer."""
        return not self.in_answer or not line.is_quoted or self._answer_is_quoted

    def believes(self, line: Line) -> bool:
        """Whether the runtime may have said this: anything outside an answer, its own lines within one."""
        return not self.in_answer or (line.is_runtimes and self.is_own_line(line))

    def may_be_marks(self) -> bool:
        """Whether the line before is blank or the runtime's: the demo's marks never follow plain text."""
        before = self.previous
        return not before.body.strip() or before.is_runtimes or self.after_ruler()

    def after_ruler(self) -> bool:
        """Whether the line before is one of the table's rulers."""
        return _RULER.match(self.previous.body) is not None

    def read_answer_mark(self, line: Line) -> str | None:
        """Note that an answer begins; gives ``robot`` or ``answer``, or None where it is only text."""
        found = _ANSWER.search(line.body)
        if found is None or (self.in_answer and not (found["user"] or self.may_be_marks())):
            return None
        self.end_segment()
        self.in_answer = True
        self.segment += 1
        self._answer_is_quoted = line.is_quoted
        return "robot" if found["robot"] == "robot:" else "answer"  # a wrapper's own `Robot:` promises no table

    def read_prompt(self, line: Line) -> bool:
        """Whether the demo asks for the next prompt here."""
        if _PROMPT.match(line.body) is None or (self.in_answer and not self.may_be_marks()):
            return False
        self.end_segment()
        return True

    def read_shell_prompt(self, line: Line) -> None:
        """A shell's prompt ends an answer."""
        if self.in_answer and _SHELL.match(line.body):
            self.end_segment()


def spoken(body: str) -> str:
    """The part of a line behind ``user:`` and ``robot:``, where piped demos let the first error line begin."""
    found = re.match(r"\s*(?:user:\s*)?(?:(?:robot|answer):\s?)?", body, re.IGNORECASE)
    return body[found.end() :] if found else body
