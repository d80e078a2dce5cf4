"""What tests of leases ask of lease.sh, and what they look at."""

from __future__ import annotations

import fcntl
import json
import subprocess
from pathlib import Path
from typing import Any

from tests.shell.kit import DEADLINE_S, BoardUnderTest, write_tree

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


def start(board: BoardUnderTest, token: str | None, run: str = "r1", limit: str = "60", *program: str) -> Any:
    shown = ["--lease", token] if token is not None else []
    done = board.script(
        "job.sh", "start", board.run_dir(run), limit, *shown, "--", *(program or ("true",)), stdin=b"{}"
    )
    assert done.stderr == b""
    return done.returncode, json.loads(done.stdout)
