"""A file is on a board when the board has read it back and found each chunk to be what it should be.

On the board, ``<store>/sha256/<sha256>`` holds the bytes and ``<store>/models/<name>`` is a link to them, so the same
bytes go there once, under whatever name. Where they are not there yet, ``fleet.push_session`` brings the chunks that
the board lacks: all of them, or after an interruption those that had not been verified. The board's own copy of a model
whose sha256 the catalogue does not know yet is taken as it is, and its sha256 recorded.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from fleet import defaults
from fleet.deadline import Deadline
from fleet.errors import ConfigError, FleetError, NoFile
from fleet.push_manifest import Manifest, manifest_of
from fleet.push_session import Conversation, Damaged, Moved, send
from fleet.scripts import Store
from fleet.ssh.connection import Board


class Wanted(Protocol):
    """A file that a board is to have under a name; sha256 None takes it as it is."""

    @property
    def file(self) -> str: ...
    @property
    def sha256(self) -> str | None: ...


@dataclass(frozen=True)
class Placed:
    """A file as it lies on one board; ``sent_bytes`` is what was sent of it, 0 when it was there already."""

    path: str
    sha256: str
    size_bytes: int
    sent_bytes: int


def place(
    board: Board,
    store: Store,
    artifact: Wanted,
    local: Path,
    folders: Sequence[str],
    deadline: Deadline,
    moved: Moved = lambda _there, _total, _resumed: None,
    *,
    lease: str | None = None,
) -> Placed:
    """Make sure that the board has this artifact, and say where.

    ``folders`` are looked through on the board first; ``local`` is the workstation's copy, which need not exist when
    the board has one. ``lease`` is our token; only what really has to be sent asks for it.
    Raises ConfigError when neither has it or the file changes meanwhile, LeaseHeld (somebody else's, or our token is
    void), NoSpace, BoardError.
    """
    doing = f"push {artifact.file}"
    there = _find(board, store, artifact, [f"{folder}/{artifact.file}" for folder in folders], deadline, doing)
    if there is not None and artifact.sha256 in (None, there.sha256):
        return there
    if not local.is_file():
        lies = f"{there.path} there has another sha256 than models.yaml says, and " if there else ""
        raise NoFile(
            f"{lies}{artifact.file} is neither on the board nor in {local.parent.name}/ here",
            board=board.name,
            doing=doing,
            hint=f"copy it to {local.parent.name}/{artifact.file} here, or to {folders[0]}/ on the board",
        )
    manifest = manifest_of(local)
    if artifact.sha256 not in (None, manifest.sha256):
        raise ConfigError(
            f"{local.name} here has sha256 {manifest.sha256[:12]}…, models.yaml says {str(artifact.sha256)[:12]}…",
            board=board.name,
            doing=doing,
            hint="copy the file again, or correct its sha256 in models.yaml",
        )
    sent = _send(board, store, artifact.file, manifest, deadline, moved, doing, lease)
    return Placed(sent.path, manifest.sha256, manifest.size_bytes, sent.sent_bytes)


def _find(
    board: Board, store: Store, artifact: Wanted, paths: Sequence[str], deadline: Deadline, doing: str
) -> Placed | None:
    argv = ["sh", store.script("artifact.sh"), "find", store.path, artifact.sha256 or "", artifact.file, *paths]
    answer = json.loads(board.run(argv, deadline=deadline.cap(defaults.HASH_S), doing=doing).stdout)
    if answer["path"] is None:
        return None
    return Placed(str(answer["path"]), str(answer["sha256"]), int(answer["size_bytes"]), 0)


def _send(
    board: Board,
    store: Store,
    file: str,
    manifest: Manifest,
    deadline: Deadline,
    moved: Moved,
    doing: str,
    lease: str | None,
) -> Conversation:
    words = ["sh", store.script("artifact.sh"), "receive", store.path, file, manifest.sha256]
    words += [str(manifest.size_bytes), str(manifest.chunk_bytes), manifest.list_sha256, str(defaults.PUSH_FREE_BYTES)]
    words += [lease] if lease is not None else []
    left = defaults.PUSH_TRIES
    while True:
        left -= 1
        try:
            return send(board, words, f"{store.models}/{file}", manifest, deadline, moved, doing)
        except Damaged as error:
            if not left or deadline.expired:
                raise _of(error, board, doing) from None
        except FleetError as error:
            raise _of(error, board, doing) from None


def _of(error: FleetError, board: Board, doing: str) -> FleetError:
    """The same error, which says where it happened."""
    error.board = error.board or board.name
    error.doing = error.doing or doing
    return error
