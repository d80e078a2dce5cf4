"""A file is on a board when the board itself has computed its sha256; anything else is a ``.part`` to be thrown away.

The bytes go through an OpenSSH subprocess (four times cheaper than paramiko), into ``artifact.sh receive``, which
checks space, length and sha256 before the rename. A file that is there already costs one round trip and no bytes;
the board's own copy of a model whose sha256 the catalogue does not know yet is taken as it is, and its sha256 recorded.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import select
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from fleet import defaults
from fleet.config.catalogue import Artifact
from fleet.deadline import Deadline
from fleet.errors import BoardError, ConfigError, ConnectionDropped, DeadlinePassed, NoSpace
from fleet.lease import refused
from fleet.scripts import Store
from fleet.ssh.connection import Board
from fleet.text import tail

BLOCK_BYTES = 2**20
RESERVED = 75  # EX_TEMPFAIL: the board is somebody else's
DAMAGED = 65  # EX_DATAERR: what arrived has another length or sha256


class _Damaged(BoardError):
    """What arrived is not what was sent; the board has thrown it away."""


@dataclass(frozen=True)
class Placed:
    """A model file as it lies on one board; ``sent_bytes`` is 0 when it was there already."""

    path: str
    sha256: str
    size_bytes: int
    sent_bytes: int


def place(
    board: Board,
    store: Store,
    artifact: Artifact,
    local: Path,
    folders: Sequence[str],
    deadline: Deadline,
    moved: Callable[[int, int], object] = lambda _sent, _total: None,
    *,
    lease: str | None = None,
) -> Placed:
    """Make sure that the board has this artifact, and say where.

    ``folders`` are looked through on the board first; ``local`` is the workstation's copy, which need not exist when
    the board has one. ``lease`` is our token; only what really has to be sent asks for it.
    Raises ConfigError when neither has it, LeaseHeld (somebody else's, or our token is void), NoSpace, BoardError.
    """
    doing = f"push {artifact.file}"
    there = _find(board, store, [f"{folder}/{artifact.file}" for folder in folders], deadline, doing)
    if there is not None and artifact.sha256 in (None, there.sha256):
        return there
    if not local.is_file():
        lies = f"{there.path} there has another sha256 than models.yaml says, and " if there else ""
        raise ConfigError(
            f"{lies}{artifact.file} is neither on the board nor in {local.parent.name}/ here",
            board=board.name,
            doing=doing,
            hint=f"copy it to {local.parent.name}/{artifact.file} here, or to {folders[0]}/ on the board",
        )
    size_bytes = local.stat().st_size
    sha256 = _sha256(local)
    if artifact.sha256 not in (None, sha256):
        raise ConfigError(
            f"{local.name} here has sha256 {sha256[:12]}…, models.yaml says {str(artifact.sha256)[:12]}…",
            board=board.name,
            doing=doing,
            hint="copy the file again, or correct its sha256 in models.yaml",
        )
    target = f"{store.models}/{artifact.file}"
    if there is None or there.path != target or there.sha256 != sha256:
        for left in reversed(range(defaults.PULL_TRIES)):
            try:
                _send(board, store, local, target, sha256, size_bytes, deadline, moved, doing, lease)
                break
            except _Damaged:
                if not left:
                    raise
    return Placed(target, sha256, size_bytes, size_bytes)


def _find(board: Board, store: Store, paths: Sequence[str], deadline: Deadline, doing: str) -> Placed | None:
    argv = ["sh", store.script("artifact.sh"), "find", f"{store.models}/.sha256", *paths]
    answer = json.loads(board.run(argv, deadline=deadline.cap(defaults.HASH_S), doing=doing).stdout)
    if answer["path"] is None:
        return None
    return Placed(str(answer["path"]), str(answer["sha256"]), int(answer["size_bytes"]), 0)


def _send(
    board: Board,
    store: Store,
    local: Path,
    target: str,
    sha256: str,
    size_bytes: int,
    deadline: Deadline,
    moved: Callable[[int, int], object],
    doing: str,
    lease: str | None,
) -> None:
    remote = [
        "sh",
        store.script("artifact.sh"),
        "receive",
        f"{store.models}/.sha256",
        target,
        sha256,
        str(size_bytes),
        *([lease] if lease is not None else []),
    ]
    # A file, not a pipe, for what it says: nobody reads it while the bytes go out, and it may be long.
    with tempfile.TemporaryFile() as said, local.open("rb") as file:
        child = subprocess.Popen(
            board.push_argv(remote),
            stdin=subprocess.PIPE,
            stdout=said,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            _pump(file.fileno(), child, size_bytes, deadline, moved)
            exit_code = child.wait(timeout=deadline.left_s + defaults.GRACE_S)
        except subprocess.TimeoutExpired:
            raise DeadlinePassed(
                "not done in time", proven_dead=False, board=board.name, doing=doing, hint="push again"
            ) from None
        finally:
            if child.poll() is None:
                child.kill()
                child.wait()
        said.seek(0)
        words = said.read(8192)
        message = tail(words)
    if exit_code == RESERVED:
        held = refused(board, _last_object(words), doing)
        if held is not None:
            raise held
    if exit_code != 0:
        raise _refusal(board, exit_code, message, size_bytes, target, doing)


def _pump(
    source: int,
    child: subprocess.Popen[bytes],
    size_bytes: int,
    deadline: Deadline,
    moved: Callable[[int, int], object],
) -> None:
    """Feed the file to ``child`` until its end or the deadline: a board that takes nothing must not hold us."""
    assert child.stdin is not None
    sink = child.stdin.fileno()
    os.set_blocking(sink, False)
    try:
        while block := memoryview(os.read(source, BLOCK_BYTES)):
            while block:
                if not select.select([], [sink], [], deadline.left_s)[1]:
                    raise subprocess.TimeoutExpired(child.args, 0)
                block = block[os.write(sink, block) :]
            sent = os.lseek(source, 0, os.SEEK_CUR)
            moved(sent, size_bytes)
        child.stdin.close()
    except BrokenPipeError:
        pass  # the other side said no; its exit code and message say why


def _refusal(board: Board, exit_code: int, message: str, size_bytes: int, target: str, doing: str) -> BoardError:
    free = re.search(r"has (\d+) bytes free", message)
    if free:
        return NoSpace(
            size_bytes,
            int(free[1]),
            target.rsplit("/", 1)[0],
            board=board.name,
            doing=doing,
            hint=f"free some space on {board.name}, or set boards.{board.name}.paths.store to a larger disk",
        )
    if exit_code == DAMAGED:
        return _Damaged(message, board=board.name, doing=doing, hint="the same command again")
    if exit_code == 255:
        return ConnectionDropped(message or "ssh gave up", board=board.name, doing=doing, hint="the same command again")
    return BoardError(message or f"ended with {exit_code}", board=board.name, doing=doing)


def _last_object(words: bytes) -> dict[str, object]:
    """The last line that is a JSON object; ssh may have put words of its own around it."""
    for line in reversed(words.splitlines()):
        try:
            found = json.loads(line)
        except (ValueError, RecursionError):
            continue
        if isinstance(found, dict):
            return found
    return {}


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
