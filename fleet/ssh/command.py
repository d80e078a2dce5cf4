"""A command is a list of words, and a word is data unless somebody wrote ``Raw`` around it.

``quote`` turns words into one line that every POSIX shell reads back as the same words. There is no way to
hand a command *string* to a board, so nobody can forget to quote. Shell syntax is asked for by name:
``Raw("|")``.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

LINE_MAX_BYTES = 120_000  # Linux takes 128 KiB in one argument, and sshd hands the whole line over as one

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")


@dataclass(frozen=True)
class Raw:
    """Shell syntax that is meant: ``Raw("|")``, ``Raw(">>")``. Never built from a value."""

    syntax: str


Word = str | Raw


def quote(words: Sequence[Word]) -> str:
    """The words as one line for a POSIX shell."""
    if isinstance(words, str):
        raise ValueError("a command is a list of words, not a string")
    if not words:
        raise ValueError("a command needs at least one word")
    return " ".join(word.syntax if isinstance(word, Raw) else shlex.quote(_checked(word)) for word in words)


def with_env(env: Mapping[str, str]) -> tuple[str, ...]:
    """The words to put before a command so that it sees ``env``; values are data, names are checked."""
    for name in env:
        if not _NAME.match(name):
            raise ValueError(f"{name!r} is not the name of an environment variable")
    return ("env", *(f"{name}={value}" for name, value in env.items())) if env else ()


def program(words: Sequence[Word], env: Mapping[str, str] | None = None) -> tuple[str, ...]:
    """The words as argv of one program: a shell is put around them only when they hold shell syntax."""
    line = quote(words)  # checks them too
    argv = ("sh", "-c", line) if any(isinstance(word, Raw) for word in words) else _plain(words)
    before = with_env(env or {})
    if before and "=" in argv[0]:
        raise ValueError(f"env would take {argv[0]!r} for a variable")
    return (*before, *argv)


def shown(words: Sequence[Word]) -> tuple[str, ...]:
    """The words as they are put into results and messages."""
    return tuple(word.syntax if isinstance(word, Raw) else word for word in words)


def encoded(line: str) -> bytes:
    """The line as bytes; names that Python read from a disk keep the bytes they had there."""
    data = line.encode("utf-8", "surrogateescape")
    if len(data) > LINE_MAX_BYTES:
        raise ValueError(f"a command line of {len(data)} bytes is too long: hand data over by stdin")
    return data


def _plain(words: Sequence[Word]) -> tuple[str, ...]:
    return tuple(word for word in words if isinstance(word, str))


def _checked(word: str) -> str:
    if not isinstance(word, str):
        raise ValueError(f"a word is str or Raw, not {type(word).__name__}")
    if "\0" in word:
        raise ValueError(f"no program can be given a NUL byte: {word!r}")
    return word
