"""A prompt set is a text file: one ``id: prompt`` a line, ``#`` starts a comment line, blank lines are free.

A prompt travels to the vendor's demo as one line of its standard input, where some lines are commands. What
the demo would take for anything but a question is refused here, on load, with its line.

A set is of text prompts, or of vision prompts: these have ``<image>`` once each, where the image goes.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from dataclasses import dataclass
from pathlib import Path

from fleet.config.fields import NAME_RULE
from fleet.config.yaml_file import meant, name_of, read_text, shown
from fleet.errors import ConfigError

# a word of a command line ends at 128 KiB on Linux (MAX_ARG_STRLEN), and quoting makes it longer
MAX_PROMPT_BYTES = 32 * 2**10

IMAGE = "<image>"
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")
_NUMBER = re.compile(r"[-+]?[\d.,]*\d[\d.,]*")
_BREAKS = ("Cc", "Zl", "Zp", "Cs")  # control characters, line and paragraph separators, halves of characters


@dataclass(frozen=True)
class Prompt:
    """One question, on one line."""

    id: str
    text: str


@dataclass(frozen=True)
class PromptSet:
    """The prompts of a file. ``sha256`` is that of its lines ``id: prompt`` alone, comments do not count."""

    name: str
    sha256: str
    prompts: tuple[Prompt, ...]

    @property
    def of_images(self) -> bool:
        """Are these vision prompts?"""
        return any(IMAGE in prompt.text for prompt in self.prompts)

    def prompt(self, id: str) -> Prompt:
        """The prompt of exactly this id."""
        found = next((prompt for prompt in self.prompts if prompt.id == id), None)
        if found is None:
            near = meant(id, [prompt.id for prompt in self.prompts])
            raise ConfigError(f"{shown(id)} is no prompt of '{self.name}'; {near}")
        return found


def load_prompts(path: Path) -> PromptSet:
    """The prompt set in the file at ``path``, or one ConfigError with all that is wrong with it."""
    prompts: list[Prompt] = []
    found: list[str] = []
    line_of: dict[str, int] = {}
    rows = read_text(path).split("\n")
    of_images = any(IMAGE in row for row in rows if not row.strip().startswith("#"))
    if not _ID.fullmatch(path.stem):
        found.append(f"the file's name without its ending is the set's name: {shown(path.stem)} is not {NAME_RULE}")
    for number, row in enumerate(rows, start=1):
        line = row.strip()
        if not line or line.startswith("#"):
            continue
        id, colon, text = (part.strip() for part in line.partition(":"))
        if not colon:
            found.append(f"{shown(line)} is not 'id: prompt' (line {number})")
            continue
        problem = refusal(text, image=of_images)
        if not _ID.fullmatch(id):
            problem = f"the id {shown(id)} is not {NAME_RULE}"
        elif f"id {id}" in line_of:
            problem = f"the id '{id}' is on line {line_of[f'id {id}']} already"
        elif f"text {text}" in line_of:
            problem = f"the same prompt is on line {line_of[f'text {text}']} already"
        if problem:
            found.append(f"{problem} (line {number})")
            continue
        line_of |= {f"id {id}": number, f"text {text}": number}
        prompts.append(Prompt(id, text))
    if not prompts and not found:
        found.append("has no prompt; a line 'id: prompt' was expected")
    if found:
        raise ConfigError(f"\n{name_of(path)}: ".join(found), file=name_of(path))
    canonical = "".join(f"{prompt.id}: {prompt.text}\n" for prompt in prompts)
    return PromptSet(path.stem, hashlib.sha256(canonical.encode()).hexdigest(), tuple(prompts))


def refusal(text: str, *, image: bool = False) -> str:
    """Why the demo would not take ``text`` for one question, about an image or not; empty when it would."""
    if not text.strip():
        return "the prompt is empty; the demo would answer nothing, for ever"
    if any(unicodedata.category(character) in _BREAKS for character in text):
        return f"{shown(text)} has a line break or a control character in it; the demo reads one line"
    bare = text.strip().casefold()
    if bare in ("exit", "clear"):
        return f"'{bare}' is a command of the demo, not a prompt"
    if _NUMBER.fullmatch(bare):
        return f"{shown(text)} is a bare number; the demo takes it for one of its own preset questions"
    if image and text.count(IMAGE) != 1:
        return (
            f"{shown(text)} has {IMAGE} {text.count(IMAGE)} times; each prompt of a set for vision models has it once"
        )
    if image and not text.replace(IMAGE, "").strip():
        return "the prompt asks nothing about the image"
    if not image and IMAGE in bare:
        return f"'{IMAGE}' makes the demo wait for an image; this is a text prompt"
    if len(text.encode()) > MAX_PROMPT_BYTES:
        return f"the prompt is longer than {MAX_PROMPT_BYTES // 2**10} KiB"
    return ""
