"""What goes to a board arrives as it is, what comes back is bytes, and neither can hurt the workstation."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

from fleet.deadline import Deadline
from fleet.errors import BoardError, CommandFailed, ConnectionDropped, HostKeyUnknown
from fleet.ssh.command import Raw
from fleet.ssh.connection import Board
from fleet.ssh.guard import guarded
from fleet.ssh.host_keys import HostKeys
from tests.ssh import sshd
from tests.ssh.proxy import proxy_to
from tests.ssh.sshd import Sshd

NASTY = [
    "1; touch pwned #",
    "$(touch pwned)",
    "`touch pwned`",
    "a\nb; touch pwned\n",
    "'; touch pwned; '",
    '"; touch pwned; "',
    "$HOME ~ * ? [a-z] {a,b} !! \\",
    "-n",
    "--help",
    "",
    " ",
    "\t",
    "中文 模型 ✓ é",
    "\x1b[31mred\x1b[0m\x07",
    "a=b",
    "%s%n",
    "| cat > pwned",
    "& touch pwned &",
]


@pytest.mark.parametrize("value", NASTY)
def test_a_value_stays_data_in_an_argument_and_in_the_environment(board: Board, soon: Deadline, value: str) -> None:
    done = board.run(["sh", "-c", 'printf "%s|%s|" "$1" "$V"', "sh", value], env={"V": value}, deadline=soon)
    assert done.stdout.decode() == f"{value}|{value}|"


def test_all_values_at_once_stay_data_and_leave_no_trace(any_server: Sshd, soon: Deadline, tmp_path: Path) -> None:
    endpoint = any_server.endpoint("1; touch pwned #")
    with Board(endpoint, any_server.known()) as board:
        done = board.run(["sh", "-c", 'pwd; ls; printf "%s\\0" "$@"', "sh", *NASTY], deadline=soon)
        listing, *rest = done.stdout.split(b"\0")
        assert rest[:-1] == [value.encode() for value in NASTY[1:]]
        assert b"pwned\n" not in listing
        left = board.run(["find", ".", "-maxdepth", "1", "-name", "pwned"], deadline=soon)
        assert left.stdout == b""


def test_a_program_whose_name_is_nasty_is_just_not_found(board: Board, soon: Deadline) -> None:
    for name in ("1; touch pwned #", "$(touch pwned)", "-n"):
        assert board.run([name], deadline=soon, check=False).exit_code in (126, 127)


def test_a_board_whose_name_is_nasty_is_named_in_the_message_and_quoted_in_the_hint(
    server: Sshd, tmp_path: Path, soon: Deadline
) -> None:
    board = Board(server.endpoint("1; touch pwned #"), HostKeys.load(tmp_path / "none"))
    with pytest.raises(HostKeyUnknown) as caught:
        board.run(["true"], deadline=soon)
    assert caught.value.hint == "invoke trust --board '1; touch pwned #'"


def test_shell_syntax_works_where_it_is_asked_for(board: Board, soon: Deadline) -> None:
    words = ["printf", "%s\n", "b", "a; x", Raw("|"), "sort"]
    assert board.run(words, deadline=soon).stdout == b"a; x\nb\n"


@pytest.mark.parametrize("shell", ["/bin/dash", "/bin/bash", "/bin/busybox", "/usr/bin/zsh", "/usr/bin/fish"])
def test_the_line_needs_no_more_of_a_login_shell_than_quoted_words(shell: str) -> None:
    if not Path(shell).exists():
        pytest.skip(f"no {shell} here")
    line = guarded(["printf", "%s", "it's\n$HOME\\"], mark=b"M", limit_s=9).decode()
    before = [shell, "sh"] if shell.endswith("busybox") else [shell]
    assert subprocess.check_output([*before, "-c", line], stdin=subprocess.DEVNULL, timeout=20) == b"M\nit's\n$HOME\\"


def test_exit_codes_come_back_and_signals_are_128_and_their_number(board: Board, soon: Deadline) -> None:
    def code(script: str) -> int:
        return board.run(["sh", "-c", script], deadline=soon, check=False).exit_code

    assert [code("exit 0"), code("exit 7"), code("exit 255"), code("kill -9 $$"), code("kill -11 $$")] == [
        0,
        7,
        255,
        137,
        139,
    ]


def test_a_failing_command_tells_its_stderr_without_escape_codes(board: Board, soon: Deadline) -> None:
    script = r"printf '\033[31mno such \033]0;title\007model\033[0m\r\n' >&2; exit 3"
    with pytest.raises(CommandFailed) as caught:
        board.run(["sh", "-c", script], deadline=soon, doing="load the model")
    assert str(caught.value) == "board: load the model: sh ended with 3: no such model"
    assert caught.value.remote_exit_code == 3


def test_stdout_and_stderr_are_kept_apart_byte_for_byte(board: Board, soon: Deadline) -> None:
    every = bytes(range(256)) * 40
    done = board.run(["sh", "-c", "tee /dev/stderr"], stdin=every, deadline=soon)
    assert (done.stdout, done.stderr, done.truncated) == (every, every, False)


def test_a_command_that_prints_nothing(board: Board, soon: Deadline) -> None:
    done = board.run(["true"], deadline=soon)
    assert (done.exit_code, done.stdout, done.stderr, done.truncated) == (0, b"", b"", False)
    assert done.argv == ("true",)
    assert 0 < done.wall_s < 30


def test_megabytes_of_input_arrive_whole(board: Board, soon: Deadline) -> None:
    data = os.urandom(8 * 2**20)
    done = board.run(["sha256sum"], stdin=data, deadline=soon)
    assert done.stdout.split()[0].decode() == hashlib.sha256(data).hexdigest()


def test_a_command_that_does_not_read_its_input_just_ends(board: Board, soon: Deadline) -> None:
    assert board.run(["echo", "done"], stdin=bytes(8 * 2**20), deadline=soon).stdout == b"done\n"


def test_a_command_that_prints_while_it_reads_does_not_jam(board: Board, soon: Deadline) -> None:
    data = os.urandom(6 * 2**20)
    script = "head -c 6000000 /dev/zero >&2; cat"
    done = board.run(["sh", "-c", script], stdin=data, max_bytes=2**24, deadline=soon)
    assert (done.stdout == data, len(done.stderr), done.truncated) == (True, 6_000_000, False)


def test_no_input_is_end_of_file_and_not_a_wait(board: Board) -> None:
    assert board.run(["cat"], deadline=Deadline.after(10)).stdout == b""


def test_of_too_much_output_the_head_of_stdout_and_the_tail_of_stderr_are_kept(board: Board, soon: Deadline) -> None:
    done = board.run(["sh", "-c", "seq 1 99999; seq 1 99999 >&2"], max_bytes=1000, deadline=soon)
    assert done.truncated
    assert done.stdout.startswith(b"1\n2\n3\n") and len(done.stdout) == 1000
    assert done.stderr.endswith(b"99998\n99999\n") and len(done.stderr) == 1000


GREEDY = """
import resource, sys
from pathlib import Path
from fleet.ssh.connection import Board, Endpoint
from fleet.deadline import Deadline
from fleet.ssh.host_keys import HostKeys
port, user, key, known = sys.argv[1:]
board = Board(Endpoint("b", "127.0.0.1", int(port), user, Path(key), agent=False), HostKeys.load(Path(known)))
board.run(["true"], deadline=Deadline.after(60))
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
script = "head -c 180000000 /dev/zero; head -c 180000000 /dev/zero >&2"
done = board.run(["sh", "-c", script], deadline=Deadline.after(60))
assert done.truncated and len(done.stdout) == len(done.stderr) == 2**20, done
total = sum(map(len, board.stream(["head", "-c", "200000000", "/dev/zero"], idle_s=30, deadline=Deadline.after(60))))
assert total == 200000000, total
board.close()
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)
"""


def test_a_board_that_prints_without_end_costs_no_memory(server: Sshd) -> None:
    """560 MB through one connection, past paramiko's exchange of new keys after 512 MiB."""
    words = [str(server.port), server.user, str(server.identity), str(server.known().path)]
    grown_mib = int(subprocess.check_output([sys.executable, "-c", GREEDY, *words], timeout=120, cwd=Path.cwd()))
    assert grown_mib < 48


def test_a_reader_who_takes_his_time_makes_the_board_wait(board: Board, soon: Deadline) -> None:
    script = "i=0; while [ $i -lt 200 ]; do head -c 65536 /dev/zero; i=$((i+1)); echo $i >&2; done"
    output = board.stream(["sh", "-c", script], idle_s=10, deadline=soon)
    first = len(next(output))
    ahead = board.run(["sh", "-c", "sleep 1"], deadline=soon)  # the board had a second to run ahead
    assert ahead.exit_code == 0
    assert first + sum(map(len, output)) == 200 * 65536


def test_a_stream_comes_as_it_is_printed(board: Board, soon: Deadline) -> None:
    output = board.stream(["sh", "-c", "echo one; read x; echo two"], stdin=b"", idle_s=10, deadline=soon)
    assert b"".join(output) == b"one\ntwo\n"
    with pytest.raises(CommandFailed, match="ended with 4: said at the end"):
        list(board.stream(["sh", "-c", "echo x; echo said at the end >&2; exit 4"], idle_s=10, deadline=soon))


def test_a_slow_line_delivers_everything(own_server: Sshd, soon: Deadline) -> None:
    with proxy_to(own_server.port) as wire:
        wire.slow(200_000)
        with Board(own_server.endpoint(port=wire.port), own_server.known(wire.port)) as board:
            done = board.run(["seq", "1", "20000"], deadline=soon)
    assert done.stdout == b"".join(b"%d\n" % n for n in range(1, 20001))


def test_what_a_login_shell_prints_is_not_the_commands_output(tmp_path: Path, key_folder: Path, soon: Deadline) -> None:
    banner = tmp_path / "banner"
    banner.write_text("WELCOME to the lab\n")
    noisy = tmp_path / "noisy"
    noisy.write_text('#!/bin/sh\necho motd\necho complaint >&2\neval "$SSH_ORIGINAL_COMMAND"\n')
    noisy.chmod(0o755)
    extra = f"Banner {banner}\nForceCommand {noisy}\n"
    with (
        sshd.running(tmp_path, keys=key_folder, extra=extra) as server,
        Board(server.endpoint(), server.known()) as board,
    ):
        done = board.run(["sh", "-c", "echo out; echo err >&2"], deadline=soon)
    assert (done.stdout, done.stderr) == (b"out\n", b"err\n")


def test_a_login_shell_that_refuses_commands_is_named(tmp_path: Path, key_folder: Path, soon: Deadline) -> None:
    extra = "ForceCommand echo 'This account is currently not available.'; exit 1\n"
    with (
        sshd.running(tmp_path, keys=key_folder, extra=extra) as server,
        Board(server.endpoint(), server.known()) as board,
        pytest.raises(BoardError) as caught,
    ):
        board.run(["true"], deadline=soon, check=False)
    assert "the login shell did not start the command" in str(caught.value)
    assert "This account is currently not available." in str(caught.value)


def test_a_command_line_that_is_too_long_is_refused_before_it_is_sent(board: Board, soon: Deadline) -> None:
    with pytest.raises(ValueError, match="by stdin"):
        board.run(["echo", "x" * 200_000], deadline=soon)


@pytest.mark.parametrize("signal", ["TERM", "HUP"])
def test_a_command_that_the_board_ends_is_a_dropped_connection_and_no_failure(
    server: Sshd, soon: Deadline, signal: str
) -> None:
    """An orderly reboot ends everybody's commands before it ends the connections."""
    script = f"kill -{signal} $$; sleep 60"
    with Board(server.endpoint(), server.known()) as board:
        with pytest.raises(ConnectionDropped, match="going down"):
            board.run(["sh", "-c", script], deadline=soon, check=False)
        with pytest.raises(ConnectionDropped, match="going down"):
            list(board.stream(["sh", "-c", script], idle_s=30, deadline=soon))
        assert board.run(["echo", "still here"], deadline=soon).stdout == b"still here\n"
