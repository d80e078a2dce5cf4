"""A lease on a board where others may write: garbage, links, strange texts, several login users."""

from __future__ import annotations

import json
import os
import shutil
import stat
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.shell.kit import DEADLINE_S, SCRIPTS, BoardUnderTest, make_board
from tests.shell.lease_kit import BOOT, REFUSED, folder, hold, holder, lease, motd, set_clock, start, steal

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


@pytest.fixture
def open_board(request: pytest.FixtureRequest) -> Iterator[BoardUnderTest]:
    """In a folder that every user may enter, with scripts that every user may read."""
    if os.geteuid() != 0:
        pytest.skip("only root can be somebody else")
    top = Path(tempfile.mkdtemp(prefix="rkfleet-board-"))
    top.chmod(0o777)
    board = make_board(top / "b", "dash")
    shutil.copytree(SCRIPTS, top / "scripts")
    for place in (board.folder, board.stubs, top / "scripts"):
        place.chmod(0o755)
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
