"""Trouble for a virtual board: told to it as its owner tells it, and waited for until it shows."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Callable
from typing import Any

from tests.e2e.board_kit import LIMIT_S, Board, virtual


def fault(board: Board, *words: object) -> dict[str, Any]:
    done = virtual("fault", board.name, *map(str, words), "--state", board.state)
    assert done.returncode == 0, done.stderr
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def power(board: Board, to: str) -> dict[str, Any]:
    done = virtual("power", board.name, to, "--state", board.state)
    assert done.returncode == 0, done.stderr
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def truth(board: Board) -> dict[str, Any]:
    done = virtual("truth", board.name, "--state", board.state)
    assert done.returncode == 0, done.stderr
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def until(what: Callable[[], object], why: str) -> None:
    """Ask until it is so."""
    deadline = time.monotonic() + LIMIT_S
    while not what():
        assert time.monotonic() < deadline, why
        time.sleep(0.02)


def on_again(board: Board) -> None:
    until(lambda: truth(board)["power"] == "on", "the board did not come back")


def started(board: Board, command: str) -> subprocess.Popen[bytes]:
    """A client with that command under way; its first line has been read."""
    client = subprocess.Popen(board.argv(f"echo; {command}"), stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert client.stdout is not None and client.stdout.readline() == b"\n"
    return client
