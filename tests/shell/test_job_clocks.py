"""The clocks of a run: pinned while it lives, in its evidence, and back as they were whoever was killed."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.shell.clock_tree import DMC, Tree, board_files, idle, policy, trans_stat
from tests.shell.kit import BoardUnderTest, eventually, kill_at_once, processes_with


@pytest.fixture
def tree(board: BoardUnderTest) -> Tree:
    if os.geteuid() != 0:
        board.stub("id", 'case "$*" in -u | -g) echo 0 ;; *) exec /usr/bin/id "$@" ;; esac')
    return Tree(board, board_files())


def start(tree: Tree, *program: str, clocks: str = "pinned", run: str = "r1", limit: str = "60") -> Path:
    board = tree.board
    words = ("start", board.run_dir(run), limit, "--clocks", clocks, "--", *program)
    done = board.script("job.sh", *words, stdin=b"{}")
    assert (done.returncode, done.stdout) == (0, b'{"started":true}\n'), done.stderr
    return board.run_dir(run)


def going(tree: Tree, **words: str) -> Path:
    """A run that is in the middle of its program."""
    up = tree.board.pipe("up")
    folder = start(tree, "sh", "-c", f"echo up >'{up.path}'; exec sleep 1000", **words)
    up.read_line()
    assert is_pinned(tree)
    return folder


def is_pinned(tree: Tree) -> bool:
    return tree.saved.exists() or tree.text(f"{DMC}/governor") == "userspace"


def keepers(tree: Tree) -> list[int]:
    found = []
    for pid in processes_with(str(tree.board.folder)):
        with contextlib.suppress(OSError):
            words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
            if words[0].endswith(b"flock") and b"restore" in words:
                found.append(pid)
    return found


def start_json(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "start.json").read_bytes())
    return found


def clocks_of(folder: Path) -> dict[str, dict[str, Any]]:
    record = json.loads((folder / "clocks.json").read_bytes())
    assert record["schema"] == 1
    return {clock["name"] or clock["kind"]: clock for clock in record["clocks"]}


def test_a_run_is_pinned_while_it_goes_and_its_evidence_says_so(tree: Tree) -> None:
    gate, up = tree.board.pipe("gate"), tree.board.pipe("up")
    before = tree.text(f"{policy(4)}/scaling_governor")
    folder = start(tree, "sh", "-c", f"echo up >'{up.path}'; read _ <'{gate.path}'")
    up.read_line()
    assert tree.text(f"{policy(4)}/scaling_governor") == "userspace"
    assert len(keepers(tree)) == 1
    tree.write(f"{DMC}/trans_stat", trans_stat({"528000000": 1100, "2112000000": 5900}))
    tree.write(f"{policy(4)}/stats/time_in_state", "408000 100\n2256000 300\n")
    tree.write(f"{policy(4)}/scaling_cur_freq", "1200000\n")
    gate.tell("go")
    assert tree.board.wait(folder)["result"] == "success"
    assert json.loads((folder / "facts.after.json").read_bytes())["dmc"]["governor"] == "userspace", (
        "before it went back"
    )
    assert start_json(folder)["clocks"] == "pinned"
    clocks = clocks_of(folder)
    assert clocks["dmc"] == {
        "kind": "dmc",
        "name": "dmc",
        "path": f"/{DMC}",
        "wanted": 2112000000,
        "how": "userspace",
        "not_pinned": None,
        "before": {"governor": "dmc_ondemand", "value": 2112000000, "min": 528000000, "max": 2112000000},
        "start": {"governor": "userspace", "value": 2112000000, "min": 528000000, "max": 2112000000},
        "end": {"governor": "userspace", "value": 2112000000, "min": 528000000, "max": 2112000000},
        "restored": {"governor": "dmc_ondemand", "value": 2112000000, "min": 528000000, "max": 2112000000},
        "residency_ms": {"528000000": 100, "2112000000": 900},
        "share_at_wanted": 0.9,
    }
    assert clocks["policy4"]["residency_ms"] == {"2256000000": 1000}
    assert (clocks["policy4"]["start"]["value"], clocks["policy4"]["end"]["value"]) == (2256000000, 1200000000)
    assert [clocks["cpu0/state1"][when]["value"] for when in ("before", "start", "end", "restored")] == [0, 1, 1, 0]
    assert not is_pinned(tree)
    assert tree.text(f"{policy(4)}/scaling_governor") == before
    assert not [path.name for path in folder.iterdir() if path.name.startswith(".")]
    eventually(lambda: not processes_with(str(tree.board.folder)))


def test_a_run_as_it_is_reads_everything_and_touches_nothing(tree: Tree) -> None:
    before = tree.settings()
    up = tree.board.pipe("up")
    gate = tree.board.pipe("gate")
    folder = start(tree, "sh", "-c", f"echo up >'{up.path}'; read _ <'{gate.path}'", clocks="as_is")
    up.read_line()
    assert tree.settings() == before and not keepers(tree)
    gate.tell("go")
    tree.board.wait(folder)
    clock = clocks_of(folder)["dmc"]
    assert (clock["wanted"], clock["not_pinned"], clock["restored"]) == (None, None, None)
    assert clock["start"] == clock["end"] == clock["before"]


def test_a_killed_wrapper_leaves_the_clocks_to_the_guard(tree: Tree) -> None:
    folder = going(tree)
    tree.board.wait_for_guard()
    for pid in keepers(tree):
        os.kill(pid, signal.SIGKILL)
    os.kill(start_json(folder)["pid"], signal.SIGKILL)
    tree.board.wait_free(folder / "lock")
    assert not is_pinned(tree)
    assert tree.text(f"{idle(3)}/disable") == "0"


def test_killed_wrapper_and_guard_leave_them_to_the_keeper_once_the_program_is_gone(tree: Tree) -> None:
    folder = going(tree)
    program = [pid for pid in processes_with(f"RKFLEET_RUN=[{folder}]") if b"sleep" in _cmdline(pid)]
    spared = [*program, *keepers(tree)]
    kill_at_once(str(tree.board.folder), spared)
    assert tree.board.state()["now"]["run_alive"] is True
    assert is_pinned(tree), "the run lives"
    for pid in program:
        os.kill(pid, signal.SIGKILL)
    tree.board.wait_free(folder / "lock")
    eventually(lambda: not is_pinned(tree))


def test_when_all_of_a_run_is_killed_its_keeper_lives_and_puts_them_back(tree: Tree) -> None:
    going(tree)
    (keeper,) = keepers(tree)
    assert b"RKFLEET_RUN" not in Path(f"/proc/{keeper}/environ").read_bytes()
    assert not any(fd.readlink().name == "board.lock" for fd in Path(f"/proc/{keeper}/fd").iterdir())
    kill_at_once(str(tree.board.folder), {keeper})
    eventually(lambda: not is_pinned(tree))
    eventually(lambda: not processes_with(str(tree.board.folder)))


@pytest.mark.parametrize("who", ["state", "list", "start", "tidy and start"])
def test_when_even_the_keeper_is_killed_the_next_one_puts_them_back(tree: Tree, who: str) -> None:
    going(tree)
    kill_at_once(str(tree.board.folder))
    assert is_pinned(tree)
    if who == "state":
        tree.board.state()
    elif who == "list":
        tree.board.json("list", tree.board.runs)
    else:
        if "tidy" in who:
            tree.board.json("tidy", tree.board.runs)
        folder = start(tree, "true", clocks="as_is", run="r2")
        tree.board.wait(folder)
        assert clocks_of(folder)["dmc"]["before"]["governor"] == "dmc_ondemand"
    assert not is_pinned(tree)


def test_a_cancelled_run_has_put_them_back_when_cancel_answers(tree: Tree) -> None:
    folder = going(tree)
    assert tree.board.json("cancel", folder)["cancelled"] is True
    assert not is_pinned(tree)
    assert clocks_of(folder)["dmc"]["restored"]["governor"] == "dmc_ondemand"


def test_a_cancelled_run_whose_wrapper_hangs_has_put_them_back_too(tree: Tree) -> None:
    if tree.board.shell != "dash":
        pytest.skip("it takes ten seconds, and no shell has a part in it")
    folder = going(tree)
    os.kill(start_json(folder)["pid"], signal.SIGSTOP)
    assert tree.board.json("cancel", folder)["cancelled"] is True
    assert not is_pinned(tree)


def test_a_run_that_is_stopped_at_its_limit_has_put_them_back(tree: Tree) -> None:
    folder = start(tree, "sleep", "1000", limit="1")
    assert tree.board.wait(folder)["result"] == "timeout"
    assert not is_pinned(tree)
    assert clocks_of(folder)["dmc"]["end"]["governor"] == "userspace"


def test_a_run_that_can_not_begin_leaves_nothing_pinned(tree: Tree) -> None:
    tree.board.stub("dd", 'case $* in *.start.json.*) exit 1 ;; *) exec /usr/bin/dd "$@" ;; esac')
    words = ("start", tree.board.run_dir(), "60", "--clocks", "pinned", "--", "true")
    assert tree.board.script("job.sh", *words, stdin=b"{}").returncode == 73
    assert not is_pinned(tree), "not even for a moment after the answer"
    eventually(lambda: not processes_with(str(tree.board.folder)))
    assert not [path for path in tree.board.runs.rglob("*") if path.name.startswith((".", "clocks"))]


def test_a_devfreq_that_hangs_does_not_hang_the_run(tree: Tree) -> None:
    tree.board.env |= {"RKFLEET_CLOCKS_S": "1", "RKFLEET_FACTS_S": "1"}
    governor = tree.root / DMC / "governor"
    governor.unlink()
    os.mkfifo(governor)
    folder = start(tree, "true")
    assert tree.board.wait(folder)["result"] == "success"
    assert not (folder / "clocks.json").exists(), "nothing is known of the clocks"


def test_a_profile_that_there_is_not_starts_nothing(tree: Tree) -> None:
    done = tree.board.script(
        "job.sh", "start", tree.board.run_dir(), "60", "--clocks", "x;y", "--", "true", stdin=b"{}"
    )
    assert done.returncode == 2 and b"no profile" in done.stderr
    assert not tree.board.run_dir().exists()


def test_a_service_that_was_killed_has_them_put_back_by_its_last_command(tree: Tree) -> None:
    """As systemd does it: everything of the service is dead, then ExecStopPost."""
    folder = going(tree)
    kill_at_once(str(tree.board.folder))
    start = start_json(folder) | {"way": "systemd", "unit": "u.service", "invocation_id": "abc"}
    (folder / "start.json").write_text(json.dumps(start, separators=(",", ":")) + "\n")
    environment = {"INVOCATION_ID": "abc", "SERVICE_RESULT": "signal", "EXIT_CODE": "killed", "EXIT_STATUS": "KILL"}
    done = subprocess.run(
        tree.board.argv("job.sh", "_ended", folder, "1"),
        env=tree.board.env | environment,
        capture_output=True,
        timeout=60,
    )
    assert (done.returncode, done.stderr) == (0, b"")
    assert not is_pinned(tree)
    clock = clocks_of(folder)["dmc"]
    assert (clock["end"]["governor"], clock["restored"]["governor"]) == ("userspace", "dmc_ondemand")


def test_the_next_run_pins_anew_and_the_keeper_of_the_last_one_leaves_it_alone(tree: Tree) -> None:
    first = going(tree)
    (keeper,) = keepers(tree)
    os.kill(keeper, signal.SIGSTOP)
    kill_at_once(str(tree.board.folder), {keeper})
    gate, up = tree.board.pipe("gate"), tree.board.pipe("up2")
    second = start(tree, "sh", "-c", f"echo up >'{up.path}'; read _ <'{gate.path}'", run="r2")
    up.read_line()
    os.kill(keeper, signal.SIGCONT)
    eventually(lambda: not Path(f"/proc/{keeper}").exists() or b"clocks.sh" not in _cmdline(keeper))
    assert tree.text(f"{DMC}/governor") == "userspace"
    gate.tell("go")
    tree.board.wait(second)
    assert clocks_of(second)["dmc"]["before"]["governor"] == "dmc_ondemand"
    assert not is_pinned(tree)
    assert first != second


def _cmdline(pid: int) -> bytes:
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    return b""
