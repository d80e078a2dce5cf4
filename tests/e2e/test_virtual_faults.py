"""What can befall a virtual board at any moment, seen from a real SSH client and from the ground truth."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import random
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from fleet.deadline import Deadline
from fleet.errors import BoardError
from fleet.ssh.connection import Board as FleetBoard
from fleet.ssh.connection import Endpoint
from fleet.ssh.host_keys import HostKey, HostKeys
from tests.e2e.board_kit import ASK, LIMIT_S, Board, command_lines, switch_on, virtual
from tests.e2e.home import Home
from tests.e2e.home import virtual as entry
from virtual.config import MOMENTS
from virtual.control import Refused
from virtual.lifecycle import tell

SOAK = int(os.environ.get("RKFLEET_SOAK", "15"))  # faults; more by hand
BOOT = "cat /proc/sys/kernel/random/boot_id"


@pytest.fixture
def state(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path
    done = virtual("down", "--all", "--state", tmp_path)
    assert done.returncode == 0, done.stderr
    assert str(tmp_path) not in Path("/proc/mounts").read_text()
    assert not [line for line in command_lines() if f"virtual.board {tmp_path}" in line]


@pytest.fixture
def board(state: Path) -> Board:
    return switch_on(state, "board")


def fault(board: Board, *words: object) -> dict[str, Any]:
    done = virtual("fault", board.name, *map(str, words), "--state", board.state)
    assert done.returncode == 0, done.stderr
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def power(board: Board, to: str) -> dict[str, Any]:
    done = virtual("power", board.name, to, "--state", board.state)
    assert done.returncode == 0, done.stderr
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def truth(board: Board) -> dict[str, Any]:
    done = virtual("truth", board.name, "--state", board.state)
    assert done.returncode == 0, done.stderr
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def until(what: Callable[[], object], why: str) -> None:
    """Ask until it is so."""
    deadline = time.monotonic() + LIMIT_S
    while not what():
        assert time.monotonic() < deadline, why
        time.sleep(0.02)


def on_again(board: Board) -> None:
    until(lambda: truth(board)["power"] == "on", "the board did not come back")


def started(board: Board, command: str) -> subprocess.Popen[bytes]:
    """A client with that command under way; its first line has been read."""
    client = subprocess.Popen(board.argv(f"echo; {command}"), stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert client.stdout is not None and client.stdout.readline() == b"\n"
    return client


# --- power ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["reboot", "power_loss"])
def test_it_comes_back_as_a_new_boot_of_the_same_board(board: Board, kind: str) -> None:
    before = board.say(f"echo kept >kept; echo gone >/tmp/gone; echo gone >/run/gone; {BOOT}")
    job = started(board, "exec sleep 4711")
    assert fault(board, kind, "--away", "0.3")["away_s"] == 0.3
    assert job.wait(LIMIT_S) == 255, "the connection ends, at the latest when the board does not know it any more"
    job.communicate()
    on_again(board)
    after, kept, uptime, jobs = board.say(f"{BOOT}; cat kept; cat /proc/uptime; pgrep -c sleep || :").splitlines()
    assert after + "\n" != before
    assert (kept, jobs) == ("kept", "0")
    assert float(uptime.split()[0]) < 60
    assert board.ssh("ls /tmp/gone /run/gone").returncode == 2
    boots = [event["boot_id"] for event in board.truth("boot")]
    assert boots == [before.strip(), after]
    (off,) = board.truth("power_off")
    assert (off["reason"], off["boot_id"]) == (kind, boots[0])


def test_processes_are_asked_to_end_by_a_reboot_and_not_by_a_power_loss(board: Board) -> None:
    job = "trap 'echo asked >>log; exit' TERM; echo; while :; do sleep 0.05; done"
    for kind, log in (("power_loss", ""), ("reboot", "asked\n")):
        client = started(board, job)
        assert client.stdout is not None and client.stdout.readline() == b"\n"
        fault(board, kind, "--away", "0.1")
        client.communicate(timeout=LIMIT_S)
        on_again(board)
        assert board.say("cat log 2>/dev/null || :") == log


def test_while_it_is_off_the_port_refuses_and_stays_its_own_until_the_power_is_back(board: Board) -> None:
    boot = board.say(BOOT)
    assert power(board, "off") == {"power": "off", "boot_id": None, "frozen": False}
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", board.facts["port"]), timeout=5)
    with socket.socket() as other, pytest.raises(OSError):
        other.bind(("127.0.0.1", board.facts["port"]))
    again = json.loads(virtual("up", "board", "--state", board.state).stdout)
    assert (again["port"], again["started"]) == (board.facts["port"], False), (
        "whoever asks for it does not switch it on"
    )
    assert power(board, "off")["power"] == "off"
    assert power(board, "on")["power"] == "on"
    assert board.say(BOOT) != boot
    now = power(board, "cycle")["boot_id"]
    assert board.say(BOOT).strip() == now


def test_a_board_that_never_comes_back_by_itself_is_switched_on_by_hand(board: Board) -> None:
    fault(board, "power_loss", "--away", "never")
    assert truth(board)["power"] == "off"
    assert power(board, "on")["power"] == "on"
    board.say("true")


def test_a_client_of_a_board_without_power_hears_nothing_at_all(board: Board) -> None:
    with contextlib.closing(socket.create_connection(("127.0.0.1", board.facts["port"]))) as client:
        client.settimeout(LIMIT_S)
        while not client.recv(4096).startswith(b"SSH-2.0-"):
            pass
        power(board, "off")
        client.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            while client.recv(4096):  # what was on its way
                pass
        client.sendall(b"anybody?")
        with pytest.raises(BlockingIOError):
            client.recv(1)
        power(board, "on")
        client.settimeout(LIMIT_S)
        with pytest.raises(ConnectionResetError):
            client.recv(1)


# --- frozen, slow, cut ----------------------------------------------------------------------------------------------


def test_a_frozen_board_says_nothing_and_then_goes_on_where_it_was(board: Board) -> None:
    ticker = started(board, "until [ -e stop ]; do echo tick >>ticks; sleep 0.01; done; echo end")
    until(lambda: int(board.say("wc -l <ticks")) > 3, "it ticks")
    fault(board, "freeze", "--for", "3600")
    seen = (board.state / "board/root/root/ticks").read_bytes()
    with socket.create_connection(("127.0.0.1", board.facts["port"])) as client:
        client.settimeout(0.3)
        with pytest.raises(TimeoutError):
            client.recv(1)
        assert (board.state / "board/root/root/ticks").read_bytes() == seen, "nothing runs on it either"
        fault(board, "freeze", "--off")
        client.settimeout(LIMIT_S)
        assert client.recv(4) == b"SSH-"
    until(lambda: len((board.state / "board/root/root/ticks").read_bytes()) > len(seen), "it goes on")
    board.say("touch stop")
    assert ticker.communicate(timeout=LIMIT_S)[0] == b"end\n"
    assert [event["event"] for event in truth(board)["events"] if event["event"].startswith("fault")] == [
        "fault",
        "fault_over",
    ]


def test_a_frozen_board_can_lose_its_power_and_can_not_reboot(board: Board) -> None:
    fault(board, "freeze", "--for", "3600")
    done = virtual("fault", "board", "reboot", "--state", board.state)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "virtual: board: it is frozen: nothing on it can shut it down; power_loss can\n"
    fault(board, "power_loss", "--away", "0")
    on_again(board)
    assert board.say("echo alive") == "alive\n"


def test_a_demo_on_a_frozen_board_stands_still_and_then_ends_well(state: Path) -> None:
    board = switch_on(state, "leisurely", time_scale=5)
    command = ASK.format(model=board.put_model(), new=200, context=4096, limit=60)
    demo = subprocess.Popen(board.argv(command), stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    until(lambda: board.truth("load"), "the demo loads")
    fault(board, "freeze", "--for", "1")
    out, _ = demo.communicate(timeout=LIMIT_S)
    assert demo.returncode == 0
    assert b"Generate " in out
    ended = truth(board)["events"]
    order = [event["event"] for event in ended if event["event"] in ("load", "fault", "fault_over", "turn")]
    assert order == ["load", "fault", "fault_over", "turn"]


def test_connections_are_cut_after_exactly_so_many_bytes(board: Board) -> None:
    fault(board, "cut", "--bytes", "777")
    with socket.create_connection(("127.0.0.1", board.facts["port"]), timeout=LIMIT_S) as client:
        client.sendall(b"SSH-2.0-test\r\n")
        got = 0
        with pytest.raises(ConnectionResetError):
            while piece := client.recv(100):
                got += len(piece)
    assert got == 777
    assert board.say("echo again") == "again\n"
    assert [event["fault"] for event in board.truth("fault_over")] == ["cut"]


def test_drop_resets_every_connection_and_what_runs_on_the_board_runs_on(board: Board) -> None:
    clients = [started(board, "echo $$ >>pids; exec sleep 4711") for _ in range(3)]
    until(lambda: len(board.say("cat pids || :").split()) == 3, "all three run")
    assert fault(board, "drop")["connections"] == 3
    assert [client.wait(LIMIT_S) for client in clients] == [255] * 3
    for client in clients:
        client.communicate()
    assert board.ssh("kill -0 $(cat pids)").returncode == 0


def test_slow_is_a_limit_on_bytes_and_off_is_full_speed(board: Board) -> None:
    rate = 60_000
    assert fault(board, "slow", "--rate", rate)["rate"] == rate
    began = time.monotonic()
    client = subprocess.Popen(board.argv("head -c 2000000 /dev/zero"), stdout=subprocess.PIPE)
    assert client.stdout is not None
    got = 0
    while got < 30_000:
        got += len(client.stdout.read1(65536))  # type: ignore[attr-defined]
        assert got <= rate * (time.monotonic() - began) + rate * 0.05
    fault(board, "slow", "--off")
    rest, _ = client.communicate(timeout=LIMIT_S)
    assert got + len(rest) == 2_000_000


def test_out_of_reach_nobody_gets_in_and_those_who_are_in_go_on_afterwards(board: Board) -> None:
    client = started(board, "while [ ! -e go ]; do sleep 0.02; done; echo went on")
    fault(board, "unreachable", "--for", "3600")
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", board.facts["port"]), timeout=5)
    (board.state / "board/root/root/go").touch()
    fault(board, "unreachable", "--off")
    out, _ = client.communicate(timeout=LIMIT_S)
    assert (client.returncode, out) == (0, b"went on\n")


# --- data -----------------------------------------------------------------------------------------------------------


def test_one_byte_of_what_the_board_sends_is_wrong_once(board: Board) -> None:
    data = hashlib.shake_256(b"sent").digest(5000)
    assert board.ssh("cat >data", data).returncode == 0
    fault(board, "corrupt", "--bytes", "2048", "--seed", "7")
    spoilt = board.ssh("cat data").stdout
    (at,) = [at for at, (one, other) in enumerate(zip(data, spoilt, strict=True)) if one != other]
    (said,) = board.truth("corrupted")
    assert 2048 <= at == said["offset"] < 3072
    assert (said["was"], said["became"]) == (data[at], spoilt[at])
    assert board.ssh("cat data").stdout == data, "once, and the disk is as it was"


def test_one_byte_of_what_the_board_stores_is_wrong_and_stays_wrong(board: Board) -> None:
    data = hashlib.shake_256(b"stored").digest(5000)
    fault(board, "corrupt", "--way", "in")
    assert board.ssh("cat >data", data).returncode == 0
    for _ in range(2):
        stored = board.ssh("cat data").stdout
        assert sum(one != other for one, other in zip(data, stored, strict=True)) == 1


def test_a_disk_of_a_limited_size_is_full_for_writers_that_are_at_it_and_has_room_again(state: Path) -> None:
    board = switch_on(state, "small", disk_mib=4)
    assert board.ssh("mkdir -p rkfleet/runs/c/r; echo kept >rkfleet/runs/c/r/stdout.log").returncode == 0
    writer = started(board, "exec 2>&1; until ! head -c 8192 /dev/zero >>grows; do sleep 0.02; done; echo; cat")
    assert fault(board, "disk_full")["bytes_taken"] > 0
    assert writer.stdout is not None
    assert b"No space left on device" in writer.stdout.readline()
    fault(board, "power_loss", "--away", "0")
    writer.communicate(timeout=LIMIT_S)
    on_again(board)
    assert board.ssh("head -c 8192 /dev/zero >more").returncode != 0, "a reboot frees nothing"
    fault(board, "disk_full", "--off")
    assert board.ssh("head -c 8192 /dev/zero >more").returncode == 0
    digest = hashlib.sha256(b"kept\n").hexdigest()
    kept = {"files": {"stdout.log": {"bytes": 5, "sha256": digest}}, "lock_held": False}
    assert [event["runs"] for event in board.truth("disk")] == [{"c/r": kept}] * 2
    virtual("down", "small", "--state", state)
    assert truth(board)["runs"] == {"c/r": kept}, "it was brought back to where disks stay"
    virtual("up", "small", "--state", state)
    assert board.say("cat rkfleet/runs/c/r/stdout.log") == "kept\n"


def test_a_disk_without_a_size_can_not_be_filled_and_says_what_to_do(board: Board) -> None:
    done = virtual("fault", "board", "disk_full", "--state", board.state)
    assert done.returncode == 1
    assert "give it a `disk_mib`" in done.stderr


# --- ground truth and control ---------------------------------------------------------------------------------------


def test_the_truth_knows_which_run_a_demo_is_for_and_what_its_folder_has(state: Path) -> None:
    board = switch_on(state, "board", faults=["hang"])
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


def test_a_board_that_is_not_on_and_one_that_is_not_there_are_said_in_one_line(board: Board) -> None:
    virtual("down", "board", "--state", board.state)
    done = virtual("fault", "board", "freeze", "--state", board.state)
    assert (done.returncode, done.stdout, done.stderr) == (1, "", "virtual: board is not on\n")
    done = virtual("power", "bord", "on", "--state", board.state)
    assert done.returncode == 2
    assert done.stderr == f"virtual: there is no board 'bord' in {board.state}\n"
    assert power(board, "off")["power"] == "off"
    assert power(board, "on")["power"] == "on"
    assert board.say("echo on") == "on\n"


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
def test_a_wish_that_makes_no_sense_is_refused_and_nothing_happens(board: Board, words: list[str], says: str) -> None:
    done = virtual("fault", "board", *words, "--state", board.state)
    assert done.returncode == 1
    assert says in done.stderr
    assert board.truth("fault") == []


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


def test_down_works_whatever_is_going_on(state: Path) -> None:
    for fate in (
        ["freeze"],
        ["power_loss", "--away", "never"],
        ["power_loss"],
        ["slow", "--rate", "1"],
        ["unreachable"],
    ):
        board = switch_on(state, "board")
        board.say("true")
        fault(board, *fate)
        assert json.loads(virtual("down", "board", "--state", state).stdout) == {"stopped": ["board"]}


# --- through the driver ---------------------------------------------------------------------------------------------


def test_the_fleets_own_connection_meets_the_same_board_after_a_power_loss(board: Board, tmp_path: Path) -> None:
    keys = HostKeys.load(tmp_path / "known_hosts")
    keys.replace("127.0.0.1", board.facts["port"], [HostKey.parse(board.facts["host_key"])])
    where = Endpoint("board", "127.0.0.1", board.facts["port"], "root", key=Path(board.facts["identity"]), agent=False)
    with FleetBoard(where, keys) as fleet:
        before = fleet.run(["cat", "/proc/sys/kernel/random/boot_id"], deadline=Deadline.after(LIMIT_S)).stdout
        fault(board, "power_loss", "--away", "0.2")
        on_again(board)
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


def test_random_faults_leave_no_process_no_mount_and_no_open_file_behind(state: Path) -> None:
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    dice = random.Random(seed)
    board = switch_on(state, "board", disk_mib=8)
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
            tell(state, "board", {"verb": "fault", "fault": name, "wish": wish})
        if len(clients) > 6:
            end(clients.pop(dice.randrange(len(clients))))
        if dice.random() < 0.1:
            tell(state, "board", {"verb": "power", "to": dice.choice(["off", "on"])})
    for client in clients:
        end(client)
    for name in ("freeze", "unreachable", "slow", "cut", "corrupt", "disk_full"):
        tell(state, "board", {"verb": "fault", "fault": name, "wish": {"off": True}})
    until(lambda: tell(state, "board", {"verb": "look"})["power"] != "returning", "it comes back")
    tell(state, "board", {"verb": "power", "to": "off"})
    tell(state, "board", {"verb": "power", "to": "on"})
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
