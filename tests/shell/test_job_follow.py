"""job.sh state, list and follow: the board always knows what became of a run, and sends all of it."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
import signal
import subprocess
import threading
from pathlib import Path

import pytest

from tests.shell.kit import EVIDENCE, SCRIPTS, BoardUnderTest, log_of, read_frames, say_up_and_stay


def test_the_state_of_a_run_that_never_was(board: BoardUnderTest) -> None:
    state = board.state()
    assert (state["start"], state["end"], state["now"]["run_alive"]) == (None, None, False)
    assert state["now"]["boot_id"] == Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    assert not board.runs.exists()


def test_those_who_look_do_not_make_a_run_look_alive(board: BoardUnderTest) -> None:
    board.ran("true")
    with (board.run_dir() / "lock").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_SH)
        assert board.state()["now"]["run_alive"] is False


def test_a_start_record_that_a_power_cut_emptied_reads_as_none(board: BoardUnderTest) -> None:
    board.run_dir().mkdir(parents=True)
    (board.run_dir() / "start.json").write_bytes(b"")
    assert board.state()["start"] is None


def test_list_shows_every_run_newest_last(board: BoardUnderTest) -> None:
    board.ran("true", run="z-first")
    board.ran("false", run="a-second")
    up = board.pipe("up")
    board.started("sh", "-c", say_up_and_stay(up.path), run="m-third")
    for k, run in enumerate(("z-first", "a-second", "m-third")):
        os.utime(board.run_dir(run) / "spec.json", (1000 + k, 1000 + k))
    listed = board.json("list", board.runs)
    assert [(row["run"], row["run_alive"], row["end"] and row["end"]["result"]) for row in listed["runs"]] == [
        ("z-first", False, "success"),
        ("a-second", False, "exit-code"),
        ("m-third", True, None),
    ]
    assert listed["boot_id"] == board.state("z-first")["now"]["boot_id"]


def test_list_of_a_bare_board_is_empty(board: BoardUnderTest) -> None:
    assert board.json("list", board.runs)["runs"] == []
    board.runs.mkdir(parents=True)
    assert board.json("list", board.runs)["runs"] == []


@pytest.mark.parametrize(
    "args",
    [[], ["start"], ["start", "/a/b", "1", "true"], ["follow", "/a/b", "0"], ["frobnicate", "/a/b"], ["list", "runs"]],
)
def test_wrong_usage_is_2(board: BoardUnderTest, args: list[str]) -> None:
    done = board.script("job.sh", *args)
    assert (done.returncode, done.stdout) == (2, b"")
    assert done.stderr


def test_half_the_script_does_nothing(board: BoardUnderTest, tmp_path: Path) -> None:
    for name in ("job.sh", "facts.sh", "sampler.sh", "run_text_benchmark.sh"):
        lines = (SCRIPTS / name).read_text().splitlines(keepends=True)
        shutil.copy(SCRIPTS / "lib.sh", tmp_path / "lib.sh")
        (tmp_path / name).write_text("".join(lines[:-1]))
        done = subprocess.run(
            [str(board.stubs / "sh"), str(tmp_path / name), "list", "/nowhere"],
            env=board.env,
            capture_output=True,
            check=False,
        )
        assert done.stdout == b""


def test_follow_brings_a_binary_log_of_several_megabytes_intact(board: BoardUnderTest) -> None:
    data = bytes(range(256)) * 12000 + b'\0\xff{"done": true}\nno newline at the end'
    (board.folder / "data").write_bytes(data)
    board.started("sh", "-c", f"cat '{board.folder}/data'; cat '{board.folder}/data' >&2")
    frames = board.follow(0, 0, "--files")
    assert log_of(frames, "stdout.log") == data
    assert log_of(frames, "stderr.log") == data
    assert max(header.get("bytes", 0) for header, _ in frames) == 2**20
    offset = 0
    for header, body in frames:
        if header.get("file") == "stdout.log":
            assert header["offset"] == offset
            offset += len(body)


def test_follow_ends_with_every_file_its_sha256_and_the_state(board: BoardUnderTest) -> None:
    board.ran("sh", "-c", "echo out; echo err >&2")
    frames = board.follow(0, 0, "--files")
    files = {header["file"]: (header, body) for header, body in frames if "sha256" in header}
    assert set(files) == EVIDENCE
    for name, (header, body) in files.items():
        content = (board.run_dir() / name).read_bytes()
        assert header["sha256"] == hashlib.sha256(content).hexdigest()
        if name in ("stdout.log", "stderr.log"):
            assert (header["bytes"], header["size"]) == (0, len(content))
        else:
            assert (header["offset"], body) == (0, content)
    last, _ = frames[-1]
    assert last["done"] is True
    assert last["state"]["end"] == json.loads((board.run_dir() / "end.json").read_bytes())
    assert [header for header, _ in frames if "done" in header] == [last]


def test_follow_without_files_brings_the_logs_only(board: BoardUnderTest) -> None:
    board.ran("sh", "-c", "echo out; echo err >&2")
    frames = board.follow()
    assert {header["file"] for header, _ in frames if "file" in header} == {"stdout.log", "stderr.log"}
    assert "done" in frames[-1][0]


@pytest.mark.parametrize(
    ("out", "err", "want_out", "want_err"), [(4, 0, b"56789", b"abc"), (9, 3, b"", b""), (99, 1, b"", b"bc")]
)
def test_follow_goes_on_at_an_offset(
    board: BoardUnderTest, out: int, err: int, want_out: bytes, want_err: bytes
) -> None:
    board.ran("sh", "-c", "printf 123456789; printf abc >&2")
    frames = board.follow(out, err)
    assert (log_of(frames, "stdout.log"), log_of(frames, "stderr.log")) == (want_out, want_err)
    assert [header["size"] for header, _ in frames if header.get("file") == "stdout.log" and "size" in header] == [9]


def test_follow_of_a_run_that_never_was_is_done_at_once(board: BoardUnderTest) -> None:
    frames = board.follow()
    assert len(frames) == 1
    assert frames[0][0]["state"]["start"] is None
    assert not board.runs.exists()


@pytest.mark.parametrize("offsets", [("-1", "0"), ("0", "x"), ("", "0"), ("010", "0")])
def test_follow_refuses_what_is_no_offset(board: BoardUnderTest, offsets: tuple[str, str]) -> None:
    assert board.script("job.sh", "follow", board.run_dir(), *offsets).returncode == 2


def test_two_followers_see_a_live_run_and_its_end_at_once(board: BoardUnderTest) -> None:
    go = board.pipe("go")
    board.started("sh", "-c", f"echo one; read x <'{go.path}'; echo two; read x <'{go.path}'; echo three")
    followers = [
        board.popen("job.sh", "follow", board.run_dir(), "0", "0", "--files", stdout=subprocess.PIPE) for _ in range(2)
    ]
    for word in (b"one\n", b"two\n"):
        for follower in followers:
            assert follower.stdout is not None
            header = json.loads(follower.stdout.readline())
            body = b"".join(follower.stdout.read(1) for _ in range(header["bytes"]))
            assert (header["file"], body) == ("stdout.log", word)
        assert board.state()["now"]["run_alive"] is True
        go.tell("on")
    for follower in followers:
        out, _ = follower.communicate(timeout=30)
        frames = read_frames(out)
        assert log_of(frames, "stdout.log") == b"three\n"
        assert frames[-1][0]["state"]["end"]["result"] == "success"


def test_follow_of_a_program_that_prints_without_end_stays_whole(board: BoardUnderTest) -> None:
    go = board.pipe("go")
    program = (
        f"i=0; while [ $i -lt 3000 ]; do i=$((i+1)); echo \"line $i\"; [ $i -ne 1500 ] || read x <'{go.path}'; done"
    )
    board.started("sh", "-c", program)
    follower = board.popen("job.sh", "follow", board.run_dir(), "0", "0", stdout=subprocess.PIPE)
    assert follower.stdout is not None
    first = follower.stdout.readline()
    go.tell("on")
    rest, _ = follower.communicate(timeout=30)
    log = log_of(read_frames(first + rest), "stdout.log")
    assert log == b"".join(b"line %d\n" % i for i in range(1, 3001))


def test_followers_of_a_lost_run_come_to_an_end(board: BoardUnderTest) -> None:
    up = board.pipe("up")
    board.started("sh", "-c", f"echo last words; {say_up_and_stay(up.path)}")
    up.read_line()
    board.wait_for_guard()
    follower = board.popen("job.sh", "follow", board.run_dir(), "0", "0", "--files", stdout=subprocess.PIPE)
    os.kill(board.state()["start"]["pid"], signal.SIGKILL)
    out, _ = follower.communicate(timeout=30)
    frames = read_frames(out)
    assert log_of(frames, "stdout.log") == b"last words\n"
    state = frames[-1][0]["state"]
    assert (state["end"], state["now"]["run_alive"]) == (None, False)


def test_looking_all_the_time_never_shows_a_state_that_is_not_true(board: BoardUnderTest) -> None:
    """A run that begins and ends while it is looked at is never seen as lost: begun, not ended, not alive."""
    stop = threading.Event()
    seen: list[tuple[bool, bool, bool]] = []

    def look() -> None:
        while not stop.is_set():
            state = board.state()
            seen.append((state["start"] is not None, state["end"] is not None, state["now"]["run_alive"]))

    looker = threading.Thread(target=look)
    looker.start()
    try:
        board.ran("true")
    finally:
        stop.set()
        looker.join()
    assert (True, False, False) not in seen
