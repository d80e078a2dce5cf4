"""artifact.sh receive: a file arrives whole or not at all, and what killed pushes left behind takes no room."""

from __future__ import annotations

import hashlib
import json
import subprocess
from pathlib import Path

from tests.shell.kit import BoardUnderTest

DATA = bytes(range(256)) * 400


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def target(board: BoardUnderTest) -> Path:
    return board.folder / "store/models/little.rkllm"


def receive(board: BoardUnderTest, data: bytes, *, announced: bytes = DATA) -> subprocess.CompletedProcess[bytes]:
    words = [board.folder / "store/models/.sha256", target(board), sha256(announced), str(len(announced))]
    return board.script("artifact.sh", "receive", *words, stdin=data)


def lying(board: BoardUnderTest) -> list[str]:
    return sorted(path.name for path in target(board).parent.iterdir() if path.name != ".sha256")


def test_what_was_announced_arrives(board: BoardUnderTest) -> None:
    done = receive(board, DATA)
    assert (done.returncode, done.stderr) == (0, b"")
    assert json.loads(done.stdout) == {"path": str(target(board)), "size_bytes": len(DATA), "sha256": sha256(DATA)}
    assert target(board).read_bytes() == DATA and lying(board) == ["little.rkllm"]


def test_other_bytes_and_too_few_leave_the_old_file_and_no_scraps(board: BoardUnderTest) -> None:
    receive(board, DATA)
    for sent in (DATA[:-1] + b"x", DATA[:1000], b""):
        assert receive(board, sent).returncode == 65
        assert target(board).read_bytes() == DATA and lying(board) == ["little.rkllm"]


def test_what_killed_pushes_left_is_removed_before_the_room_is_counted(board: BoardUnderTest) -> None:
    target(board).parent.mkdir(parents=True)
    for name in ("little.rkllm.0123.part", f"little.rkllm.{sha256(DATA)}.part"):
        (target(board).parent / name).write_bytes(b"half" * 5000)
    (target(board).parent / "other.rkllm.0123.part").write_bytes(b"another file's")
    board.stub(
        "df",
        f"if ls {target(board)}.*.part | grep -v {sha256(DATA)} >/dev/null; then free=1; else free=4000; fi\n"
        'printf "Filesystem 1024-blocks Used Available Capacity Mounted\\nx 1 1 %s 1 /\\n" "$free"\n',
    )
    assert receive(board, DATA).returncode == 0
    assert lying(board) == ["little.rkllm", "other.rkllm.0123.part"]


def test_two_pushes_of_one_file_do_not_write_into_each_other(board: BoardUnderTest) -> None:
    words = [board.folder / "store/models/.sha256", target(board), sha256(DATA), str(len(DATA))]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    first = board.popen("artifact.sh", "receive", *words, **pipes)
    assert first.stdin is not None
    part = target(board).with_name(f"little.rkllm.{sha256(DATA)}.part")
    first.stdin.write(DATA[:50_000])
    subprocess.run(["sh", "-c", f"until [ -s '{part}' ]; do :; done"], timeout=30, check=True)
    second = receive(board, DATA)
    assert second.returncode == 0 and target(board).read_bytes() == DATA
    first.stdin.write(DATA[50_000:])
    out, err = first.communicate(timeout=30)
    assert (first.returncode, err) == (0, b"") and json.loads(out)["sha256"] == sha256(DATA)
    assert target(board).read_bytes() == DATA and lying(board) == ["little.rkllm"]


def test_a_disk_without_room_is_refused_before_a_byte_is_written(board: BoardUnderTest) -> None:
    board.stub("df", 'printf "Filesystem 1024-blocks Used Available Capacity Mounted\\nx 1 1 10 1 /\\n"\n')
    done = receive(board, DATA)
    assert done.returncode == 73 and f"{target(board).parent} has 10240 bytes free".encode() in done.stderr
    assert lying(board) == []
