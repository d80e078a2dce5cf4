"""The scripts on a board are those that were sent, bit by bit, or there are none."""

from __future__ import annotations

import random
import subprocess
from pathlib import Path

import pytest

from fleet.scripts import _UNPACK, SOURCE, _bundle
from tests.shell.kit import BoardUnderTest

VERSION, ARCHIVE = _bundle()


def unpack(board: BoardUnderTest, sent: bytes) -> subprocess.CompletedProcess[bytes]:
    words = [str(board.stubs / "sh"), "-c", _UNPACK, "sh", str(store(board)), VERSION]
    return subprocess.run(words, input=sent, env=board.env, capture_output=True, timeout=60, check=False)


def store(board: BoardUnderTest) -> Path:
    (board.runs.parent / "scripts").mkdir(parents=True, exist_ok=True)
    return board.runs.parent


def test_what_is_sent_is_there_and_nothing_else(board: BoardUnderTest) -> None:
    done = unpack(board, ARCHIVE)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
    there = {path.name: path.read_bytes() for path in (store(board) / "scripts" / VERSION).iterdir()}
    assert there == {path.name: path.read_bytes() for path in SOURCE.glob("*.sh")}
    assert [path.name for path in (store(board) / "scripts").iterdir()] == [VERSION]


@pytest.mark.parametrize("seed", range(4))
def test_a_bit_that_turned_over_and_an_end_that_is_missing_leave_nothing(board: BoardUnderTest, seed: int) -> None:
    dice = random.Random(seed)
    at = dice.randrange(len(ARCHIVE))
    spoilt = bytearray(ARCHIVE)
    spoilt[at] ^= 1 << dice.randrange(8)
    for sent in (bytes(spoilt), ARCHIVE[:at], b""):
        done = unpack(board, sent)
        assert done.returncode != 0 and b"did not arrive as they were sent" in done.stderr, at
        assert list((store(board) / "scripts").iterdir()) == []
    assert unpack(board, ARCHIVE).returncode == 0
