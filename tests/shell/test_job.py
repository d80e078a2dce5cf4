"""job.sh: a run starts once, ends for certain, and the board always knows what became of it."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
import signal
import stat
import subprocess
import threading
import time
from pathlib import Path

import pytest

from tests.shell.kit import SCRIPTS, BoardUnderTest, log_of, processes_with, read_frames

EVIDENCE = {
    "spec.json",
    "start.json",
    "end.json",
    "facts.before.json",
    "facts.after.json",
    "stdout.log",
    "stderr.log",
    "dmesg.log",
    "telemetry.csv",
    "clocks.json",
}


def wait_for(pipe: Path) -> str:
    """Shell text: say `up` through the pipe, then stay until killed."""
    return f"echo up >'{pipe}'; exec sleep 1000"


# ----------------------------------------------------------------------------------------------------- start


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


def test_twenty_starts_at_once_start_one_run(board: BoardUnderTest) -> None:
    argv = ["start", board.run_dir(), "60", "--", "sh", "-c", f"echo ran >>'{board.folder}/count'"]
    racers = [
        board.popen("job.sh", *argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        for _ in range(20)
    ]
    for k, racer in enumerate(racers):
        assert racer.stdin is not None
        racer.stdin.write(b'{"racer": %d}\n' % k)
        racer.stdin.close()
        racer.stdin = None
    answers = [racer.communicate(timeout=30) for racer in racers]
    assert [err for _, err in answers] == [b""] * 20
    assert sorted(out for out, _ in answers) == [b'{"started":false}\n'] * 19 + [b'{"started":true}\n']
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
    board.started("sh", "-c", wait_for(up.path))
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


# ----------------------------------------------------------------------------------------- the end, for certain


def test_a_killed_wrapper_leaves_a_lost_run_and_nothing_alive(board: BoardUnderTest) -> None:
    up = board.pipe("up")
    board.started("sh", "-c", wait_for(up.path))
    up.read_line()
    os.kill(board.state()["start"]["pid"], signal.SIGKILL)
    board.wait_free(board.run_dir() / "lock")
    state = board.state()
    assert state["start"]["run"] == "r1"
    assert (state["end"], state["now"]["run_alive"]) == (None, False)
    assert processes_with(str(up.path)) == []
    assert board.start("true").stdout == b'{"started":false}\n'  # lost is not "never started"
    assert board.ran("true", run="r2")["result"] == "success"


def test_killing_the_group_of_the_wrapper_leaves_nothing_alive(board: BoardUnderTest) -> None:
    up = board.pipe("up")
    board.started("sh", "-c", wait_for(up.path))
    up.read_line()
    os.killpg(board.state()["start"]["pid"], signal.SIGKILL)
    board.wait_free(board.run_dir() / "lock")
    assert board.state()["end"] is None
    assert processes_with(str(up.path)) == []


def test_killing_the_group_of_the_program_is_a_signal(board: BoardUnderTest) -> None:
    up = board.pipe("up")
    board.started("sh", "-c", f"echo $$ >'{up.path}'; sleep 1000; :")
    os.killpg(int(up.read_line()), signal.SIGKILL)
    end = board.wait(board.run_dir())
    assert (end["result"], end["exit_code"], end["signal"]) == ("signal", 137, 9)


def test_a_program_whose_keepers_were_all_killed_still_holds_the_board_until_it_is_cancelled(
    board: BoardUnderTest,
) -> None:
    up = board.pipe("up")
    board.started("sh", "-c", wait_for(up.path))
    up.read_line()
    wrapper = board.state()["start"]["pid"]
    (guard,) = [
        pid
        for pid in processes_with(f"_guard\0{board.run_dir()}")
        if Path(f"/proc/{pid}/stat").read_text().split()[3] == str(wrapper)
    ]
    os.kill(guard, signal.SIGKILL)
    os.killpg(wrapper, signal.SIGKILL)
    assert board.state()["now"]["run_alive"] is True
    assert board.start("true", run="r2").returncode == 75
    assert board.json("cancel", board.run_dir(), timeout=60)["cancelled"] is True
    assert board.state()["end"]["result"] == "cancelled"
    assert processes_with(str(up.path)) == []
    assert board.ran("true", run="r2")["result"] == "success"


def test_the_time_limit_kills_grandchildren_in_groups_of_their_own(board: BoardUnderTest) -> None:
    token = f"{board.folder}/grandchild"
    inner = f"timeout 1000 sh -c 'sleep 1000; : {token}' & sh -c 'sh -c \"sleep 1000; : {token}\"; :' & wait"
    end = board.ran("sh", "-c", inner, limit="0.5")
    assert (end["result"], end["exit_code"]) == ("timeout", 124)
    assert 0.5 <= end["duration_s"] < 4
    assert processes_with(token) == []


def test_cancel_is_certain_and_says_what_it_found(board: BoardUnderTest) -> None:
    assert board.json("cancel", board.run_dir()) == {"cancelled": False, "reason": "there is no such run"}
    up = board.pipe("up")
    board.started("sh", "-c", f"echo before; {wait_for(up.path)}")
    up.read_line()
    assert board.json("cancel", board.run_dir())["cancelled"] is True
    state = board.state()
    assert (state["end"]["result"], state["now"]["run_alive"]) == ("cancelled", False)
    assert processes_with(str(up.path)) == []
    assert (board.run_dir() / "stdout.log").read_bytes() == b"before\n"
    assert {path.name for path in board.run_dir().iterdir()} == EVIDENCE | {"lock"}
    assert board.json("cancel", board.run_dir()) == {"cancelled": False, "reason": "it had ended: cancelled"}


def test_a_daemon_that_a_program_leaves_behind_dies_with_the_run(board: BoardUnderTest) -> None:
    token = f"{board.folder}/daemon"
    up = board.pipe("up")
    end = board.ran(
        "sh", "-c", f"setsid sh -c 'echo up >\"{up.path}\"; sleep 1000; : {token}' & read x <'{up.path}'; exit 0"
    )
    assert end["result"] == "success"
    assert processes_with(token) == []
    assert board.state()["now"]["run_alive"] is False


def test_a_daemon_with_closed_files_and_one_with_an_empty_environment_die_too(board: BoardUnderTest) -> None:
    token = f"{board.folder}/daemon"
    up = board.pipe("up")
    ready = f'echo up >"{up.path}"; sleep 1000; : {token}'
    program = (
        f"setsid sh -c '{ready}' 8<&- 9<&- >/dev/null 2>&1 & setsid env -i PATH=\"$PATH\" sh -c '{ready}' & "
        f"read x <'{up.path}'; read x <'{up.path}'"
    )
    assert board.ran("sh", "-c", program)["result"] == "success"
    assert processes_with(token) == []


@pytest.mark.parametrize("ending", ["exit 3", "kill -KILL $$", "sleep 1000"])
def test_both_locks_are_free_after_any_end(board: BoardUnderTest, ending: str) -> None:
    board.ran("sh", "-c", ending, limit="0.3" if "sleep" in ending else "60")
    subprocess.run(["flock", "-x", "-n", str(board.folder / "board.lock"), "true"], check=True)
    subprocess.run(["flock", "-x", "-n", str(board.run_dir() / "lock"), "true"], check=True)


def in_small_disk(board: BoardUnderTest, size: str, script: str) -> subprocess.CompletedProcess[bytes]:
    """Shell text in a mount name space of its own, where the store is a disk of this size."""
    store = board.folder / "store"
    store.mkdir(exist_ok=True)
    lines = (
        f"mount -t tmpfs -o size={size} none '{store}' || exit 99",
        f"cd '{board.folder}'",
        f"job='{SCRIPTS / 'job.sh'}' dir='{board.run_dir()}'",
        "export RKFLEET_START_FREE_KIB=0",  # what happens when it fills up after the check
        'start() { echo \'{"a":1}\' | sh "$job" start "$dir" 60 -- "$@"; echo $?; }',
        script,
    )
    done = subprocess.run(
        ["unshare", "-m", "sh", "-c", "\n".join(lines)], env=board.env, capture_output=True, timeout=60, check=False
    )
    if done.returncode == 99 or b"unshare" in done.stderr:
        pytest.skip("this user can not mount a small disk")
    return done


def test_on_a_full_disk_nothing_starts_and_no_half_files_stay(board: BoardUnderTest) -> None:
    fill = "dd if=/dev/zero of=store/fill bs=4k 2>/dev/null"
    done = in_small_disk(board, "128k", f"{fill}; start true; rm store/fill; find store -type f")
    assert done.stdout == b"73\n"
    assert str(board.run_dir()).encode() in done.stderr
    assert b"No space left" in done.stderr


def test_a_disk_that_is_nearly_full_is_refused_with_path_and_bytes_before_anything_is_written(
    board: BoardUnderTest,
) -> None:
    script = "export RKFLEET_START_FREE_KIB=; start true; find store -mindepth 1"
    done = in_small_disk(board, "16380k", script)
    assert done.stdout == b"73\n"
    needs, has = 16384 * 1024, 16380 * 1024
    assert f"no space: a run needs {needs} bytes, {board.folder}/store has {has} bytes free".encode() in done.stderr
    assert in_small_disk(board, "32m", script.replace("find", "false")).stdout.startswith(b'{"started":true}\n0\n')


def test_a_disk_with_room_for_the_spec_only_starts_nothing(board: BoardUnderTest) -> None:
    fill = "dd if=/dev/zero of=store/fill bs=4k count=24 2>/dev/null"
    done = in_small_disk(
        board, "128k", f'{fill}; start true; rm store/fill; find store -type f; sh "$job" state "$dir"'
    )
    exit_code, left, state = done.stdout.decode().splitlines()
    assert (exit_code, left) == ("73", "store/runs/c1/r1/lock")
    assert json.loads(state)["start"] is None


def test_a_run_that_fills_the_disk_still_gets_its_end(board: BoardUnderTest) -> None:
    script = 'start cat /dev/zero >/dev/null; flock -s "$dir/lock" true; sh "$job" state "$dir"'
    done = in_small_disk(board, "512k", script)
    end = json.loads(done.stdout)["end"]
    assert (end["result"], end["exit_code"]) == ("exit-code", 1)


def test_the_kernel_log_holds_what_was_said_during_the_run(board: BoardUnderTest) -> None:
    log = board.folder / "kernel.log"
    log.write_text("[    1.000000] boot\n[ 5000.000000] just before\n")
    board.stub("dmesg", f"exec cat '{log}'")
    end = board.ran(
        "sh", "-c", f"echo '[ 4999.500000] RKNPU: job timeout' >>'{log}'; echo 'a line without a time' >>'{log}'"
    )
    assert end["dmesg"] == "ok"
    assert (board.run_dir() / "dmesg.log").read_text() == "[ 4999.500000] RKNPU: job timeout\na line without a time\n"


def test_a_kernel_log_that_is_not_permitted_is_empty_with_the_reason(board: BoardUnderTest) -> None:
    board.stub("dmesg", "echo 'dmesg: read kernel buffer failed: Operation not permitted' >&2; exit 1")
    board.stub("sudo", "exit 1")
    assert board.ran("true")["dmesg"] == "dmesg is not permitted or does not work"
    assert (board.run_dir() / "dmesg.log").read_bytes() == b""


def test_facts_that_hang_in_a_driver_do_not_hold_up_the_run(board: BoardUnderTest, tmp_path: Path) -> None:
    scripts = tmp_path / "scripts"
    shutil.copytree(SCRIPTS, scripts)
    (scripts / "facts.sh").write_text("exec sleep 1000\n")
    board.env["RKFLEET_FACTS_S"] = "0.3"
    argv = [str(board.stubs / "sh"), str(scripts / "job.sh"), "start", str(board.run_dir()), "60", "--", "echo", "hi"]
    subprocess.run(argv, input=b"{}", env=board.env, check=True, capture_output=True)
    assert board.wait(board.run_dir())["result"] == "success"
    assert (board.run_dir() / "stdout.log").read_bytes() == b"hi\n"
    for name in ("facts.before.json", "facts.after.json"):
        assert json.loads((board.run_dir() / name).read_bytes())["missing"] == {
            "facts": "facts.sh gave no answer within 0.3 s"
        }


def test_a_term_to_the_wrapper_ends_the_run_as_cancelled(board: BoardUnderTest) -> None:
    board.env["RKFLEET_GOING_DOWN_S"] = "1"
    up = board.pipe("up")
    board.started("sh", "-c", wait_for(up.path))
    up.read_line()
    os.kill(board.state()["start"]["pid"], signal.SIGTERM)
    end = board.wait(board.run_dir())
    assert (end["result"], end["exit_code"], end["signal"]) == ("cancelled", 143, 15)


def test_an_end_finds_room_on_a_disk_that_has_none(board: BoardUnderTest) -> None:
    up, go = board.pipe("up"), board.pipe("go")
    folder = board.started("sh", "-c", f"echo up >'{up.path}'; read _ <'{go.path}'")
    up.read_line()
    kept = (folder / ".end").stat()
    # As on a full disk: what is new can not be written, what is there can be written over.
    (folder / f".end.json.{board.state()['start']['pid']}").mkdir()
    go.tell("on")
    assert board.wait(folder)["result"] == "success"
    written = (folder / "end.json").stat()
    assert (written.st_ino, written.st_size < kept.st_size) == (kept.st_ino, True)
    assert (folder / "end.json").read_bytes().count(b"\n") == 1 and not (folder / ".end").exists()


def test_a_complaint_that_can_not_be_written_costs_no_run_its_end(board: BoardUnderTest) -> None:
    up, go = board.pipe("up"), board.pipe("go")
    board.run_dir().mkdir(parents=True)
    (board.run_dir() / "wrapper.log").symlink_to("/dev/full")
    board.started("sh", "-c", f"echo up >'{up.path}'; read _ <'{go.path}'")
    up.read_line()
    (board.run_dir() / f".facts.after.json.{board.state()['start']['pid']}").mkdir()  # there is something to say
    go.tell("on")
    assert board.wait(board.run_dir())["result"] == "success"


def test_an_end_that_can_not_be_written_yet_is_written_later_and_the_run_goes_on_until_then(
    board: BoardUnderTest,
) -> None:
    up, go = board.pipe("up"), board.pipe("go")
    board.started("sh", "-c", f"echo up >'{up.path}'; read _ <'{go.path}'")
    up.read_line()
    (board.run_dir() / ".end").unlink()  # the room that was kept for it
    in_its_way = board.run_dir() / f".end.json.{board.state()['start']['pid']}"
    in_its_way.mkdir()
    go.tell("on")
    deadline = time.monotonic() + 20
    while not (board.run_dir() / "facts.after.json").exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    state = board.state()
    assert (state["end"], state["now"]["run_alive"]) == (None, True)
    in_its_way.rmdir()
    assert board.wait(board.run_dir())["result"] == "success"


# ----------------------------------------------------------------------------------------------------- state, list


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
    board.started("sh", "-c", wait_for(up.path), run="m-third")
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


# --------------------------------------------------------------------------------------------------------- follow


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
    board.started("sh", "-c", f"echo last words; {wait_for(up.path)}")
    up.read_line()
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
