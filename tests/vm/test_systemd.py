"""Runs as systemd services on a machine that really has systemd, its cgroups and its OOM killer.

Users: ``pi`` may use sudo without a password, as on most board images; ``rock`` may not.
"""

from __future__ import annotations

import contextlib
import json
import shlex
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest

from fleet.verdict import Outcome, Phase, state_from_json
from tests.shell.kit import SCRIPTS, log_of, read_frames
from tests.vm.machine import Machine

LIMIT_S = 240.0  # for what takes seconds; an emulated machine beside other tests is slow
JOB = "/opt/rk/job.sh"
BOARD_LOCK = "/run/lock/rkfleet.lock"
FOREVER = ("sh", "-c", "echo up; exec sleep 100000")
SAME_OWNER = (
    "spec.json",
    "start.json",
    "end.json",
    "facts.before.json",
    "facts.after.json",
    "dmesg.log",
    "telemetry.csv",
    "clocks.json",
)


class RunOnMachine:
    """One run of one user; ``follow`` is what a workstation does, so it must never see a run that is lost."""

    def __init__(self, machine: Machine, run: str, user: str = "pi", job: str = JOB) -> None:
        self.machine, self.run, self.user, self.job = machine, run, user, job
        home = "/root" if user == "root" else f"/home/{user}"
        self.dir = f"{home}/store/runs/c1/{run}"

    def words(self, verb: str, *rest: str) -> list[str]:
        return ["sh", self.job, verb, self.dir, *rest]

    def ask(self, verb: str, *rest: str) -> Any:
        done = self.machine.run(self.words(verb, *rest), user=self.user, limit_s=LIMIT_S)
        return json.loads(done.stdout)

    def start(self, *program: str, limit: str = "600", env: tuple[str, ...] = ()) -> dict[str, Any]:
        """Start it, and return start.json."""
        words = ["env", *env, *self.words("start", limit, "--", *program)]
        done = self.machine.run(words, user=self.user, stdin=b"{}", limit_s=LIMIT_S)
        assert done.stdout == b'{"started":true}\n', done
        return self.file("start.json")

    def file(self, name: str) -> Any:
        return json.loads(self.machine.run(["cat", f"{self.dir}/{name}"]).stdout)

    def text(self, name: str) -> str:
        return self.machine.run(["cat", f"{self.dir}/{name}"]).stdout.decode()

    def follow(self) -> tuple[dict[str, Any], list[Any]]:
        """Wait for the end; the state that came with it, and all frames."""
        done = self.machine.run(self.words("follow", "0", "0", "--files"), user=self.user, limit_s=LIMIT_S)
        frames = read_frames(done.stdout)
        assert frames[-1][0]["done"] is True
        return frames[-1][0]["state"], frames

    def end(self) -> dict[str, Any]:
        """Wait for the end, check that nothing of the run is left, and return end.json."""
        state, _ = self.follow()
        assert state["end"] is not None, state
        self.nothing_is_left()
        end: dict[str, Any] = state["end"]
        return end

    def nothing_is_left(self) -> None:
        unit = self.file("start.json")["unit"]
        self.until(f"[ -z \"$(systemctl list-units --all --plain --no-legend '{unit}')\" ]")
        # Locks are asked as the scripts ask: by a shared lock, which meets no other who only asks (see `watched`).
        left = (
            f"grep -lsF 'RKFLEET_RUN=[{self.dir}]' /proc/[0-9]*/environ; ls -A '{self.dir}' | grep '^[.]'; "
            f"flock -s -n 4 4<'{self.dir}/lock' || echo lock; flock -s -n 4 4<{BOARD_LOCK} || echo board"
        )
        assert self.machine.text(["sh", "-c", f"{left}; :"]) == ""

    def until(self, condition: str) -> None:
        """Wait on the machine for shell text to be true."""
        loop = f"until {condition}; do sleep 0.2; done"
        self.machine.run(["timeout", "120", "sh", "-c", loop], limit_s=LIMIT_S)

    def unit(self, *properties: str) -> dict[str, str]:
        name = self.file("start.json")["unit"]
        shown = self.machine.text(["systemctl", "show", "-p", ",".join(properties), name])
        return dict(line.split("=", 1) for line in shown.splitlines())


@pytest.fixture
def board(machine: Machine) -> Iterator[Machine]:
    """The machine with our scripts in /opt/rk, and with the user pi."""
    if machine.run(["test", "-e", JOB], check=False).returncode != 0:
        archive = subprocess.run(["tar", "-C", str(SCRIPTS), "-cf", "-", "."], check=True, capture_output=True).stdout
        machine.run(["sh", "-c", SET_UP], stdin=archive, limit_s=LIMIT_S)
    machine.run(["rm", "-f", BOARD_LOCK])
    yield machine
    # The kernel keeps even root from opening another user's file there in the usual way.
    machine.run(["sh", "-c", f"flock -x -n 4 4<{BOARD_LOCK} && rm -f {BOARD_LOCK}"], check=False)


SET_UP = """set -e
useradd --create-home --shell /bin/sh pi
cp -r ~rock/.ssh ~pi/.ssh
chown -R pi: ~pi/.ssh
echo 'pi ALL=(ALL) NOPASSWD: ALL' >/etc/sudoers.d/pi
mkdir -p /opt/rk
tar -xof - -C /opt/rk
chmod -R a+rX /opt/rk
"""


@contextlib.contextmanager
def watched(run: RunOnMachine) -> Iterator[list[Any]]:
    """Ask for the state of a run all the time meanwhile; the list is filled at the end."""
    script = f"until [ -e {run.dir}/../stop ]; do sh {run.job} state {run.dir}; done"
    looker = subprocess.Popen([*run.machine.ssh(run.user), shlex.join(["sh", "-c", script])], stdout=subprocess.PIPE)
    seen: list[Any] = []
    try:
        assert looker.stdout is not None
        seen.append(json.loads(looker.stdout.readline()))
        yield seen
        seen.append(run.ask("state"))
    finally:
        run.machine.run(["touch", f"{run.dir}/../stop"])
        out, _ = looker.communicate(timeout=LIMIT_S)
        seen.extend(json.loads(line) for line in out.splitlines())
        run.machine.run(["rm", f"{run.dir}/../stop"])


# --------------------------------------------------------------------------------------------------- the service


def test_a_run_is_a_transient_service_of_its_user_with_limits(board: Machine) -> None:
    run = RunOnMachine(board, "service")
    start = run.start("sh", "-c", f"until [ -e {run.dir}/go ]; do sleep 0.2; done", limit="600")
    assert (start["way"], start["limit_s"]) == ("systemd", 600)
    assert start["unit"].startswith("rkfleet-service-")
    shown = run.unit(
        *("Type", "User", "RuntimeMaxUSec", "TimeoutStopUSec", "KillMode", "OOMPolicy", "MemoryMax", "CollectMode"),
        *("WorkingDirectory", "StandardInput", "MainPID", "InvocationID", "Transient", "ExecStopPost"),
    )
    uid = board.text(["id", "-u", "pi"])
    total = int(board.text(["awk", "/MemTotal/ { print $2 * 1024 }", "/proc/meminfo"]))
    assert 256 * 2**20 <= start["memory_max_bytes"] <= max(256 * 2**20, total - 384 * 2**20)
    assert f"_ended {run.dir} " in shown.pop("ExecStopPost")
    assert shown == {
        "Type": "exec",
        "User": uid,
        "RuntimeMaxUSec": "11min 16s",
        "TimeoutStopUSec": "45s",
        "KillMode": "control-group",
        "OOMPolicy": "continue",
        "MemoryMax": str(start["memory_max_bytes"]),
        "CollectMode": "inactive-or-failed",
        "WorkingDirectory": run.dir,
        "StandardInput": "null",
        "MainPID": str(start["pid"]),
        "InvocationID": start["invocation_id"],
        "Transient": "yes",
    }
    run.machine.run(["touch", f"{run.dir}/go"], user="pi")
    end = run.end()
    assert (end["result"], end["exit_code"], end["way"]) == ("success", 0, "systemd")
    assert 0 < end["memory_peak_bytes"] <= start["memory_max_bytes"]
    assert board.text(["find", run.dir, "!", "-user", "pi"]) == ""


def test_the_program_sees_the_same_in_both_ways(board: Machine) -> None:
    odd = ('A=it\'s "$HOME" $$ %n ${HOME} \\', "B=two\nlines", "LD_LIBRARY_PATH=/a:/b", "HOME=/tmp")
    script = 'printf "%s\\n" "$@"; umask; ulimit -c; ulimit -n; ulimit -s; id; env -0 | tr "\\n\\0" "~\\n" | sort'
    words = ["$HOME ${HOME} $$", "%n %%", "it's", '"q" \\', "line\nline\n", "", "-n", "*"]
    said = []
    for way in ("setsid", "systemd"):
        run = RunOnMachine(board, f"same-{way}")
        start = run.start("sh", "-c", script, "-", *words, env=(*odd, f"RKFLEET_WAY={way}"))
        assert start["way"] == way
        run.end() if way == "systemd" else run.follow()
        said.append(run.text("stdout.log").replace(f"same-{way}", "same").replace(f"RKFLEET_WAY={way}", ""))
    assert said[0] == said[1]
    assert "LD_LIBRARY_PATH=/a:/b" in said[1]


def test_an_end_is_recorded_after_systemd_read_its_files_again(board: Machine) -> None:
    run = RunOnMachine(board, "reload")
    pid = run.start(*FOREVER)["pid"]
    board.run(["systemctl", "daemon-reload"], limit_s=LIMIT_S)
    board.run(["kill", "-s", "KILL", str(pid)])
    assert run.end()["result"] == "signal"


def test_a_store_with_an_ugly_name_works(board: Machine) -> None:
    run = RunOnMachine(board, "ugly")
    run.dir = "/home/pi/my 'store'; $(touch hacked) \"d\" * [a] %n $HOME \\x/runs/c1/ugly"
    assert run.start("true")["way"] == "setsid"
    assert run.follow()[0]["end"]["result"] == "success"


def test_a_user_without_sudo_gets_a_run_by_setsid(board: Machine) -> None:
    run = RunOnMachine(board, "plain", user="rock")
    start = run.start("echo", "hi")
    assert (start["way"], start["unit"], start["memory_max_bytes"]) == ("setsid", None, None)
    state, frames = run.follow()
    assert (state["end"]["way"], state["end"]["memory_peak_bytes"]) == ("setsid", None)
    assert log_of(frames, "stdout.log") == b"hi\n"
    assert board.text(["find", run.dir, "!", "-user", "rock"]) == ""


def test_root_starts_a_service_too(board: Machine) -> None:
    run = RunOnMachine(board, "root", user="root")
    assert run.start("id", "-un")["way"] == "systemd"
    assert run.end()["result"] == "success"
    assert run.text("stdout.log") == "root\n"


def test_a_systemd_that_refuses_the_service_leaves_the_run_to_setsid(board: Machine) -> None:
    run = RunOnMachine(board, "refused", user="root")
    # What an older systemd says to a property that it does not know.
    stub = "echo 'Unknown assignment: OOMPolicy=kill' >&2; exit 1"
    board.run(["sh", "-c", f"mkdir -p /tmp/stub; printf '#!/bin/sh\\n%s\\n' \"{stub}\" >/tmp/stub/systemd-run"])
    board.run(["chmod", "+x", "/tmp/stub/systemd-run"])
    start = run.start("true", env=("PATH=/tmp/stub:/usr/sbin:/usr/bin:/sbin:/bin",))
    assert start["way"] == "setsid"
    assert run.follow()[0]["end"]["result"] == "success"


# ------------------------------------------------------------------------------------------------ once and only once


def test_of_ten_starts_at_once_one_starts_and_as_a_service(board: Machine) -> None:
    run = RunOnMachine(board, "race")
    one = shlex.join(run.words("start", "600", "--", "sh", "-c", f"echo ran >>{run.dir}/count; sleep 2"))
    script = f"for k in 1 2 3 4 5 6 7 8 9 10; do echo {{}} | {one} & done; wait"
    done = board.run(["sh", "-c", script], user="pi", limit_s=LIMIT_S)
    assert sorted(done.stdout.split(b"\n")[:-1]) == [b'{"started":false}'] * 9 + [b'{"started":true}'], done
    assert run.file("start.json")["way"] == "systemd"
    assert run.end()["result"] == "success"
    assert run.text("count") == "ran\n"
    again = board.run(run.words("start", "600", "--", "false"), user="pi", stdin=b"{}", limit_s=LIMIT_S)
    assert again.stdout == b'{"started":false}\n'


def test_a_busy_board_says_so_and_takes_the_same_run_later_as_a_service(board: Machine) -> None:
    first, second = RunOnMachine(board, "first"), RunOnMachine(board, "second")
    first.start(*FOREVER)
    done = board.run(second.words("start", "60", "--", "true"), user="pi", stdin=b"{}", check=False, limit_s=LIMIT_S)
    assert (done.returncode, done.stdout) == (75, b'{"busy":"c1/first"}\n')
    assert first.ask("cancel")["cancelled"] is True
    assert second.start("true")["way"] == "systemd"
    assert second.end()["result"] == "success"


def test_a_run_outlives_the_login_that_started_it(board: Machine) -> None:
    run = RunOnMachine(board, "outlives")
    start = run.start(*FOREVER)
    board.run(["loginctl", "terminate-user", "pi"], check=False)
    board.run(["sh", "-c", "pkill -KILL -u pi sshd; :"], check=False)
    board.forget_connections()
    state = run.ask("state")
    assert (state["start"], state["now"]["run_alive"]) == (start, True)
    assert run.ask("cancel")["cancelled"] is True


# ------------------------------------------------------------------------------------------------------- the ends


def test_a_program_that_eats_the_memory_dies_of_it_alone(board: Machine) -> None:
    run = RunOnMachine(board, "eater")
    with watched_after_start(run, "sh", "-c", "sleep 1000 & echo up; exec tail /dev/zero") as seen:
        end = run.end()
    assert (end["result"], end["signal"], end["exit_code"]) == ("oom-kill", 9, 137)
    assert end["dmesg"] == "ok"
    assert "Memory cgroup out of memory" in run.text("dmesg.log")
    assert end["memory_peak_bytes"] is not None
    assert run.file("facts.after.json")["boot_id"] == end["boot_id"]
    for state in seen:
        assert state_from_json(state).verdict in (Phase.RUNNING, Outcome.OOM)
    assert board.text(["find", run.dir, "!", "-user", "pi"]) == ""
    after = RunOnMachine(board, "after-eater")
    after.start("true")
    assert after.end()["result"] == "success"
    assert "out of memory" not in after.text("dmesg.log")


def test_a_program_that_goes_on_without_its_killed_process_is_out_of_memory_all_the_same(board: Machine) -> None:
    run = RunOnMachine(board, "half-dead")
    run.start("sh", "-c", "tail /dev/zero; echo survived")
    end = run.end()
    assert run.text("stdout.log") == "survived\n"
    assert (end["result"], end["signal"], end["exit_code"]) == ("oom-kill", None, 0)
    assert state_from_json(run.ask("state")).verdict is Outcome.OOM


def test_memory_that_is_full_of_the_dying_does_not_cost_the_record_of_the_end(board: Machine) -> None:
    # A limit so low that the dead wrapper's service had no room for who records the end: lost in most of such runs.
    lines = "s/^MEMORY_LEAST_BYTES=.*/MEMORY_LEAST_BYTES=25165824/"
    board.run(["sh", "-c", f"cp -r /opt/rk /opt/rk-tight; sed -i '{lines}' /opt/rk-tight/job_systemd.sh"])
    board.run(["sh", "-c", "echo 'echo {}' >/opt/rk-tight/facts.sh"])  # it alone needs more
    for number in range(3):
        run = RunOnMachine(board, f"tight-{number}", job="/opt/rk-tight/job.sh")
        words = run.words("start", "600", "--memory", "25165824", "--", "sh", "-c", "sleep 1000 & tail /dev/zero; :")
        board.run(words, user="pi", stdin=b"{}", limit_s=LIMIT_S)
        assert run.file("start.json")["memory_max_bytes"] == 25165824
        assert run.end()["result"] == "oom-kill"


def test_the_guard_stops_a_run_at_its_limit(board: Machine) -> None:
    run = RunOnMachine(board, "limit")
    run.start("sh", "-c", "trap '' TERM; while :; do sleep 1; done", limit="2")
    end = run.end()
    assert (end["result"], end["exit_code"]) == ("timeout", 124)
    assert 2 <= end["duration_s"] < 60


def test_systemd_stops_a_run_whose_guard_is_dead(board: Machine) -> None:
    board.run(
        [
            "sh",
            "-c",
            "cp -r /opt/rk /opt/rk-short; sed -i 's/^BACKSTOP_S=75/BACKSTOP_S=40/' /opt/rk-short/job_systemd.sh",
        ]
    )
    for stopped in (False, True):
        run = RunOnMachine(board, f"backstop-{stopped}", job="/opt/rk-short/job.sh")
        # Its own program kills the guard: from outside it could be too late. A bracket keeps the pattern from itself.
        killer = f"until pkill -KILL -f '[_]guard {run.dir}'; do :; done; echo up; exec sleep 100000"
        start = run.start("stdbuf", "-oL", "sh", "-c", killer, limit="10")
        run.until(f"grep -q up {run.dir}/stdout.log")
        if stopped:
            board.run(["kill", "-s", "STOP", str(start["pid"])])
        end = run.end()
        assert (end["result"], end["exit_code"]) == ("timeout", 124)
        assert end["duration_s"] > 20


def test_a_killed_wrapper_leaves_an_end_record_and_no_moment_in_which_the_run_looks_lost(board: Machine) -> None:
    run = RunOnMachine(board, "killed")
    with watched_after_start(run, "sh", "-c", "trap '' TERM; echo up; while :; do sleep 1; done") as seen:
        run.until(f"grep -q up {run.dir}/stdout.log")
        board.run(["kill", "-s", "KILL", str(run.file("start.json")["pid"])])
        end = run.end()
    assert (end["result"], end["signal"], end["exit_code"]) == ("signal", 9, None)
    assert run.text("stdout.log") == "up\n"
    for name in SAME_OWNER:
        assert run.machine.text(["stat", "-c", "%U", f"{run.dir}/{name}"]) == "pi"
    assert {str(state_from_json(state).verdict) for state in seen} == {"running", "failed"}


def test_stopping_the_service_is_a_cancel(board: Machine) -> None:
    run = RunOnMachine(board, "stopped")
    unit = run.start(*FOREVER)["unit"]
    run.until(f"grep -q up {run.dir}/stdout.log")
    board.run(["systemctl", "stop", unit], limit_s=LIMIT_S)
    end = run.end()
    assert end["result"] == "cancelled"
    assert run.text("stdout.log") == "up\n"


def test_cancel_ends_a_run_for_certain_and_keeps_its_log(board: Machine) -> None:
    run = RunOnMachine(board, "cancelled")
    run.start(*FOREVER)
    run.until(f"grep -q up {run.dir}/stdout.log")
    assert run.ask("cancel") == {"cancelled": True, "reason": "asked to"}
    run.nothing_is_left()
    assert (run.file("end.json")["result"], run.text("stdout.log")) == ("cancelled", "up\n")


def test_cancel_reaches_a_hanging_wrapper_and_a_program_of_another_user(board: Machine) -> None:
    run = RunOnMachine(board, "root-program")
    start = run.start("sudo", "-n", "sh", "-c", "trap '' TERM; echo up; while :; do sleep 1; done")
    run.until(f"grep -q up {run.dir}/stdout.log")
    board.run(["kill", "-s", "STOP", str(start["pid"])])
    assert run.ask("cancel")["cancelled"] is True
    run.nothing_is_left()
    assert (run.file("end.json")["result"], run.text("stdout.log")) == ("cancelled", "up\n")


@contextlib.contextmanager
def watched_after_start(run: RunOnMachine, *program: str) -> Iterator[list[Any]]:
    run.start(*program)
    with watched(run) as seen:
        yield seen


def test_a_restart_of_the_board_is_no_cancel(board: Machine) -> None:
    for user in ("pi", "rock"):
        run = RunOnMachine(board, "restart", user=user)
        run.start(*FOREVER)
        before = board.boot_id()
        follower = subprocess.Popen(
            [*board.ssh(user), shlex.join(run.words("follow", "0", "0"))], stdout=subprocess.PIPE
        )
        assert follower.stdout is not None and b"stdout.log" in follower.stdout.readline()
        board.run(["systemctl", "reboot"], check=False)
        board.forget_connections()
        board.wait_ready(not_boot=before)
        said = follower.communicate(timeout=LIMIT_S)[0]
        assert b'"done":true' not in said, said
        state = run.ask("state")
        assert (state["end"], state_from_json(state).verdict) == (None, Outcome.REBOOTED)
