"""What lies in a board's store of model files, which of it no model of the catalogue needs, and how it goes.

Nothing is removed by itself: a list says what could go, a person says what does. Only the store is looked at; files
beside the demo or in the inventory's own folder were put there by somebody else. What a board says of its files is
checked before it is used or shown.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from fleet import defaults
from fleet.config.model import ModelFile
from fleet.deadline import Deadline
from fleet.errors import BoardError, ConfigError
from fleet.lease import REFUSED, refused
from fleet.scripts import Store
from fleet.ssh.connection import Board
from fleet.text import readable, tail

Row = dict[str, str | int | float | None]

_SHA256 = re.compile(r"[0-9a-f]{64}")
_NAME = re.compile(r"[^/.\0-\x1f][^/\0-\x1f]{0,254}")


@dataclass(frozen=True)
class Thing:
    """A name, bytes or an unfinished part in the store; ``sha256`` is None for a name that nobody has read."""

    kind: str  # NAME, BYTES, PART
    name: str | None
    sha256: str | None
    size_bytes: int

    @property
    def called(self) -> str:
        """What ``--remove`` takes for it."""
        return self.name or self.sha256 or ""


NAME, BYTES, PART = "file", "bytes without a name", "unfinished"


def listed(board: Board, store: Store) -> tuple[Thing, ...]:
    """Everything in the store of one board. Raises BoardError, Unreachable."""
    doing = "list the model files"
    argv = ["sh", store.script("artifact.sh"), "list", store.path]
    done = board.run(argv, deadline=Deadline.after(defaults.COMMAND_S), doing=doing)
    try:
        return tuple(_thing(json.loads(line)) for line in done.stdout.splitlines())
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise BoardError(f"its answer can not be read: {error}", board=board.name, doing=doing) from None


def unused(things: Sequence[Thing], needed: Iterable[ModelFile]) -> tuple[Thing, ...]:
    """What no file of the catalogue is, neither by its name nor by its sha256; and what never arrived as a whole."""
    files = tuple(needed)
    names = {one.file for one in files}
    known = {one.sha256 for one in files if one.sha256}
    known |= {one.sha256 for one in things if one.name in names and one.sha256}
    # A name that nobody has read may be a link to any bytes of its size.
    sizes = {one.size_bytes for one in things if one.name in names and one.sha256 is None}
    named = {one.sha256 for one in things if one.kind == NAME}
    found = []
    for one in things:
        if one.kind == PART:
            found.append(one)
        elif one.sha256 in known:
            continue
        elif one.kind == NAME:
            found += [one] if one.name not in names else []
        elif one.sha256 not in named and one.size_bytes not in sizes:
            found.append(one)
    return tuple(found)


def row(board: str, thing: Thing) -> Row:
    """One line of ``invoke push --unused``."""
    return {
        "board": board,
        "what": thing.kind,
        "file": None if thing.name is None else readable(thing.name.encode("utf-8", "replace")),
        "MiB": round(thing.size_bytes / 2**20, 1),
        "sha256": thing.sha256,
    }


def remove(board: Board, store: Store, what: str, *, lease: str) -> bool:
    """Remove a name, or the bytes of a sha256 with all their names; False when there is nothing of it.

    Raises ConfigError, LeaseHeld, BoardError, Unreachable.
    """
    doing = f"remove {what}"
    if not _NAME.fullmatch(what):
        raise ConfigError(f"{what!r} is neither a file's name nor a sha256", key="--remove")
    argv = ["sh", store.script("artifact.sh"), "remove", store.path, what, lease]
    done = board.run(argv, deadline=Deadline.after(defaults.COMMAND_S), check=False, doing=doing)
    try:
        answer = json.loads(done.stdout)
        if done.exit_code == REFUSED:
            held = refused(board, answer, doing)
            if held is not None:
                raise held
        if done.exit_code == 0:
            return bool(answer["removed"])
    except (ValueError, TypeError, KeyError, RecursionError):
        pass
    raise BoardError(tail(done.stderr) or f"ended with {done.exit_code}", board=board.name, doing=doing)


def _thing(raw: object) -> Thing:
    if not isinstance(raw, dict):
        raise ValueError("no object")
    size = raw["size_bytes"]
    sha256 = raw.get("part") or raw.get("sha256")
    if type(size) is not int or size < 0 or (sha256 is not None and not _SHA256.fullmatch(str(sha256))):
        raise ValueError("no file")
    if "name" in raw:
        return Thing(NAME, str(raw["name"]), sha256, size)
    return Thing(PART if "part" in raw else BYTES, None, str(sha256), size)
