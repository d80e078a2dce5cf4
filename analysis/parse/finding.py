"""Which classes of failure a file shows, and where each showed first.

What dies in the middle of an answer prints no table afterwards: a shell's or libc's word inside an answer is
provisional until the answer ends, and is dropped when a table follows it.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from analysis.parse.failures import BY_NAME, by_exit_code, signs_by_cue
from analysis.parse.lines import Line, whole
from analysis.parse.scene import Scene, spoken
from analysis.parse.signs import FailureClass, Sign
from analysis.parse.table import Table

_ERRNO = re.compile(r"\berrno: (\d{1,9})(?=\D)")
_EXIT_CODE = re.compile(r"(?:\b(\w+)\s+)?\b(?:exit code|rc)\s*=\s*(\d{1,9})(?=\D)")
# Other members of a pipeline, whose codes say nothing about the demo.
_NOT_THE_DEMO = frozenset(
    {"input", "filter", "tee", "grep", "printf", "echo", "awk", "sed", "cat", "stdin", "reader", "writer", "ssh"}
)
_ALLOCATION = frozenset({"npu_malloc", "fd_limit"})
_FD_LIMIT_ERRNO = 24
_TRIES = 8  # places on one line; noise may hold a cue thousands of times
_WARNINGS = (
    ("driver_too_old", "rknpu driver version is too low"),
    ("vision_core_mask_rejected", "unavailable core mask"),
)


def _reader_of(signs: tuple[tuple[FailureClass, Sign], ...]) -> Callable[[Findings, Line], None]:
    """Reads a line that holds the cue of these signs."""

    def read_failure(self: Findings, line: Line) -> None:
        for failure, one in signs:
            if self.wants(failure):
                self.read_sign(line, failure, one)

    return read_failure


class Findings:
    """Reads failures, warnings and exit codes."""

    def __init__(self, scene: Scene, table: Table) -> None:
        self.scene = scene
        self.table = table
        self.first_seen: dict[str, tuple[int, int]] = {}
        self.counts: dict[str, int] = {}
        self.firm: set[str] = set()  # classes that stand on more than a shell's word
        self.details: dict[str, dict[str, int | str]] = {}
        self.errno: int | None = None
        self.exit_code: int | None = None
        self.warnings: dict[str, None] = {}
        self._provisional: list[tuple[str, tuple[int, int]]] = []
        scene.on_segment_end.append(self.settle_provisional)

    def settle_provisional(self) -> None:
        """The answer is over: what looked like a death was one unless a table followed."""
        for name, place in self._provisional:
            self._note(name, place)
        self._provisional.clear()

    def drop_provisional(self) -> None:
        """A table followed: the process was alive."""
        self._provisional.clear()

    def _note(self, name: str, place: tuple[int, int]) -> None:
        if place < self.first_seen.get(name, (1 << 62, 0)):
            self.first_seen[name] = place
        self.counts[name] = self.counts.get(name, 0) + 1

    def wants(self, failure: FailureClass) -> bool:
        """Whether one more sign of it can change anything."""
        name = failure.name
        return self.counts.get(name, 0) < failure.at_least or len(self.details.get(name, ())) < len(failure.details)

    def read_sign(self, line: Line, failure: FailureClass, one: Sign) -> None:
        """Note the failure if the line shows it in this way."""
        number = self.scene.line_number
        if self.scene.in_answer and not line.is_runtimes:
            self._read_in_answer(line, failure, one)
            return
        if not self.scene.is_own_line(line):
            return
        low = line.text.lower()
        column = low.find(one.start)
        for _ in range(_TRIES):
            if column < 0 or (one.pattern.match(low, column) and (not one.at_start or column == len(line.prefix))):
                break
            column = low.find(one.start, column + 1)
        else:
            return
        if column < 0:
            return
        self._note(failure.name, (number, column))
        if not one.at_start:
            self.firm.add(failure.name)
        for name, pattern in failure.details.items():
            if detail := pattern.search(line.text):
                value = whole(detail[1]) if detail[1].isdecimal() else detail[1]
                if value is not None:
                    self.details.setdefault(failure.name, {}).setdefault(name, value)

    def _read_in_answer(self, line: Line, failure: FailureClass, one: Sign) -> None:
        """Within an answer: the first words of the runtime behind `robot:`, a dying process's, and what is glued."""
        number = self.scene.line_number
        body = spoken(line.body)
        if body.startswith(("E rkllm:", "E RKNN:")) and body != line.body:
            if found := one.pattern.search(body.lower()):
                self._note(failure.name, (number, found.start()))
                self.firm.add(failure.name)
        elif one.own is not None and self.scene.is_own_line(line) and one.own.match(line.body):
            self._provisional.append((failure.name, (number, 0)))
        elif one.glued is not None and (found := one.glued.search(line.text)):
            self._provisional.append((failure.name, (number, found.start())))

    def read_errno(self, line: Line) -> None:
        if self.scene.believes(line):
            for found in _ERRNO.finditer(line.text):
                if self.errno is None:
                    self.errno = int(found[1])

    def read_exit_code(self, line: Line) -> None:
        if self.exit_code is not None or (self.scene.in_answer and not line.prefix and not self.table.answer_is_over):
            return
        for found in _EXIT_CODE.finditer(line.text):
            if found[1] is None or found[1].lower() not in _NOT_THE_DEMO:
                self.exit_code = int(found[2])
                return

    def read_warning(self, line: Line) -> None:
        if self.scene.believes(line):
            for name, words in _WARNINGS:
                if words in line.text:
                    self.warnings.setdefault(name)

    def classes(self, *, has_table: bool, has_error_line: bool) -> list[str]:
        """All classes in order, after the table's exceptions; the exit code speaks where no line does."""
        if self.first_seen and (found := settle(self.first_seen, self.counts)):
            return found
        if self.exit_code is None:
            return []
        name = by_exit_code(self.exit_code, has_table=has_table, has_error_line=has_error_line)
        return [name] if name else []

    def numbers_of(self, classes: list[str]) -> dict[str, int | str]:
        """The numbers that belong to these classes."""
        numbers: dict[str, int | str] = {}
        for name in classes:
            for key, value in self.details.get(name, {}).items():
                numbers.setdefault(key, value)
            if name in _ALLOCATION and self.errno is not None:
                numbers.setdefault("errno", _FD_LIMIT_ERRNO if name == "fd_limit" else self.errno)
        return numbers

    CUES = (
        *((cue, _reader_of(signs)) for cue, signs in signs_by_cue().items()),
        ("errno: ", read_errno),
        ("exit code", read_exit_code),
        ("rc=", read_exit_code),
        ("rknpu driver version is too low", read_warning),
        ("unavailable core mask", read_warning),
    )


def settle(first_seen: dict[str, tuple[int, int]], counts: dict[str, int]) -> list[str]:
    """The classes of one file in the order in which they turned up, after the table's own exceptions.

    ``first_seen`` is (line, column) of the first sign of each class. Last resorts come out only when alone.
    """
    places = {name: place for name, place in first_seen.items() if counts[name] >= BY_NAME[name].at_least}
    for name in tuple(places):
        for weaker in BY_NAME[name].takes_over:
            if weaker in places:
                places[name] = min(places[name], places.pop(weaker))
    for name in tuple(places):
        if any(stronger in places for stronger in BY_NAME[name].yields_to):
            del places[name]
    ordered = sorted(places, key=lambda name: places[name])
    firm = [name for name in ordered if not BY_NAME[name].last_resort]
    return firm or ordered[:1]
