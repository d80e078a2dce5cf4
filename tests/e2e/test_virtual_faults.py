"""What can befall the power, the network and the data of a virtual board at any moment, as an SSH client finds it."""

from __future__ import annotations

import contextlib
import hashlib
import json
import socket
import subprocess
import time
from pathlib import Path

import pytest

from tests.e2e.board_kit import ASK, LIMIT_S, Board, switch_on, virtual
from tests.e2e.fault_kit import fault, on_again, power, started, truth, until

BOOT = "cat /proc/sys/kernel/random/boot_id"


# --- power ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["reboot", "power_loss"])
def test_it_comes_back_as_a_new_boot_of_the_same_board(own_board: Board, kind: str) -> None:
    before = own_board.say(f"echo kept >kept; echo gone >/tmp/gone; echo gone >/run/gone; {BOOT}")
    job = started(own_board, "exec sleep 4711")
    assert fault(own_board, kind, "--away", "0.3")["away_s"] == 0.3
    assert job.wait(LIMIT_S) == 255, "the connection ends, at the latest when the board does not know it any more"
    job.communicate()
    on_again(own_board)
    after, kept, uptime, jobs = own_board.say(f"{BOOT}; cat kept; cat /proc/uptime; pgrep -c sleep || :").splitlines()
    assert after + "\n" != before
    assert (kept, jobs) == ("kept", "0")
    assert float(uptime.split()[0]) < 60
    assert own_board.ssh("ls /tmp/gone /run/gone").returncode == 2
    boots = [event["boot_id"] for event in own_board.truth("boot")]
    assert boots == [before.strip(), after]
    (off,) = own_board.truth("power_off")
    assert (off["reason"], off["boot_id"]) == (kind, boots[0])


def test_processes_are_asked_to_end_by_a_reboot_and_not_by_a_power_loss(own_board: Board) -> None:
    job = "trap 'echo asked >>log; exit' TERM; echo; while :; do sleep 0.05; done"
    for kind, log in (("power_loss", ""), ("reboot", "asked\n")):
        client = started(own_board, job)
        assert client.stdout is not None and client.stdout.readline() == b"\n"
        fault(own_board, kind, "--away", "0.1")
        client.communicate(timeout=LIMIT_S)
        on_again(own_board)
        assert own_board.say("cat log 2>/dev/null || :") == log


def test_while_it_is_off_the_port_refuses_and_stays_its_own_until_the_power_is_back(own_board: Board) -> None:
    boot = own_board.say(BOOT)
    assert power(own_board, "off") == {"power": "off", "boot_id": None, "frozen": False}
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", own_board.facts["port"]), timeout=5)
    with socket.socket() as other, pytest.raises(OSError):
        other.bind(("127.0.0.1", own_board.facts["port"]))
    again = json.loads(virtual("up", "board", "--state", own_board.state).stdout)
    assert (again["port"], again["started"]) == (own_board.facts["port"], False), (
        "whoever asks for it does not switch it on"
    )
    assert power(own_board, "off")["power"] == "off"
    assert power(own_board, "on")["power"] == "on"
    assert own_board.say(BOOT) != boot
    now = power(own_board, "cycle")["boot_id"]
    assert own_board.say(BOOT).strip() == now


def test_a_board_that_never_comes_back_by_itself_is_switched_on_by_hand(own_board: Board) -> None:
    fault(own_board, "power_loss", "--away", "never")
    assert truth(own_board)["power"] == "off"
    assert power(own_board, "on")["power"] == "on"
    own_board.say("true")


def test_a_client_of_a_board_without_power_hears_nothing_at_all(own_board: Board) -> None:
    with contextlib.closing(socket.create_connection(("127.0.0.1", own_board.facts["port"]))) as client:
        client.settimeout(LIMIT_S)
        while not client.recv(4096).startswith(b"SSH-2.0-"):
            pass
        power(own_board, "off")
        client.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            while client.recv(4096):  # what was on its way
                pass
        client.sendall(b"anybody?")
        with pytest.raises(BlockingIOError):
            client.recv(1)
        power(own_board, "on")
        client.settimeout(LIMIT_S)
        with pytest.raises(ConnectionResetError):
            client.recv(1)


# --- frozen, slow, cut ----------------------------------------------------------------------------------------------


def test_a_frozen_board_says_nothing_and_then_goes_on_where_it_was(own_board: Board) -> None:
    ticker = started(own_board, "until [ -e stop ]; do echo tick >>ticks; sleep 0.01; done; echo end")
    until(lambda: int(own_board.say("cat ticks 2>/dev/null | wc -l")) > 3, "it ticks")
    fault(own_board, "freeze", "--for", "3600")
    seen = (own_board.state / "board/root/root/ticks").read_bytes()
    with socket.create_connection(("127.0.0.1", own_board.facts["port"])) as client:
        client.settimeout(0.3)
        with pytest.raises(TimeoutError):
            client.recv(1)
        assert (own_board.state / "board/root/root/ticks").read_bytes() == seen, "nothing runs on it either"
        fault(own_board, "freeze", "--off")
        client.settimeout(LIMIT_S)
        assert client.recv(4) == b"SSH-"
    until(lambda: len((own_board.state / "board/root/root/ticks").read_bytes()) > len(seen), "it goes on")
    own_board.say("touch stop")
    assert ticker.communicate(timeout=LIMIT_S)[0] == b"end\n"
    assert [event["event"] for event in truth(own_board)["events"] if event["event"].startswith("fault")] == [
        "fault",
        "fault_over",
    ]


def test_a_frozen_board_can_lose_its_power_and_can_not_reboot(own_board: Board) -> None:
    fault(own_board, "freeze", "--for", "3600")
    done = virtual("fault", "board", "reboot", "--state", own_board.state)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "virtual: board: it is frozen: nothing on it can shut it down; power_loss can\n"
    fault(own_board, "power_loss", "--away", "0")
    on_again(own_board)
    assert own_board.say("echo alive") == "alive\n"


def test_a_demo_on_a_frozen_board_stands_still_and_then_ends_well(own_state: Path) -> None:
    board = switch_on(own_state, "leisurely", time_scale=1)
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


def test_connections_are_cut_after_exactly_so_many_bytes(own_board: Board) -> None:
    fault(own_board, "cut", "--bytes", "777")
    with socket.create_connection(("127.0.0.1", own_board.facts["port"]), timeout=LIMIT_S) as client:
        client.sendall(b"SSH-2.0-test\r\n")
        got = 0
        with pytest.raises(ConnectionResetError):
            while piece := client.recv(100):
                got += len(piece)
    assert got == 777
    assert own_board.say("echo again") == "again\n"
    assert [event["fault"] for event in own_board.truth("fault_over")] == ["cut"]


def test_drop_resets_every_connection_and_what_runs_on_the_board_runs_on(own_board: Board) -> None:
    clients = [started(own_board, "echo $$ >>pids; exec sleep 4711") for _ in range(3)]
    until(lambda: len(own_board.say("cat pids || :").split()) == 3, "all three run")
    assert fault(own_board, "drop")["connections"] == 3
    assert [client.wait(LIMIT_S) for client in clients] == [255] * 3
    for client in clients:
        client.communicate()
    assert own_board.ssh("kill -0 $(cat pids)").returncode == 0


def test_slow_is_a_limit_on_bytes_and_off_is_full_speed(own_board: Board) -> None:
    rate = 60_000
    assert fault(own_board, "slow", "--rate", rate)["rate"] == rate
    began = time.monotonic()
    client = subprocess.Popen(own_board.argv("head -c 2000000 /dev/zero"), stdout=subprocess.PIPE)
    assert client.stdout is not None
    got = 0
    while got < 30_000:
        got += len(client.stdout.read1(65536))  # type: ignore[attr-defined]
        assert got <= rate * (time.monotonic() - began) + rate * 0.05
    fault(own_board, "slow", "--off")
    rest, _ = client.communicate(timeout=LIMIT_S)
    assert got + len(rest) == 2_000_000


def test_out_of_reach_nobody_gets_in_and_those_who_are_in_go_on_afterwards(own_board: Board) -> None:
    client = started(own_board, "while [ ! -e go ]; do sleep 0.02; done; echo went on")
    fault(own_board, "unreachable", "--for", "3600")
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", own_board.facts["port"]), timeout=5)
    (own_board.state / "board/root/root/go").touch()
    fault(own_board, "unreachable", "--off")
    out, _ = client.communicate(timeout=LIMIT_S)
    assert (client.returncode, out) == (0, b"went on\n")


# --- data -----------------------------------------------------------------------------------------------------------


def test_one_byte_of_what_the_board_sends_is_wrong_once(own_board: Board) -> None:
    data = hashlib.shake_256(b"sent").digest(5000)
    assert own_board.ssh("cat >data", data).returncode == 0
    fault(own_board, "corrupt", "--bytes", "2048", "--seed", "7")
    spoilt = own_board.ssh("cat data").stdout
    (at,) = [at for at, (one, other) in enumerate(zip(data, spoilt, strict=True)) if one != other]
    (said,) = own_board.truth("corrupted")
    assert 2048 <= at == said["offset"] < 3072
    assert (said["was"], said["became"]) == (data[at], spoilt[at])
    assert own_board.ssh("cat data").stdout == data, "once, and the disk is as it was"


def test_one_byte_of_what_the_board_stores_is_wrong_and_stays_wrong(own_board: Board) -> None:
    data = hashlib.shake_256(b"stored").digest(5000)
    fault(own_board, "corrupt", "--way", "in")
    assert own_board.ssh("cat >data", data).returncode == 0
    for _ in range(2):
        stored = own_board.ssh("cat data").stdout
        assert sum(one != other for one, other in zip(data, stored, strict=True)) == 1


def test_a_disk_of_a_limited_size_is_full_for_writers_that_are_at_it_and_has_room_again(own_state: Path) -> None:
    board = switch_on(own_state, "small", disk_mib=4)
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
    virtual("down", "small", "--state", own_state)
    assert truth(board)["runs"] == {"c/r": kept}, "it was brought back to where disks stay"
    virtual("up", "small", "--state", own_state)
    assert board.say("cat rkfleet/runs/c/r/stdout.log") == "kept\n"


def test_a_disk_without_a_size_can_not_be_filled_and_says_what_to_do(own_board: Board) -> None:
    done = virtual("fault", "board", "disk_full", "--state", own_board.state)
    assert done.returncode == 1
    assert "give it a `disk_mib`" in done.stderr
