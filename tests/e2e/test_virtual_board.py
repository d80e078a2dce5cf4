"""A virtual board as the rest of the project meets it: over OpenSSH, with the printed host key and nothing else."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.e2e.board_kit import ASK, LIMIT_S, ROOT, Board, virtual
from tests.processes import wait_for_end
from virtual.isolation import BOARD_ID

# --- the SSH server -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("code", [0, 1, 3, 127, 255])
def test_a_command_ends_with_its_own_exit_code(healthy: Board, code: int) -> None:
    assert healthy.ssh(f"exit {code}").returncode == code


def test_output_and_errors_come_apart(healthy: Board) -> None:
    done = healthy.ssh("echo good; echo bad >&2")
    assert (done.stdout, done.stderr) == (b"good\n", b"bad\n")


def test_megabytes_of_any_bytes_go_through_in_both_directions(healthy: Board) -> None:
    data = hashlib.shake_256(b"megabytes").digest(10_000_000)
    assert healthy.ssh("cat", data).stdout == data
    assert healthy.ssh("sha256sum", data).stdout.split()[0].decode() == hashlib.sha256(data).hexdigest()


def test_a_reader_that_stops_early_is_no_harm(healthy: Board) -> None:
    assert healthy.ssh("head -c 5", b"0123456789" * 500_000).stdout == b"01234"


def test_files_travel_by_sftp_and_by_both_kinds_of_scp(healthy: Board, tmp_path: Path) -> None:
    data = hashlib.shake_256(b"file").digest(700_001)
    (tmp_path / "sent").write_bytes(data)
    for number, kind in enumerate(([], ["-O"])):
        there, back = f"root@127.0.0.1:scp{number}", tmp_path / f"back{number}"
        for words in ([str(tmp_path / "sent"), there], [there, str(back)]):
            subprocess.run(["scp", "-q", *kind, *healthy.options, *words], check=True, timeout=LIMIT_S)
        assert back.read_bytes() == data
    batch = f"get /root/scp0 {tmp_path}/got\nrm /root/scp0\nrm /root/scp1\n"
    sftp = ["sftp", "-q", *healthy.options, "-b", "-", "root@127.0.0.1"]
    subprocess.run(sftp, input=batch.encode(), check=True, timeout=LIMIT_S, capture_output=True)
    assert (tmp_path / "got").read_bytes() == data


def test_sftp_follows_an_absolute_link_inside_the_board_only(healthy: Board, tmp_path: Path) -> None:
    healthy.say("ln -sf /etc/hostname /root/link")
    fetch = ["scp", "-q", *healthy.options, "root@127.0.0.1:link", str(tmp_path / "link")]
    subprocess.run(fetch, check=True, timeout=LIMIT_S)
    assert (tmp_path / "link").read_text() == "healthy\n"


def test_a_shell_on_a_terminal_works_and_passes_its_exit_code_on(healthy: Board) -> None:
    done = subprocess.run(
        ["ssh", "-tt", *healthy.options, "root@127.0.0.1"],
        input=b"[ -t 0 ] && echo is-a-$((40 + 2))\nexit 6\n",
        capture_output=True,
        timeout=LIMIT_S,
        check=False,
    )
    assert done.returncode == 6
    assert b"is-a-42" in done.stdout


def test_nobody_gets_in_without_the_client_key_or_as_another_user(healthy: Board, tmp_path: Path) -> None:
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", tmp_path / "other"], check=True)
    other = Board(healthy.state, {**healthy.facts, "identity": str(tmp_path / "other")})
    assert other.ssh("true").returncode == 255
    as_somebody = ["ssh", *healthy.options, "admin@127.0.0.1", "true"]
    assert subprocess.run(as_somebody, capture_output=True, timeout=LIMIT_S, check=False).returncode == 255


def test_a_detached_job_outlives_its_session(healthy: Board) -> None:
    job = "exec 9>/root/lock; flock 9; echo >/root/ready; read x </root/go; echo $x >/root/result"
    healthy.say(f"mkfifo /root/go /root/ready; setsid sh -c '{job}' </dev/null >/dev/null 2>&1 & read x </root/ready")
    assert healthy.ssh("flock -n /root/lock true").returncode == 1  # it holds the lock: it runs
    assert healthy.say("echo done >/root/go; flock -w 20 /root/lock cat /root/result") == "done\n"
    healthy.say("rm /root/go /root/ready /root/lock /root/result")


# --- the board's own Linux ------------------------------------------------------------------------------------------


def test_root_on_a_board_is_not_root_of_this_machine(board: Board) -> None:
    assert board.say("id -u; touch /root/mine") == "0\n"
    owner = (board.state / board.name / "root/root/mine").stat().st_uid
    assert owner == (os.geteuid() or BOARD_ID) != 0


@pytest.mark.parametrize(
    "attempt",
    [
        "touch /usr/x",
        "mount -o remount,rw,bind /usr",
        "umount -l /usr",
        "rm -f /bin/true",
        "echo 1 >/proc/sysrq-trigger",
    ],
)
def test_the_hosts_programs_and_kernel_can_not_be_changed(board: Board, attempt: str) -> None:
    assert board.ssh(attempt).returncode != 0
    assert board.ssh("true").returncode == 0


def test_the_hosts_files_and_processes_are_not_to_be_seen(board: Board) -> None:
    marker = subprocess.Popen(["sleep", "4711"])
    try:
        assert "4711" not in board.say("cat /proc/[0-9]*/cmdline | tr '\\000' ' '")
    finally:
        marker.kill()
        marker.wait()
    assert board.ssh(f"ls {board.state}").returncode == 2
    assert board.ssh(f"ls {Path.home()} | grep -q .").returncode == 1 or Path.home() == Path("/root")
    assert "healthy" in board.say("cat /etc/hostname /proc/sys/kernel/hostname")


def test_removing_everything_stays_on_the_board(new_board: Callable[..., Board]) -> None:
    victim = new_board("victim")
    before = sorted(path.name for path in Path("/opt").iterdir())
    victim.ssh("rm -rf /opt /home /etc /root /var /sys --no-preserve-root")
    assert sorted(path.name for path in Path("/opt").iterdir()) == before
    assert Path("/etc/passwd").exists()
    assert victim.say("ls /; echo still here").endswith("still here\n")


def test_the_board_says_everywhere_that_it_is_simulated(board: Board) -> None:
    tree = "/sys/firmware/devicetree/base"
    assert "virtual" in board.say(f"cat {tree}/model")
    assert board.say(f"tr '\\000' '\\n' <{tree}/compatible").splitlines()[-1] == "rockchip,rk3588"
    assert board.say(f"cat {tree}/rkfleet-simulated/time-scale") == "100\n"


def test_the_kernel_and_the_driver_are_a_boards(board: Board) -> None:
    assert board.say("uname -m; uname -s") == "aarch64\nLinux\n"
    assert board.say("uname -r") == board.say("cat /proc/sys/kernel/osrelease")
    assert board.say("cat /sys/kernel/debug/rknpu/version") == "RKNPU driver: v0.9.8\n"
    assert "[drm] Initialized rknpu 0.9.8 20240828 for fdab0000.npu on minor 1" in board.say("dmesg")


def test_a_written_governor_changes_the_clock_and_nonsense_is_refused(new_board: Callable[..., Board]) -> None:
    tuned = new_board("tuned")
    node = "/sys/class/devfreq/dmc"
    settle = "timeout 30 sh -c 'until [ $(cat {node}) = {hz} ]; do sleep 0.05; done'; cat {governor} {node}"
    assert tuned.say(f"cd {node} && cat governor cur_freq") == "dmc_ondemand\n528000000\n"
    wait = settle.format(node="cur_freq", governor="governor", hz=2112000000)
    said = tuned.say(f"cd {node} && echo performance >governor; {wait}")
    assert said == "performance\n2112000000\n"
    said = tuned.say(
        f"cd {node} && echo nonsense >governor; " + "while grep -q nonsense governor; do :; done; cat governor"
    )
    assert said == "performance\n"
    cpu = "/sys/devices/system/cpu/cpufreq/policy4"
    top = tuned.say(f"cat {cpu}/cpuinfo_max_freq").strip()
    wait = settle.format(node="scaling_cur_freq", governor="scaling_governor", hz=top)
    said = tuned.say(f"cd {cpu} && echo performance >scaling_governor; {wait}")
    assert said == f"performance\n{top}\n"


# --- faults ---------------------------------------------------------------------------------------------------------


def test_fault_unreachable_has_a_port_where_nothing_listens(new_board: Callable[..., Board]) -> None:
    gone = new_board("gone", faults=["unreachable"])
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", gone.facts["port"]), timeout=5)
    assert [entry["fault"] for entry in gone.truth("fault")] == ["unreachable"]


def test_fault_driver_too_old_warns_fails_and_shows_the_old_version(new_board: Callable[..., Board]) -> None:
    old = new_board("old", faults=["driver_too_old"])
    done = old.ask(old.put_model())
    assert done.returncode == 255
    assert b"W rkllm: Warning: Your rknpu driver version is too low, please upgrade to 0.9.7\n" in done.stdout
    assert b"rknpu driver version: 0.9.6" in done.stdout
    assert done.stdout.endswith(b"rkllm init failed\n")
    assert b"failed to allocate handle, ret: -1, errno: 14, errstr: Bad address" in done.stderr
    assert old.say("cat /sys/module/rknpu/version") == "0.9.6\n"


def test_fault_oom_kills_the_demo_and_the_kernel_says_so(new_board: Callable[..., Board]) -> None:
    small = new_board("small", faults=["oom"])
    assert small.ask(small.put_model()).returncode == 137
    killed = re.search(r"Out of memory: Killed process (\d+) \(llm_demo\).*anon-rss:\d+kB", small.say("dmesg"))
    assert killed is not None
    assert int(killed[1]) == small.truth("fault")[0]["pid"]


def test_a_model_that_does_not_fit_is_killed_without_any_fault(new_board: Callable[..., Board]) -> None:
    tiny = new_board("tiny", ram_gib=1)
    asked = ASK.format(model=tiny.put_model(), new=64, context=4096, limit=20)
    assert tiny.ssh(f"echo 900 >/proc/self/oom_score_adj; {asked}").returncode == 137
    assert tiny.truth("fault") == [] and len(tiny.truth("out_of_memory")) == 1
    assert re.search(
        r"Out of memory: Killed process \d+ \(llm_demo\).*oom_score_adj:900$", tiny.say("dmesg"), re.MULTILINE
    )


def test_fault_hang_stops_in_the_middle_of_an_answer(new_board: Callable[..., Board]) -> None:
    stuck = new_board("stuck", faults=["hang"])
    done = stuck.ask(stuck.put_model(), new=100, limit=5)
    assert done.returncode == 124
    assert b"user: robot: " in done.stdout
    assert b"Generate" not in done.stdout
    assert [entry["fault"] for entry in stuck.truth("fault")] == ["hang"]


def test_fault_drop_connection_cuts_ssh_and_the_demo_goes_on(new_board: Callable[..., Board]) -> None:
    shaky = new_board("shaky", faults=["drop_connection"])
    model = shaky.put_model()
    detached = ASK.format(model=model, new=200, context=4096, limit=20)
    done = shaky.ssh(f'setsid sh -c "exec 9>/root/lock; flock 9; {detached}" >/root/out 2>&1 & wait')
    assert done.returncode == 255
    again = shaky.ssh("flock -w 20 /root/lock cat /root/out", b"", "-o", "ConnectionAttempts=10")
    assert again.returncode == 0, again.stderr
    assert b"Generate " in again.stdout
    assert [entry["fault"] for entry in shaky.truth("fault")] == ["drop_connection"]


def test_fault_disk_full_leaves_no_room_at_home(new_board: Callable[..., Board]) -> None:
    full = new_board("full", faults=["disk_full"])
    done = full.ssh("head -c 100000 /dev/zero >big")
    assert done.returncode != 0
    assert b"No space left on device" in done.stderr


# --- life cycle -----------------------------------------------------------------------------------------------------


def test_up_twice_even_at_once_is_one_board(state: Path) -> None:
    answers: list[subprocess.CompletedProcess[str]] = []
    threads = [
        threading.Thread(target=lambda: answers.append(virtual("up", "once", "--state", state))) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(LIMIT_S)
    facts = [json.loads(answer.stdout) for answer in answers]
    assert len({entry["pid"] for entry in facts}) == 1
    assert sorted(entry["started"] for entry in facts) == [False, False, False, True]
    virtual("down", "once", "--state", state)


def test_off_and_on_is_a_new_boot_of_the_same_disk_key_and_port(new_board: Callable[..., Board], state: Path) -> None:
    first = new_board("cycle")
    boot = first.say("echo kept >/root/kept; echo gone >/tmp/gone; cat /proc/sys/kernel/random/boot_id")
    assert json.loads(virtual("down", "cycle", "--state", state).stdout) == {"stopped": ["cycle"]}
    assert wait_for_end(first.facts["pid"])
    second = new_board("cycle")
    assert {**second.facts, "pid": 0} == {**first.facts, "pid": 0}
    assert second.say("cat /root/kept; ls /tmp") == "kept\n"
    assert second.say("cat /proc/sys/kernel/random/boot_id") != boot
    assert float(second.say("cat /proc/uptime").split()[0]) < 60
    assert [entry["reason"] for entry in second.truth("power_off")] == ["switched off"]


def test_another_config_restarts_the_board_and_no_config_leaves_it_alone(
    new_board: Callable[..., Board], state: Path
) -> None:
    first = new_board("moody")
    unasked = json.loads(virtual("up", "moody", "--state", state).stdout)
    assert (unasked["pid"], unasked["started"]) == (first.facts["pid"], False)
    second = new_board("moody", ram_gib=4)
    assert second.facts["pid"] != first.facts["pid"]
    total_kb = int(second.say("grep MemTotal /proc/meminfo").split()[1])
    assert 3.7 < total_kb / 1024 / 1024 < 4.0


def test_nothing_on_a_board_survives_the_violent_death_of_its_process(
    new_board: Callable[..., Board], state: Path
) -> None:
    doomed = new_board("doomed")
    job = "exec 9>/root/held; flock 9; echo >/root/ready; exec sleep 1000"
    doomed.say(f"mkfifo /root/ready; setsid sh -c '{job}' </dev/null >/dev/null 2>&1 & read x </root/ready")
    held = state / "doomed" / "root" / "root" / "held"
    with held.open() as file, pytest.raises(BlockingIOError):
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    os.kill(doomed.facts["pid"], signal.SIGKILL)
    subprocess.run(["flock", "-w", "20", held, "true"], check=True, timeout=LIMIT_S)
    assert new_board("doomed").facts["started"] is True


def test_an_idle_board_switches_itself_off(new_board: Callable[..., Board]) -> None:
    idle = new_board("idle", idle_exit_s=0.3)
    assert wait_for_end(idle.facts["pid"])
    assert [entry["reason"] for entry in idle.truth("power_off")] == ["idle"]


def test_list_says_which_boards_are_on(board: Board, state: Path) -> None:
    listed = {entry["name"]: entry["running"] for entry in json.loads(virtual("list", "--state", state).stdout)}
    assert listed["healthy"] is True


def test_a_machine_that_can_not_isolate_refuses_and_says_what_to_enable(tmp_path: Path) -> None:
    forbid = 'echo 0 >/proc/sys/user/max_user_namespaces && exec "$@"'
    command = [sys.executable, "-m", "virtual", "up", "none", "--state", str(tmp_path / "boards")]
    done = subprocess.run(
        ["unshare", "-Ur", "sh", "-c", forbid, "sh", *command],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
        check=False,
    )
    assert (done.returncode, done.stdout) == (3, "")
    assert "user.max_user_namespaces" in done.stderr


def test_a_bad_config_is_a_usage_error_that_names_the_key(state: Path) -> None:
    done = virtual("up", "bad", "--state", state, "--config", '{"faults": ["hangs"]}')
    assert done.returncode == 2
    assert "'hangs' is unknown" in done.stderr


def test_an_unknown_runtime_is_refused_in_one_line_that_names_those_that_exist(state: Path) -> None:
    done = virtual("up", "bad", "--state", state, "--config", '{"runtime": "1.0.1"}')
    known = "1.1.0, 1.1.1, 1.1.2, 1.1.3, 1.1.4, 1.2.0, 1.2.1, 1.2.2, 1.2.3, 1.3.0"
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == f"virtual: runtime: '1.0.1' is not modelled; there are {known}\n"


def test_the_ground_truth_is_out_of_the_boards_reach(board: Board) -> None:
    assert (
        board.ssh("find / -path /usr -prune -o -path /proc -prune -o -name truth.jsonl -print | grep -q .").returncode
        == 1
    )
    assert [entry["boot_id"] for entry in board.truth("boot")][-1] in board.say("cat /proc/sys/kernel/random/boot_id")
