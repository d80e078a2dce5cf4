"""Whatever the board does not do, the call ends by its deadline plus five seconds, and says what is known."""

from __future__ import annotations

import os
import re
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from fleet.deadline import Deadline
from fleet.defaults import MAX_CHANNELS
from fleet.errors import ConnectionDropped, DeadlinePassed, Unreachable
from fleet.ssh import tcp
from fleet.ssh.connection import Board
from fleet.ssh.endpoint import Endpoint
from fleet.ssh.host_keys import HostKeys
from fleet.ssh.tcp import connect_tcp
from tests.processes import is_alive, wait_for_end
from tests.ssh.proxy import port_without_power, proxy_to
from tests.ssh.sshd import Sshd

LATE_S = 5.0


@contextmanager
def ends_within(seconds: float) -> Iterator[None]:
    began_s = time.monotonic()
    yield
    assert time.monotonic() - began_s < seconds


def first_number(data: bytes) -> int:
    found = re.search(rb"\d+", data)
    assert found
    return int(found[0])


def test_a_server_frozen_before_the_connection_is_unreachable_in_time(own_server: Sshd) -> None:
    own_server.freeze()
    with ends_within(1 + LATE_S), pytest.raises(Unreachable, match="does not answer"):
        Board(own_server.endpoint(), own_server.known()).run(["true"], deadline=Deadline.after(1))


def test_connecting_has_a_limit_of_its_own_however_late_the_deadline(own_server: Sshd) -> None:
    own_server.freeze()
    with ends_within(1 + LATE_S), pytest.raises(Unreachable):
        Board(own_server.endpoint(), own_server.known(), connect_s=1).run(["true"], deadline=Deadline.after(3600))


def test_a_server_frozen_before_the_channel_opens_is_unreachable_in_time(own_server: Sshd, soon: Deadline) -> None:
    with (
        Board(own_server.endpoint(), own_server.known()) as board,
        Board(own_server.endpoint(), own_server.known()) as impatient,
    ):
        board.run(["true"], deadline=soon)
        impatient.run(["true"], deadline=soon)
        impatient._links._open_s = 1
        own_server.freeze()
        with ends_within(1 + LATE_S), pytest.raises(Unreachable, match="does not answer"):
            board.run(["true"], deadline=Deadline.after(1))
        with ends_within(1 + LATE_S), pytest.raises(Unreachable, match="does not answer"):
            impatient.run(["true"], deadline=Deadline.after(3600))


def test_a_server_frozen_in_mid_command_is_late_in_time_and_nothing_is_proven(own_server: Sshd, soon: Deadline) -> None:
    with Board(own_server.endpoint(), own_server.known()) as board:
        board.run(["true"], deadline=soon)  # a login has no part in the time below
        output = board.stream(["sh", "-c", "echo $$; exec sleep 60"], idle_s=30, deadline=Deadline.after(4))
        next(output)
        own_server.freeze()
        with ends_within(4 + LATE_S), pytest.raises(DeadlinePassed) as caught:
            list(output)
        assert caught.value.proven_dead is False
        own_server.thaw()
        assert board.run(["echo", "back"], deadline=soon).stdout == b"back\n"


def test_a_frozen_server_that_does_not_take_our_input_either_is_late_in_time(
    own_server: Sshd, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The socket is full, so the others on the connection can not even ask for a channel."""
    options = tcp._options

    def small_buffer(sock: socket.socket, dead_peer_s: float) -> None:
        options(sock, dead_peer_s)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 16384)

    monkeypatch.setattr(tcp, "_options", small_buffer)
    with (
        proxy_to(own_server.port) as wire,
        Board(own_server.endpoint(port=wire.port), own_server.known(wire.port)) as board,
    ):
        board.run(["true"], deadline=Deadline.after(10))
        failures: list[BaseException] = []

        def call() -> None:
            try:
                board.run(["sh", "-c", "cat >/dev/null"], stdin=bytes(32 * 2**20), deadline=Deadline.after(3))
            except BaseException as error:
                failures.append(error)

        caller = threading.Thread(target=call)
        wire.freeze_after(300_000)
        caller.start()
        assert wire.frozen.wait(10)
        with ends_within(3 + LATE_S):
            with pytest.raises((Unreachable, DeadlinePassed)):
                board.run(["true"], deadline=Deadline.after(1))
            caller.join()
        assert isinstance(failures[0], Unreachable | DeadlinePassed)


def test_a_board_without_power_is_unreachable_in_time(server: Sshd) -> None:
    with port_without_power() as port, ends_within(1 + LATE_S), pytest.raises(Unreachable, match="does not answer"):
        Board(server.endpoint(port=port), server.known()).run(["true"], deadline=Deadline.after(1))


def test_tcp_itself_gives_up_on_a_board_that_lost_power(server: Sshd, soon: Deadline) -> None:
    with connect_tcp("127.0.0.1", server.port, soon, dead_peer_s=20) as sock:
        if hasattr(socket, "TCP_USER_TIMEOUT"):
            assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == 20_000
            assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE) == 5
        assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1


def test_a_host_name_that_no_server_resolves_is_unreachable_in_time(tmp_path: Path) -> None:
    board = Board(Endpoint("b", "no-such-board.invalid"), HostKeys.load(tmp_path / "known_hosts"))
    with ends_within(1 + LATE_S), pytest.raises(Unreachable):
        board.run(["true"], deadline=Deadline.after(1))


CHILDREN = "echo $$; sleep 60 & echo $!; (sleep 60 | sleep 60) & sleep 60"
DEAF = 'trap "" TERM; echo $$; sleep 60 & echo $!; while :; do sleep 60; done'
DEAF_CHILD = 'echo $$; (trap "" TERM; while :; do sleep 60; done) & echo $!; sleep 60'


@pytest.mark.parametrize("script", [CHILDREN, DEAF, DEAF_CHILD], ids=["children", "deaf", "deaf child"])
def test_a_command_that_times_out_is_dead_on_the_board_with_its_children(
    any_server: Sshd, script: str, soon: Deadline
) -> None:
    seen = b""
    with Board(any_server.endpoint(), any_server.known()) as board:
        board.run(["true"], deadline=soon)  # a login has no part in the time below
        with ends_within(4 + LATE_S), pytest.raises(DeadlinePassed) as caught:
            for data in board.stream(["sh", "-c", script], idle_s=30, deadline=Deadline.after(4)):
                seen += data
    pids = [int(word) for word in seen.split()]
    assert len(pids) == 2
    assert caught.value.proven_dead is True
    assert [pid for pid in pids if is_alive(pid)] == []


def test_a_command_whose_time_is_over_is_not_started(board: Board) -> None:
    with pytest.raises(DeadlinePassed, match="before it was started"):
        board.run(["true"], deadline=Deadline.after(0))


def test_a_process_in_its_own_session_outlives_the_command(board: Board, soon: Deadline) -> None:
    script = "started=$(setsid -f sh -c 'echo $$; exec sleep 60 >/dev/null 2>&1'); echo $started"
    pid = first_number(board.run(["sh", "-c", script], deadline=soon).stdout)
    try:
        assert is_alive(pid)
    finally:
        os.kill(pid, 9)


def test_what_a_command_leaves_in_its_own_group_ends_with_it(board: Board, soon: Deadline) -> None:
    with ends_within(10):
        done = board.run(["sh", "-c", "sleep 100000 & echo $!"], deadline=soon)
    assert wait_for_end(first_number(done.stdout))


def test_a_commands_own_124_is_an_exit_code_and_not_a_timeout(board: Board, soon: Deadline) -> None:
    done = board.run(["sh", "-c", "echo said >&2; exit 124"], deadline=soon, check=False)
    assert (done.exit_code, done.stderr) == (124, b"said\n")


def test_a_stream_that_falls_silent_is_a_drop_long_before_the_deadline(board: Board) -> None:
    output = board.stream(["sh", "-c", "echo on; sleep 60"], idle_s=4, deadline=Deadline.after(3600))
    assert next(output) == b"on\n"
    with ends_within(4 + LATE_S), pytest.raises(ConnectionDropped, match="not a byte came for 4 s"):
        list(output)


def test_a_stream_that_is_left_early_frees_its_channel(board: Board, soon: Deadline) -> None:
    for _ in range(MAX_CHANNELS + 2):  # more than the board has channels
        output = board.stream(["yes"], idle_s=5, deadline=soon)
        next(output)
        output.close()  # type: ignore[attr-defined]
    assert board.run(["echo", "still"], deadline=soon).stdout == b"still\n"


def test_a_board_whose_clock_runs_ahead_is_late_too_and_did_not_fail(server: Sshd) -> None:
    """Its own limit ends the command a moment before ours would."""
    with Board(server.endpoint(), server.known()) as board:
        board.run(["true"], deadline=Deadline.after(20))
        with pytest.raises(DeadlinePassed) as caught:
            board.run(["timeout", "3", "sleep", "60"], deadline=Deadline.after(4.5))
        assert caught.value.proven_dead
        assert board.run(["timeout", "1", "sleep", "60"], deadline=Deadline.after(20), check=False).exit_code == 124
