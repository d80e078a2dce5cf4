"""Asking a person, where there is one: None instead of a question when nobody sits at a terminal."""

from __future__ import annotations

import sys
from collections.abc import Callable


def ask() -> Callable[[str], bool] | None:
    """A yes-or-no question on stderr; only the whole word yes is a yes."""
    return _ask if _somebody() else None


def _somebody() -> bool:
    return sys.stdin.isatty() and sys.stderr.isatty()


def _ask(question: str) -> bool:
    sys.stderr.write(question)
    sys.stderr.flush()
    return sys.stdin.readline().strip().lower() == "yes"
