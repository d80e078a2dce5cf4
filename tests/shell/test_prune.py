"""job.sh prune: a run goes from the board only when the workstation has proven that it has every byte of it."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from tests.shell.kit import BoardUnderTest

KEPT = ("lock", "wrapper.log")


def sums(run_dir: Path) -> bytes:
    """What a workstation that has all of it sends."""
    files = sorted(path for path in run_dir.iterdir() if path.name not in KEPT)
    return b"".join(f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}\n".encode() for path in files)


def prune(board: BoardUnderTest, stdin: bytes, run: str = "r1") -> Any:
    done = board.script("job.sh", "prune", board.run_dir(run), stdin=stdin)
    assert done.returncode == 0, done.stderr.decode()
    return json.loads(done.stdout)


def test_what_is_proven_to_be_elsewhere_goes_and_twice_is_fine(board: BoardUnderTest) -> None:
    board.ran("true")
    board.ran("true", run="r2")
    listed = sums(board.run_dir())
    answer = prune(board, listed)
    assert answer["pruned"] is True and answer["bytes"] > 0
    assert [path.name for path in (board.runs / "c1").iterdir()] == ["r2"]
    assert prune(board, listed) == {"pruned": False, "reason": "it is not on the board"}
    assert prune(board, sums(board.run_dir("r2")), "r2")["pruned"] is True
    assert list(board.runs.iterdir()) == []


@pytest.mark.parametrize("name", ["stdout.log", "end.json", "telemetry.csv"])
def test_a_file_that_differs_on_the_board_keeps_the_run(board: BoardUnderTest, name: str) -> None:
    board.ran("true")
    listed = sums(board.run_dir())
    with (board.run_dir() / name).open("ab") as file:
        file.write(b"x")
    before = {path.name: path.read_bytes() for path in board.run_dir().iterdir()}
    assert prune(board, listed) == {"pruned": False, "reason": f"{name} is another one on the board"}
    assert {path.name: path.read_bytes() for path in board.run_dir().iterdir()} == before


def test_a_list_that_was_cut_short_proves_nothing(board: BoardUnderTest) -> None:
    board.ran("true")
    listed = sums(board.run_dir())
    lines = listed.splitlines(keepends=True)
    for k in range(len(lines)):
        assert prune(board, b"".join(lines[:k]))["pruned"] is False
    last = lines[-1].split()[-1].decode()
    for cut in (1, 5, 40):
        answer = prune(board, listed[: -cut - 1])
        assert answer["pruned"] is False and answer["reason"].startswith(last), answer
    assert board.run_dir().is_dir()


def test_a_list_without_anything_or_with_rubbish_proves_nothing(board: BoardUnderTest) -> None:
    board.ran("true")
    names = b"".join(b"%s  %s\n" % (b"*" * 64, path.name.encode()) for path in board.run_dir().iterdir())
    for listed in (b"", b"\0\xff" * 500, b"*\n", names, b"[" * 4000):
        assert prune(board, listed)["pruned"] is False
    assert board.run_dir().is_dir()


def test_a_run_that_still_goes_stays(board: BoardUnderTest) -> None:
    up = board.pipe("up")
    board.started("sh", "-c", f"echo up >'{up.path}'; exec sleep 1000")
    up.read_line()
    assert prune(board, sums(board.run_dir())) == {"pruned": False, "reason": "it is still running"}
    assert board.state()["now"]["run_alive"] is True


def test_a_run_that_never_started_stays(board: BoardUnderTest) -> None:
    board.run_dir().mkdir(parents=True)
    (board.run_dir() / "spec.json").write_text("{}\n")
    assert prune(board, sums(board.run_dir()))["reason"] == "it never started"


def test_what_a_power_cut_left_half_removed_goes_with_the_next(board: BoardUnderTest) -> None:
    board.ran("true")
    half = board.runs / "c1" / ".pruned.r0.77"
    half.mkdir()
    (half / "spec.json").write_text("{}")
    assert [row["run"] for row in board.json("list", board.runs)["runs"]] == ["r1"]
    assert prune(board, sums(board.run_dir()))["pruned"] is True
    assert list(board.runs.iterdir()) == []
