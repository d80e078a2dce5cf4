"""One log, read from front to back by several readers, in constant memory.

Each reader has a table of *cues*: lower-case literals with a method. A line is looked at only when it holds a
cue, or when a reader asked for the lines below the last one; finding literals in a whole block is many times
faster than asking each line, and most of a log is a model's answer. Lines reach the readers in their order,
whatever cue found them.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from analysis.parse.banner import Banner
from analysis.parse.cues import Cue, Index
from analysis.parse.dmesg import Kernel
from analysis.parse.finding import Findings
from analysis.parse.integrity import are_refuted
from analysis.parse.lines import Line, blocks, clean
from analysis.parse.records import ParsedLog
from analysis.parse.scene import Scene
from analysis.parse.sysfs import Sysfs
from analysis.parse.table import Table
from analysis.parse.vision import Vision


class Dialogue:
    """Prompt and answer marks: where an answer begins and ends, and what that says of the stages before."""

    def __init__(self, scene: Scene, vision: Vision, banner: Banner) -> None:
        self.scene = scene
        self.vision = vision
        self.banner = banner
        self.unanswered: int | None = None  # the segment of a `robot:` that no prompt followed

    def read_answer(self, line: Line) -> None:
        mark = self.scene.read_answer_mark(line)
        if mark is not None:
            self._move_on()
            self.unanswered = self.scene.segment if mark == "robot" else None

    def read_prompt(self, line: Line) -> None:
        if self.scene.read_prompt(line):
            self._move_on()
            self.unanswered = None

    def read_shell(self, line: Line) -> None:
        self.scene.read_shell_prompt(line)

    def on_pair(self) -> None:
        """There is a table: the stages before it are over."""
        self._move_on()

    def _move_on(self) -> None:
        self.vision.move_on()
        self.banner.is_loading = False

    CUES = (
        ("user:", read_prompt),
        ("robot:", read_answer),
        ("answer:", read_answer),
        ("@", read_shell),
    )


# In the order in which they look at one line: who speaks is settled before anybody believes anything.
_READERS: tuple[Any, ...] = (Dialogue, Banner, Vision, Table, Kernel, Sysfs, Findings)
_INDEX = Index([Cue(text, owner, method) for owner, reader in enumerate(_READERS) for text, method in reader.CUES])


class Reader:
    """Feed it blocks of whole lines, then ask for the result."""

    def __init__(self) -> None:
        scene = self.scene = Scene()
        self.banner = Banner(scene)
        self.vision = Vision(scene)
        self.table = Table(scene)
        self.kernel = Kernel(scene)
        self.sysfs = Sysfs(scene)
        self.findings = Findings(scene, self.table)
        self.dialogue = Dialogue(scene, self.vision, self.banner)
        self.table.on_pair = self._on_pair
        self._owners = (
            self.dialogue,
            self.banner,
            self.vision,
            self.table,
            self.kernel,
            self.sysfs,
            self.findings,
        )

    def _on_pair(self) -> None:
        self.dialogue.on_pair()
        self.findings.drop_provisional()

    def feed(self, block: bytes) -> None:
        """Read one block of whole lines."""
        block = clean(block)
        scene, owners, plans = self.scene, self._owners, _INDEX.plans
        scene.begin_block(block)
        below = 0  # where the line below the one just read begins
        for start, end, cues in _INDEX.lines(block.lower()):
            if scene.wanted:
                scene.give_lines(below, start)
            line = scene.line_at(start, end)
            if scene.wanted:
                scene.give(line)
            for owner, method in plans[cues]:
                method(owners[owner], line)
            below = end
        if scene.wanted:
            scene.give_lines(below, len(block))

    def result(self, *, ends_in_nuls: bool) -> ParsedLog:
        """What the whole log says."""
        self.scene.end_segment()
        banner, vision, findings = self.banner, self.vision, self.findings
        rows = self.table.finish(runtime=banner.values.get("runtime"), modern_prefix=banner.modern_prefix)
        waiting = self.dialogue.unanswered is not None and self.dialogue.unanswered not in rows.segments
        has_error_line = banner.first_error_line is not None
        classes = findings.classes(has_table=bool(rows.turns), has_error_line=has_error_line)
        seen = findings.first_seen
        is_loading = banner.is_loading and "llm_load_ms" not in vision.times
        stopped = waiting or is_loading or vision.is_encoder_loaded or vision.is_menu_open or self.table.is_cut
        return ParsedLog(
            **banner.values,
            **vision.times,
            driver=banner.driver(),
            enabled_cpus=banner.cpus,
            vision_core_num=vision.core_num,
            n_image_tokens=vision.image_tokens,
            resolution=vision.resolution,
            encoder_failed=True if vision.is_encoder_broken else None,
            init_ms=rows.init_ms,
            turns=rows.turns,
            failure=classes[0] if classes else None,
            also=tuple(classes[1:]),
            warnings=tuple(findings.warnings),
            init_ok=banner.init_ok(seen),
            exit_code=findings.exit_code,
            tainted=True if are_refuted(rows.turns, classes, encoder_failed=vision.is_encoder_broken) else None,
            truncated=True if ends_in_nuls or (stopped and not classes) else None,
            has_error_line=has_error_line,
            weak=tuple(name for name in classes if name not in findings.firm and name in seen),
            details=findings.numbers_of(classes),
            facts=self.sysfs.facts | self.kernel.facts,
        )


def read(chunks: Iterable[bytes]) -> ParsedLog:
    """Read a log that comes in pieces of any size."""
    reader = Reader()
    block = b""
    for block in blocks(chunks):
        reader.feed(block)
    return reader.result(ends_in_nuls=block.endswith(b"\0"))
