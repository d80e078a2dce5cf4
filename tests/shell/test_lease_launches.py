"""Launches and pushes ask for the token of the lease, and nobody steals in between."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

from tests.shell.kit import DEADLINE_S, SCRIPTS, BoardUnderTest, waits_for
from tests.shell.lease_kit import BOOT, REFUSED, folder, hold, holder, lease, set_clock, start, steal


def receive(board: BoardUnderTest, token: str | None, data: bytes = b"weights") -> subprocess.CompletedProcess[bytes]:
    whole = hashlib.sha256(data).hexdigest()
    listed = f"{whole}\n".encode()  # one chunk
    words = [board.folder / "store", "m.rkllm", whole, str(len(data)), "65536", hashlib.sha256(listed).hexdigest(), "0"]
    return board.script("artifact.sh", "receive", *words, *([token] if token is not None else []), stdin=listed + data)


def test_a_board_that_is_reserved_takes_runs_and_files_of_its_holder_alone(board: BoardUnderTest) -> None:
    held = hold(board, "aaa", 600, purpose="reserved for busy people")["held"]
    for token in (None, "bbb"):
        code, answer = start(board, token)
        assert (code, answer["reserved"]) == (REFUSED, held)
        assert not list(board.run_dir().glob("*.json"))
        refused = receive(board, token)
        assert (refused.returncode, refused.stderr) == (REFUSED, b"")
        assert json.loads(refused.stdout)["reserved"] == held
    assert not (board.folder / "store" / "models").exists()
    assert start(board, "aaa", "r1", "7200.5") == (0, {"started": True})
    board.wait(board.run_dir())
    now = lease(board, "show")
    assert now["lease"]["expires_uptime_s"] - now["uptime_s"] > 7500 - 600
    assert now["lease"] | {"expires_uptime_s": 0, "renewed_uptime_s": 0} == held | {
        "expires_uptime_s": 0,
        "renewed_uptime_s": 0,
    }
    assert receive(board, "aaa").returncode == 0


def test_a_push_makes_the_lease_last(board: BoardUnderTest) -> None:
    set_clock(board, "1000.00")
    hold(board, "aaa", 60)
    assert receive(board, "aaa").returncode == 0
    assert lease(board, "show")["lease"]["expires_uptime_s"] == 1900
    set_clock(board, "1000.00")
    hold(board, "aaa", 5000)
    assert receive(board, "aaa", b"others").returncode == 0
    assert lease(board, "show")["lease"]["expires_uptime_s"] == 6000


def test_a_token_whose_lease_is_gone_is_refused_though_the_board_is_free(board: BoardUnderTest) -> None:
    set_clock(board, "1000.00")
    hold(board, "aaa", 60)
    set_clock(board, "1060.00")
    assert start(board, "aaa") == (REFUSED, {"reserved": None, "uptime_s": 1060})
    assert json.loads(receive(board, "aaa").stdout) == {"reserved": None, "uptime_s": 1060}
    hold(board, "aaa", 60)
    assert start(board, "aaa") == (0, {"started": True})
    board.wait(board.run_dir())
    set_clock(board, "5.00", BOOT.replace("1", "9"))
    assert start(board, "aaa", "r2") == (REFUSED, {"reserved": None, "uptime_s": 5})
    assert start(board, None, "r2") == (0, {"started": True})
    board.wait(board.run_dir("r2"))


def test_a_board_without_flock_has_no_leases_and_takes_files_as_before(board: BoardUnderTest) -> None:
    tools = board.folder / "tools"
    tools.mkdir()
    for place in ("/usr/bin", "/bin"):
        for tool in Path(place).iterdir():
            if tool.name not in ("flock", "sh") and not (tools / tool.name).exists():
                (tools / tool.name).symlink_to(tool)
    board.env["PATH"] = f"{board.stubs}:{tools}"
    assert receive(board, None).returncode == 0
    refused = receive(board, "aaa", b"others")
    assert refused.returncode == 73 and b"flock is not on this board" in refused.stderr
    assert board.script("lease.sh", "show").returncode == 127


def test_a_run_that_was_started_is_not_refused_when_it_is_started_again(board: BoardUnderTest) -> None:
    hold(board, "aaa")
    assert start(board, "aaa") == (0, {"started": True})
    board.wait(board.run_dir())
    steal(board, "aaa", "bbb")
    assert start(board, "aaa") == (0, {"started": False})


def test_nobody_steals_while_a_run_goes(board: BoardUnderTest) -> None:
    hold(board, "aaa")
    up = board.pipe("up")
    assert start(board, "aaa", "r1", "60", "sh", "-c", f"echo up >'{up.path}'; exec sleep 1000")[0] == 0
    up.read_line()
    answer = steal(board, "aaa", "bbb", code=REFUSED)
    assert (answer["busy"], answer["reserved"]["token"]) == ("c1/r1", "aaa")
    assert lease(board, "show")["run"] == "c1/r1"
    board.json("cancel", board.run_dir())
    assert lease(board, "show")["run"] is None
    assert steal(board, "aaa", "bbb")["held"]["token"] == "bbb"


def test_a_board_is_taken_over_together_with_its_run_when_that_was_asked_for(board: BoardUnderTest) -> None:
    hold(board, "aaa")
    scripts = board.runs.parent / "scripts" / "0"
    shutil.copytree(SCRIPTS, scripts)
    up = board.pipe("up")
    start(board, "aaa", "r1", "60", "sh", "-c", f"echo up >'{up.path}'; exec sleep 1000")
    up.read_line()
    argv = [str(board.stubs / "sh"), str(scripts / "lease.sh"), "evict", "zzz", "bbb", "600", "o", "p", ""]
    wrong = subprocess.run(argv, env=board.env, capture_output=True, timeout=DEADLINE_S)
    assert wrong.returncode == REFUSED and lease(board, "show")["run"] == "c1/r1"
    argv[3] = "aaa"
    done = subprocess.run(argv, env=board.env, capture_output=True, timeout=DEADLINE_S)
    assert done.returncode == 0 and json.loads(done.stdout)["held"]["token"] == "bbb", done.stderr
    assert json.loads((board.run_dir() / "end.json").read_bytes())["result"] == "cancelled"
    assert lease(board, "show")["run"] is None


def test_a_steal_does_not_slip_in_between_the_look_at_the_token_and_the_taking_of_the_board(
    board: BoardUnderTest,
) -> None:
    hold(board, "aaa")
    at_lock = board.pipe("at_lock")
    real = shutil.which("flock")
    # The launch waits just before it takes the board.
    board.stub(
        "flock",
        f"""case "$*" in '-x -w 0.3 '*) echo here >'{at_lock.path}'; {real} '{board.folder}/gate' true ;; esac
        exec {real} "$@"
        """,
    )
    with (board.folder / "gate").open("w") as gate:
        fcntl.flock(gate, fcntl.LOCK_EX)
        argv = board.argv("job.sh", "start", board.run_dir(), "60", "--lease", "aaa", "--", "sleep", "1000")
        launch = subprocess.Popen(argv, env=board.env, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert launch.stdin is not None
        launch.stdin.write(b"{}")
        launch.stdin.close()
        launch.stdin = None
        at_lock.read_line()
        thief = board.popen("lease.sh", "steal", "aaa", "bbb", "600", "o", "p", "", stdout=subprocess.PIPE)
        deadline = time.monotonic() + DEADLINE_S
        while thief.poll() is None and not waits_for(folder(board)):
            assert time.monotonic() < deadline, "the thief neither waits nor ends"
            time.sleep(0.01)
    assert launch.communicate(timeout=DEADLINE_S)[0] == b'{"started":true}\n'
    answer = json.loads(thief.communicate(timeout=DEADLINE_S)[0])
    assert (thief.returncode, answer.get("busy")) == (REFUSED, "c1/r1")
    assert holder(board) == "aaa"


def test_a_holder_that_slept_while_its_lease_was_stolen_is_refused_at_its_next_launch_and_push(
    board: BoardUnderTest,
) -> None:
    script = f"""
        sh '{SCRIPTS}/lease.sh' hold aaa 600 a@lab tests '' >/dev/null
        kill -STOP $$
        printf '{{}}' | sh '{SCRIPTS}/job.sh' start '{board.run_dir()}' 60 --lease aaa -- true; echo $?
        sh '{SCRIPTS}/artifact.sh' receive '{board.folder}/store' m {"0" * 64} 3 3 {"0" * 64} 0 aaa </dev/null; echo $?
    """
    sleeper = subprocess.Popen(
        [str(board.stubs / "sh"), "-c", script], env=board.env, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    try:
        os.waitid(os.P_PID, sleeper.pid, os.WSTOPPED | os.WNOWAIT)
        assert holder(board) == "aaa"
        steal(board, "aaa", "bbb")
        sleeper.send_signal(signal.SIGCONT)
        out, err = sleeper.communicate(timeout=DEADLINE_S)
    finally:
        sleeper.kill()
    launch, launched, push, pushed = out.splitlines()
    assert (launched, pushed, err) == (b"75", b"75", b"")
    assert json.loads(launch)["reserved"]["token"] == json.loads(push)["reserved"]["token"] == "bbb"
    assert not (board.run_dir() / "start.json").exists() and not (board.folder / "models").exists()
