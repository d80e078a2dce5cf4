"""fleet.push over a real OpenSSH: what was verified is never sent again, and nothing wrong ever gets its name."""

from __future__ import annotations

import errno
import hashlib
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from fleet import defaults, push_session
from fleet.config.catalogue import Artifact
from fleet.deadline import Deadline
from fleet.errors import BoardError, ConfigError, ConnectionDropped, NoSpace
from fleet.push import Placed, place
from fleet.scripts import Store, prepare
from fleet.ssh.connection import Board
from tests.ssh.proxy import FaultProxy, proxy_to
from tests.ssh.sshd import Sshd

CHUNK = 2**20
CHUNKS = 24
FILE = "model.rkllm"
OVERHEAD = 2**18  # of ssh itself: logins, padding, the list of chunks

Moved = Callable[[int, int, int], None]


@pytest.fixture(autouse=True)
def little_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(defaults, "CHUNK_BYTES", CHUNK)


@pytest.fixture
def local(tmp_path: Path) -> Path:
    """Bytes that do not compress; no two chunks are the same, and the last one is short."""
    folder = tmp_path / "models"
    folder.mkdir()
    path = folder / FILE
    block = hashlib.shake_256(b"push").digest(CHUNK)
    with path.open("wb") as file:
        for number in range(CHUNKS):
            file.write(number.to_bytes(4, "big") + block[4:])
        file.write(b"short")
    return path


@dataclass
class Rig:
    """A board whose traffic is counted."""

    server: Sshd
    proxy: FaultProxy
    board: Board
    store: Store

    def push(self, local: Path, moved: Moved = lambda *_: None, *, name: str = FILE) -> tuple[Placed, int]:
        """What came of it, and the bytes that passed."""
        before = self.proxy.passed_bytes
        artifact = Artifact(file=name, npu_core_num=3, dtype="W8A8", max_context=4096, origin="made here")
        placed = place(self.board, self.store, artifact, local, [self.store.models], Deadline.after(60), moved)
        return placed, self.proxy.passed_bytes - before

    @property
    def bytes(self) -> Path:
        (found,) = (Path(self.store.path) / "sha256").iterdir()
        return found


@contextmanager
def rigged(server: Sshd, folder: Path) -> Iterator[Rig]:
    with proxy_to(server.port) as proxy, Board(server.endpoint(port=proxy.port), server.known(proxy.port)) as board:
        yield Rig(server, proxy, board, prepare(board, str(folder / "store"), Deadline.after(60)))


@pytest.fixture
def rig(own_server: Sshd, tmp_path: Path) -> Iterator[Rig]:
    with rigged(own_server, tmp_path) as rig:
        yield rig


def interrupted(rig: Rig, local: Path, how: Callable[[], object], at: int = 16 * CHUNK) -> None:
    """A push that is cut when ``at`` bytes have left."""

    def moved(there: int, _total: int, _resumed: int) -> None:
        if there >= at:
            how()

    with pytest.raises(ConnectionDropped):
        rig.push(local, moved)


def test_the_second_push_and_one_under_another_name_send_nothing(rig: Rig, local: Path) -> None:
    seen: list[tuple[int, int, int]] = []
    size = local.stat().st_size
    placed, passed = rig.push(local, lambda *now: seen.append(now))
    assert placed == Placed(f"{rig.store.models}/{FILE}", sha256(local), size, size)
    assert size <= passed < size + OVERHEAD
    assert seen[-1] == (size, size, 0) and all(there < size for there, _, _ in seen[:-1])
    assert Path(placed.path).read_bytes() == local.read_bytes() and rig.bytes.samefile(placed.path)
    again, passed = rig.push(local)
    assert again.sent_bytes == 0 and passed < OVERHEAD
    other, passed = rig.push(local, name="other.rkllm")
    assert other.sent_bytes == 0 and passed < OVERHEAD and rig.bytes.samefile(other.path)


@pytest.mark.parametrize("how", ["the connection is cut", "the board's side is killed"])
def test_an_interrupted_push_goes_on_behind_the_last_verified_chunk(rig: Rig, local: Path, how: str) -> None:
    interrupted(rig, local, rig.proxy.drop if how.startswith("the conn") else rig.server.drop_connections)
    resumed: set[int] = set()
    read_part(rig)
    size = local.stat().st_size
    placed, passed = rig.push(local, lambda _there, _total, had: resumed.add(had))
    assert Path(placed.path).read_bytes() == local.read_bytes()
    # What had left was not all taken: pipes, sockets and ssh hold some megabytes.
    assert size - placed.sent_bytes >= 8 * CHUNK and placed.sent_bytes % CHUNK == size % CHUNK
    assert passed < placed.sent_bytes + OVERHEAD
    assert max(resumed) == size - placed.sent_bytes


def test_a_driver_that_is_killed_leaves_what_the_next_one_goes_on_with(rig: Rig, local: Path, home: Path) -> None:
    code = f"""
import os, signal, sys
from pathlib import Path
from fleet import defaults, push_session
from fleet.config.catalogue import Artifact
from fleet.deadline import Deadline
from fleet.push import place
from fleet.scripts import prepare
from fleet.ssh.connection import Board
from fleet.ssh.endpoint import Endpoint
from fleet.ssh.host_keys import HostKeys
defaults.CHUNK_BYTES = {CHUNK}
endpoint = Endpoint("board", "127.0.0.1", {rig.proxy.port}, {rig.server.user!r}, Path({str(rig.server.identity)!r}))
board = Board(endpoint, HostKeys.load(Path({str(rig.server.folder / "known_hosts")!r})))
store = prepare(board, {rig.store.path!r}, Deadline.after(60))
artifact = Artifact(file={FILE!r}, npu_core_num=3, dtype="W8A8", max_context=4096, origin="made here")
def moved(there, total, resumed):
    if there >= 16 * {CHUNK}:
        os.kill(os.getpid(), signal.SIGKILL)
place(board, store, artifact, Path({str(local)!r}), [store.models], Deadline.after(60), moved)
"""
    done = subprocess.run([sys.executable, "-c", code], timeout=60, env={**os.environ, "HOME": str(home)})
    assert done.returncode == -9
    read_part(rig)
    placed, passed = rig.push(local)
    assert Path(placed.path).read_bytes() == local.read_bytes()
    assert placed.sent_bytes <= (CHUNKS - 8) * CHUNK + 5
    assert passed < placed.sent_bytes + OVERHEAD + push_session._PIPE_BYTES  # what the dead one's ssh still had


def test_chunks_that_were_spoilt_or_swapped_meanwhile_are_sent_again(rig: Rig, local: Path) -> None:
    interrupted(rig, local, rig.proxy.drop)
    data = bytearray(read_part(rig))
    data[CHUNK // 2] ^= 1
    data[2 * CHUNK : 3 * CHUNK], data[3 * CHUNK : 4 * CHUNK] = data[3 * CHUNK : 4 * CHUNK], data[2 * CHUNK : 3 * CHUNK]
    rig.bytes.write_bytes(data)
    good = [one for one in range(len(data) // CHUNK) if one not in (0, 2, 3)]
    placed, _ = rig.push(local)
    assert Path(placed.path).read_bytes() == local.read_bytes()
    assert placed.sent_bytes == local.stat().st_size - len(good) * CHUNK


def read_part(rig: Rig) -> bytes:
    """What an interrupted push left, once the board has noticed that it is over."""
    assert rig.bytes.suffix == ".part"
    subprocess.run(["flock", "-x", "-w", "30", rig.bytes, "true"], check=True, timeout=60)
    return rig.bytes.read_bytes()


def grows(local: Path) -> None:
    with local.open("ab") as file:
        file.write(b"more")


def looks_the_same(local: Path) -> None:
    """Other bytes under the same size, mtime and inode."""
    before = local.stat()
    with local.open("r+b") as file:
        file.seek(20 * CHUNK)
        file.write(b"other")
    os.utime(local, ns=(before.st_atime_ns, before.st_mtime_ns))


def replaced(local: Path) -> None:
    new = local.with_suffix(".new")
    new.write_bytes(local.read_bytes())
    new.replace(local)


def is_cut(local: Path) -> None:
    os.truncate(local, 10 * CHUNK)


@pytest.mark.parametrize("change", [grows, looks_the_same, replaced, is_cut])
def test_a_model_file_that_changes_under_the_push_is_named(
    rig: Rig, local: Path, change: Callable[[Path], None]
) -> None:
    changed: list[int] = []

    def moved(there: int, _total: int, _resumed: int) -> None:
        if there > 12 * CHUNK and not changed:
            changed.append(there)
            change(local)

    with pytest.raises(ConfigError, match="it was changed while it was read") as error:
        rig.push(local, moved)
    assert error.value.file == str(local) and error.value.board == "board"
    assert not list(Path(rig.store.models).glob("*.rkllm"))
    placed, _ = rig.push(local)  # when nobody writes any more
    assert Path(placed.path).read_bytes() == local.read_bytes() and placed.sha256 == sha256(local)


def test_a_board_without_room_says_what_is_needed_and_what_there_is(
    rig: Rig, local: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(defaults, "PUSH_FREE_BYTES", 2**50)
    before = rig.proxy.passed_bytes
    with pytest.raises(NoSpace, match=r"needs .* MiB free") as error:
        rig.push(local)
    assert error.value.need_bytes == 2**50 + local.stat().st_size and error.value.path == f"{rig.store.path}/sha256"
    assert "paths.store" in error.value.hint and rig.proxy.passed_bytes - before < OVERHEAD


def test_a_board_that_never_stores_what_arrives_is_given_up(rig: Rig, local: Path) -> None:
    """Each chunk is read back wrong: the tries are bounded, and the error tells the chunk."""
    script = Path(rig.store.script("artifact_receive.sh"))
    script.write_text(script.read_text().replace('if [ "${read_sha256%% *}" = "$2" ]', 'if [ "$1" != 7 ]'))
    with pytest.raises(BoardError, match=f"chunk 7 arrived wrong {defaults.PUSH_TRIES} times"):
        rig.push(local)
    assert not list(Path(rig.store.models).glob("*.rkllm"))


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _can_not(*_: object, **__: object) -> int:
    raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))


@pytest.mark.parametrize("splice", [None, _can_not], ids=["no such call", "not on this file system"])
def test_a_file_that_the_kernel_can_not_move_goes_through_memory(
    rig: Rig, local: Path, splice: Callable[..., int] | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(push_session, "_splice", splice)
    placed, _ = rig.push(local)
    assert Path(placed.path).read_bytes() == local.read_bytes()
