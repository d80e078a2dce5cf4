"""The pages that tell a person what to type, and the fences of shell commands on them.

A fence says what it is: ``sh test`` is typed by a test in a fresh folder with virtual boards; ``sh board`` is read
only, for it needs what no test has (a real board, a download, the vendor's toolkit) or takes too long. Output and logs
are ``text`` or ``log``.
"""

from __future__ import annotations

import re
import textwrap
from dataclasses import dataclass
from pathlib import Path

PROJECT = Path(__file__).parents[1]
# In the order in which a newcomer reads them, so that a page may rest on what the pages before it left.
PAGES = [PROJECT / "README.md", *sorted((PROJECT / "docs").glob("*.md"))]
TYPED, READ = "sh test", "sh board"
_FENCE = re.compile(r"^(?P<indent> *)```(?P<tag>[^\n`]+)\n(?P<text>.*?)^(?P=indent)```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Fence:
    page: Path
    line: int  # of its first command
    tag: str
    text: str

    def __str__(self) -> str:
        return f"{self.page.name}:{self.line}"

    @property
    def is_shell(self) -> bool:
        return self.tag.split()[0] in ("sh", "bash", "shell", "console")


def fences(page: Path) -> list[Fence]:
    content = page.read_text(encoding="utf-8")
    return [
        Fence(page, content.count("\n", 0, found.start()) + 2, found["tag"].strip(), textwrap.dedent(found["text"]))
        for found in _FENCE.finditer(content)
    ]


def shell_fences() -> list[Fence]:
    return [fence for page in PAGES for fence in fences(page) if fence.is_shell]
