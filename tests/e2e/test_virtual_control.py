"""A virtual board in trouble, from beside it: the truth on record, its owner's orders, our driver, the machine."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import random
import subprocess
import time
from pathlib import Path

import pytest

from fleet.deadline import Deadline
from fleet.errors import BoardError
from fleet.ssh.connection import Board as FleetBoard
from fleet.ssh.connection import Endpoint
from fleet.ssh.host_keys import HostKey, HostKeys
from tests.e2e.board_kit import ASK, LIMIT_S, Board, switch_on, virtual
from tests.e2e.fault_kit import fault, on_again, power, started, truth, until
from tests.e2e.home import Home
from tests.e2e.home import virtual as entry
from virtual.config import MOMENTS
from virtual.control import Refused
from virtual.lifecycle import tell

SOAK = int(os.environ.get("RKFLEET_SOAK", "15"))  # faults; more by hand


# --- ground truth and control ---------------------------------------------------------------------------------------


def test_the_truth_knows_which_run_a_demo_is_for_and_what_its_folder_has(own_state: Path) -> None:
    board = switch_on(own_state, "board", faults=["hang"])
    run = "/root/rkfleet/runs/c1/r1"
    model = board.put_model()
    board.say(f"mkdir -p {run} /run/lock/rkfleet; echo '{{}}' >/run/lock/rkfleet/lease.json; : >{run}/lock")
    ask = ASK.format(model=model, new=4000, context=4096, limit=20)
    client = started(
        board, f"cd {run}; export RKFLEET_RUN='[{run}]'; exec 8<lock; flock 8; sh -c \"{ask}\" >stdout.log 2>stderr.log"
    )
    until(lambda: board.truth("demo_started"), "the demo starts")
    until(lambda: board.truth("fault"), "it hangs in its answer")
    now = truth(board)
    assert now["runs"]["c1/r1"]["lock_held"] is True
    assert now["locks"] == {"board_lock_held": False, "lease_files": {"lease.json": "{}\n"}}
    fault(board, "power_loss", "--away", "never")
    client.kill()
    client.communicate()
    after = truth(board)
    assert (after["power"], after["locks"]) == ("off", None)
    (disk,) = board.truth("disk")
    assert disk["runs"] == after["runs"]
    log = (board.state / f"board/root{run}/stdout.log").read_bytes()
    assert after["runs"]["c1/r1"]["files"]["stdout.log"] == {
        "bytes": len(log),
        "sha256": hashlib.sha256(log).hexdigest(),
    }
    assert after["runs"]["c1/r1"]["lock_held"] is False
    for event in ("demo_started", "demo_ended"):
        assert [entry["run_dir"] for entry in board.truth(event)] == [run]


def test_a_board_that_is_not_on_and_one_that_is_not_there_are_said_in_one_line(own_board: Board) -> None:
    virtual("down", "board", "--state", own_board.state)
    done = virtual("fault", "board", "freeze", "--state", own_board.state)
    assert (done.returncode, done.stdout, done.stderr) == (1, "", "virtual: board is not on\n")
    done = virtual("power", "bord", "on", "--state", own_board.state)
    assert done.returncode == 2
    assert done.stderr == f"virtual: there is no board 'bord' in {own_board.state}\n"
    assert power(own_board, "off")["power"] == "off"
    assert power(own_board, "on")["power"] == "on"
    assert own_board.say("echo on") == "on\n"


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["slow", "--rate", "0"], "no rate"),
        (["freeze", "--for", "-1"], "not a number"),
        (["power_loss", "--off"], "can not be taken back"),
        (["drop", "--off"], "can not be taken back"),
        (["reboot", "--away", "90000"], "more than a day"),
    ],
)
def test_a_wish_that_makes_no_sense_is_refused_and_nothing_happens(
    own_board: Board, words: list[str], says: str
) -> None:
    done = virtual("fault", "board", *words, "--state", own_board.state)
    assert done.returncode == 1
    assert says in done.stderr
    assert own_board.truth("fault") == []


def test_only_the_owner_may_tell_a_board_anything_however_deep_its_folder_is(tmp_path: Path) -> None:
    deep = tmp_path / ("d" * 100) / ("e" * 100)
    deep.mkdir(parents=True)
    try:
        board = switch_on(deep, "board")
        assert fault(board, "drop")["connections"] == 0
        assert (deep / "board/control").stat().st_mode & 0o077 == 0
        assert (
            board.ssh("find / -path /usr -prune -o -path /proc -prune -o -name control -print | grep .").returncode == 1
        )
    finally:
        virtual("down", "--all", "--state", deep)


def test_down_works_whatever_is_going_on(own_state: Path) -> None:
    for fate in (
        ["freeze"],
        ["power_loss", "--away", "never"],
        ["power_loss"],
        ["slow", "--rate", "1"],
        ["unreachable"],
    ):
        board = switch_on(own_state, "board")
        board.say("true")
        fault(board, *fate)
        assert json.loads(virtual("down", "board", "--state", own_state).stdout) == {"stopped": ["board"]}


# --- through the driver ---------------------------------------------------------------------------------------------


def test_the_fleets_own_connection_meets_the_same_board_after_a_power_loss(own_board: Board, tmp_path: Path) -> None:
    keys = HostKeys.load(tmp_path / "known_hosts")
    keys.replace("127.0.0.1", own_board.facts["port"], [HostKey.parse(own_board.facts["host_key"])])
    where = Endpoint(
        "board", "127.0.0.1", own_board.facts["port"], "root", key=Path(own_board.facts["identity"]), agent=False
    )
    with FleetBoard(where, keys) as fleet:
        before = fleet.run(["cat", "/proc/sys/kernel/random/boot_id"], deadline=Deadline.after(LIMIT_S)).stdout
        fault(own_board, "power_loss", "--away", "0.2")
        on_again(own_board)
        after = b""
        with contextlib.suppress(BoardError):  # the connection of the boot before
            after = fleet.run(["cat", "/proc/sys/kernel/random/boot_id"], deadline=Deadline.after(LIMIT_S)).stdout
        after = after or fleet.run(["cat", "/proc/sys/kernel/random/boot_id"], deadline=Deadline.after(LIMIT_S)).stdout
        assert before != after


@pytest.mark.parametrize("kind", ["power_loss", "reboot"])
def test_a_new_start_in_the_middle_of_a_bench_costs_that_run_and_no_other(home: Home, kind: str) -> None:
    home.inventory({"a": entry(kind, away_s=0.5)})
    done = home.invoke("bench", "--cores", "1,3", "--repeats", "1", "--format", "json", code=1)
    cells = {cell["npu_cores"]: cell for cell in json.loads(done.stdout)}
    assert sorted(cell["outcome"] for cell in cells.values()) == ["1 ok, 1 rebooted", "ok"]
    events = home.truth("a")
    assert [event["fault"] for event in events if event["event"] == "fault"] == [kind]
    assert len([event for event in events if event["event"] == "boot"]) == 2
    demos = [event for event in events if event["event"] == "demo_ended"]
    assert [event["code"] for event in demos] == [None, 0, 0, 0]
    assert [Path(event["run_dir"]).name for event in demos] == [run.name for run in home.runs()]
    lost = home.runs()[0]
    assert json.loads((lost / "outcome.json").read_text())["outcome"] == "rebooted"
    (disk,) = [event for event in events if event["event"] == "disk"]
    for name, seen in disk["runs"][f"{lost.parent.parent.name}/{lost.name}"]["files"].items():
        data = (lost / name).read_bytes()
        assert (len(data), hashlib.sha256(data).hexdigest()) == (seen["bytes"], seen["sha256"]), name


# --- for hours ------------------------------------------------------------------------------------------------------


def test_random_faults_leave_no_process_no_mount_and_no_open_file_behind(own_state: Path) -> None:
    seed = random.randrange(2**32) if "RKFLEET_SOAK" in os.environ else 7
    print(f"seed {seed}")
    dice = random.Random(seed)
    board = switch_on(own_state, "board", disk_mib=8)
    board.say("true")
    rest = at_rest(board)
    clients: list[subprocess.Popen[bytes]] = []
    for _ in range(SOAK):
        name = dice.choice(MOMENTS)
        wish = {
            "away_s": dice.choice([0.0, 0.1, 0.4]),
            "for_s": dice.choice([0.0, 0.1, 0.5]),
            "count": dice.randrange(6000),
            "rate": dice.choice([500, 20_000, 1e6]),
            "way": dice.choice(["in", "out"]),
            "seed": dice.randrange(100),
            "off": dice.random() < 0.15,
        }
        command = dice.choice(
            ["sleep 0.2", "head -c 200000 /dev/zero", "cat", "yes | head -c 30000; sleep 4711", "exit 3"]
        )
        clients.append(
            subprocess.Popen(
                board.argv(command), stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
            )
        )
        time.sleep(dice.random() * 0.3)
        with contextlib.suppress(Refused):
            tell(own_state, "board", {"verb": "fault", "fault": name, "wish": wish})
        if len(clients) > 6:
            end(clients.pop(dice.randrange(len(clients))))
        if dice.random() < 0.1:
            tell(own_state, "board", {"verb": "power", "to": dice.choice(["off", "on"])})
    for client in clients:
        end(client)
    for name in ("freeze", "unreachable", "slow", "cut", "corrupt", "disk_full"):
        tell(own_state, "board", {"verb": "fault", "fault": name, "wish": {"off": True}})
    until(lambda: tell(own_state, "board", {"verb": "look"})["power"] in ("on", "off"), "it comes back")
    tell(own_state, "board", {"verb": "power", "to": "off"})
    tell(own_state, "board", {"verb": "power", "to": "on"})
    board.say("true")
    until(lambda: at_rest(board) <= rest, f"seed {seed}: before {rest}, after {at_rest(board)}")


def end(client: subprocess.Popen[bytes]) -> None:
    client.kill()
    client.communicate()


def at_rest(board: Board) -> tuple[int, int]:
    """Open files of the board process and its children, once it has noticed that nobody is connected."""
    until(lambda: tell(board.state, board.name, {"verb": "look"})["connections"] == 0, "all clients have gone")
    proc = Path(f"/proc/{board.facts['pid']}")
    children = sum(len((task / "children").read_text().split()) for task in (proc / "task").iterdir())
    return len(list((proc / "fd").iterdir())), children
