"""One log, read from front to back by several readers, in constant memory.

Each reader has a table of *cues*: lower-case literals with a method. A line is looked at only when it holds a
cue, or when a reader asked for the lines below the last one; finding literals in a whole block is many times
faster than asking each line, and most of a log is a model's answer. Lines reach the readers in their order,
whatever cue found them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

from analysis.parse.banner import Banner
from analysis.parse.dmesg import Kernel
from analysis.parse.finding import Findings
from analysis.parse.integrity import refuted_by_itself
from analysis.parse.lines import Line, blocks
from analysis.parse.records import ParsedLog
from analysis.parse.scene import Scene
from analysis.parse.sysfs import Sysfs
from analysis.parse.table import Table
from analysis.parse.vision import Vision


class _Dialogue:
    """Prompt and answer marks: where an answer begins and ends, and what that says of the stages before."""

    def __init__(self, scene: Scene, vision: Vision, banner: Banner) -> None:
        self.scene = scene
        self.vision = vision
        self.banner = banner
        self.is_waiting_for_rows = False

    def read_answer(self, line: Line) -> None:
        mark = self.scene.read_answer_mark(line)
        if mark is not None:
            self._move_on()
            self.is_waiting_for_rows = mark == "robot"

    def read_prompt(self, line: Line) -> None:
        if self.scene.read_prompt(line):
            self._move_on()

    def read_shell(self, line: Line) -> None:
        self.scene.read_shell_prompt(line)

    def on_pair(self) -> None:
        """The answer's table is there."""
        self._move_on()

    def _move_on(self) -> None:
        self.is_waiting_for_rows = False
        self.vision.move_on()
        self.banner.is_loading = False

    CUES = (
        ("user:", read_prompt),
        ("robot:", read_answer),
        ("answer:", read_answer),
        ("@", read_shell),
        ("rk35", read_shell),
    )


# In the order in which they look at one line: who speaks is settled before anybody believes anything.
_CUES: tuple[tuple[str, Callable[..., None]], ...] = (
    *_Dialogue.CUES,
    *Banner.CUES,
    *Vision.CUES,
    *Table.CUES,
    *Kernel.CUES,
    *Sysfs.CUES,
    *Findings.CUES,
)
_NAMES: list[str] = list(dict.fromkeys(name for name, _ in _CUES))
_METHODS: list[Callable[..., None]] = list(dict.fromkeys(method for _, method in _CUES))
_METHODS_OF: list[tuple[int, ...]] = [
    tuple(sorted({_METHODS.index(method) for cue, method in _CUES if cue == name})) for name in _NAMES
]
# A rare byte in each cue, where it has one: a block without it needs no search for the cue.
_RARE = b"`^_@=([]/!"
_NEEDLES: list[tuple[int, bytes, bytes]] = [
    (number, name.encode(), bytes([rare]) if (rare := next((b for b in _RARE if b in name.encode()), 0)) else b"")
    for number, name in enumerate(_NAMES)
]


class Reader:
    """Feed it blocks of whole lines, then ask for the result."""

    def __init__(self) -> None:
        self.scene = Scene()
        self.banner = Banner(self.scene)
        self.vision = Vision(self.scene)
        self.table = Table(self.scene)
        self.kernel = Kernel(self.scene)
        self.sysfs = Sysfs(self.scene)
        self.findings = Findings(self.scene, self.table, _NAMES)
        self.dialogue = _Dialogue(self.scene, self.vision, self.banner)
        self.table.on_pair = self._on_pair
        owners: dict[Callable[..., None], Any] = {
            method: owner
            for owner in (
                self.dialogue,
                self.banner,
                self.vision,
                self.table,
                self.kernel,
                self.sysfs,
                self.findings,
            )
            for _, method in owner.CUES
        }
        self._methods = [partial(method, owners[method]) for method in _METHODS]
        self._last_line = ""  # of the block before

    def _on_pair(self) -> None:
        self.dialogue.on_pair()
        self.findings.drop_provisional()

    def feed(self, block: bytes) -> None:
        """Read one block of whole lines."""
        low = block.lower()
        cues_of = _lines_with_cues(low)
        starts = sorted(cues_of)
        scene = self.scene
        end_of_block = len(block)
        position = index = 0
        while True:
            if self._wants_next_line():
                if position >= end_of_block:
                    break
                start = position
            else:
                while index < len(starts) and starts[index] < position:
                    index += 1
                if index == len(starts):
                    break
                start = starts[index]
            end = block.find(b"\n", start) + 1 or end_of_block
            line = Line(block[start:end].decode("utf-8", "replace"), cues_of.get(start, []))
            scene.previous = self._line_before(block, start)
            scene.line_number += 1
            self._read_below(line)
            numbers = {number for cue in line.cues for number in _METHODS_OF[cue]}
            for number in sorted(numbers):
                self._methods[number](line)
            position = end
        self._last_line = self._line_before(block, end_of_block)

    def _line_before(self, block: bytes, start: int) -> str:
        if start == 0:
            return self._last_line
        return block[block.rfind(b"\n", 0, start - 1) + 1 : start].decode("utf-8", "replace")

    def _wants_next_line(self) -> bool:
        return bool(
            self.table.lines_to_value
            or self.vision.lines_to_tensor
            or self.sysfs.chip_lines
            or self.sysfs.meminfo_lines
            or self.sysfs.compatible_lines
        )

    def _read_below(self, line: Line) -> None:
        """Give the line to whoever asked for it."""
        if self.table.lines_to_value:
            self.table.read_value(line)
        if self.vision.lines_to_tensor:
            self.vision.read_tensor(line)
        if self.sysfs.chip_lines:
            self.sysfs.read_temperature(line)
        if self.sysfs.meminfo_lines:
            self.sysfs.read_meminfo(line)
        if self.sysfs.compatible_lines:
            self.sysfs.read_compatible_name(line)

    def result(self, *, ends_in_nuls: bool) -> ParsedLog:
        """What the whole log says."""
        waiting = self.dialogue.is_waiting_for_rows
        self.scene.end_segment()
        banner, vision, findings = self.banner, self.vision, self.findings
        turns, init_ms = self.table.finish(runtime=banner.values.get("runtime"), modern_prefix=banner.modern_prefix)
        has_error_line = banner.first_error_line is not None
        classes = findings.classes(has_table=bool(turns), has_error_line=has_error_line)
        seen = findings.first_seen
        is_loading = banner.is_loading and "llm_load_ms" not in vision.times
        stopped = waiting or is_loading or vision.is_encoder_loaded or vision.is_menu_open or self.table.is_cut
        values: dict[str, Any] = {**banner.values, **vision.times}
        log = ParsedLog(
            **values,
            driver=banner.driver(),
            enabled_cpus=banner.cpus,
            vision_core_num=vision.core_num,
            n_image_tokens=vision.image_tokens,
            init_ms=init_ms,
            turns=turns,
            failure=classes[0] if classes else None,
            also=tuple(classes[1:]),
            warnings=tuple(findings.warnings),
            init_ok=banner.init_ok(seen),
            exit_code=findings.exit_code,
            truncated=True if ends_in_nuls or (stopped and not classes) else None,
            has_error_line=has_error_line,
            weak=tuple(name for name in classes if name not in findings.firm and name in seen),
            details=findings.numbers_of(classes),
            facts={**self.sysfs.facts, **self.kernel.facts},
        )
        return refuted_by_itself(log)


def _lines_with_cues(low: bytes) -> dict[int, list[int]]:
    """For each line that holds a cue: where it starts, and which cues."""
    found: dict[int, list[int]] = {}
    absent = {rare for rare in {needle[2] for needle in _NEEDLES} if rare and rare not in low}
    for number, cue, rare in _NEEDLES:
        if rare in absent:
            continue
        at = low.find(cue)
        while at >= 0:
            found.setdefault(low.rfind(b"\n", 0, at) + 1, []).append(number)
            end = low.find(b"\n", at)
            at = low.find(cue, end) if end >= 0 else -1
    return found


def read(chunks: Iterable[bytes]) -> ParsedLog:
    """Read a log that comes in pieces of any size."""
    reader = Reader()
    last = b""

    def remember(pieces: Iterable[bytes]) -> Iterable[bytes]:
        nonlocal last
        for piece in pieces:
            if piece:
                last = piece[-1:]
            yield piece

    for block in blocks(remember(chunks)):
        reader.feed(block)
    return reader.result(ends_in_nuls=last == b"\0")
