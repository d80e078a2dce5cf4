"""Who we are on a board, by which way we get there, and what happens when the way breaks."""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import paramiko
import pytest
from paramiko.common import cMSG_CHANNEL_EOF

from fleet import defaults
from fleet.deadline import Deadline
from fleet.errors import AuthenticationFailed, ConfigError, ConnectionDropped, DeadlinePassed, Unreachable
from fleet.ssh.connection import Board, Endpoint
from tests.ssh import sshd
from tests.ssh.proxy import FaultProxy, proxy_to
from tests.ssh.sshd import Sshd


@pytest.fixture
def wire(server: Sshd) -> Iterator[FaultProxy]:
    with proxy_to(server.port) as proxy:
        yield proxy


@pytest.fixture
def wired(server: Sshd, wire: FaultProxy) -> Iterator[Board]:
    """A board behind a proxy that counts connections and breaks them."""
    with Board(server.endpoint(port=wire.port), server.known(wire.port)) as board:
        yield board


def test_it_works_as_root_and_as_a_normal_user(any_server: Sshd, soon: Deadline) -> None:
    with Board(any_server.endpoint(), any_server.known()) as board:
        assert board.run(["id", "-un"], deadline=soon).stdout.decode().strip() == any_server.user


def test_one_connection_serves_all_calls_and_is_made_at_the_first(
    wire: FaultProxy, wired: Board, soon: Deadline
) -> None:
    assert wire.connections == 0
    for _ in range(3):
        wired.run(["true"], deadline=soon)
    assert wire.connections == 1


def test_aes_gcm_is_what_both_sides_agree_on(server: Sshd, board: Board, soon: Deadline) -> None:
    board.run(["true"], deadline=soon)
    link = board._links._link
    assert link is not None
    assert link.connection.transport.remote_cipher == "aes128-gcm@openssh.com"


# --- logging in ---------------------------------------------------------------------------------------


def test_a_wrong_key_is_named_and_the_next_command_too(server: Sshd, tmp_path: Path, soon: Deadline) -> None:
    stranger = sshd.new_key(tmp_path, "stranger")
    with pytest.raises(AuthenticationFailed) as caught:
        Board(server.endpoint("rk3588-a", key=stranger), server.known()).run(["true"], deadline=soon)
    assert str(stranger) in str(caught.value)
    assert sshd.public(stranger).fingerprint in str(caught.value)
    assert caught.value.hint == f"ssh-copy-id -i {stranger}.pub -p {server.port} {server.user}@127.0.0.1"


def test_a_key_file_that_is_not_there_is_named(server: Sshd, tmp_path: Path, soon: Deadline) -> None:
    with pytest.raises(AuthenticationFailed, match="nowhere does not exist"):
        Board(server.endpoint(key=tmp_path / "nowhere"), server.known()).run(["true"], deadline=soon)


def test_a_key_with_a_passphrase_is_named_and_nobody_is_asked(server: Sshd, tmp_path: Path, soon: Deadline) -> None:
    locked = tmp_path / "locked"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "secret words", "-f", str(locked)], check=True)
    with pytest.raises(AuthenticationFailed, match="locked needs a passphrase: ssh-add it"):
        Board(server.endpoint(key=locked), server.known()).run(["true"], deadline=soon)


def test_a_file_that_is_no_key_is_named(server: Sshd, tmp_path: Path, soon: Deadline) -> None:
    (tmp_path / "text").write_text("hello\n")
    with pytest.raises(AuthenticationFailed, match="text is not a private key"):
        Board(server.endpoint(key=tmp_path / "text"), server.known()).run(["true"], deadline=soon)


def test_without_any_key_that_is_said(server: Sshd, soon: Deadline) -> None:
    endpoint = Endpoint("b", "127.0.0.1", server.port, server.user, agent=False)
    with pytest.raises(AuthenticationFailed, match="there is no key to try") as caught:
        Board(endpoint, server.known()).run(["true"], deadline=soon)
    assert caught.value.hint == "ssh-keygen -t ed25519"


def test_a_server_that_hangs_up_after_too_many_keys_is_told_so(
    tmp_path: Path, key_folder: Path, home: Path, soon: Deadline
) -> None:
    (home / ".ssh").mkdir()
    for name in ("id_ed25519", "id_ecdsa", "id_rsa"):
        sshd.new_key(home / ".ssh", name)
    with sshd.running(tmp_path, keys=key_folder, extra="MaxAuthTries 2\n") as server:
        endpoint = Endpoint("b", "127.0.0.1", server.port, server.user, agent=False)
        with pytest.raises(AuthenticationFailed, match="then the server hung up"):
            Board(endpoint, server.known()).run(["true"], deadline=soon)


@pytest.fixture
def agent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """An empty ssh-agent of our own."""
    path = tmp_path / "agent"
    process = subprocess.Popen(["ssh-agent", "-D", "-a", str(path)], stdout=subprocess.DEVNULL)
    deadline = Deadline.after(10)
    while not path.exists() and not deadline.expired:
        threading.Event().wait(0.01)
    monkeypatch.setenv("SSH_AUTH_SOCK", str(path))
    yield
    process.kill()
    process.wait(10)


@pytest.mark.usefixtures("agent")
def test_the_agents_keys_are_used_unless_that_is_forbidden(server: Sshd, soon: Deadline) -> None:
    endpoint = Endpoint("b", "127.0.0.1", server.port, server.user)
    with pytest.raises(AuthenticationFailed, match="no key in the agent"):
        Board(endpoint, server.known()).run(["true"], deadline=soon)
    subprocess.run(["ssh-add", "-q", str(server.identity)], check=True, timeout=10)
    with Board(endpoint, server.known()) as board:
        board.run(["true"], deadline=soon)
    with pytest.raises(AuthenticationFailed, match="no key to try"):
        Board(Endpoint("b", "127.0.0.1", server.port, server.user, agent=False), server.known()).run(
            ["true"], deadline=soon
        )


def test_an_agent_that_does_not_answer_does_not_hold_us_up(
    server: Sshd, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.socket(socket.AF_UNIX) as silent:
        silent.bind(str(tmp_path / "silent"))
        silent.listen()
        monkeypatch.setenv("SSH_AUTH_SOCK", str(tmp_path / "silent"))
        with pytest.raises(AuthenticationFailed, match="the agent does not answer"):
            Board(Endpoint("b", "127.0.0.1", server.port, server.user), server.known()).run(
                ["true"], deadline=Deadline.after(5)
            )


# --- ~/.ssh/config ------------------------------------------------------------------------------------


def write_config(home: Path, text: str) -> None:
    (home / ".ssh").mkdir(exist_ok=True)
    (home / ".ssh" / "config").write_text(text)


def test_the_persons_ssh_config_fills_in_what_the_inventory_leaves_open(
    server: Sshd, home: Path, soon: Deadline
) -> None:
    write_config(
        home,
        f"Host rock\n  HostName 127.0.0.1\n  Port {server.port}\n  User {server.user}\n"
        f"  IdentityFile {server.identity}\n",
    )
    known = server.known()
    known.add("rock", server.port, [server.key])
    with Board(Endpoint("b", "rock", agent=False), known) as board:
        assert board.run(["echo", "in"], deadline=soon).stdout == b"in\n"


def test_proxyjump_of_the_ssh_config_is_followed(server: Sshd, own_server: Sshd, home: Path, soon: Deadline) -> None:
    write_config(
        home,
        f"Host gate\n  HostName 127.0.0.1\n  Port {own_server.port}\n  User {own_server.user}\n"
        f"  IdentityFile {own_server.identity}\nHost 127.0.0.1\n  ProxyJump gate\n",
    )
    known = server.known()
    known.add("gate", own_server.port, [own_server.key])
    with Board(server.endpoint(), known) as board:
        assert board.run(["echo", "through"], deadline=soon).stdout == b"through\n"
    assert "Accepted publickey" in own_server.log.read_text()


def test_a_broken_ssh_config_is_a_message_that_names_the_file(server: Sshd, home: Path, soon: Deadline) -> None:
    write_config(home, "Match\n")
    with pytest.raises(ConfigError, match=r"\.ssh/config"):
        Board(server.endpoint(), server.known()).run(["true"], deadline=soon)


def test_fabrics_own_configuration_files_play_no_part(server: Sshd, home: Path, soon: Deadline) -> None:
    (home / ".fabric.yaml").write_text("user: somebody-else\nport: 1\nconnect_kwargs: {password: x}\n")
    with Board(server.endpoint(), server.known()) as board:
        assert board.run(["echo", "in"], deadline=soon).stdout == b"in\n"


# --- jump hosts ---------------------------------------------------------------------------------------


def test_a_board_behind_a_jump_host(server: Sshd, own_server: Sshd, soon: Deadline) -> None:
    known = server.known()
    known.add("127.0.0.1", own_server.port, [own_server.key])
    endpoint = Endpoint("b", "127.0.0.1", server.port, server.user, server.identity, jump=own_server.endpoint("gate"))
    with Board(endpoint, known) as board:
        assert board.run(["echo", "through"], deadline=soon).stdout == b"through\n"
        own_server.freeze()
        with pytest.raises(Unreachable):
            board.run(["true"], deadline=Deadline.after(1))


def test_a_jump_host_that_does_not_get_through_is_told_apart_from_the_board(server: Sshd, soon: Deadline) -> None:
    nowhere = sshd.free_port()
    endpoint = Endpoint("b", "127.0.0.1", nowhere, server.user, server.identity, jump=server.endpoint("gate"))
    with pytest.raises(Unreachable) as caught:
        Board(endpoint, server.known()).run(["true"], deadline=soon)
    assert f"127.0.0.1:{server.port} does not get through to 127.0.0.1:{nowhere}" in str(caught.value)


def test_a_jump_host_that_is_down_is_the_one_that_is_named(server: Sshd, soon: Deadline) -> None:
    nowhere = sshd.free_port()
    jump = Endpoint("gate", "127.0.0.1", nowhere, server.user, server.identity)
    endpoint = Endpoint("b", "127.0.0.1", server.port, server.user, server.identity, jump=jump)
    with pytest.raises(Unreachable, match="refuses connections"):
        Board(endpoint, server.known()).run(["true"], deadline=soon)


# --- what breaks --------------------------------------------------------------------------------------


def test_nobody_listens(server: Sshd, soon: Deadline) -> None:
    port = sshd.free_port()
    with pytest.raises(Unreachable) as caught:
        Board(server.endpoint("rk3588-a", port=port), server.known()).run(["true"], deadline=soon)
    assert str(caught.value) == (
        f"rk3588-a: connect: 127.0.0.1:{port} refuses connections: no SSH server listens there"
    )
    assert caught.value.hint == f"ssh -v -p {port} {server.user}@127.0.0.1 true"


def test_something_else_listens(server: Sshd, soon: Deadline) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]

        def answer() -> None:
            for _ in range(defaults.CONNECT_TRIES):
                with listener.accept()[0] as sock:
                    sock.recv(100)
                    sock.sendall(b"HTTP/1.0 400 Bad Request\r\n\r\n" + b"\xff\x00" * 5000)

        threading.Thread(target=answer, daemon=True).start()
        with pytest.raises(Unreachable, match=r"does not speak SSH|closed the connection"):
            Board(server.endpoint(port=port), server.known()).run(["true"], deadline=soon)


def test_a_connection_that_drops_in_mid_command_is_told_and_made_again(
    wire: FaultProxy, wired: Board, soon: Deadline
) -> None:
    output = wired.stream(["sh", "-c", "echo on; sleep 30"], idle_s=30, deadline=soon)
    next(output)
    wire.drop()
    with pytest.raises(ConnectionDropped, match="lost in mid-command"):
        next(output)
    assert wired.run(["echo", "again"], deadline=soon).stdout == b"again\n"
    assert wire.connections == 2


def test_a_connection_that_died_while_idle_is_replaced_without_a_word(own_server: Sshd, soon: Deadline) -> None:
    with Board(own_server.endpoint(), own_server.known()) as board:
        for _ in range(3):
            assert board.run(["echo", "on"], deadline=soon).stdout == b"on\n"
            own_server.drop_connections()


def test_a_command_is_never_sent_twice(wire: FaultProxy, wired: Board, tmp_path: Path, soon: Deadline) -> None:
    log = tmp_path / "log"
    script = 'echo x >>"$1"; echo on; sleep 30'
    output = wired.stream(["sh", "-c", script, "sh", str(log)], idle_s=30, deadline=soon)
    next(output)
    wire.drop()
    with pytest.raises(ConnectionDropped):
        list(output)
    wired.run(["true"], deadline=soon)
    assert log.read_text() == "x\n"


def test_a_server_that_turns_newcomers_away_is_asked_again(tmp_path: Path, key_folder: Path, server: Sshd) -> None:
    """MaxStartups: sshd drops connections at random while many log in."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]

        def turn_away_once_then_forward() -> None:
            listener.accept()[0].close()
            client = listener.accept()[0]
            board = socket.create_connection(("127.0.0.1", server.port))

            def copy(source: socket.socket, sink: socket.socket) -> None:
                while data := source.recv(65536):
                    sink.sendall(data)

            threading.Thread(target=copy, args=(client, board), daemon=True).start()
            threading.Thread(target=copy, args=(board, client), daemon=True).start()

        threading.Thread(target=turn_away_once_then_forward, daemon=True).start()
        with Board(server.endpoint(port=port), server.known(port)) as board:
            assert board.run(["echo", "in"], deadline=Deadline.after(10)).stdout == b"in\n"


def test_many_threads_share_one_board(wire: FaultProxy, wired: Board) -> None:
    def call(number: int) -> bytes:
        return wired.run(["echo", str(number)], deadline=Deadline.after(60)).stdout

    with ThreadPoolExecutor(16) as pool:
        assert list(pool.map(call, range(64))) == [b"%d\n" % number for number in range(64)]
    assert wire.connections == 1


@pytest.mark.parametrize("stdin", [b"", b"nobody reads this" * 99], ids=["no input", "input that nobody reads"])
def test_an_end_of_input_that_leaves_us_late_does_not_end_the_connection(
    wire: FaultProxy, wired: Board, monkeypatch: pytest.MonkeyPatch, soon: Deadline, stdin: bytes
) -> None:
    """As from a thread that was kept waiting: sshd ends a connection on which it gets a packet for a dead channel."""
    send = paramiko.Transport._send_user_message

    def late(transport: paramiko.Transport, message: paramiko.Message) -> None:
        if message.asbytes()[:1] == cMSG_CHANNEL_EOF:
            time.sleep(0.3)
        send(transport, message)

    monkeypatch.setattr(paramiko.Transport, "_send_user_message", late)
    for _ in range(3):
        assert wired.run(["echo", "done"], stdin=stdin, deadline=soon).stdout == b"done\n"
    assert wire.connections == 1


def test_a_board_with_no_room_for_a_channel_is_asked_again(tmp_path: Path, key_folder: Path, soon: Deadline) -> None:
    with (
        sshd.running(tmp_path, keys=key_folder, extra="MaxSessions 1\n") as server,
        Board(server.endpoint(), server.known()) as board,
        ThreadPoolExecutor(4) as pool,
    ):
        done = pool.map(lambda _: board.run(["sleep", "0.2"], deadline=soon).exit_code, range(4))
        assert list(done) == [0, 0, 0, 0]
        output = board.stream(["sh", "-c", "echo on; sleep 30"], idle_s=30, deadline=soon)
        next(output)
        with pytest.raises(Unreachable, match="refuses another channel"):
            board.run(["true"], deadline=Deadline.after(2))
        output.close()  # type: ignore[attr-defined]


def test_nothing_is_printed_about_what_is_raised(server: Sshd) -> None:
    script = (
        "from pathlib import Path\n"
        "from fleet.ssh.connection import Board, Endpoint\nfrom fleet.deadline import Deadline\n"
        "from fleet.errors import Unreachable\nfrom fleet.ssh.host_keys import HostKeys\n"
        "try:\n"
        f"    Board(Endpoint('b', '127.0.0.1', {server.port}, 'root', Path('/none')), HostKeys.load(Path('/none')))"
        ".run(['true'], deadline=Deadline.after(9))\n"
        "except Unreachable:\n    pass\n"
        "import socket, threading\n"
        "with socket.create_server(('127.0.0.1', 0)) as s:\n"
        "    threading.Thread(target=lambda: [s.accept()[0].close() for _ in range(3)], daemon=True).start()\n"
        "    try:\n"
        "        Board(Endpoint('b', '127.0.0.1', s.getsockname()[1], 'root'), HostKeys.load(Path('/none')))"
        ".run(['true'], deadline=Deadline.after(9))\n"
        "    except Unreachable as e:\n        print('told')\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60)
    assert (done.stdout, done.stderr) == ("told\n", "")


def test_one_late_call_does_not_end_the_others_on_the_connection(wired: Board, wire: FaultProxy) -> None:
    output = wired.stream(["sh", "-c", "echo on; sleep 6; echo still"], idle_s=20, deadline=Deadline.after(20))
    assert next(output) == b"on\n"
    with pytest.raises(Exception, match="killed at its deadline"):
        wired.run(["sleep", "20"], deadline=Deadline.after(3))
    assert b"".join(output) == b"still\n"
    assert wire.connections == 1


def test_a_connection_that_was_given_up_ends_when_its_last_call_ends(wired: Board, wire: FaultProxy) -> None:
    output = wired.stream(["sh", "-c", "echo on; sleep 6; echo still"], idle_s=20, deadline=Deadline.after(20))
    assert next(output) == b"on\n"
    silent = "exec 3>&1; started=$(setsid -f sh -c 'exec sleep 60 >&3')"  # holds the output, so nothing is heard
    with pytest.raises(DeadlinePassed, match="ended with 0, but what it left behind holds its output open"):
        wired.run(["sh", "-c", silent], deadline=Deadline.after(1))
    assert wired.run(["echo", "new"], deadline=Deadline.after(10)).stdout == b"new\n"
    assert wire.connections == 2
    assert b"".join(output) == b"still\n"


def test_a_board_that_is_closed_connects_again_when_it_is_used_again(
    wire: FaultProxy, wired: Board, soon: Deadline
) -> None:
    wired.run(["true"], deadline=soon)
    wired.close()
    wired.run(["true"], deadline=soon)
    assert wire.connections == 2


def test_closing_leaves_no_thread_and_no_socket_behind(server: Sshd, soon: Deadline) -> None:
    def open_files() -> int:
        return len(list(Path("/proc/self/fd").iterdir()))

    with Board(server.endpoint(), server.known()) as board:
        board.run(["true"], deadline=soon)
    before, threads = open_files(), threading.active_count()
    for _ in range(3):
        with Board(server.endpoint(), server.known()) as board:
            board.run(["true"], deadline=soon)
    deadline = Deadline.after(5)
    while threading.active_count() > threads and not deadline.expired:
        threading.Event().wait(0.02)
    assert threading.active_count() <= threads
    assert open_files() <= before
