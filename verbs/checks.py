"""Checks: is a board fit to be measured on."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from invoke import Context

from verbs.kit import BOARD, FORMAT, leave, open_session, verb, width

WIDTHS = {"seen": 40, "rule": 40, "next action": 34}  # of the table; the other formats hold the whole text


@verb(
    help={
        "board": BOARD,
        "model": "also: has the board what this model of models.yaml needs",
        "format": FORMAT,
    },
    iterable=["board"],
)
def check(_c: Context, board: Sequence[str] | None = None, model: str = "", format: str = "table") -> None:
    """Check boards: driver, libraries, clocks, memory, disk, company.

    invoke check
    invoke check --board rk3588-a --model qwen3-0.6b
    invoke check --board '@lab1' --format json
    """
    from analysis.listing import check_format, listing
    from fleet.checking import check_boards, failed, rows
    from fleet.errors import ExitCode, worst

    check_format(format)
    session = open_session()
    chosen = session.catalogue().model(model) if model else None
    if remark := session.catalogue().remark(model):
        print(f"{model}: {remark}", file=sys.stderr)
    checked = check_boards(session, session.select(board), chosen)
    print(listing(rows(checked), format, empty="no board answers", widths=WIDTHS, width=width()))
    errors = [one.error for one in checked if one.error is not None]
    for error in errors:
        print(error.message(), file=sys.stderr)
    for one in checked:
        if bad := failed(one.findings):
            print(f"{one.entry.name}: {len(bad)} failed: {', '.join(each.check for each in bad)}", file=sys.stderr)
    verdict = any(failed(one.findings) for one in checked)
    leave(int(ExitCode.VERDICT if verdict else worst([error.exit_code for error in errors])))
