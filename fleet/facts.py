"""What a board is and how it stands now: one script by standard input, one round trip, one JSON object.

Nothing has to be on the board for it. ``clock_offset_s`` is added here: the board's wall clock minus ours, good to
the round trip; no run is judged by it, but a reader of the board's journal needs it.
"""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from functools import cache
from typing import Any

from fleet import defaults
from fleet.deadline import Deadline
from fleet.errors import BoardError
from fleet.scripts import SOURCE, Store
from fleet.ssh.connection import Board
from fleet.text import tail

Facts = dict[str, Any]


def read_facts(
    board: Board,
    deadline: Deadline,
    *,
    disks: Sequence[str] = (),
    libraries: Sequence[str] = (),
    more: Sequence[str] = (),
) -> Facts:
    """Read the facts of ``board_scripts/facts.sh``; its header lists the keys.

    ``disks`` and ``libraries`` are paths on the board: whose free space, and where to look for the runtimes. ``more``
    are further options of the script.
    Raises BoardError when the board answers something that is no JSON object.
    """
    argv = ["sh", "-s", "--"]
    for disk in disks:
        argv += ["--disk", disk]
    for library in libraries:
        argv += ["--lib", library]
    argv += more
    before_s = time.time()
    facts = _asked(board, argv, deadline, _script())
    after_s = time.time()
    epoch_s = facts.get("epoch_s")
    if isinstance(epoch_s, int | float):
        facts["clock_offset_s"] = round(epoch_s - (before_s + after_s) / 2, 1)
    return facts


def read_gate(board: Board, store: Store, campaign: str, run: str) -> Facts:
    """The few facts that are asked for before a run, by the script that is on the board already.

    Raises BoardError when the board answers something that is no JSON object.
    """
    folder = f"{store.runs}/{campaign}/{run}"
    return _asked(board, ["sh", store.script("facts.sh"), "--gate", folder], Deadline.after(defaults.COMMAND_S), b"")


def _asked(board: Board, argv: Sequence[str], deadline: Deadline, stdin: bytes) -> Facts:
    answer = board.run(
        argv,
        stdin=stdin,
        deadline=deadline.cap(defaults.FACTS_S),
        max_bytes=2**20,
        doing="read the facts",
    )
    try:
        facts = json.loads(answer.stdout)
        if not isinstance(facts, dict):
            raise ValueError("not an object")
    except (ValueError, RecursionError) as error:
        said = tail(answer.stderr or answer.stdout, 200)
        raise BoardError(
            f"the answer is no JSON object ({error}): {said}", board=board.name, doing="read the facts"
        ) from None
    return facts


@cache
def _script() -> bytes:
    return (SOURCE / "facts.sh").read_bytes()
