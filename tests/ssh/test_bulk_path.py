"""Gigabytes go through OpenSSH's own client; it has to be as careful as our connections."""

from __future__ import annotations

import hashlib
import subprocess
import time
from pathlib import Path

import pytest

from fleet.config.catalogue import Artifact
from fleet.deadline import Deadline
from fleet.errors import DeadlinePassed
from fleet.push import place
from fleet.scripts import prepare
from fleet.ssh.connection import Board
from fleet.ssh.endpoint import Endpoint
from fleet.ssh.host_keys import HostKeys
from tests.ssh import sshd
from tests.ssh.proxy import port_without_power
from tests.ssh.sshd import Sshd

LATE_S = 5.0
MIB_50 = 50 * 2**20


@pytest.fixture(scope="module")
def big_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """50 MiB that do not compress and differ everywhere."""
    path = tmp_path_factory.mktemp("big") / "model.rkllm"
    block = hashlib.shake_256(b"rkfleet").digest(2**20)
    with path.open("wb") as file:
        for number in range(50):
            file.write(number.to_bytes(4, "big") + block[4:])
    return path


def sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def push(board: Board, argv: list[str], source: Path) -> subprocess.CompletedProcess[bytes]:
    with source.open("rb") as file:
        return subprocess.run(board.push_argv(argv), stdin=file, capture_output=True, timeout=60)


def test_fifty_megabytes_arrive_byte_for_byte(any_server: Sshd, big_file: Path, soon: Deadline) -> None:
    with Board(any_server.endpoint(), any_server.known()) as board:
        target = board.run(["mktemp"], deadline=soon).stdout.decode().strip()
        done = push(board, ["dd", f"of={target}", "bs=1M", "iflag=fullblock", "status=none"], big_file)
        assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
        try:
            got = board.run(["sha256sum", target], deadline=soon).stdout.split()[0].decode()
        finally:
            board.run(["rm", "-f", target], deadline=soon)
    assert got == sha256(big_file)


def test_an_unknown_host_key_is_refused(server: Sshd, tmp_path: Path, big_file: Path) -> None:
    board = Board(server.endpoint(), HostKeys.load(tmp_path / "known_hosts"))
    target = tmp_path / "pushed"
    done = push(board, ["dd", f"of={target}"], big_file)
    assert done.returncode == 255
    assert b"Host key verification failed" in done.stderr
    assert not target.exists()
    assert not (tmp_path / "known_hosts").exists()


def test_a_changed_host_key_is_refused(server: Sshd, tmp_path: Path, big_file: Path) -> None:
    known = HostKeys.load(tmp_path / "known_hosts")
    known.add("127.0.0.1", server.port, [sshd.public(sshd.new_key(tmp_path, "other"))])
    done = push(Board(server.endpoint(), known), ["cat"], big_file)
    assert done.returncode == 255
    assert b"Host key verification failed" in done.stderr


def test_through_a_jump_host_both_host_keys_are_checked(
    server: Sshd, own_server: Sshd, tmp_path: Path, soon: Deadline
) -> None:
    folder = tmp_path / "with blank and 100%d"
    folder.mkdir()
    known = HostKeys.load(folder / "known hosts")
    known.add("127.0.0.1", server.port, [server.key])
    endpoint = Endpoint(
        "b", "127.0.0.1", server.port, server.user, server.identity, agent=False, jump=own_server.endpoint("gate")
    )
    words = ["printf", "%s|", "it's", "50% $HOME"]
    refused = subprocess.run(Board(endpoint, known).push_argv(words), capture_output=True, timeout=30)
    assert (refused.returncode, refused.stdout) == (255, b"")
    known.add("127.0.0.1", own_server.port, [own_server.key])
    done = subprocess.run(Board(endpoint, known).push_argv(words), capture_output=True, timeout=30)
    assert (done.returncode, done.stdout) == (0, b"it's|50% $HOME|")
    assert "Accepted publickey" in own_server.log.read_text()


def test_a_wrong_key_ends_without_a_question(server: Sshd, tmp_path: Path) -> None:
    stranger = sshd.new_key(tmp_path, "stranger")
    argv = Board(server.endpoint(key=stranger), server.known()).push_argv(["true"])
    done = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, timeout=30)
    assert done.returncode == 255
    assert b"Permission denied" in done.stderr


def test_a_board_without_power_ends_in_time(server: Sshd) -> None:
    with port_without_power() as port:
        argv = Board(server.endpoint(port=port), server.known(), connect_s=2).push_argv(["true"])
        assert subprocess.run(argv, capture_output=True, timeout=15).returncode == 255


def test_an_address_can_not_become_an_option(server: Sshd) -> None:
    endpoint = Endpoint("b", "-oProxyCommand=touch pwned", server.port, server.user, server.identity)
    argv = Board(endpoint, server.known()).push_argv(["true"])
    assert argv[argv.index("-oProxyCommand=touch pwned") - 1] == "--"


def test_the_remote_words_stay_words(server: Sshd) -> None:
    argv = Board(server.endpoint(), server.known()).push_argv(["printf", "%s", "1; touch pwned #"])
    assert subprocess.run(argv, capture_output=True, timeout=30).stdout == b"1; touch pwned #"


def test_a_push_to_a_board_that_freezes_ends_at_its_deadline(own_server: Sshd, tmp_path: Path, big_file: Path) -> None:
    artifact = Artifact(file="model.rkllm", npu_core_num=3, dtype="W8A8", max_context=4096, origin="made here")
    with Board(own_server.endpoint(), own_server.known()) as board:
        store = prepare(board, str(tmp_path / "store"), Deadline.after(60))
        began_s = time.monotonic()

        def moved(there: int, _total: int, _resumed: int) -> None:
            if there > 2**20 and not own_server.frozen:
                own_server.freeze()

        with pytest.raises(DeadlinePassed, match="not done in time"):
            place(board, store, artifact, big_file, [store.models], Deadline.after(3), moved)
        assert time.monotonic() - began_s < 3 + LATE_S
