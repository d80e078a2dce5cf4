"""job.sh start: a run starts once, whatever its name, its arguments and its place are."""

from __future__ import annotations

import json
import os
import shutil
import signal
import stat
import subprocess
from pathlib import Path

import pytest

from tests.shell.kit import EVIDENCE, BoardUnderTest, log_of, read_frames, say_up_and_stay


def test_a_run_leaves_all_its_evidence_and_a_lock(board: BoardUnderTest) -> None:
    spec = '{"schema": 1,\n "prompt": "a } brace, a \\" quote, 你好"}\n'.encode()
    done = board.start("sh", "-c", "echo answer; echo trouble >&2", spec=spec)
    assert (done.returncode, done.stdout) == (0, b'{"started":true}\n')
    end = board.wait(board.run_dir())
    assert {path.name for path in board.run_dir().iterdir()} == EVIDENCE | {"lock"}
    assert (board.run_dir() / "spec.json").read_bytes() == spec
    assert (board.run_dir() / "stdout.log").read_bytes() == b"answer\n"
    assert (board.run_dir() / "stderr.log").read_bytes() == b"trouble\n"
    boot_id = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    start = json.loads((board.run_dir() / "start.json").read_bytes())
    assert set(start) == {
        *("run", "campaign", "boot_id", "uptime_s", "epoch_s", "pid", "limit_s"),
        *("way", "unit", "invocation_id", "memory_max_bytes", "tripwire_bytes", "clocks"),
    }
    assert (start["run"], start["campaign"], start["boot_id"]) == ("r1", "c1", boot_id)
    assert (start["way"], start["limit_s"]) == ("setsid", 60)
    assert (start["unit"], start["invocation_id"], start["memory_max_bytes"]) == (None, None, None)
    assert (end["result"], end["exit_code"], end["signal"], end["boot_id"]) == ("success", 0, None, boot_id)
    assert 0 <= end["duration_s"] <= end["uptime_s"] - start["uptime_s"] + 0.01
    facts = json.loads((board.run_dir() / "facts.after.json").read_bytes())
    assert facts["boot_id"] == boot_id
    assert facts["disk"][0]["path"] == str(board.run_dir())


def test_ten_starts_at_once_start_one_run(board: BoardUnderTest) -> None:
    argv = ["start", board.run_dir(), "60", "--", "sh", "-c", f"echo ran >>'{board.folder}/count'"]
    racers = [
        board.popen("job.sh", *argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        for _ in range(10)
    ]
    for k, racer in enumerate(racers):
        assert racer.stdin is not None
        racer.stdin.write(b'{"racer": %d}\n' % k)
        racer.stdin.close()
        racer.stdin = None
    answers = [racer.communicate(timeout=30) for racer in racers]
    assert [err for _, err in answers] == [b""] * 10
    assert sorted(out for out, _ in answers) == [b'{"started":false}\n'] * 9 + [b'{"started":true}\n']
    board.wait(board.run_dir())
    assert (board.folder / "count").read_text() == "ran\n"
    winner = [out for out, _ in answers].index(b'{"started":true}\n')
    assert json.loads((board.run_dir() / "spec.json").read_bytes()) == {"racer": winner}
    assert {path.name for path in board.run_dir().iterdir()} == EVIDENCE | {"lock"}


def test_a_run_that_ended_is_not_started_again(board: BoardUnderTest) -> None:
    board.ran("true")
    before = {path.name: path.read_bytes() for path in board.run_dir().iterdir()}
    done = board.start("false", spec=b'{"other": 1}')
    assert (done.returncode, done.stdout) == (0, b'{"started":false}\n')
    assert {path.name: path.read_bytes() for path in board.run_dir().iterdir()} == before


def test_a_board_that_is_busy_says_with_what(board: BoardUnderTest) -> None:
    up = board.pipe("up")
    board.started("sh", "-c", say_up_and_stay(up.path))
    up.read_line()
    done = board.start("true", run="r2")
    assert (done.returncode, done.stdout) == (75, b'{"busy":"c1/r1"}\n')
    assert not (board.run_dir("r2") / "start.json").exists()
    assert not (board.run_dir("r2") / "spec.json").exists()
    assert board.json("cancel", board.run_dir())["cancelled"] is True
    assert board.ran("true", run="r2")["result"] == "success"


def test_the_board_lock_is_open_to_every_user_even_when_it_belongs_to_another(board: BoardUnderTest) -> None:
    board.ran("true")
    lock = board.folder / "board.lock"
    assert stat.S_IMODE(lock.stat().st_mode) == 0o666
    if os.geteuid() == 0:
        os.chown(lock, 12345, 12345)
    assert board.ran("true", run="r2")["result"] == "success"


def test_without_a_place_for_the_board_lock_it_lies_beside_the_campaigns(board: BoardUnderTest) -> None:
    board.env["RKFLEET_BOARD_LOCK"] = "/proc/nowhere/rkfleet.lock"
    board.ran("true")
    assert (board.runs / "board.lock").exists()


@pytest.mark.parametrize(
    ("script", "result", "exit_code", "number"),
    [
        ("exit 0", "success", 0, None),
        ("exit 3", "exit-code", 3, None),
        ("exit 127", "exit-code", 127, None),
        ("exit 137", "signal", 137, 9),
        ("kill -KILL $$", "signal", 137, 9),
        ("kill -SEGV $$", "signal", 139, 11),
        ("exit 255", "exit-code", 255, None),
    ],
)
def test_how_a_program_ended_is_recorded(
    board: BoardUnderTest, script: str, result: str, exit_code: int, number: int | None
) -> None:
    end = board.ran("sh", "-c", script)
    assert (end["result"], end["exit_code"], end["signal"]) == (result, exit_code, number)


def test_a_program_that_does_not_exist_is_127_with_a_word_on_stderr(board: BoardUnderTest) -> None:
    end = board.ran("/opt/no such/demo")
    assert (end["result"], end["exit_code"]) == ("exit-code", 127)
    assert b"/opt/no such/demo: not found" in (board.run_dir() / "stderr.log").read_bytes()


def test_arguments_stay_data(board: BoardUnderTest) -> None:
    words = ["a b", "it's", '"q"', "$(touch hacked)", "; touch hacked", "line\nline", "*", "", "-n", "\\t%s", "`id`"]
    board.ran("printf", "%s\\0", *words)
    assert (board.run_dir() / "stdout.log").read_bytes().split(b"\0")[:-1] == [word.encode() for word in words]
    assert not list(board.folder.rglob("hacked"))


def test_a_store_with_an_ugly_name_works(board: BoardUnderTest) -> None:
    odd = board.folder / "my 'store'; $(touch hacked) \"d\" * [a]" / "runs" / "c1" / "r1"
    done = board.script("job.sh", "start", odd, "60", "--", "echo", "hi", stdin=b"{}")
    assert (done.returncode, done.stdout, done.stderr) == (0, b'{"started":true}\n', b"")
    assert board.wait(odd)["result"] == "success"
    followed = board.script("job.sh", "follow", odd, "0", "0", "--files")
    assert log_of(read_frames(followed.stdout), "stdout.log") == b"hi\n"
    listed = board.json("list", odd.parents[1])
    assert [(row["campaign"], row["run"], row["end"]["result"]) for row in listed["runs"]] == [("c1", "r1", "success")]
    assert not list(board.folder.rglob("hacked"))


def test_the_program_gets_a_plain_environment(board: BoardUnderTest) -> None:
    board.env["LC_ALL"] = "C.UTF-8"
    board.ran(
        "sh", "-c", 'printf "%s %s %s\\n" "$LC_ALL" "$(ulimit -f)" "$PWD"; cat; ps -o sid= -p $$ | tr -d " "; echo $$'
    )
    lines = (board.run_dir() / "stdout.log").read_text().splitlines()
    assert lines[0] == f"C 524288 {board.run_dir()}"
    assert lines[1] == lines[2]  # leads its own session, and `cat` found standard input empty


def test_files_are_not_writable_for_others_however_lax_the_umask(board: BoardUnderTest) -> None:
    argv = board.argv("job.sh", "start", board.run_dir(), "60", "--", "true")
    subprocess.run(argv, input=b"{}", env=board.env, check=True, capture_output=True, umask=0)
    board.wait(board.run_dir())
    for path in [board.run_dir(), *board.run_dir().iterdir()]:
        assert not path.stat().st_mode & 0o022, path


UNSAFE = (
    "../../etc",
    "c1/..",
    "c1/.hidden",
    "c1/a b",
    "c1/-x",
    "c1/a;b",
    "c1/$(id)",
    "c1/a\nb",
    "c1/",
    "c1//r1",
    "c1/é",
)


@pytest.mark.parametrize("name", [*UNSAFE, "c1/" + "x" * 122])
def test_an_unsafe_name_is_refused(board: BoardUnderTest, name: str) -> None:
    done = board.script("job.sh", "start", f"{board.runs}/{name}", "60", "--", "true", stdin=b"{}")
    assert (done.returncode, done.stdout) == (2, b"")
    assert done.stderr.startswith(b"job.sh: ")
    assert not board.runs.exists()


@pytest.mark.parametrize("verb", ["state", "cancel", "prune", "follow"])
def test_every_verb_looks_at_the_name(board: BoardUnderTest, verb: str) -> None:
    offsets = ("0", "0") if verb == "follow" else ()
    assert board.script("job.sh", verb, f"{board.runs}/c1/a b", *offsets).returncode == 2


def test_a_relative_or_linked_run_directory_is_refused(board: BoardUnderTest) -> None:
    assert board.script("job.sh", "state", "c1/r1").returncode == 2
    board.run_dir().parent.mkdir(parents=True)
    board.run_dir().symlink_to("/tmp")
    assert board.script("job.sh", "prune", board.run_dir()).returncode == 2
    assert Path("/tmp").is_dir()


@pytest.mark.parametrize("limit", ["0", "0.0", "-1", "abc", "1e3", "", "010"])
def test_a_limit_that_is_no_number_of_seconds_is_refused(board: BoardUnderTest, limit: str) -> None:
    assert board.start("true", limit=limit).returncode == 2
    assert not board.runs.exists()


@pytest.mark.parametrize("spec", [b"", b'{"a": {"b": 1}', b'{"a": "b}', b"null", b'{"a": "x\\"}'])
def test_a_spec_that_was_cut_off_starts_nothing(board: BoardUnderTest, spec: bytes) -> None:
    done = board.start("true", spec=spec)
    assert (done.returncode, done.stdout) == (73, b"")
    assert b"spec.json" in done.stderr
    assert not board.run_dir().exists()


def test_a_place_that_can_not_be_written_is_73_and_named(board: BoardUnderTest) -> None:
    board.runs.parent.mkdir(parents=True)
    board.runs.write_text("a file, no folder")
    done = board.start("true")
    assert (done.returncode, done.stdout) == (73, b"")
    assert str(board.run_dir()).encode() in done.stderr


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has other users' folders to write into")
def test_root_does_not_write_into_somebody_elses_folder(board: BoardUnderTest) -> None:
    board.run_dir().mkdir(parents=True)
    os.chown(board.run_dir(), 12345, 12345)
    done = board.start("true")
    assert done.returncode == 73
    assert b"12345" in done.stderr
    assert list(board.run_dir().iterdir()) == []


def test_a_run_goes_on_when_its_starter_dies_before_the_answer(board: BoardUnderTest) -> None:
    # The starter is stopped for good in the moment in which the run begins: nobody reads the run's answer any more.
    up = board.pipe("up")
    go = board.pipe("go")
    real = shutil.which("dmesg") or "true"
    once = board.folder / "once"
    board.stub(
        "dmesg",
        f"[ -e '{once}' ] || {{ : >'{once}'; echo up >'{up.path}'; read x <'{go.path}'; }}\nexec {real}",
    )
    starter = board.popen(
        "job.sh", "start", board.run_dir(), "60", "--", "echo", "done", stdin=subprocess.PIPE, start_new_session=True
    )
    assert starter.stdin is not None
    starter.stdin.write(b"{}")
    starter.stdin.close()
    up.read_line()
    os.killpg(starter.pid, signal.SIGKILL)
    starter.wait()
    go.tell("on")
    board.wait_free(board.run_dir() / "lock")
    assert board.state()["end"]["result"] == "success"
    assert (board.run_dir() / "stdout.log").read_bytes() == b"done\n"
