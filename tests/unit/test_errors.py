"""The tree of what can go wrong: its messages, its exit codes, and that nothing of the libraries below gets past it."""

from __future__ import annotations

import inspect
import itertools
import socket
from collections.abc import Iterator

import paramiko
import pytest
from paramiko import agent, auth_strategy, config, hostkeys, message, packet, pkey, proxy, sftp, ssh_exception

from fleet import errors
from fleet.errors import (
    AuthenticationFailed,
    BoardError,
    CommandFailed,
    ConfigError,
    ConnectionDropped,
    DeadlinePassed,
    ExitCode,
    FleetError,
    HostKeyChanged,
    NoSpace,
    Unreachable,
    worst,
)
from fleet.ssh.ssh_errors import dropped, not_reached
from fleet.text import readable, tail

KEY = paramiko.ECDSAKey.generate()

SAMPLES: dict[type[BaseException], BaseException] = {
    ssh_exception.BadAuthenticationType: ssh_exception.BadAuthenticationType("no", ["password"]),
    ssh_exception.PartialAuthentication: ssh_exception.PartialAuthentication(["password"]),
    ssh_exception.ChannelException: ssh_exception.ChannelException(2, "Connect failed"),
    ssh_exception.BadHostKeyException: ssh_exception.BadHostKeyException("h", KEY, KEY),
    ssh_exception.ProxyCommandFailure: ssh_exception.ProxyCommandFailure("nc", "gone"),
    ssh_exception.NoValidConnectionsError: ssh_exception.NoValidConnectionsError(
        {("10.0.0.1", 22): ConnectionRefusedError(111, "Connection refused")}
    ),
    auth_strategy.AuthFailure: auth_strategy.AuthFailure(result="key refused"),
    hostkeys.InvalidHostKey: hostkeys.InvalidHostKey("line", ValueError("bad")),
    pkey.UnknownKeyType: pkey.UnknownKeyType("sk", b"x"),
    UnicodeDecodeError: UnicodeDecodeError("utf-8", b"\xff", 0, 1, "invalid"),
}


def exceptions_of(*modules: object) -> Iterator[type[BaseException]]:
    for module in modules:
        for _, kind in inspect.getmembers(module, inspect.isclass):
            if issubclass(kind, BaseException) and not issubclass(kind, Warning):
                yield kind


PARAMIKO = sorted(
    set(
        exceptions_of(
            paramiko, ssh_exception, agent, auth_strategy, config, hostkeys, message, packet, pkey, proxy, sftp
        )
    ),
    key=lambda kind: kind.__name__,
)
SOCKET = [
    socket.gaierror,
    socket.herror,
    TimeoutError,
    ConnectionRefusedError,
    ConnectionResetError,
    ConnectionAbortedError,
    BrokenPipeError,
    OSError,
    EOFError,
    ValueError,
    IndexError,
    UnicodeDecodeError,
]


def sample(kind: type[BaseException]) -> BaseException:
    found = SAMPLES.get(kind)
    return found if found is not None else kind("what it says")


def test_the_walk_finds_paramikos_exceptions() -> None:
    names = {kind.__name__ for kind in PARAMIKO}
    assert {"SSHException", "IncompatiblePeer", "MessageOrderError", "AuthFailure", "UnknownKeyType"} <= names
    assert len(names) >= 15


@pytest.mark.parametrize("kind", [*PARAMIKO, *SOCKET], ids=lambda kind: kind.__name__)
def test_every_paramiko_error_becomes_one_of_ours(kind: type[BaseException]) -> None:
    told = not_reached(sample(kind), board="b", doing="connect", where="10.0.0.1:22", hint="ssh -v b")
    assert isinstance(told, Unreachable | ConfigError)
    assert str(told).startswith("b: ") or isinstance(told, ConfigError)
    assert "\n" not in str(told) and not str(told).endswith(": ")
    lost = dropped(sample(kind), board="b", doing="run x")
    assert type(lost) is ConnectionDropped
    assert str(lost).startswith("b: run x: the connection was lost in mid-command")


@pytest.mark.parametrize(
    ("error", "kind", "text"),
    [
        (ConnectionRefusedError(111, "x"), Unreachable, "h:22 refuses connections: no SSH server listens there"),
        (TimeoutError(), Unreachable, "h:22 does not answer"),
        (EOFError(), Unreachable, "h:22 closed the connection"),
        (OSError(113, "No route to host"), Unreachable, "h:22 can not be reached: No route to host"),
        (
            socket.gaierror(-2, "Name or service not known"),
            Unreachable,
            "h:22 has no address: Name or service not known",
        ),
        (
            ssh_exception.SSHException("Error reading SSH protocol banner"),
            Unreachable,
            "h:22 does not speak SSH: no banner came",
        ),
        (ssh_exception.ChannelException(1, "no more"), Unreachable, "h:22 refuses another channel: no more"),
        (
            ssh_exception.AuthenticationException("denied"),
            AuthenticationFailed,
            "h:22 refuses the login: denied",
        ),
        (ValueError("garbage\nin two lines"), Unreachable, "h:22 sent what can not be understood: ValueError garbage"),
    ],
)
def test_the_words_for_what_happens_most(error: BaseException, kind: type[FleetError], text: str) -> None:
    told = not_reached(error, board="", doing="", where="h:22")
    assert type(told) is kind
    assert str(told).startswith(text)


def test_a_changed_host_key_names_both_fingerprints() -> None:
    other = paramiko.ECDSAKey.generate()
    told = not_reached(ssh_exception.BadHostKeyException("h", KEY, other), board="b", doing="", where="h:22")
    assert isinstance(told, HostKeyChanged)
    assert str(told).count("SHA256:") == 2
    assert told.hint == "invoke trust --board b --rotate"


def test_one_of_ours_passes_through() -> None:
    ours = DeadlinePassed("late", proven_dead=True)
    assert not_reached(ours, board="b", doing="", where="") is ours
    assert dropped(ours, board="b", doing="") is ours


def test_every_class_says_what_it_means_and_has_an_exit_code() -> None:
    for _, kind in inspect.getmembers(errors, inspect.isclass):
        if issubclass(kind, FleetError):
            assert kind.__doc__
            assert isinstance(kind.exit_code, ExitCode)


@pytest.mark.parametrize("left", range(4))
def test_the_worst_of_many_boards_decides_in_any_order(left: int) -> None:
    order = [ExitCode.USAGE, ExitCode.UNREACHABLE, ExitCode.FAILED, ExitCode.VERDICT][left:]
    for codes in itertools.permutations([*order, ExitCode.GOOD]):
        assert worst(codes) is order[0]
    assert worst([]) is ExitCode.GOOD


def test_a_message_is_board_doing_what_and_the_next_thing_to_try() -> None:
    error = BoardError("the disk is gone", board="rk3588-b", doing="push x", hint="invoke check --board rk3588-b")
    assert error.message() == "rk3588-b: push x: the disk is gone\nTry: invoke check --board rk3588-b"
    assert BoardError("x").message() == "x"
    assert str(ConfigError("'abc' is not a number", file="inventory.yaml", key="boards.a.port")) == (
        "inventory.yaml: boards.a.port: 'abc' is not a number"
    )
    assert str(CommandFailed(["sh", "-c", "x"], 3, "", board="b", doing="run")) == "b: run: sh ended with 3"
    space = NoSpace(3 * 2**20, 2**20, "/data", board="b")
    assert str(space) == "b: needs 3.0 MiB, /data has 1.0 MiB free"


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"plain\n\ttext\n", "plain\n\ttext\n"),
        (b"\x1b[1;31mred\x1b[0m", "red"),
        (b"\x1b]0;a title\x07x\x1b]8;;http://e\x1b\\link\x1b]8;;\x1b\\", "xlink"),
        (b"\x1b[2J\x1b[Hclear\x1bc", "clear"),
        (b"10%\r50%\r100%\n", "100%\n"),
        (b"dos\r\nlines\r\n", "dos\nlines\n"),
        (b"\xff\xfe", "\N{REPLACEMENT CHARACTER}" * 2),
        (b"bell\x07nul\x00", "bell\N{REPLACEMENT CHARACTER}nul\N{REPLACEMENT CHARACTER}"),
        ("\u202eabc".encode(), "\N{REPLACEMENT CHARACTER}abc"),
        ("中文".encode(), "中文"),
        (b"cut \x1b[", "cut "),
    ],
)
def test_what_a_board_prints_can_not_play_with_the_screen(data: bytes, text: str) -> None:
    assert readable(data) == text


def test_of_a_long_output_the_end_is_shown() -> None:
    assert tail(b"x" * 5000 + b" the end\n", 20) == "…" + "x" * 12 + " the end"
    assert tail(b"short\n") == "short"
