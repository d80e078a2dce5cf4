"""What ``fabric.Connection`` does as it comes, and the reason for each part of our own.

These tests pass as long as Fabric behaves so. One that fails is good news: read what it says, and see whether the
part of ``fleet`` that it stands for is still needed.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import fabric
import pytest
from invoke.exceptions import CommandTimedOut, UnexpectedExit

from fleet.deadline import Deadline
from tests.processes import is_alive
from tests.ssh import sshd
from tests.ssh.sshd import Sshd

HUNG_S = 7.0  # well past the timeout of 1 s and the five seconds that we allow ourselves


def plain(server: Sshd, **more: object) -> fabric.Connection:
    return fabric.Connection(
        "127.0.0.1",
        user=server.user,
        port=server.port,
        connect_kwargs={
            "key_filename": str(server.identity),
            "allow_agent": False,
            "look_for_keys": False,
            **more,
        },
    )


def in_a_process(server: Sshd, script: str) -> subprocess.Popen[str]:
    """A hang can only be watched from outside. ``script`` has the connection ``c`` and ``ready()``."""
    begin = (
        "import fabric, sys\n"
        f"c = fabric.Connection('127.0.0.1', user={server.user!r}, port={server.port}, connect_kwargs="
        f"dict(key_filename={str(server.identity)!r}, allow_agent=False, look_for_keys=False))\n"
        "def ready():\n    print('ready', flush=True)\n    sys.stdin.readline()\n"
    )
    return subprocess.Popen(
        [sys.executable, "-c", begin + script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )


def test_plain_fabric_takes_any_host_key(server: Sshd) -> None:
    with plain(server) as connection:
        assert connection.run("echo in", hide=True, in_stream=False).stdout == "in\n"


def test_plain_fabric_takes_a_host_key_that_the_persons_known_hosts_contradicts(
    server: Sshd, home: Path, tmp_path: Path
) -> None:
    (home / ".ssh").mkdir()
    other = sshd.public(sshd.new_key(tmp_path, "other"))
    (home / ".ssh" / "known_hosts").write_text(f"[127.0.0.1]:{server.port} {other.type} {sshd.base64_of(other)}\n")
    with plain(server) as connection:
        assert connection.run("echo in", hide=True, in_stream=False).stdout == "in\n"


def test_plain_fabric_lets_a_value_of_the_environment_become_a_command(server: Sshd, tmp_path: Path) -> None:
    pwned = tmp_path / "pwned"
    with plain(server) as connection:
        connection.run("true", env={"A": f"1; touch {pwned} #"}, hide=True, in_stream=False, warn=True)
    assert pwned.exists()


def test_plain_fabric_leaves_a_command_that_timed_out_running(server: Sshd) -> None:
    pid = 0
    try:
        # Which of the two it raises is a race inside Fabric: it closes the channel while its own threads read it.
        with plain(server) as connection, pytest.raises((CommandTimedOut, UnexpectedExit)) as caught:
            connection.run("echo $$; exec sleep 60", timeout=2, hide=True, in_stream=False)
        pid = int(caught.value.result.stdout)
        assert is_alive(pid)
    finally:
        if pid:
            os.kill(pid, 9)


def test_plain_fabric_hangs_on_a_frozen_server_whatever_its_timeout(own_server: Sshd) -> None:
    last = "c.run('true', hide=True, in_stream=False, timeout=1)"
    before_the_connection = in_a_process(own_server, f"ready(); {last}")
    before_the_channel = in_a_process(own_server, f"c.run('true', hide=True, in_stream=False); ready(); {last}")
    processes = (before_the_connection, before_the_channel)
    try:
        for process in processes:
            assert process.stdout and process.stdout.readline() == "ready\n"
        own_server.freeze()
        for process in processes:
            assert process.stdin
            process.stdin.write("\n")
            process.stdin.flush()
        deadline = Deadline.after(HUNG_S)
        for process in processes:
            with pytest.raises(subprocess.TimeoutExpired):
                process.wait(deadline.left_s)
    finally:
        for process in processes:
            process.kill()
            process.communicate()


def test_plain_fabric_keeps_all_that_a_board_prints(server: Sshd) -> None:
    """And joins all of it again for every 1000 bytes that come: 40 MB are not done after a minute."""
    with plain(server) as connection:
        done = connection.run("head -c 2000000 /dev/zero", hide=True, in_stream=False)
    assert len(done.stdout) == 2_000_000


def test_plain_fabric_does_not_hand_on_bytes_as_they_are(server: Sshd) -> None:
    with plain(server) as connection:
        done = connection.run(r"printf '\377\376\200'", hide=True, in_stream=False)
    assert done.stdout.encode("utf-8", "surrogateescape") != b"\xff\xfe\x80"


def test_plain_fabric_says_minus_one_for_a_command_that_a_signal_ended(server: Sshd) -> None:
    with plain(server) as connection:
        done = connection.run("kill -9 $$", hide=True, warn=True, in_stream=False)
    assert done.exited == -1


def test_plain_fabric_prefers_a_slow_cipher(server: Sshd) -> None:
    with plain(server) as connection:
        connection.open()
        assert connection.transport.remote_cipher == "aes128-ctr"


def test_plain_fabric_makes_a_careless_connection_to_a_jump_host(server: Sshd, home: Path) -> None:
    (home / ".ssh").mkdir()
    (home / ".ssh" / "config").write_text(
        f"Host gate\n HostName 127.0.0.1\n Port {server.port}\n User {server.user}\n"
        f" IdentityFile {server.identity}\nHost 127.0.0.1\n ProxyJump gate\n"
    )
    connection = plain(server)
    assert type(connection.gateway) is fabric.Connection
