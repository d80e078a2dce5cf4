"""``board_scripts/`` on a board: one folder a content hash, ``<store>/scripts/<sha12>/``, pushed when it is not there.

So two workstations with different versions never change a script under each other's runs. ``facts.sh`` is the
exception: it goes in by standard input, because a bare board has nothing yet.
"""

from __future__ import annotations

import hashlib
import io
import posixpath
import tarfile
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from fleet import defaults
from fleet.deadline import Deadline
from fleet.errors import BoardError
from fleet.space import no_space
from fleet.ssh.connection import Board
from fleet.text import tail

SOURCE = Path(__file__).parent.parent / "board_scripts"

# The home folder and the store as absolute paths, then whether this version of the scripts is there, else whether there
# is room for it; what a killed unpacking left behind a day ago goes.
_LOOK = r"""
room() {
    kib=$(df -Pk -- "$1" 2>/dev/null | awk 'NR == 2 { printf "%.0f", $4 }')
    [ "${kib:-$2}" -lt "$2" ] || return 0
    echo "no space: the store needs $(($2 * 1024)) bytes, $1 has $((kib * 1024)) bytes free" >&2
    exit 73
}
cd && pwd || exit 1
mkdir -p -- "$1/scripts" "$1/runs" "$1/models" || {
    at=$1
    while [ ! -d "$at" ]; do
        case $at in ?*/*) at=${at%/*} ;; /*) at=/ ;; *) at=$PWD ;; esac
    done
    room "$at" "$3"
    exit 1
}
cd -- "$1" && pwd || exit 1
if [ -e "scripts/$2/job.sh" ]; then echo there; exit 0; fi
find scripts -mindepth 1 -maxdepth 1 -name '*.*' -mtime +0 -exec rm -rf '{}' + 2>/dev/null
room "$PWD" "$3"
"""
# What arrives has to be what its name says, or a bit that turned over on the way would stay on the board for good.
# On the disk before it has its name: after a power cut a script is whole or not there.
_UNPACK = r"""
cd -- "$1/scripts" && mkdir -p -- "$2.$$" && {
    cat >"$2.$$/.tar" && case $(sha256sum <"$2.$$/.tar") in
        "$2"*) tar -xf "$2.$$/.tar" -C "$2.$$" && rm -f -- "$2.$$/.tar" ;;
        *) echo "they did not arrive as they were sent" >&2; false ;;
    esac && { sync -- "$2.$$"/* 2>/dev/null || sync; } && mv -T -- "$2.$$" "$2"
} 2>&1 >/dev/null | head -n 1 >&2
rm -rf -- "$2.$$"
[ -e "$2/job.sh" ]
"""


@dataclass(frozen=True)
class Store:
    """Absolute paths on one board. ``home`` is the login user's."""

    home: str
    path: str
    scripts: str

    @property
    def models(self) -> str:
        """Where artifacts are found by name; their bytes are in ``<path>/sha256`` (artifact.sh)."""
        return f"{self.path}/models"

    @property
    def runs(self) -> str:
        """The parent of ``<campaign>/<run>``."""
        return f"{self.path}/runs"

    def run_dir(self, campaign: str, run: str) -> str:
        """The directory of one run on the board."""
        return f"{self.runs}/{campaign}/{run}"

    def absolute(self, path: str) -> str:
        """A path of the inventory as it is on the board: a relative one lies below the home folder."""
        return posixpath.join(self.home, path)

    def script(self, name: str) -> str:
        """The path of one of our scripts."""
        return f"{self.scripts}/{name}"


def prepare(board: Board, store: str, deadline: Deadline) -> Store:
    """Make the store and bring the scripts; ``store`` is the inventory's ``paths.store``, relative to the home folder.

    Raises NoSpace, and BoardError when the store can not be made there.
    """
    version, archive = _bundle()
    doing = "prepare the store"
    seen = board.run(
        ["sh", "-c", _LOOK, "sh", store, version, str(defaults.SCRIPTS_FREE_BYTES // 1024)],
        deadline=deadline.cap(defaults.COMMAND_S),
        check=False,
        doing=doing,
    )
    lines = seen.stdout.decode(errors="replace").splitlines()
    full = no_space(tail(seen.stderr), board=board.name, doing=doing)
    if full is not None:
        raise full
    if len(lines) < 2 or not all(line.startswith("/") for line in lines[:2]):
        raise BoardError(
            tail(seen.stderr) or f"no folder {store!r} can be made",
            board=board.name,
            doing=doing,
            hint=f"set boards.{board.name}.paths.store in inventory.yaml to a folder that this user may write",
        )
    home, path = lines[:2]
    if lines[2:] != ["there"]:
        unpacked = board.run(
            ["sh", "-c", _UNPACK, "sh", path, version],
            stdin=archive,
            deadline=deadline.cap(defaults.COMMAND_S),
            check=False,
            doing=doing,
        )
        if unpacked.exit_code != 0:
            raise BoardError(
                f"the scripts can not be unpacked: {tail(unpacked.stderr)}",
                board=board.name,
                doing=doing,
                hint=f"free some space on {board.name}, or set boards.{board.name}.paths.store to a larger disk",
            )
    return Store(home, path, f"{path}/scripts/{version}")


@cache
def _bundle() -> tuple[str, bytes]:
    """The scripts as a tar archive that is the same bytes every time, and its short sha256."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for path in sorted(SOURCE.glob("*.sh")):
            data = path.read_bytes()
            entry = tarfile.TarInfo(path.name)
            entry.size = len(data)
            entry.mode = 0o755
            archive.addfile(entry, io.BytesIO(data))
    return hashlib.sha256(out.getvalue()).hexdigest()[:12], out.getvalue()
