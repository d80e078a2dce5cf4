"""A script on a board that finds no room says so in one form, and that becomes ``NoSpace`` here.

no space: <what> needs N bytes, PATH has M bytes free          (job.sh, the unpacking of the scripts)
"""

from __future__ import annotations

import re

from fleet.errors import NoSpace

_NO_SPACE = re.compile(r"no space: .{0,80}needs (\d{1,18}) bytes, (.{1,4096}) has (\d{1,18}) bytes free")


def no_space(said: str, *, board: str, doing: str) -> NoSpace | None:
    """What a script said on stderr as the error it means; None when it is about something else."""
    found = _NO_SPACE.search(said)
    if found is None:
        return None
    return NoSpace(
        int(found[1]),
        int(found[3]),
        found[2],
        board=board,
        doing=doing,
        hint=f"free some space on {board} (invoke collect --prune --board {board} removes what is here), "
        f"or set boards.{board}.paths.store to a larger disk",
    )
