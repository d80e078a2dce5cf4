"""job.sh where it has to wait for seconds: all these cases wait at the same time."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.shell.kit import SHELLS, BoardUnderTest, make_board, processes_with

STUBBORN = "trap '' TERM; echo up >'{up}'; while :; do sleep 1000; done"

Case = tuple[BoardUnderTest, "subprocess.Popen[bytes] | None"]


def stubborn_at_its_limit(board: BoardUnderTest) -> Case:
    up = board.pipe("up")
    board.started("sh", "-c", STUBBORN.format(up=up.path), limit="5")  # it has to be deaf by then
    up.read_line()
    return board, None


def stubborn_and_cancelled(board: BoardUnderTest) -> Case:
    up = board.pipe("up")
    board.started("sh", "-c", STUBBORN.format(up=up.path))
    up.read_line()
    return board, board.popen("job.sh", "cancel", board.run_dir(), stdout=subprocess.PIPE)


def stopped_and_cancelled(board: BoardUnderTest) -> Case:
    up = board.pipe("up")
    board.started("sh", "-c", f"echo up >'{up.path}'; exec sleep 1000")
    up.read_line()
    os.kill(board.state()["start"]["pid"], signal.SIGSTOP)
    return board, board.popen("job.sh", "cancel", board.run_dir(), stdout=subprocess.PIPE)


def silent_and_followed(board: BoardUnderTest) -> Case:
    board.started("sleep", "1000")
    return board, board.popen("job.sh", "follow", board.run_dir(), "0", "0", stdout=subprocess.PIPE)


SCENES = (stubborn_at_its_limit, stubborn_and_cancelled, stopped_and_cancelled, silent_and_followed)


@pytest.fixture(scope="module")
def cases(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[tuple[str, str], Case]]:
    folder: Path = tmp_path_factory.mktemp("patience")
    begun: dict[tuple[str, str], Case] = {}
    for shell in SHELLS:
        for scene in SCENES:
            try:
                begun[scene.__name__, shell] = scene(make_board(folder / f"{scene.__name__}-{shell}", shell))
            except pytest.skip.Exception:
                continue
    yield begun
    for board, process in begun.values():
        if process is not None:
            process.kill()
            process.wait()
        board.close()


def pick(cases: dict[tuple[str, str], Case], scene: str, shell: str) -> Case:
    if (scene, shell) not in cases:
        pytest.skip(f"{shell} is not installed")
    return cases[scene, shell]


def assert_cancelled(case: Case) -> None:
    board, process = case
    assert process is not None
    out, _ = process.communicate(timeout=40)
    assert json.loads(out)["cancelled"] is True
    state = board.state()
    assert (state["end"]["result"], state["now"]["run_alive"]) == ("cancelled", False)
    assert processes_with(str(board.run_dir())) == []


every_shell = pytest.mark.parametrize("shell", SHELLS)


@every_shell
def test_a_silent_run_gives_signs_of_life(cases: dict[tuple[str, str], Case], shell: str) -> None:
    _, follower = pick(cases, "silent_and_followed", shell)
    assert follower is not None
    assert follower.stdout is not None
    header = json.loads(follower.stdout.readline())
    assert header["alive"] is True
    assert header["uptime_s"] > 0


@every_shell
def test_a_program_that_ignores_term_is_killed_after_the_grace(cases: dict[tuple[str, str], Case], shell: str) -> None:
    board, _ = pick(cases, "stubborn_at_its_limit", shell)
    end = board.wait(board.run_dir())
    assert (end["result"], end["exit_code"]) == ("timeout", 124)
    assert 5 + 5 <= end["duration_s"] < 30
    assert processes_with(str(board.run_dir())) == []


@every_shell
def test_cancel_ends_a_program_that_ignores_term(cases: dict[tuple[str, str], Case], shell: str) -> None:
    assert_cancelled(pick(cases, "stubborn_and_cancelled", shell))


@every_shell
def test_cancel_ends_a_run_whose_wrapper_hangs(cases: dict[tuple[str, str], Case], shell: str) -> None:
    assert_cancelled(pick(cases, "stopped_and_cancelled", shell))
