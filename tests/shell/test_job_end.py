"""job.sh: a run ends for certain, with a record of how, and nothing of it is left alive."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest

from tests.shell.kit import EVIDENCE, SCRIPTS, BoardUnderTest, processes_with, say_up_and_stay


def test_a_killed_wrapper_leaves_a_lost_run_and_nothing_alive(board: BoardUnderTest) -> None:
    up = board.pipe("up")
    board.started("sh", "-c", say_up_and_stay(up.path))
    up.read_line()
    board.wait_for_guard()
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
    board.started("sh", "-c", say_up_and_stay(up.path))
    up.read_line()
    board.wait_for_guard()
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
    board.started("sh", "-c", say_up_and_stay(up.path))
    up.read_line()
    board.wait_for_guard()
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
    end = board.ran("sh", "-c", inner, limit="2")
    assert (end["result"], end["exit_code"]) == ("timeout", 124)
    assert 2 <= end["duration_s"] < 7, "TERM was enough"
    assert processes_with(token) == []


def test_cancel_is_certain_and_says_what_it_found(board: BoardUnderTest) -> None:
    assert board.json("cancel", board.run_dir()) == {"cancelled": False, "reason": "there is no such run"}
    up = board.pipe("up")
    board.started("sh", "-c", f"echo before; {say_up_and_stay(up.path)}")
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
    board.started("sh", "-c", say_up_and_stay(up.path))
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
