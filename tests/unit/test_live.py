"""What a person sees while a campaign runs: on a terminal every column stays legible, elsewhere a line a change."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from rich.console import Console

from fleet.errors import Unreachable
from fleet.listener import Position
from fleet.live import LiveTable, PlainLines

AT = Position(2, 9, "qwen3-0.6b 3c", "20260101T000000Z-0000", "002-qwen3-0.6b-3core-r1", False)


def events(listener: LiveTable | PlainLines) -> None:
    listener.board_moved("rk3588-a", "connect")
    listener.push_moved("rk3588-a", "model.rkllm", 2**20, 4 * 2**20)
    listener.push_moved("rk3588-a", "model.rkllm", 4 * 2**20, 4 * 2**20)
    listener.run_started("rk3588-a", AT)
    listener.run_moved("rk3588-a", AT, 331)
    listener.run_ended("rk3588-a", AT, Path("/nowhere"))
    listener.board_moved("rk3588-b", "connect")
    listener.board_ended("rk3588-b", Unreachable("nobody [red]listens[/red]", board="rk3588-b", doing="connect"))


@pytest.mark.parametrize("width", [60, 80, 150])
def test_every_column_stays_legible_on_any_screen(width):
    clock = iter(range(1000))
    console = Console(file=io.StringIO(), width=width)
    table = LiveTable(console, lambda _: "ok, 25.98 tok/s" * 20, ["rk3588-a", "rk3588-b"], clock=lambda: next(clock))
    events(table)
    console.print(table._table())
    shown = console.file.getvalue()
    lines = shown.splitlines()
    assert len(lines) == 3 and all(len(line) <= width for line in lines)
    for word in ("board", "cell", "phase", "elapsed", "rk3588-a", "rk3588-b", "qwen3-0.6b 3c", "2 of 9"):
        assert word in shown, shown


def test_without_a_terminal_every_change_is_one_line_and_markup_stays_text():
    console = Console(file=io.StringIO(), width=80)
    events(PlainLines(console, lambda _: "ok"))
    assert console.file.getvalue().splitlines() == [
        "rk3588-a: connect",
        "rk3588-a: pushed model.rkllm, 4.0 MiB",
        "rk3588-a: run 2 of 9: qwen3-0.6b 3c started (002-qwen3-0.6b-3core-r1)",
        "rk3588-a: run 2 of 9: qwen3-0.6b 3c ok",
        "rk3588-b: connect",
        "rk3588-b: stopped: nobody [red]listens[/red]",
    ]
