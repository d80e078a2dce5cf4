"""What is on a board's disk, as its ground truth sees it: from outside, and not to be led astray."""

from __future__ import annotations

import fcntl
import hashlib
import os
from pathlib import Path

from virtual.disk import locks, runs_on_disk


def a_run(root: Path, campaign: str = "c", run: str = "r") -> Path:
    folder = root / "root/rkfleet/runs" / campaign / run
    folder.mkdir(parents=True)
    return folder


def test_a_run_has_the_size_and_the_hash_of_each_of_its_files(tmp_path: Path) -> None:
    folder = a_run(tmp_path)
    (folder / "stdout.log").write_bytes(b"x" * 100_000)
    (folder / "core").write_bytes(b"not one of ours")
    seen = runs_on_disk(tmp_path)
    digest = hashlib.sha256(b"x" * 100_000).hexdigest()
    assert seen == {"c/r": {"files": {"stdout.log": {"bytes": 100_000, "sha256": digest}}, "lock_held": False}}


def test_no_store_is_no_runs(tmp_path: Path) -> None:
    assert runs_on_disk(tmp_path) == {}
    assert runs_on_disk(tmp_path / "none") == {}
    assert locks(tmp_path) == {"board_lock_held": False, "lease_files": {}}


def test_links_and_pipes_that_a_board_planted_are_not_followed(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "stdout.log").write_text("secret")
    root = tmp_path / "board"
    folder = a_run(root)
    (folder / "stdout.log").symlink_to(outside / "stdout.log")
    os.mkfifo(folder / "stderr.log")
    (folder.parent / "link").symlink_to(outside)
    (folder.parent.parent / "campaign").symlink_to(tmp_path)
    assert runs_on_disk(root) == {"c/r": {"files": {}, "lock_held": False}}


def test_a_held_lock_is_seen_and_asking_leaves_it_as_it_is(tmp_path: Path) -> None:
    folder = a_run(tmp_path)
    there = tmp_path / "run/lock/rkfleet"
    there.mkdir(parents=True)
    (there / "lease.json").write_text('{"token":"t"}')
    lock, board = folder / "lock", there.parent / "rkfleet.lock"
    with lock.open("w") as held, board.open("w") as held_too:
        for file in (held, held_too):
            fcntl.flock(file, fcntl.LOCK_EX)
        assert runs_on_disk(tmp_path)["c/r"]["lock_held"] is True
        assert locks(tmp_path) == {"board_lock_held": True, "lease_files": {"lease.json": '{"token":"t"}'}}
    assert runs_on_disk(tmp_path)["c/r"]["lock_held"] is False
    assert locks(tmp_path)["board_lock_held"] is False
