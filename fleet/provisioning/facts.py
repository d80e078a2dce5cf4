"""What our operations ask a board; each is one round trip, whatever the number of files."""

from __future__ import annotations

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


class Tells(FactBase[bool]):
    """Does this shell condition hold?"""

    @staticmethod
    def default() -> bool:
        return False

    def command(self, condition: str) -> str:
        return f"if {condition}; then echo yes; else echo no; fi"

    def process(self, output: list[str]) -> bool:
        return output == ["yes"]


def systemd() -> str:
    """The condition that systemd runs the board, as systemd itself says it is to be asked."""
    return "[ -d /run/systemd/system ]"
