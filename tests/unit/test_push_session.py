"""What a board may say in a push, and what makes us stop: it is trusted with nothing."""

from __future__ import annotations

import json
import os
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from fleet import defaults
from fleet.errors import AuthenticationFailed, ConfigError, ConnectionDropped, FleetError
from fleet.push_manifest import Manifest, forget, manifest_of
from fleet.push_session import Conversation, Damaged, look_at_end
from fleet.ssh.connection import Board

CHUNK = 1000
DATA = os.urandom(3 * CHUNK) + b"end"


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "cache"


@pytest.fixture
def local(tmp_path: Path) -> Path:
    path = tmp_path / "m.rkllm"
    path.write_bytes(DATA)
    return path


@pytest.fixture
def manifest(local: Path, cache: Path) -> Manifest:
    return manifest_of(local, chunk_bytes=CHUNK, cache=cache)


class Talk(Conversation):
    """One that remembers what was shown, and hears objects."""

    def __init__(self, manifest: Manifest) -> None:
        self.seen: list[tuple[int, int, int]] = []
        self.suspects: list[int] = []
        super().__init__(manifest, "/s/models/m.rkllm", lambda *now: self.seen.append(now), self.suspects.append)

    def say(self, **said: object) -> None:
        self.hear(json.dumps(said).encode())

    def end(self, **other: object) -> None:
        told = {"path": self.path, "size_bytes": len(DATA), "sha256": self.manifest.sha256}
        self.say(**told | other)


def test_the_board_gets_what_it_lacks_and_the_rest_counts_as_resumed(manifest: Manifest) -> None:
    talk = Talk(manifest)
    talk.say(verified=0)
    talk.say(verified=2)
    talk.say(need=[1, 3], bytes=CHUNK + 3)
    assert list(talk.wanted) == [1, 3] and talk.resumed_bytes == 2 * CHUNK
    talk.sent(CHUNK)
    talk.sent(3)
    assert not talk.done and talk.seen[-1] == (len(DATA) - 1, len(DATA), 2 * CHUNK)
    talk.say(verified=1)
    talk.say(bad=3)
    assert talk.suspects == [3]
    talk.wanted.clear()
    talk.say(need=[3], bytes=3)
    talk.sent(3)
    talk.end()
    assert talk.done and talk.sent_bytes == CHUNK + 6 and talk.seen[-1] == (len(DATA), len(DATA), 2 * CHUNK)


def test_bytes_that_were_there_already_are_nothing_to_watch(manifest: Manifest) -> None:
    talk = Talk(manifest)
    talk.end()
    assert talk.done and talk.sent_bytes == 0 and talk.seen == []


@pytest.mark.parametrize(
    "said",
    [
        b"\xff\x00",
        b"[]",
        b"{}",
        b'{"need": [0], "bytes": 999}',  # a number that turned over on its way
        b'{"need": [], "bytes": 0}',
        b'{"need": [1, 0], "bytes": 2000}',
        b'{"need": [0, 0], "bytes": 2000}',
        b'{"need": [4], "bytes": 0}',
        b'{"need": [-1], "bytes": 3}',
        b'{"need": [true], "bytes": 1000}',
        b'{"need": "0", "bytes": 1000}',
        b'{"need": [0]}',
        b'{"verified": 4}',
        b'{"bad": "0"}',
        b'{"path": "/elsewhere", "size_bytes": 3003, "sha256": "0"}',
        b"[" * 100_000,
    ],
)
def test_an_answer_that_makes_no_sense_ends_it(manifest: Manifest, said: bytes) -> None:
    with pytest.raises(Damaged, match="can not be read"):
        Talk(manifest).hear(said)


def test_another_file_than_was_sent_is_no_success(manifest: Manifest) -> None:
    for other in ({"sha256": "0" * 64}, {"size_bytes": 1}, {"path": "/x"}, {"more": 1}):
        with pytest.raises(Damaged, match="not what was sent"):
            Talk(manifest).end(**other)
    talk = Talk(manifest)
    talk.say(need=[0], bytes=CHUNK)
    with pytest.raises(Damaged, match="not what was sent"):
        talk.end()


def test_a_chunk_is_not_sent_for_ever(manifest: Manifest) -> None:
    talk = Talk(manifest)
    for _ in range(defaults.PUSH_TRIES):
        talk.say(need=[2], bytes=CHUNK)
        talk.wanted.clear()
        talk.sent(CHUNK)
    with pytest.raises(Damaged, match=f"chunk 2 arrived wrong {defaults.PUSH_TRIES} times"):
        talk.say(need=[2], bytes=CHUNK)


def test_a_file_is_read_once_and_known_again(local: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = manifest_of(local, chunk_bytes=CHUNK, cache=cache)
    assert len(first.chunks) == 4 and first.span(3) == (3 * CHUNK, 3)
    monkeypatch.setattr(os, "readv", lambda *_: pytest.fail("it was read again"))
    assert manifest_of(local, chunk_bytes=CHUNK, cache=cache) == first


@pytest.mark.parametrize("change", ["mtime", "inode", "chunk size", "forgotten", "cache is spoilt", "cache is no JSON"])
def test_a_file_that_may_be_another_is_read_anew(local: Path, cache: Path, change: str) -> None:
    first = manifest_of(local, chunk_bytes=CHUNK, cache=cache)
    (memo,) = cache.iterdir()
    memo.write_bytes(memo.read_bytes().replace(first.chunks[0].encode(), b"0" * 64))  # to see which one is used
    if change == "mtime":
        os.utime(local, ns=(0, local.stat().st_mtime_ns + 1))
    elif change == "inode":
        copy = local.with_name("copy")
        copy.write_bytes(DATA)
        os.utime(copy, ns=(0, local.stat().st_mtime_ns))
        copy.replace(local)
    elif change == "forgotten":
        forget(first, cache)
    elif change == "cache is no JSON":
        memo.write_bytes(b"{")
    made = manifest_of(local, chunk_bytes=CHUNK // 2 if change == "chunk size" else CHUNK, cache=cache)
    assert made.sha256 == first.sha256 and "0" * 64 not in made.chunks


def test_a_cache_that_can_not_be_written_stops_nobody(local: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert manifest_of(local, chunk_bytes=CHUNK, cache=tmp_path / "file" / "x").size_bytes == len(DATA)


def test_a_file_that_is_written_while_it_is_read_is_an_error(
    local: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    readv = os.readv

    def read_and_write(handle: int, blocks: list[memoryview]) -> int:
        got = readv(handle, blocks)
        os.utime(local, ns=(0, 1))
        return got

    monkeypatch.setattr(os, "readv", read_and_write)
    with pytest.raises(ConfigError, match="changed while it was read") as error:
        manifest_of(local, chunk_bytes=CHUNK, cache=cache)
    assert error.value.file == str(local) and not cache.exists()


@pytest.mark.parametrize(
    ("said", "error", "hint"),
    [
        ('Load key "k": bad permissions\nroot@h: Permission denied (publickey).', AuthenticationFailed, "chmod 600"),
        ("root@h: Permission denied (publickey,password).", AuthenticationFailed, ""),
        ("client_loop: send disconnect: Broken pipe", ConnectionDropped, "the same command again"),
    ],
)
def test_a_login_that_ssh_is_refused_is_no_dropped_connection(said: str, error: type[FleetError], hint: str) -> None:
    """The board answers every time, so waiting for it is in vain; OpenSSH is stricter with keys than paramiko."""
    with pytest.raises(error) as caught:
        look_at_end(cast(Board, SimpleNamespace(name="rk3588-a")), 255, said, {}, "push a file")
    assert hint in (caught.value.hint or "") and "\n" not in caught.value.what
