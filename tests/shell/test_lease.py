"""lease.sh: a board has one holder at most, whatever becomes of programs in between, and launches ask for the token."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import random
import shutil
import signal
import stat
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.shell.kit import DEADLINE_S, SCRIPTS, BoardUnderTest, make_board, write_tree

BOOT = "11111111-2222-3333-4444-555555555555"
HELD, REFUSED = 0, 75


def lease(board: BoardUnderTest, *words: str, code: int = 0) -> Any:
    done = board.script("lease.sh", *words)
    assert (done.returncode, done.stderr) == (code, b""), done.stderr.decode() or done.stdout.decode()
    assert done.stdout.count(b"\n") == 1
    return json.loads(done.stdout)


def hold(board: BoardUnderTest, token: str = "aaa", for_s: int = 600, purpose: str = "tests", code: int = 0) -> Any:
    return lease(board, "hold", token, str(for_s), f"{token}@lab", purpose, "", code=code)


def steal(board: BoardUnderTest, shown: str, token: str, code: int = 0) -> Any:
    return lease(board, "steal", shown, token, "600", f"{token}@lab", "mine", "", code=code)


def holder(board: BoardUnderTest) -> str | None:
    found = lease(board, "show")["lease"]
    return None if found is None else str(found["token"])


def folder(board: BoardUnderTest) -> Path:
    return Path(board.env["RKFLEET_LEASE"])


def motd(board: BoardUnderTest) -> Path:
    return Path(f"{board.env['RKFLEET_LEASE']}.motd.d") / "rkfleet"


def set_clock(board: BoardUnderTest, uptime: str, boot_id: str = BOOT) -> None:
    """The board's own time, which is all that a lease knows."""
    root = write_tree(
        board.folder / "root", {"proc/uptime": f"{uptime} 1.00\n", "proc/sys/kernel/random/boot_id": f"{boot_id}\n"}
    )
    board.env["RK_SYSROOT"] = str(root)


def events(board: BoardUnderTest) -> list[tuple[str, str]]:
    lines = (folder(board) / "lease.log").read_text().splitlines()
    return [(line["event"], line["lease"]["token"]) for line in map(json.loads, lines)]


def race(board: BoardUnderTest, racers: list[tuple[str, ...]]) -> list[tuple[int, Any]]:
    """All at once: exit code and answer of each."""
    gun = (board.folder / "gun").open("w")
    fcntl.flock(gun, fcntl.LOCK_EX)
    waiting = [
        subprocess.Popen(
            ["flock", "-s", str(board.folder / "gun"), *board.argv("lease.sh", *words)],
            env=board.env,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        for words in racers
    ]
    gun.close()
    answers = [(one, *one.communicate(timeout=4 * DEADLINE_S)) for one in waiting]
    assert [err for _, _, err in answers] == [b""] * len(racers)
    return [(one.returncode, json.loads(out)) for one, out, _ in answers]


# ------------------------------------------------------------------------------------- take, renew, steal, release


def test_a_lease_is_taken_renewed_shown_and_given_back(board: BoardUnderTest) -> None:
    set_clock(board, "1000.99")
    taken = hold(board, "aaa", 600, "nightly")["held"]
    assert taken == {
        "token": "aaa",
        "owner": "aaa@lab",
        "purpose": "nightly",
        "campaign": None,
        "boot_id": BOOT,
        "acquired_uptime_s": 1000,
        "renewed_uptime_s": 1000,
        "expires_uptime_s": 1600,
    }
    assert lease(board, "show") == {"lease": taken, "run": None, "boot_id": BOOT, "uptime_s": 1000}
    set_clock(board, "1100.00")
    assert hold(board, "bbb", code=REFUSED) == {"reserved": taken, "uptime_s": 1100}
    renewed = lease(board, "hold", "aaa", "600", "", "", "c7")["held"]
    assert renewed == taken | {"campaign": "c7", "renewed_uptime_s": 1100, "expires_uptime_s": 1700}
    assert hold(board, "aaa", 10)["held"]["expires_uptime_s"] == 1700  # never nearer than what was promised
    assert lease(board, "release", "bbb")["released"] is False
    assert lease(board, "release", "aaa") == {"released": True, "lease": None, "uptime_s": 1100}
    assert lease(board, "release", "aaa")["released"] is False
    assert [path.name for path in folder(board).iterdir()] == ["lease.log"] and not motd(board).exists()
    assert events(board) == [("take", "aaa"), ("release", "aaa")]


def test_who_steals_must_have_seen_the_lease_that_is_there(board: BoardUnderTest) -> None:
    assert steal(board, "aaa", "bbb", code=REFUSED)["reserved"] is None
    hold(board, "aaa")
    assert steal(board, "zzz", "bbb", code=REFUSED)["reserved"]["token"] == "aaa"
    assert steal(board, "aaa", "bbb")["held"]["token"] == "bbb"
    assert steal(board, "aaa", "bbb")["held"]["token"] == "bbb"  # the answer got lost, and was asked for again
    assert steal(board, "aaa", "ccc", code=REFUSED)["reserved"]["token"] == "bbb"
    assert hold(board, "aaa", code=REFUSED)["reserved"]["token"] == "bbb"
    assert events(board) == [("take", "aaa"), ("steal", "bbb"), ("lose", "aaa")]


@pytest.mark.parametrize("uptime", ["1600.00", "1600", "9000.01"])
def test_a_lease_ends_by_the_uptime_of_the_board(board: BoardUnderTest, uptime: str) -> None:
    set_clock(board, "1000.00")
    hold(board, "aaa", 600)
    set_clock(board, "1599.99")
    assert holder(board) == "aaa" and motd(board).exists() == (os.geteuid() == 0)
    set_clock(board, uptime)
    assert holder(board) is None and not motd(board).exists()
    assert hold(board, "bbb")["held"]["acquired_uptime_s"] == int(uptime.partition(".")[0])


def test_a_lease_of_another_boot_is_void(board: BoardUnderTest) -> None:
    set_clock(board, "1000.00")
    hold(board, "aaa")
    set_clock(board, "1001.00", BOOT.replace("1", "9"))
    assert holder(board) is None
    assert steal(board, "aaa", "bbb", code=REFUSED)["reserved"] is None
    hold(board, "bbb")


def test_a_board_that_does_not_say_its_boot_or_uptime_gives_no_lease(board: BoardUnderTest) -> None:
    board.env["RK_SYSROOT"] = str(board.folder / "nothing")
    done = board.script("lease.sh", "hold", "aaa", "600", "a@lab", "", "")
    assert (done.returncode, done.stdout) == (73, b"") and b"uptime" in done.stderr


@pytest.mark.parametrize(
    "words",
    [
        (),
        ("hold",),
        ("hold", "aaa", "600", "a@lab", ""),
        ("hold", "", "600", "a@lab", "", ""),
        ("hold", 'a"b', "600", "a@lab", "", ""),
        ("hold", "a/../b", "600", "a@lab", "", ""),
        ("hold", "x" * 65, "600", "a@lab", "", ""),
        *(("hold", "aaa", for_s, "a@lab", "", "") for for_s in ("", "0", "-1", "1.5", "604801", "9" * 30, "1 2")),
        ("steal", "aaa", "600", "a@lab", "", ""),
        ("release",),
        ("show", "all"),
        ("take", "aaa"),
    ],
)
def test_what_can_not_be_understood_changes_nothing(board: BoardUnderTest, words: tuple[str, ...]) -> None:
    done = board.script("lease.sh", *words)
    assert (done.returncode, done.stdout) == (2, b"")
    assert done.stderr.startswith(b"lease.sh: ")
    assert not folder(board).exists()


# ----------------------------------------------------------------------------------------------------- at once


def test_of_thirty_at_once_one_gets_the_board(board: BoardUnderTest) -> None:
    for turn in range(3):
        free = race(board, [("hold", f"h{turn}x{k}", "600", "o", "p", "") for k in range(30)])
        winners = [answer["held"]["token"] for code, answer in free if code == HELD]
        assert len(winners) == 1 and holder(board) == winners[0]
        assert {answer["reserved"]["token"] for code, answer in free if code == REFUSED} == set(winners)
        swapped = race(
            board,
            [("steal", winners[0], f"s{turn}x{k}", "600", "o", "p", "") for k in range(15)]
            + [("hold", f"g{turn}x{k}", "600", "o", "p", "") for k in range(15)],
        )
        thieves = [answer["held"]["token"] for code, answer in swapped if code == HELD]
        assert len(thieves) == 1 and thieves[0].startswith("s") and holder(board) == thieves[0]
        assert sorted(code for code, _ in swapped) == [HELD] + [REFUSED] * 29
        assert {answer["reserved"]["token"] for code, answer in swapped if code == REFUSED} <= {*winners, *thieves}
        assert lease(board, "release", thieves[0])["released"]
        assert {path.name for path in folder(board).iterdir()} == {"lease.log"}
    assert len(events(board)) == 3 * 4


def test_of_thirty_at_once_on_a_lease_that_is_over_one_holder_and_no_thief_gets_the_board(
    board: BoardUnderTest,
) -> None:
    set_clock(board, "1000.00")
    hold(board, "old", 10)
    set_clock(board, "2000.00")
    answers = race(
        board,
        [("steal", "old", f"s{k}", "600", "o", "p", "") for k in range(15)]
        + [("hold", f"h{k}", "600", "o", "p", "") for k in range(15)],
    )
    winners = [answer["held"]["token"] for code, answer in answers if code == HELD]
    assert len(winners) == 1 and winners[0].startswith("h") and holder(board) == winners[0]


@pytest.mark.parametrize("step", ["dd", "mv"])
@pytest.mark.parametrize("held", [True, False], ids=["held", "free"])
def test_who_is_killed_in_the_middle_leaves_the_old_state_and_no_mess(
    board: BoardUnderTest, step: str, held: bool
) -> None:
    if held:
        hold(board, "old")
    reached = board.pipe("reached")
    real = shutil.which(step)
    stub = board.stub(step, f"echo here >'{reached.path}'\nflock '{board.folder}/gate' true\nexec {real} \"$@\"\n")
    with (board.folder / "gate").open("w") as gate:
        fcntl.flock(gate, fcntl.LOCK_EX)
        words = ("steal", "old", "new", "600", "o", "p", "") if held else ("hold", "new", "600", "o", "p", "")
        victim = board.popen("lease.sh", *words, stdout=subprocess.PIPE, start_new_session=True)
        reached.read_line()
        os.killpg(victim.pid, signal.SIGKILL)
        victim.wait(DEADLINE_S)
    stub.unlink()
    assert any(path.name.startswith(".lease.") for path in folder(board).iterdir())
    assert holder(board) == ("old" if held else None)
    if held:
        steal(board, "old", "next")
    else:
        hold(board, "next")
    assert {path.name for path in folder(board).iterdir()} == {"lease.json", "lease.log"}


def test_killed_at_any_moment_there_is_one_holder_or_none(board: BoardUnderTest) -> None:
    seed = random.randrange(2**32)
    print("seed", seed)
    dice = random.Random(seed)
    for turn in range(6):
        racers = [
            board.popen("lease.sh", "hold", f"k{turn}x{k}", "600", "o", "p", "", stdout=subprocess.PIPE)
            for k in range(8)
        ]
        for victim in dice.sample(racers, 5):
            with contextlib.suppress(subprocess.TimeoutExpired):
                victim.wait(dice.random() * 0.1)
            victim.kill()
        said = [one.communicate(timeout=DEADLINE_S)[0] for one in racers]
        winners = [
            json.loads(out)["held"]["token"] for one, out in zip(racers, said, strict=True) if not one.returncode
        ]
        assert len(winners) <= 1
        now = holder(board)
        assert now is not None  # three were left alone
        assert not winners or now == winners[0]
        assert steal(board, now, f"t{turn}")["held"]["token"] == f"t{turn}"
        assert lease(board, "release", f"t{turn}")["released"]


# --------------------------------------------------------------------------------------------- launches and pushes


def start(board: BoardUnderTest, token: str | None, run: str = "r1", limit: str = "60", *program: str) -> Any:
    shown = ["--lease", token] if token is not None else []
    done = board.script(
        "job.sh", "start", board.run_dir(run), limit, *shown, "--", *(program or ("true",)), stdin=b"{}"
    )
    assert done.stderr == b""
    return done.returncode, json.loads(done.stdout)


def receive(board: BoardUnderTest, token: str | None, data: bytes = b"weights") -> subprocess.CompletedProcess[bytes]:
    whole = hashlib.sha256(data).hexdigest()
    listed = f"{whole}\n".encode()  # one chunk
    words = [board.folder / "store", "m.rkllm", whole, str(len(data)), "65536", hashlib.sha256(listed).hexdigest(), "0"]
    return board.script("artifact.sh", "receive", *words, *([token] if token is not None else []), stdin=listed + data)


def test_a_board_that_is_reserved_takes_runs_and_files_of_its_holder_alone(board: BoardUnderTest) -> None:
    held = hold(board, "aaa", 60, purpose="reserved for busy people")["held"]
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
    assert now["lease"]["expires_uptime_s"] - now["uptime_s"] > 7500 - 60
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


def waits_for(locked: Path) -> bool:
    """Does somebody wait for the lock on this file?"""
    inode = f":{locked.stat().st_ino} "
    return any("->" in line and inode in line for line in Path("/proc/locks").read_text().splitlines())


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


# ------------------------------------------------------------------------------------------ what others may have done

VALID = (
    '{"token":"aaa","owner":"o","purpose":"p","campaign":null,"boot_id":"' + BOOT + '",'
    '"acquired_uptime_s":1,"renewed_uptime_s":1,"expires_uptime_s":9999}'
)
GARBAGE = {
    "empty": b"",
    "a newline": b"\n",
    "binary": bytes(range(256)) * 3,
    "cut": VALID[:-9].encode(),
    "two": f"{VALID}\n{VALID}\n".encode(),
    "a tail": f"{VALID} x\n".encode(),
    "another key": VALID.replace('"owner"', '"0wner"').encode(),
    "a bad token": VALID.replace("aaa", "a$(id)").encode(),
    "a control character": VALID.replace('"p"', '"\x1b[2J"').encode(),
    "an escape": VALID.replace('"p"', '"\\u001b"').encode(),
    "an open text": VALID.replace('"p"', '"p\\"').encode(),
    "half a character": VALID.encode().replace(b'"p"', b'"\xe4\xbd"'),
    "a huge number": VALID.replace("9999", "9" * 30).encode(),
    "no number": VALID.replace("9999", "never").encode(),
    "megabytes": VALID.replace('"p"', '"' + "p" * 2**21 + '"').encode(),
}


@pytest.mark.parametrize("data", GARBAGE.values(), ids=GARBAGE)
def test_what_is_no_lease_is_none_and_no_error(board: BoardUnderTest, data: bytes) -> None:
    set_clock(board, "1000.00")
    place = folder(board)
    place.mkdir()
    place.chmod(0o777)
    (place / "lease.json").write_text(VALID + "\n")
    assert holder(board) == "aaa"  # the shape is right, so the rest is about the damage
    (place / "lease.json").write_bytes(data)
    assert holder(board) is None
    assert start(board, None)[0] == 0
    board.wait(board.run_dir())
    assert hold(board, "bbb")["held"]["token"] == "bbb"
    assert holder(board) == "bbb"


@pytest.mark.parametrize("planted", ["link", "dangling link", "fifo"])
def test_what_is_planted_for_the_lease_or_its_log_is_neither_read_nor_written_through(
    board: BoardUnderTest, planted: str
) -> None:
    set_clock(board, "1000.00")
    place = folder(board)
    place.mkdir()
    place.chmod(0o777)
    victim = board.folder / "victim"
    secret = VALID.replace("aaa", "secret") + "\n"
    if planted == "link":
        victim.write_text(secret)
    for name in ("lease.json", "lease.log"):
        if planted == "fifo":
            os.mkfifo(place / name)
        else:
            (place / name).symlink_to(victim)
    assert holder(board) is None
    assert hold(board, "bbb")["held"]["token"] == "bbb"
    assert steal(board, "bbb", "ccc")["held"]["token"] == "ccc"
    assert victim.exists() == (planted == "link")
    if planted == "link":
        assert victim.read_text() == secret
    for name in ("lease.json", "lease.log"):
        assert stat.S_ISREG((place / name).lstat().st_mode) and "secret" not in (place / name).read_text()


def test_a_link_to_a_folder_in_the_place_of_the_lease_is_not_followed(board: BoardUnderTest) -> None:
    place, elsewhere = folder(board), board.folder / "elsewhere"
    place.mkdir()
    place.chmod(0o777)
    elsewhere.mkdir()
    (place / "lease.json").symlink_to(elsewhere)
    hold(board, "aaa")
    assert not list(elsewhere.iterdir()) and holder(board) == "aaa"


def test_a_link_under_the_very_name_of_a_new_file_is_not_written_through(board: BoardUnderTest) -> None:
    victim = board.folder / "victim"
    victim.write_text("precious")
    board.stub("mktemp", f"ln -s '{victim}' .lease.guessed; echo .lease.guessed\n")
    done = board.script("lease.sh", "hold", "aaa", "600", "a@lab", "", "")
    assert (done.returncode, done.stdout) == (73, b"") and b"can not write" in done.stderr
    assert victim.read_text() == "precious" and holder(board) is None


@pytest.mark.parametrize("mode", [0o755, 0o1777, None])
def test_a_folder_that_is_not_open_to_all_is_left_alone_and_the_lease_lies_in_the_store(
    board: BoardUnderTest, mode: int | None
) -> None:
    scripts = board.folder / "store" / "scripts" / "0"
    shutil.copytree(SCRIPTS, scripts)
    place = folder(board)
    if mode is None:
        (board.folder / "closed").mkdir(mode=0o755)
        place.symlink_to(board.folder / "closed")
    else:
        place.mkdir()
        place.chmod(mode)
    sh = str(board.stubs / "sh")
    words = ["hold", "aaa", "600", "a@lab", "", ""]
    done = subprocess.run([sh, scripts / "lease.sh", *words], env=board.env, capture_output=True, timeout=DEADLINE_S)
    assert done.returncode == 0, done.stderr
    assert not list(place.iterdir())
    own = board.folder / "store" / "lease"
    assert stat.S_IMODE(own.stat().st_mode) == 0o777 and (own / "lease.json").exists()
    argv = [sh, scripts / "job.sh", "start", board.run_dir(), "60", "--", "true"]
    refused = subprocess.run(argv, env=board.env, input=b"{}", capture_output=True, timeout=DEADLINE_S)
    assert refused.returncode == REFUSED and b'"token":"aaa"' in refused.stdout


def test_the_folder_is_open_to_all_and_the_lease_is_readable_for_all_however_strict_the_umask(
    board: BoardUnderTest,
) -> None:
    argv = board.argv("lease.sh", "hold", "aaa", "600", "a@lab", "", "")
    subprocess.run(argv, env=board.env, check=True, capture_output=True, umask=0o077)
    assert stat.S_IMODE(folder(board).stat().st_mode) == 0o777
    assert {stat.S_IMODE(path.stat().st_mode) for path in folder(board).iterdir()} == {0o644}


def test_the_log_is_bounded_and_keeps_only_what_is_its_own(board: BoardUnderTest) -> None:
    place = folder(board)
    place.mkdir()
    place.chmod(0o777)
    line = '{"event":"take","uid":0,"epoch_s":1,"uptime_s":%d,"lease":' + VALID + "}\n"
    (place / "lease.log").write_text("".join(line % k for k in range(400)) + "root:secret:1\n")
    hold(board, "aaa")
    lines = (place / "lease.log").read_text().splitlines()
    assert len(lines) == 199 and "secret" not in "".join(lines)
    assert [json.loads(line)["uptime_s"] for line in lines[:-1]] == list(range(202, 400))


TEXTS = {
    "quotes": ("a 'b' \"c\" \\ $(touch pwned) `id` %s %%n", "a 'b' \"c\" \\ $(touch pwned) `id` %s %%n"),
    "escape": ("\x1b[2J\x07red\x1b]0;t\x07", "[2Jred]0;t"),
    "lines": ("one\ntwo\r\nthree\tfour", "onetwothreefour"),
    "C1 and direction": ("a\x9b2Jb\u202ec\u2028d\u2066e", "a2Jbcde"),
    "chinese": ("夜间测试 ✓", "夜间测试 ✓"),
    "keys": (
        'x","purpose":"y","campaign":"z","expires_uptime_s":99999',
        'x","purpose":"y","campaign":"z","expires_uptime_s":99999',
    ),
    "backslash": ("ends with \\", "ends with \\"),
}


@pytest.mark.parametrize(("text", "kept"), TEXTS.values(), ids=TEXTS)
def test_what_people_write_stays_text(board: BoardUnderTest, text: str, kept: str) -> None:
    set_clock(board, "1000.00")
    held = lease(board, "hold", "aaa", "600", text, text, text)["held"]
    assert (held["owner"], held["purpose"], held["campaign"]) == (kept, kept, kept)
    assert (held["acquired_uptime_s"], held["expires_uptime_s"]) == (1000, 1600)
    assert lease(board, "show")["lease"] == held
    renewed = lease(board, "hold", "aaa", "700", "", "", "")["held"]
    assert renewed == held | {"expires_uptime_s": 1700}
    if os.geteuid() == 0:
        first, second, third = motd(board).read_text().splitlines()
        assert first.startswith(f"This board is reserved by {kept} until 2") and second == f"For: {kept}"
        assert third == "Ask them before you load the NPU."
    assert not list(board.folder.rglob("pwned"))


def test_a_long_text_is_cut_between_two_characters(board: BoardUnderTest) -> None:
    held = hold(board, purpose="板" * 300)["held"]
    assert held["purpose"] == "板" * 66
    assert holder(board) == "aaa"


# ---------------------------------------------------------------------------------------------- several login users


@pytest.fixture
def open_board(request: pytest.FixtureRequest) -> Iterator[BoardUnderTest]:
    """In a folder that every user may enter, with scripts that every user may read."""
    if os.geteuid() != 0:
        pytest.skip("only root can be somebody else")
    top = Path(tempfile.mkdtemp(prefix="rkfleet-board-"))
    top.chmod(0o777)
    board = make_board(top / "b", "dash")
    shutil.copytree(SCRIPTS, top / "scripts")
    yield board
    board.close()
    shutil.rmtree(top)


def as_user(board: BoardUnderTest, uid: int, *words: str) -> tuple[int, Any]:
    script = board.folder.parent / "scripts" / "lease.sh"
    who = ["setpriv", "--reuid", str(uid), "--regid", str(uid), "--clear-groups"] if uid else []
    env = board.env | {"RKFLEET_LEASE": str(board.folder.parent / "lease")}
    argv = [*who, str(board.stubs / "sh"), str(script), *words]
    done = subprocess.run(argv, env=env, capture_output=True, timeout=DEADLINE_S, cwd="/")
    assert done.stderr == b""
    return done.returncode, json.loads(done.stdout)


@pytest.mark.parametrize("first", [0, 12345])
def test_the_users_of_a_board_share_one_lease_whoever_came_first(open_board: BoardUnderTest, first: int) -> None:
    other = 54321
    assert as_user(open_board, first, "hold", "aaa", "600", "a", "", "")[0] == 0
    assert as_user(open_board, other, "hold", "bbb", "600", "b", "", "")[0] == REFUSED
    assert as_user(open_board, other, "steal", "aaa", "bbb", "600", "b", "", "")[0] == 0
    assert as_user(open_board, first, "show")[1]["lease"]["token"] == "bbb"
    assert as_user(open_board, first, "steal", "bbb", "ccc", "600", "c", "", "")[0] == 0
    assert as_user(open_board, other, "release", "bbb")[1]["released"] is False
    assert as_user(open_board, first, "release", "ccc")[1]["released"] is True
    log = (open_board.folder.parent / "lease" / "lease.log").read_text().splitlines()
    assert [json.loads(line)["uid"] for line in log] == [first, other, other, first, first, first]
