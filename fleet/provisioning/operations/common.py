"""What several of our operations do: files with a content that we know, there or gone."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Generator, Mapping
from typing import Any

from pyinfra import context
from pyinfra.api import FileUploadCommand, QuoteString, StringCommand
from pyinfra.operations.util.files import generate_color_diff

from fleet.provisioning.connector import WITH_MODE
from fleet.provisioning.facts import Files, Text

Commands = Generator[Any, None, None]  # what an operation gives: pyinfra's command objects


def files_there(wanted: Mapping[str, tuple[bytes, str]], seen: Mapping[str, tuple[str, str]] | None = None) -> Commands:
    """These files with these bytes and modes; folders above them are made. ``seen``: what there is, if known."""
    now = _asked(list(wanted)) if seen is None else seen
    for path, (data, mode) in wanted.items():
        digest, mode_now = now.get(path, ("", ""))
        if digest != hashlib.sha256(data).hexdigest():
            yield FileUploadCommand(io.BytesIO(data), path, **{WITH_MODE: mode})  # type: ignore[arg-type]
        elif mode_now != mode:
            yield StringCommand("chmod", mode, "--", QuoteString(path))


def text_there(path: str, text: str, mode: str = "644", seen: Mapping[str, tuple[str, str]] | None = None) -> Commands:
    """A small text file; its difference is shown to who asked for diffs."""
    host = context.host
    there = _asked([path]) if seen is None else seen
    if context.state.config.DIFF and there.get(path, ("", ""))[0] != hashlib.sha256(text.encode()).hexdigest():
        now = host.get_fact(Text, path=path)
        host.log(f"{'Will modify' if now is not None else 'Will create'} {path}")
        before = [] if now is None else now.splitlines(keepends=True)
        for line in generate_color_diff(before, text.splitlines(keepends=True)):
            host.log(f"  {line}")
    yield from files_there({path: (text.encode(), mode)}, there)


def gone(*paths: str, seen: Mapping[str, tuple[str, str]] | None = None) -> Commands:
    """None of these files."""
    there = _asked(list(paths)) if seen is None else seen
    for path in paths:
        if path in there:
            yield StringCommand("rm", "-f", "--", QuoteString(path))


def _asked(paths: list[str]) -> Mapping[str, tuple[str, str]]:
    there: dict[str, tuple[str, str]] = context.host.get_fact(Files, paths=paths)
    return there
