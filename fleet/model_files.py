"""Which model files are where: on this workstation in ``models/``, and on boards where ``bench`` would look for them.

A file counts as verified when its sha256 was computed since it was last changed and is the catalogue's. The digest is
kept beside the files with size, time of change and inode, as boards keep theirs; a file that changed is read anew.
"""

from __future__ import annotations

import contextlib
import enum
import hashlib
import json
import posixpath
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from fleet import defaults
from fleet.config.inventory import BoardEntry
from fleet.config.model import ModelFile
from fleet.deadline import Deadline
from fleet.errors import BoardError, ConfigError
from fleet.evidence import write_file
from fleet.scripts import Store, prepare
from fleet.ssh.connection import Board
from fleet.text import tail

MEMO = ".sha256.json"  # in models/
BLOCK_BYTES = 4 * 2**20

Moved = Callable[[int, int], object]  # bytes read, of so many

# artifact.sh finds one file; this asks for many in one round trip. `=FILE` wants its sha256, of `+FILE` it is enough to
# know that it is there: reading gigabytes to compare them with nothing would take minutes.
_FIND = r"""
script=$1 store=$2 a=$3 b=$4 c=$5 d=$6
shift 6
for word do
    file=${word#?}
    if [ ! -f "$a/$file" ] && [ ! -f "$b/$file" ] && [ ! -f "$c/$file" ] && [ ! -f "$d/$file" ]; then
        echo '{"there": false}'
    elif [ "$word" = "+$file" ]; then
        echo '{"there": true, "sha256": null}'
    else
        sh "$script" find "$store" '' "$file" "$a/$file" "$b/$file" "$c/$file" "$d/$file" || exit
    fi
done
"""


class Lies(enum.StrEnum):
    """What is known of a file at one place."""

    MISSING = "missing"  # it is not there
    THERE = "there"  # it is, and the catalogue has no sha256 to compare with
    UNVERIFIED = "unverified"  # it is, and its sha256 was not computed since it changed
    VERIFIED = "verified"  # it is, with the catalogue's sha256
    OTHER = "other content"  # it is, with another size or sha256 than the catalogue's


@dataclass(frozen=True)
class _Digest:
    size_bytes: int
    changed_ns: int
    inode: int
    sha256: str


class Digests:
    """The sha256 of files in one folder, computed once a file."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._known = _load(folder / MEMO)

    def known(self, path: Path) -> str | None:
        """The sha256 of this file, if it was computed since the file was last changed."""
        one = self._known.get(path.name)
        return one.sha256 if one and (one.size_bytes, one.changed_ns, one.inode) == _identity(path) else None

    def of(self, path: Path, moved: Moved = lambda _read, _total: None) -> str:
        """The sha256 of a file in the folder or elsewhere. Raises ConfigError where it can not be read."""
        inside = path.parent.resolve() == self.folder.resolve()
        if inside and (known := self.known(path)):
            return known
        before = _identity(path)
        digest = hashlib.sha256()
        try:
            with path.open("rb") as file:
                while block := file.read(BLOCK_BYTES):
                    digest.update(block)
                    moved(file.tell(), before[0])
        except OSError as error:
            raise ConfigError(f"can not be read: {error.strerror}", file=str(path)) from error
        if _identity(path) != before:
            raise ConfigError(
                "changed while it was read", file=str(path), hint="the same command again when it is written"
            )
        if inside:
            self._remember(path.name, _Digest(*before, digest.hexdigest()))
        return digest.hexdigest()

    def _remember(self, name: str, digest: _Digest) -> None:
        """Only a memo: where it can not be written, the file is simply read again."""
        self._known[name] = digest
        text = json.dumps({name: vars(one) for name, one in sorted(self._known.items())}, indent=1)
        with contextlib.suppress(OSError):
            write_file(self.folder / MEMO, text.encode())


def lies_here(folder: Path, files: Iterable[ModelFile], *, verify: bool, moved: Moved) -> dict[str, Lies]:
    """How each of these files lies in ``folder``. ``verify``: compute what has not been. Raises ConfigError."""
    digests = Digests(folder)
    found = {}
    for one in files:
        path = folder / one.file
        if not path.is_file():
            found[one.file] = Lies.MISSING
        elif one.size_bytes not in (None, path.stat().st_size):
            found[one.file] = Lies.OTHER
        elif one.sha256 is None:
            found[one.file] = Lies.THERE
        else:
            sha256 = digests.of(path, moved) if verify else digests.known(path)
            found[one.file] = _compared(one, sha256)
    return found


def lies_on(board: Board, entry: BoardEntry, files: Iterable[ModelFile], deadline: Deadline) -> dict[str, Lies]:
    """How each of these files lies on a board. A board computes a sha256 that the
    catalogue has when it sees the file for the first time: some 40 s a GB. Raises BoardError, Unreachable."""
    wanted = list(files)
    if not wanted:
        return {}
    store = prepare(board, entry.paths.store, deadline)
    folders = _folders(entry, store)
    words = [store.script("artifact.sh"), store.path, *folders]
    words += [f"{'=' if one.sha256 else '+'}{one.file}" for one in wanted]
    doing = "look for model files"
    answer = board.run(["sh", "-c", _FIND, "sh", *words], deadline=deadline.cap(defaults.HASH_S), doing=doing)
    try:
        found = [json.loads(line) for line in answer.stdout.splitlines()]
        return {
            one.file: _compared(one, said["sha256"]) if said.get("there", True) else Lies.MISSING
            for one, said in zip(wanted, found, strict=True)
        }
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        said = tail(answer.stdout, 200)
        raise BoardError(f"the answer makes no sense: {said}", board=board.name, doing=doing) from None


def _folders(entry: BoardEntry, store: Store) -> tuple[str, str, str, str]:
    """Where a board may have it: the inventory's folder, the store, beside each demo; one twice where less."""
    own = store.absolute(entry.paths.models) if entry.paths.models else store.models
    beside, seeing = (
        posixpath.dirname(store.absolute(demo)) if demo else store.models
        for demo in (entry.paths.llm_demo, entry.paths.vlm_demo)
    )
    return own, store.models, beside, seeing


def _compared(one: ModelFile, sha256: str | None) -> Lies:
    if one.sha256 is None:
        return Lies.THERE
    if sha256 is None:
        return Lies.UNVERIFIED
    return Lies.VERIFIED if sha256 == one.sha256 else Lies.OTHER


def _identity(path: Path) -> tuple[int, int, int]:
    status = path.stat()
    return status.st_size, status.st_mtime_ns, status.st_ino


def _load(memo: Path) -> dict[str, _Digest]:
    """What was remembered; a memo that is damaged remembers nothing."""
    try:
        return {str(name): _Digest(**one) for name, one in json.loads(memo.read_bytes()).items()}
    except (OSError, ValueError, TypeError, AttributeError, RecursionError):
        return {}
