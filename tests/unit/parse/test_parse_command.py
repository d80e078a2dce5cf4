"""``python -m analysis.parse`` and files of any size."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

from analysis.parse import parse_stream
from analysis.parse.failures import FAILURES
from analysis.parse.reader import _INDEX, read

ROOT = Path(__file__).parents[3]


def command(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "analysis.parse", *words], cwd=ROOT, capture_output=True, text=True, check=False
    )


def test_it_prints_one_object_a_file_in_the_order_given(tmp_path: Path) -> None:
    (tmp_path / "b.log").write_text("I rkllm: rkllm-runtime version: 1.2.3, rknpu driver version: 0.9.8\n")
    (tmp_path / "a.log").write_bytes(os.urandom(300))
    done = command(str(tmp_path / "b.log"), str(tmp_path / "a.log"))
    first, second = json.loads(done.stdout)
    assert done.returncode == 0
    assert (first["file"], first["runtime"], first["prefill"]) == (str(tmp_path / "b.log"), "1.2.3", None)
    assert second["file"] == str(tmp_path / "a.log")
    assert set(first) == set(second)


def test_a_file_that_can_not_be_opened_is_exit_2_and_no_output(tmp_path: Path) -> None:
    done = command(str(tmp_path / "none.log"))
    assert (done.returncode, done.stdout) == (2, "")
    assert "none.log: No such file or directory" in done.stderr


def test_a_folder_is_exit_2(tmp_path: Path) -> None:
    assert command(str(tmp_path)).returncode == 2


def test_no_file_is_a_usage_error() -> None:
    assert command().returncode == 2


def garbage(total_bytes: int) -> Iterator[bytes]:
    """Lines, one line without an end, and noise."""
    kinds = (b"E rkllm: matmul(w8a8) run failed\n" * 2000, b"word " * 13000, bytes(range(256)) * 256)
    for number in range(total_bytes // (1 << 16)):
        yield kinds[number * 3 * (1 << 16) // total_bytes]


def test_memory_does_not_grow_with_the_file() -> None:
    peaks = []
    for total_bytes in (1 << 20, 4 << 20):
        tracemalloc.start()
        read(garbage(total_bytes))
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 4 << 20
    assert peaks[1] < 1.5 * peaks[0] + (1 << 20)


def test_a_stream_reads_as_the_whole(tmp_path: Path) -> None:
    path = tmp_path / "x.log"
    path.write_bytes(b"rknpu driver version: 0.9.8, platform: RK3588\n" + b"y" * 3_000_000 + b"\nKilled\n")
    log = parse_stream(path)
    assert (log.driver, log.platform, log.failure) == ("0.9.8", "RK3588", "oom_kill")


def test_the_search_finds_every_cue_alone_and_beside_every_other() -> None:
    names = list(_INDEX.names)
    for name in names:
        assert name == name.lower()
        found = {start: held for start, _, held in _INDEX.lines(f"zzz\n  {name}\nzzz\n".encode())}
        assert name in found[4], name
    for name in names:
        for other in names:
            both = {start: held for start, _, held in _INDEX.lines(f"{name}{other}\n".encode())}
            assert {name, other} <= set(both[0]), (name, other)


def test_every_sign_of_failure_is_found_through_its_cue() -> None:
    for failure in FAILURES:
        for sign in failure.signs:
            assert sign.cue in _INDEX.names, (failure.name, sign.cue)
            literals = sign.pattern.pattern.replace("\\", "")
            assert sign.cue in literals, "no line that shows the sign may lack the cue"
