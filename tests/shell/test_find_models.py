"""What a board is asked about many model files at once: which are there, and the sha256 of those where it is wanted."""

from __future__ import annotations

import hashlib
import json
import subprocess

from fleet.model_files import _FIND
from tests.shell.kit import SCRIPTS, BoardUnderTest


def test_each_file_is_answered_in_its_place_and_only_what_is_compared_is_read(board: BoardUnderTest) -> None:
    folders = [board.folder / name for name in ("own", "store", "beside the demo", "beside the other demo")]
    for folder in folders:
        folder.mkdir(exist_ok=True)
    (folders[2] / "a.rkllm").write_bytes(b"a")
    (folders[0] / "b.rkllm").write_bytes(b"first")
    (folders[2] / "b.rkllm").write_bytes(b"not this one")
    store = board.folder / "its store"
    words = ["=a.rkllm", "=none.rkllm", "+b.rkllm", "=b.rkllm"]
    argv = [board.stubs / "sh", "-c", _FIND, "sh", SCRIPTS / "artifact.sh", store, *folders, *words]
    done = subprocess.run([str(word) for word in argv], env=board.env, capture_output=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, b"")
    a, none, there, b = (json.loads(line) for line in done.stdout.splitlines())
    assert a["sha256"] == hashlib.sha256(b"a").hexdigest() and a["path"] == str(folders[2] / "a.rkllm")
    assert (none, there) == ({"there": False}, {"there": True, "sha256": None})
    assert b["sha256"] == hashlib.sha256(b"first").hexdigest()
    assert len(list((store / "models/.sha256").iterdir())) == 2
