"""lease.sh: a board has one holder at most, whatever becomes of programs in between."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import random
import shutil
import signal
import subprocess

import pytest

from tests.shell.kit import DEADLINE_S, BoardUnderTest
from tests.shell.lease_kit import BOOT, HELD, REFUSED, events, folder, hold, holder, lease, motd, race, set_clock, steal


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


def test_of_twelve_at_once_one_gets_the_board(board: BoardUnderTest) -> None:
    for turn in range(3):
        free = race(board, [("hold", f"h{turn}x{k}", "600", "o", "p", "") for k in range(12)])
        winners = [answer["held"]["token"] for code, answer in free if code == HELD]
        assert len(winners) == 1 and holder(board) == winners[0]
        assert {answer["reserved"]["token"] for code, answer in free if code == REFUSED} == set(winners)
        swapped = race(
            board,
            [("steal", winners[0], f"s{turn}x{k}", "600", "o", "p", "") for k in range(6)]
            + [("hold", f"g{turn}x{k}", "600", "o", "p", "") for k in range(6)],
        )
        thieves = [answer["held"]["token"] for code, answer in swapped if code == HELD]
        assert len(thieves) == 1 and thieves[0].startswith("s") and holder(board) == thieves[0]
        assert sorted(code for code, _ in swapped) == [HELD] + [REFUSED] * 11
        assert {answer["reserved"]["token"] for code, answer in swapped if code == REFUSED} <= {*winners, *thieves}
        assert lease(board, "release", thieves[0])["released"]
        assert {path.name for path in folder(board).iterdir()} == {"lease.log"}
    assert len(events(board)) == 3 * 4


def test_of_twelve_at_once_on_a_lease_that_is_over_one_holder_and_no_thief_gets_the_board(
    board: BoardUnderTest,
) -> None:
    set_clock(board, "1000.00")
    hold(board, "old", 10)
    set_clock(board, "2000.00")
    answers = race(
        board,
        [("steal", "old", f"s{k}", "600", "o", "p", "") for k in range(6)]
        + [("hold", f"h{k}", "600", "o", "p", "") for k in range(6)],
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
