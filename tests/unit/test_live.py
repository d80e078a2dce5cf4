"""What a person sees while a campaign runs: on a terminal every column stays legible, elsewhere a line a change."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from rich.console import Console

from fleet.errors import Unreachable
from fleet.listener import Position
from fleet.live import LiveTable, Pace, PlainLines

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


def test_a_push_has_a_bar_with_its_rate_and_the_time_that_is_left():
    now = [0.0]
    console = Console(file=io.StringIO(), width=120)
    table = LiveTable(console, lambda _: "", ["rk3588-a"], clock=lambda: now[0])
    table.board_moved("rk3588-a", "push", "model.rkllm")
    for second in range(4):
        now[0] = second
        # 400 MB had come with an earlier push: they are no part of the rate
        table.push_moved("rk3588-a", "model.rkllm", 400_000_000 + second * 50_000_000, 1_000_000_000, 400_000_000)
    console.print(table._table())
    shown = console.file.getvalue()
    for word in ("model.rkllm", "━━━╌╌╌", "50 MB/s", "9 s left", "55 %"):
        assert word in shown, shown
    table.board_moved("rk3588-a", "connect")
    assert table._rows["rk3588-a"].pace is None


@pytest.mark.parametrize(("seconds", "told"), [(0.4, "0 s"), (99, "99 s"), (150, "2 min"), (7200, "2.0 h")])
def test_a_time_that_is_left_is_short(seconds, told):
    pace = Pace("m", 0)
    pace.move(0.0, 0)
    pace.move(1.0, 10_000_000)
    assert pace.told(10_000_000 + round(seconds * 10_000_000)) == f"10 MB/s {told} left"


def test_what_is_sent_again_gives_no_rate_of_its_own():
    pace = Pace("m", 0)
    for at, there in ((0.0, 0), (1.0, 50), (2.0, 40)):
        pace.move(at, there)
    assert pace.told(100) == ""


def test_without_a_terminal_a_push_that_went_on_says_what_was_there():
    console = Console(file=io.StringIO(), width=80)
    lines = PlainLines(console, lambda _: "")
    for there in (2, 3, 4):
        lines.push_moved("rk3588-a", "m.rkllm", there * 2**20, 4 * 2**20, 2**20)
    assert console.file.getvalue() == "rk3588-a: pushed m.rkllm, 4.0 MiB, 1.0 MiB of it were there\n"
