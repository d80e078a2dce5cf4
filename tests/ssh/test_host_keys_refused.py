"""A server that nobody vouched for gets nothing from us, and the person gets both fingerprints and the next command."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from fleet.deadline import Deadline
from fleet.errors import HostKeyChanged, HostKeyUnknown, Unreachable
from fleet.ssh.connection import Board
from fleet.ssh.endpoint import Endpoint
from fleet.ssh.host_keys import HostKey, HostKeys, scan
from fleet.ssh.scan import offered_by
from tests.ssh import sshd
from tests.ssh.proxy import proxy_to
from tests.ssh.sshd import Sshd


def ssh_keygen_fingerprint(public_key: Path) -> str:
    return subprocess.check_output(["ssh-keygen", "-lf", str(public_key)], text=True).split()[1]


def keys_with(folder: Path, port: int, *keys: HostKey) -> HostKeys:
    known = HostKeys.load(folder / "known_hosts")
    known.replace("127.0.0.1", port, keys)
    return known


def test_an_unknown_host_key_is_refused_with_its_fingerprint_and_the_trust_command(
    server: Sshd, tmp_path: Path, soon: Deadline
) -> None:
    board = Board(server.endpoint("rk3588-a"), HostKeys.load(tmp_path / "known_hosts"))
    with pytest.raises(HostKeyUnknown) as caught:
        board.run(["true"], deadline=soon)
    shown = ssh_keygen_fingerprint(server.host_key.with_name("host.pub"))
    assert shown in str(caught.value)
    assert str(caught.value).startswith("rk3588-a: ")
    assert caught.value.hint == "invoke trust --board rk3588-a"
    assert not (tmp_path / "known_hosts").exists()


def test_a_changed_host_key_is_refused_with_both_fingerprints(server: Sshd, tmp_path: Path, soon: Deadline) -> None:
    other = sshd.new_key(tmp_path, "other")
    board = Board(server.endpoint("rk3588-a"), keys_with(tmp_path, server.port, sshd.public(other)))
    with pytest.raises(HostKeyChanged) as caught:
        board.run(["true"], deadline=soon)
    assert ssh_keygen_fingerprint(server.host_key.with_name("host.pub")) in str(caught.value)
    assert ssh_keygen_fingerprint(tmp_path / "other.pub") in str(caught.value)
    assert caught.value.hint == "invoke trust --board rk3588-a --rotate"


def test_a_key_of_another_kind_than_the_trusted_one_is_a_changed_key(
    server: Sshd, tmp_path: Path, soon: Deadline
) -> None:
    other = sshd.new_key(tmp_path, "other", "ecdsa")
    board = Board(server.endpoint(), keys_with(tmp_path, server.port, sshd.public(other)))
    with pytest.raises(HostKeyChanged):
        board.run(["true"], deadline=soon)


def test_a_revoked_key_is_refused_although_it_is_trusted(server: Sshd, tmp_path: Path, soon: Deadline) -> None:
    known = keys_with(tmp_path, server.port, server.key)
    line = f"@revoked * {server.key.type} {sshd.base64_of(server.key)}\n"
    known.path.write_text(known.path.read_text() + line)
    with pytest.raises(HostKeyChanged, match="revoked"):
        Board(server.endpoint(), HostKeys.load(known.path)).run(["true"], deadline=soon)


def test_nothing_is_sent_to_a_server_that_is_not_trusted(own_server: Sshd, tmp_path: Path, soon: Deadline) -> None:
    other = sshd.new_key(tmp_path, "other")
    with pytest.raises(HostKeyChanged):
        Board(own_server.endpoint(), keys_with(tmp_path, own_server.port, sshd.public(other))).run(
            ["true"], deadline=soon
        )
    refused = own_server.log.read_text()
    Board(own_server.endpoint(), own_server.known()).run(["true"], deadline=soon)
    accepted = own_server.log.read_text()
    assert "Accepted publickey" in accepted
    assert "publickey" not in refused
    assert own_server.user not in refused


def test_the_persons_known_hosts_neither_counts_nor_changes(
    server: Sshd, tmp_path: Path, home: Path, soon: Deadline
) -> None:
    personal = home / ".ssh" / "known_hosts"
    personal.parent.mkdir()
    text = f"[127.0.0.1]:{server.port} {server.key.type} {sshd.base64_of(server.key)}\n"
    personal.write_text(text)
    with pytest.raises(HostKeyUnknown):
        Board(server.endpoint(), HostKeys.load(tmp_path / "known_hosts")).run(["true"], deadline=soon)
    Board(server.endpoint(), server.known()).run(["true"], deadline=soon)
    assert personal.read_text() == text


def test_trusting_a_key_works_from_the_next_call_on(server: Sshd, tmp_path: Path, soon: Deadline) -> None:
    known = HostKeys.load(tmp_path / "known_hosts")
    with Board(server.endpoint(), known) as board:
        with pytest.raises(HostKeyUnknown):
            board.run(["true"], deadline=soon)
        known.add("127.0.0.1", server.port, scan("127.0.0.1", server.port, soon))
        assert board.run(["echo", "in"], deadline=soon).stdout == b"in\n"


def test_only_an_rsa_key_is_trusted_and_the_server_has_others_too(
    tmp_path: Path, key_folder: Path, soon: Deadline
) -> None:
    rsa = sshd.new_key(key_folder, "host_rsa", "rsa")
    with sshd.running(tmp_path, keys=key_folder, extra=f"HostKey {rsa}\n") as server:
        board = Board(server.endpoint(), keys_with(tmp_path, server.port, sshd.public(rsa)))
        assert board.run(["echo", "in"], deadline=soon).stdout == b"in\n"


def test_scan_reads_one_key_of_each_kind(tmp_path: Path, key_folder: Path, soon: Deadline) -> None:
    more = [sshd.new_key(key_folder, f"host_{kind}", kind) for kind in ("ecdsa", "rsa")]
    extra = "".join(f"HostKey {path}\n" for path in more)
    with sshd.running(tmp_path, keys=key_folder, extra=extra) as server:
        offered = scan("127.0.0.1", server.port, soon)
        assert offered == (server.key, *map(sshd.public, more))
        assert "Accepted" not in server.log.read_text()


def test_scan_of_a_board_behind_a_jump_host_goes_through_it(server: Sshd, own_server: Sshd, soon: Deadline) -> None:
    behind = Endpoint(
        "b", "127.0.0.1", own_server.port, own_server.user, own_server.identity, jump=server.endpoint("gate")
    )
    assert offered_by(behind, server.known(), soon) == (own_server.key,)


def test_the_jump_hosts_key_is_checked_too(server: Sshd, tmp_path: Path, soon: Deadline) -> None:
    with proxy_to(server.port) as jump:
        endpoint = Endpoint(
            "rk3588-a",
            "127.0.0.1",
            server.port,
            server.user,
            server.identity,
            jump=server.endpoint("rk3588-a", port=jump.port),
        )
        board = Board(endpoint, keys_with(tmp_path, server.port, server.key))
        with pytest.raises(HostKeyUnknown) as caught:
            board.run(["true"], deadline=soon)
        assert str(jump.port) in str(caught.value)
        known = keys_with(tmp_path, jump.port, server.key)
        with Board(endpoint, known) as board:
            assert board.run(["echo", "in"], deadline=soon).stdout == b"in\n"


def test_scan_of_a_port_where_nobody_listens_says_so(soon: Deadline) -> None:
    with pytest.raises(Unreachable, match="refuses connections"):
        scan("127.0.0.1", sshd.free_port(), soon, name="b")


@pytest.mark.skipif(shutil.which("ssh") is None, reason="needs the OpenSSH client")
def test_the_file_we_write_is_one_that_openssh_reads(server: Sshd, tmp_path: Path) -> None:
    known = keys_with(tmp_path, server.port, server.key)
    found = subprocess.check_output(
        ["ssh-keygen", "-F", f"[127.0.0.1]:{server.port}", "-f", str(known.path)], text=True
    )
    assert sshd.base64_of(server.key) in found
