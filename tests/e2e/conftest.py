"""The folder in which an end-to-end test lives, and the end of every board that it started."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.e2e.board_kit import Board, command_lines, switch_on, virtual
from tests.e2e.home import LIMIT_S, PROJECT, Home
from tests.ssh import sshd
from tests.ssh.sshd import NoSuchUser, Sshd

DEMO = Path(__file__).with_name("llm_demo.sh")


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    yield Home(tmp_path)
    stop_boards(tmp_path)


def stop_boards(folder: Path) -> None:
    """The end of every virtual board of a home."""
    down = [sys.executable, "-m", "virtual", "down", "--all", "--state", str(folder / ".virtual")]
    subprocess.run(down, cwd=PROJECT, check=True, capture_output=True, timeout=LIMIT_S)


@pytest.fixture(params=[None, "normal"], ids=["owner", "normal user"])
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sshd]:
    """A real OpenSSH server that plays a board; its locks lie where both kinds of user may write."""
    folder = tmp_path_factory.mktemp("sshd")
    board = Path(tempfile.mkdtemp(prefix="rkfleet-board-"))
    board.chmod(0o777)
    extra = sshd.playing_board(board)
    try:
        with sshd.running(folder, user=request.param, extra=extra) as running:
            yield running
    except NoSuchUser as reason:
        pytest.skip(str(reason))
    finally:
        shutil.rmtree(board, ignore_errors=True)


@pytest.fixture
def board_folder() -> Iterator[Path]:
    """A folder with a hostile name on the "board", with the demo and a model for each core count in it."""
    top = Path(tempfile.mkdtemp(prefix="rkfleet-board-"))  # pytest's own are closed to other users
    folder = top / "demo; touch pwned # $(touch pwned) 'x'"
    folder.mkdir()
    shutil.copy(DEMO, folder / "llm_demo")
    for cores in (1, 2, 3):
        (folder / f"Qwen3-0.6B_W8A8_RK3588_{cores}core.rkllm").write_text(f"cores {cores}\nweights\n")
    top.chmod(0o755)
    yield folder
    shutil.rmtree(top)


# --- virtual boards without a home ----------------------------------------------------------------------------------


def folder_of_boards(folder: Path) -> Iterator[Path]:
    """The folder for as long as it is needed; then its boards are down, and nothing of them is left on the machine."""
    yield folder
    done = virtual("down", "--all", "--state", folder)
    assert done.returncode == 0, done.stderr
    assert str(folder) not in Path("/proc/mounts").read_text()
    assert not [line for line in command_lines() if f"virtual.board {folder}" in line]


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    yield from folder_of_boards(tmp_path_factory.mktemp("boards"))


@pytest.fixture(scope="module")
def healthy(state: Path) -> Board:
    """A healthy board; tests leave it as they found it."""
    return switch_on(state, "healthy")


@pytest.fixture(scope="module")
def board(healthy: Board) -> Iterator[Board]:
    """The healthy board over one connection that stands, for tests that are not about connections."""
    with tempfile.TemporaryDirectory() as folder:  # short: the path of a socket may have 107 characters
        shared = replace(healthy, through=Path(folder) / "ssh")
        until_closed = shared.argv("echo; exec cat", "-M")
        with subprocess.Popen(until_closed, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as master:
            assert master.stdout is not None
            assert master.stdout.readline() == b"\n"
            yield shared


@pytest.fixture
def new_board(state: Path) -> Iterator[Callable[..., Board]]:
    """Makes boards of a test's own, and switches them off with it."""
    names: list[str] = []

    def make(name: str, **config: object) -> Board:
        names.append(name)
        return switch_on(state, name, **config)

    yield make
    for name in names:
        virtual("down", name, "--state", state)


@pytest.fixture
def own_state(tmp_path: Path) -> Iterator[Path]:
    """A folder for boards of a test's own."""
    yield from folder_of_boards(tmp_path)


@pytest.fixture
def own_board(own_state: Path) -> Board:
    """A board of a test's own, to which anything may happen."""
    return switch_on(own_state, "board")
