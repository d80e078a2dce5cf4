"""Verbs on a terminal of 80 columns: no line of a table is wider. In a pipe each row is one line."""

from __future__ import annotations

import fcntl
import os
import pty
import struct
import subprocess
import termios
from collections.abc import Iterator

import pytest

from tests.e2e.conftest import stop_boards
from tests.e2e.home import LIMIT_S, Home, virtual

COLUMNS = 80


def on_a_terminal(home: Home, *words: str) -> list[str]:
    """What a verb writes to standard output, where that is a terminal; messages go elsewhere."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, COLUMNS, 0, 0))
    environment = {name: value for name, value in home.environment.items() if name != "COLUMNS"}
    options = home.options() | {"env": environment}
    going = subprocess.Popen(home.argv(*words), **options, stdout=theirs, stderr=subprocess.PIPE)
    os.close(theirs)
    said = b""
    try:
        while True:
            try:
                part = os.read(ours, 65536)
            except OSError:  # the last who had the other end is gone
                break
            if not part:
                break
            said += part
        _, errors = going.communicate(timeout=LIMIT_S)
    finally:
        going.kill()
        os.close(ours)
    assert b"Traceback" not in errors, errors
    return said.decode().replace("\r\n", "\n").splitlines()


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    """A home with two boards that were measured."""
    home = Home(tmp_path_factory.mktemp("home"))
    home.inventory({"rk3588-a": virtual(), "rk3588-b": virtual()})
    try:
        home.invoke("bench", "--cores", "1", "--repeats", "1", "--new-tokens", "8", "--campaign", "first")
        yield home
    finally:
        stop_boards(home.folder)


@pytest.mark.parametrize(
    ("words", "held"),
    [
        (("boards",), "rk3588-b"),
        (("check",), "driver-version"),
        (("models", "--board", "rk3588-a"), "Qwen3-VL-30B-A3B"),
        (("compare", "rk3588-a", "rk3588-b"), "generate"),
        (("explain", "--board", "rk3588-a", "--model", "qwen3-0.6b"), "of predicted"),
        (("bench", "--board", "rk3588-a", "--dry-run"), "qwen3-0.6b"),
        (("parse", "collected/first"), "answer_long_enough"),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, tuple) else "",
)
def test_a_table_fits_the_terminal(measured: Home, words: tuple[str, ...], held: str) -> None:
    lines = on_a_terminal(measured, *words)
    assert held.replace(" ", "") in "".join(lines).replace(" ", ""), lines
    tables = [line for line in lines if not line.startswith(("Qwen3-0.6B on", "This board,", "Memory (", "Fine: "))]
    assert max(map(len, tables)) <= COLUMNS, max(tables, key=len)


def test_a_pipe_gets_whole_rows(measured: Home) -> None:
    del measured.environment["COLUMNS"]
    lines = measured.invoke("models", "--board", "rk3588-a").stdout.splitlines()
    assert max(map(len, lines)) > COLUMNS and all(line.split()[-1] == "simulated" for line in lines[2:])
