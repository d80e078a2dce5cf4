"""What several of our operations do: files with a content that we know, there or gone."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Generator, Mapping
from typing import Any

from pyinfra import context
from pyinfra.api import FileUploadCommand, QuoteString, StringCommand
from pyinfra.operations.util.files import generate_color_diff

from fleet.provisioning.facts import Files, Text

Commands = Generator[Any, None, None]  # what an operation gives: pyinfra's command objects


def files_there(wanted: Mapping[str, tuple[bytes, str]]) -> Commands:
    """These files with these bytes and modes; folders above them are made."""
    host = context.host
    now = host.get_fact(Files, paths=list(wanted))
    made: set[str] = set()
    for path, (data, mode) in wanted.items():
        digest, mode_now = now.get(path, ("", ""))
        if digest != hashlib.sha256(data).hexdigest():
            folder = path.rpartition("/")[0]
            if not digest and folder not in made:
                made.add(folder)
                yield StringCommand("mkdir", "-p", "--", QuoteString(folder))
            yield FileUploadCommand(io.BytesIO(data), path)
            mode_now = ""
        if mode_now != mode:
            yield StringCommand("chmod", mode, "--", QuoteString(path))


def text_there(path: str, text: str) -> Commands:
    """A small text file; its difference is shown to who asked for diffs."""
    host = context.host
    now = host.get_fact(Text, path=path)
    if now != text and context.state.config.DIFF:
        host.log(f"{'Will modify' if now is not None else 'Will create'} {path}")
        before = [] if now is None else now.splitlines(keepends=True)
        for line in generate_color_diff(before, text.splitlines(keepends=True)):
            host.log(f"  {line}")
    yield from files_there({path: (text.encode(), "644")})


def gone(*paths: str) -> Commands:
    """None of these files."""
    there = context.host.get_fact(Files, paths=list(paths))
    for path in paths:
        if path in there:
            yield StringCommand("rm", "-f", "--", QuoteString(path))
