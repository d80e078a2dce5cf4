"""What can go wrong between evidence and report. Log content is not in this tree: a failed run is data.

AnalysisError          file, what, hint; the class carries the exit code
├─ CannotRead     1    a folder or file that a person named is not there, or may not be read
├─ BadReference   2    a file of published numbers or architectures is not what it has to be
├─ CannotWrite    1    a report can not be written where it belongs
├─ CannotCompare  2    what a person wants compared is not there, or is not two things
└─ UnknownFormat  2    an option asks for an output format that there is not
"""

from __future__ import annotations

from collections.abc import Sequence


class AnalysisError(Exception):
    """Something a person can act on; never a traceback."""

    exit_code = 1

    def __init__(self, what: str, *, file: str = "", hint: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.file = file
        self.hint = hint

    def __str__(self) -> str:
        return ": ".join(part for part in (self.file, self.what) if part)

    def message(self) -> str:
        """One line of what happened and, where there is one, a line ``Try: …``."""
        return f"{self}\nTry: {self.hint}" if self.hint else str(self)


class CannotRead(AnalysisError):
    """A folder or file that a person named is not there, or may not be read."""


class BadReference(CannotRead):
    """A file of published numbers or architectures is not what it has to be: people write these, as they do models."""

    exit_code = 2


class CannotWrite(AnalysisError):
    """A report can not be written where it belongs."""


class CannotCompare(AnalysisError):
    """What a person wants compared is not there, or is not two things."""

    exit_code = 2


class UnknownFormat(AnalysisError):
    """An option asks for an output format that there is not."""

    exit_code = 2

    def __init__(self, got: str, expected: Sequence[str]) -> None:
        super().__init__(f"--format {got!r} is none of {', '.join(expected)}", hint=f"--format {expected[0]}")
        self.got = got
        self.expected = tuple(expected)
