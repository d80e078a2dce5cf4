"""Servers for the SSH tests: one shared by all, one for a normal user, and one that a test may break."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from fleet.deadline import Deadline
from fleet.ssh.connection import Board
from tests.ssh import sshd
from tests.ssh.sshd import NoSuchUser, Sshd


@pytest.fixture(autouse=True)
def home(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty home: neither the person's ~/.ssh/config nor their keys take part."""
    folder = tmp_path_factory.mktemp("home")
    monkeypatch.setenv("HOME", str(folder))
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    return folder


@pytest.fixture(scope="session")
def key_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The key pairs that all servers of the session share."""
    return tmp_path_factory.mktemp("keys")


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory, key_folder: Path) -> Iterator[Sshd]:
    """A server for the account that runs the tests; nobody may break it."""
    with sshd.running(tmp_path_factory.mktemp("sshd"), keys=key_folder) as running:
        yield running


@pytest.fixture(scope="session")
def normal_server(tmp_path_factory: pytest.TempPathFactory, key_folder: Path) -> Iterator[Sshd]:
    """A server for an account that is not root."""
    try:
        with sshd.running(tmp_path_factory.mktemp("sshd"), keys=key_folder, user="normal") as running:
            yield running
    except NoSuchUser as reason:
        pytest.skip(str(reason))


@pytest.fixture(params=["owner", "normal"])
def any_server(request: pytest.FixtureRequest) -> Sshd:
    """Both, one after the other."""
    found: Sshd = request.getfixturevalue("server" if request.param == "owner" else "normal_server")
    return found


@pytest.fixture
def own_server(tmp_path: Path, key_folder: Path) -> Iterator[Sshd]:
    """A server that this test may freeze and kill."""
    with sshd.running(tmp_path, keys=key_folder) as running:
        yield running


@pytest.fixture(scope="session")
def board(server: Sshd) -> Iterator[Board]:
    """A board behind the shared server, one connection for all tests that do not break it."""
    with Board(server.endpoint(), server.known()) as board:
        yield board


@pytest.fixture
def soon() -> Deadline:
    """A deadline that is only there so that a broken test ends."""
    return Deadline.after(30)
