"""The project's known_hosts: who is trusted, and that no writer loses what another one wrote."""

from __future__ import annotations

import base64
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from fleet.errors import ConfigError
from fleet.ssh.host_keys import HostKey, HostKeys, fingerprint, host_key_name

A = HostKey("ssh-ed25519", b"key a")
B = HostKey("ssh-ed25519", b"key b")
C = HostKey("ssh-rsa", b"key c")


def line(names: str, key: HostKey) -> str:
    return f"{names} {key.type} {base64.b64encode(key.blob).decode()}\n"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "known_hosts"


def test_no_file_trusts_nobody_and_is_not_made_by_reading(path: Path) -> None:
    assert HostKeys.load(path).trusted("10.0.0.1", 22) == ()
    assert not path.exists()


def test_a_fingerprint_is_the_one_that_openssh_prints(tmp_path: Path) -> None:
    key = tmp_path / "key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)], check=True)
    printed = subprocess.check_output(["ssh-keygen", "-lf", str(key)], text=True).split()[1]
    ours = HostKey.parse((tmp_path / "key.pub").read_text())
    assert ours.fingerprint == printed
    assert fingerprint(ours) == printed
    assert str(ours) == f"{printed} (ssh-ed25519)"


@pytest.mark.parametrize("text", ["", "ssh-ed25519", "ssh-ed25519 !!!", "ssh-ed25519 AAA"])
def test_what_is_no_public_key_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not a public key"):
        HostKey.parse(text)


def test_a_key_is_trusted_at_its_address_and_port_only(path: Path) -> None:
    keys = HostKeys.load(path)
    keys.add("10.0.0.1", 22, [A])
    keys.add("10.0.0.1", 2222, [B, C])
    again = HostKeys.load(path)
    assert again.trusted("10.0.0.1", 22) == (A,)
    assert again.trusted("10.0.0.1", 2222) == (B, C)
    assert again.trusted("10.0.0.10", 22) == ()
    assert path.read_text() == line("10.0.0.1", A) + line("[10.0.0.1]:2222", B) + line("[10.0.0.1]:2222", C)


def test_names_are_openssh_names() -> None:
    assert [host_key_name("a", 22), host_key_name("a", 23), host_key_name("::1", 23)] == ["a", "[a]:23", "[::1]:23"]


def test_adding_twice_changes_nothing(path: Path) -> None:
    keys = HostKeys.load(path)
    keys.add("a", 22, [A, A])
    keys.add("a", 22, [A])
    assert path.read_text() == line("a", A)


def test_replacing_forgets_the_old_keys_of_this_address_only(path: Path) -> None:
    keys = HostKeys.load(path)
    keys.add("a", 22, [A])
    keys.add("b", 22, [A])
    keys.replace("a", 22, [B])
    assert (keys.trusted("a", 22), keys.trusted("b", 22)) == ((B,), (A,))


def test_removing_from_a_line_with_several_names_leaves_the_others(path: Path) -> None:
    path.write_text("# ours\n\n" + line("a,b", A) + "nonsense\n" + line("*.lab", B))
    keys = HostKeys.load(path)
    keys.remove("a", 22)
    assert path.read_text() == "# ours\n\n" + line("b", A) + "nonsense\n" + line("*.lab", B)
    assert (keys.trusted("a", 22), keys.trusted("b", 22), keys.trusted("x.lab", 22)) == ((), (A,), ())


def test_hashed_names_are_understood(path: Path) -> None:
    path.write_text(line("10.0.0.1", A) + line("[10.0.0.2]:2222", B))
    subprocess.run(["ssh-keygen", "-H", "-f", str(path)], check=True, capture_output=True)
    assert "10.0.0" not in path.read_text()
    keys = HostKeys.load(path)
    assert (keys.trusted("10.0.0.1", 22), keys.trusted("10.0.0.2", 2222)) == ((A,), (B,))


def test_certificate_authorities_vouch_for_nothing_and_revoked_keys_are_revoked_everywhere(path: Path) -> None:
    path.write_text("@cert-authority " + line("a", B) + line("a", A) + line("b", C) + "@revoked " + line("*", A))
    keys = HostKeys.load(path)
    assert (keys.trusted("a", 22), keys.trusted("b", 22)) == ((), (C,))
    assert (keys.revoked(A), keys.revoked(C)) == (True, False)


@pytest.mark.parametrize("address", ["", "a b", "a,b", "*", "!a", "|1|x", "#a", "a\nb"])
def test_a_name_that_would_mean_something_else_in_the_file_is_refused(path: Path, address: str) -> None:
    with pytest.raises(ValueError):
        HostKeys.load(path).add(address, 22, [A])
    assert not path.exists()


def test_writers_of_one_process_do_not_lose_each_others_keys(path: Path) -> None:
    one, other = HostKeys.load(path), HostKeys.load(path)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda n: (one, other)[n % 2].add(f"board-{n}", 22, [A]), range(40)))
    assert len(path.read_text().splitlines()) == 40


WRITER = """
import sys
from pathlib import Path
from fleet.ssh.host_keys import HostKey, HostKeys
for n in range(15):
    HostKeys.load(Path(sys.argv[1])).add(f"{sys.argv[2]}-{n}", 22, [HostKey("ssh-ed25519", b"k")])
"""


def test_writers_of_several_processes_do_not_lose_each_others_keys(path: Path) -> None:
    writers = [subprocess.Popen([sys.executable, "-c", WRITER, str(path), name]) for name in "abc"]
    assert [writer.wait(60) for writer in writers] == [0, 0, 0]
    assert len(path.read_text().splitlines()) == 45


def test_a_write_that_fails_leaves_the_old_file_and_no_scraps(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    keys = HostKeys.load(path)
    keys.add("a", 22, [A])

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(ConfigError, match="No space left on device") as caught:
        keys.add("b", 22, [B])
    assert caught.value.file == str(path)
    assert path.read_text() == line("a", A)
    assert list(path.parent.iterdir()) == [path]
    assert keys.trusted("b", 22) == ()


def test_a_file_that_can_not_be_read_is_a_message_that_names_it(path: Path) -> None:
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigError, match="can not be read"):
        HostKeys.load(path)


def test_the_file_can_be_read_by_everybody_for_it_holds_no_secret(path: Path) -> None:
    HostKeys.load(path).add("a", 22, [A])
    assert path.stat().st_mode & 0o777 == 0o644
