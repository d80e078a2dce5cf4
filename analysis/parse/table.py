"""The runtime's performance table, in all its layouts.

A turn is one numeric Prefill row and the Generate row after it with no second Prefill between; label and
value of the memory stand on two lines below. Layouts differ in the mark before the rows (none in 1.1, ``I
rkllm:`` from 1.2.0 on), in where the init time stands, and in the unit of memory, which is taken from its
label.

What a model writes can look the same. So: rows count only with the mark that this log's banner lets expect;
in one answer the last pair is the runtime's, because it prints its table after the answer; a bare pair in an
answer has to stand below a ruler; and a pair in a code fence that is closed later is the model's.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from analysis.parse.lines import DECIMAL, MARK, WHOLE, Line
from analysis.parse.records import Memory, Stage, Turn
from analysis.parse.scene import Scene

_NUMBER = DECIMAL
_RATE = r"(-?(?:\d{1,15}(?:\.\d{1,9})?|nan|inf))"
# The blank behind the last number says that it is whole; a closing quote mark may stand there too.
_COLUMNS = re.compile(rf"\s+{_NUMBER}\s+{WHOLE}\s+{_RATE}\s+{_RATE}(?=[\s_])[\s_]*\Z")
_INIT_ROW = re.compile(rf"\s+{_NUMBER}\s+/\s+/\s+/")
_INIT_TIME = re.compile(rf"Model init time \(ms\)\s+{_NUMBER}(?=[\s_])")
_MEMORY = re.compile(rf"Memory Usage \((GB|MB)\)(?:\s*{_NUMBER}(?=[\s_]))?")
_VALUE = re.compile(rf"\s*({MARK})?\s*{_NUMBER}(?=[\s_])[\s_]*\Z")
_MARK = re.compile(MARK + r"\s*\Z")
_LINES_TO_VALUE = 4  # a ruler, a blank or another writer may get in between


@dataclass
class _Block:
    """One pair of rows and what was printed around it."""

    prefill: Stage
    generate: Stage
    segment: int
    init_ms: float | None
    memory: Memory | None = None
    in_fence: bool = False  # a code fence is open above it

    def turn(self) -> Turn:
        return Turn(self.prefill, self.generate, self.memory)


@dataclass(frozen=True)
class Rows:
    """The turns of a log, its init time, and the answers that have a table."""

    turns: tuple[Turn, ...]
    init_ms: float | None
    segments: frozenset[int]


class _Side:
    """The rows with the runtime's mark, or those without: they never mix."""

    def __init__(self) -> None:
        self.blocks: list[_Block] = []
        self.prefill: Stage | None = None
        self.init_ms: float | None = None

    def drop_others(self, segment: int) -> None:
        """Keep the last block of an answer; an init time after it says that even that one is the model's."""
        inside = [block for block in self.blocks if block.segment == segment]
        if inside and (len(inside) > 1 or self.init_ms is not None):
            keep = inside[:0] if self.init_ms is not None else inside[-1:]
            self.blocks = [block for block in self.blocks if block.segment != segment] + keep


class Table:
    """Reads rows, init time and memory."""

    def __init__(self, scene: Scene) -> None:
        self.scene = scene
        self.marked = _Side()
        self.bare = _Side()
        self._unit = ""
        self._value_is_marked = False
        self._last: _Block | None = None
        self._fence_is_open = False
        self._answer_has_pair = False
        self.on_pair: Callable[[], None] = lambda: None
        scene.on_segment_end.append(self._settle_segment)

    def _settle_segment(self) -> None:
        for side in (self.marked, self.bare):
            side.drop_others(self.scene.segment)
        self._fence_is_open = False
        self._answer_has_pair = False
        self._last = None

    def _side(self, line: Line, column: int, *, below_ruler: bool) -> _Side | None:
        """Which rows this one belongs to; None when it is only text."""
        before = line.text[:column]
        if mark := _MARK.search(before):
            if self.scene.in_answer and (before[: mark.start()] != line.prefix or not self.scene.is_own_line(line)):
                return None
            return self.marked
        before = before[len(line.prefix) :].rstrip(" ") if column > len(line.prefix) else ""
        if before[-1:] == "|" or line.text[column - 1 : column].isalnum():
            return None
        if self.scene.in_answer:
            starts = before == "" and self.scene.is_own_line(line)
            if not starts or (below_ruler and not self.scene.after_ruler()):
                return None
        return self.bare

    def read_prefill(self, line: Line) -> None:
        column = line.text.find("Prefill")
        stage = _stage(line.text, column + len("Prefill"))
        if column < 0 or stage is None:
            return
        # In 1.2.0 the init row stands between ruler and Prefill.
        side = self._side(line, column, below_ruler=not _is_init_row(self.scene.previous.text))
        if side is not None:
            side.prefill = stage
            self._last = None

    def read_generate(self, line: Line) -> None:
        column = line.text.find("Generate")
        if column < 0:
            return
        side = self._side(line, column, below_ruler=False)
        if side is None or side.prefill is None:
            return
        stage = _stage(line.text, column + len("Generate"))
        if stage is None:
            return
        scene = self.scene
        block = _Block(side.prefill, stage, scene.segment if scene.in_answer else 0, side.init_ms)
        block.in_fence = self._fence_is_open
        side.blocks.append(block)
        side.prefill = side.init_ms = None
        self._last = block
        self._answer_has_pair = True
        self.on_pair()

    def read_init(self, line: Line) -> None:
        text = line.text
        if found := _INIT_TIME.search(text):
            column, value = found.start(), found[1]
        elif (column := text.find("Init ")) >= 0 and (found := _INIT_ROW.match(text, column + 4)):
            value = found[1]
        else:
            return
        side = self._side(line, column, below_ruler=True)
        if side is not None and side.init_ms is None:
            side.init_ms = float(value)

    def read_memory(self, line: Line) -> None:
        if self._last is None or self._last.memory is not None or (found := _MEMORY.search(line.text)) is None:
            return
        marked = _MARK.search(line.text[: found.start()].removesuffix("Peak ")) is not None
        if marked == (self._last in self.marked.blocks[-1:]):
            if found[2]:
                self._last.memory = Memory(float(found[2]), found[1])
            else:
                self._unit, self._value_is_marked = found[1], marked
                self.scene.want(self.read_value, _LINES_TO_VALUE)

    def read_value(self, line: Line) -> bool:
        """A line below a memory label; True while the value is still to come."""
        found = _VALUE.match(line.body)
        if found is None or self._last is None or (found[1] is not None) != self._value_is_marked:
            return self._last is not None
        self._last.memory = Memory(float(found[2]), self._unit)
        return False

    def read_fence(self, line: Line) -> None:
        if not self.scene.in_answer or not line.body.lstrip().startswith("```"):
            return
        if self._fence_is_open:
            for side in (self.marked, self.bare):
                side.blocks = [block for block in side.blocks if not self._is_of_fence(block)]
                side.prefill = side.init_ms = None
        self._fence_is_open = not self._fence_is_open

    def _is_of_fence(self, block: _Block) -> bool:
        return block.in_fence and block.segment == self.scene.segment

    @property
    def answer_is_over(self) -> bool:
        """Whether this answer has its table."""
        return self._answer_has_pair

    def finish(self, *, runtime: str | None, modern_prefix: bool | None) -> Rows:
        """What the log's own rows say, after it is read."""
        side = self._trusted(runtime, modern_prefix)
        if not side.blocks:
            return Rows((), side.init_ms, frozenset())
        inits = [block.init_ms for block in side.blocks if block.init_ms is not None]
        init_ms = inits[0] if inits else side.init_ms
        return Rows(
            turns=tuple(block.turn() for block in side.blocks),
            init_ms=init_ms,
            segments=frozenset(block.segment for block in side.blocks),
        )

    def _trusted(self, runtime: str | None, modern_prefix: bool | None) -> _Side:
        """The rows that carry the mark which the banner lets expect."""
        if modern_prefix is not None:
            return self.marked if modern_prefix else self.bare
        if runtime is not None:
            return self.bare
        has_marked = self.marked.blocks or self.marked.prefill or self.marked.init_ms is not None
        return self.marked if has_marked else self.bare

    @property
    def is_cut(self) -> bool:
        """Whether a Prefill row waits for its Generate row."""
        return any(side.prefill is not None for side in (self.marked, self.bare))

    CUES = (
        ("prefill ", read_prefill),
        ("generate ", read_generate),
        ("model init time (ms)", read_init),
        ("/ /", read_init),  # `Init  189073.94  /  /  /`
        ("/  ", read_init),
        ("memory usage (", read_memory),
        ("```", read_fence),
    )


def _is_init_row(text: str) -> bool:
    column = text.find("Init ")
    return column >= 0 and _INIT_ROW.match(text, column + 4) is not None


def _rate(text: str) -> float | None:
    return None if text[-1] in "nf" else float(text)


def _stage(text: str, column: int) -> Stage | None:
    """The four columns behind a row's name; None unless time and tokens are whole numbers."""
    found = _COLUMNS.match(text, column)
    if found is None:
        return None
    return Stage(float(found[1]), int(found[2]), _rate(found[3]), _rate(found[4]))
