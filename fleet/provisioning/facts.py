"""What our operations ask a board; each is one round trip, whatever the number of files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from pyinfra.api import FactBase, QuoteString, StringCommand


class Files(FactBase[dict[str, tuple[str, str]]]):
    """Of each of these files that is there: its sha256, and its mode in octal."""

    @staticmethod
    def default() -> dict[str, tuple[str, str]]:
        return {}

    def command(self, paths: list[str]) -> StringCommand:
        script = (
            'for f in "$@"; do [ -f "$f" ] || continue;'
            ' printf "%s %s %s\\n" "$(sha256sum <"$f" | cut -d" " -f1)" "$(stat -L -c %a -- "$f")" "$f"; done'
        )
        return StringCommand("sh", "-c", QuoteString(script), "sh", *map(QuoteString, paths))

    def process(self, output: list[str]) -> dict[str, tuple[str, str]]:
        rows = (line.split(" ", 2) for line in output if line.count(" ") >= 2)
        return {path: (digest, mode) for digest, mode, path in rows}


class Text(FactBase[str | None]):
    """A text file as it is, or None."""

    def command(self, path: str) -> StringCommand:
        return StringCommand("if [ -e", QuoteString(path), "]; then echo there; cat", QuoteString(path), "; fi")

    def process(self, output: list[str]) -> str | None:
        return "".join(f"{line}\n" for line in output[1:])


@dataclass(frozen=True)
class Seen:
    """Files that are there, and which of the conditions hold."""

    files: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    holds: tuple[bool, ...] = ()


class Look(FactBase[Seen]):
    """``Files`` and several conditions at once; no condition may print anything."""

    @staticmethod
    def default() -> Seen:
        return Seen()

    def command(self, paths: list[str], conditions: list[str]) -> StringCommand:
        asked = [f"if {condition}; then echo yes; else echo no; fi;" for condition in conditions]
        return StringCommand(*asked, Files().command(paths))

    def process(self, output: list[str]) -> Seen:
        said = [line == "yes" for line in output if line in ("yes", "no")]
        return Seen(Files().process(output), tuple(said))


class Tells(FactBase[bool]):
    """Does this shell condition hold?"""

    @staticmethod
    def default() -> bool:
        return False

    def command(self, condition: str) -> str:
        return f"if {condition}; then echo yes; else echo no; fi"

    def process(self, output: list[str]) -> bool:
        return output == ["yes"]


# Does systemd run the board? This is how systemd itself says that one is to ask.
SYSTEMD = "[ -d /run/systemd/system ]"
