"""Boards: how they stand, and how one is taken in."""

from __future__ import annotations

import functools
import sys
from collections.abc import Sequence

from invoke import Context

from verbs.kit import BOARD, FORMAT, finish, open_session, verb, width


@verb(help={"board": BOARD, "format": FORMAT}, iterable=["board"])
def boards(_c: Context, board: Sequence[str] | None = None, format: str = "table") -> None:
    """List the boards and how each of them stands now.

    invoke boards
    invoke boards --board '@lab1,!rk3588-c' --format json
    """
    from analysis.listing import check_format, listing
    from fleet.boards import read_states
    from fleet.rows import board_row

    check_format(format)
    session = open_session()
    states = read_states(session.select(board), session.connect)
    print(listing([board_row(state) for state in states], format, width=width()))
    finish(state.error for state in states)


@verb(
    help={
        "address": "host name or IP address of the board",
        "name": "what to call it; default: rk3588-a, -b, …",
        "user": "who logs in; default: root",
        "port": "of its SSH server; default: 22",
        "fingerprint": "SHA256:… of its host key, where nobody can be asked",
        "llm-demo": "path of the llm_demo program on the board",
    },
    positional=["address"],
)
def add(
    _c: Context,
    address: str | None = None,
    name: str = "",
    user: str = "root",
    port: str = "",
    fingerprint: str = "",
    llm_demo: str = "",
) -> None:
    """Take a board from its bare address into the inventory.

    invoke add 192.0.2.17
    invoke add 192.0.2.17 --name rk3588-c --user linaro --llm-demo /home/linaro/llm_demo
    """
    from fleet import terminal
    from fleet.add import Newcomer, add_board
    from fleet.options import whole_number

    newcomer = Newcomer(address or "", name, user, whole_number(port, "--port", 1, 65535, 22), llm_demo)
    say = functools.partial(print, file=sys.stderr)
    print(add_board(open_session(), newcomer, fingerprint=fingerprint, ask=terminal.ask(), say=say))


@verb(
    help={
        "board": BOARD,
        "rotate": "replace the keys that were trusted until now",
        "fingerprint": "SHA256:… to trust without being asked",
    },
    iterable=["board"],
)
def trust(_c: Context, board: Sequence[str] | None = None, rotate: bool = False, fingerprint: str = "") -> None:
    """Show a board's host key and trust it.

    invoke trust --board rk3588-c
    invoke trust --board rk3588-c --rotate --fingerprint SHA256:…
    """
    from fleet import terminal
    from fleet.trust import accept

    session = open_session()
    for entry in session.select(board):
        if entry.virtual is None:
            offer = session.offer(entry)
            print(accept(offer, session.keys, fingerprint=fingerprint, rotate=rotate, ask=terminal.ask()))
