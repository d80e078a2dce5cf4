"""job.sh and systemd, as far as stand-ins can show it: whom it asks for a service, with which words, and what it does
when that fails. What a real systemd makes of it is in tests/vm/test_systemd.py."""

from __future__ import annotations

import itertools
import json
import os
import shlex
from pathlib import Path

import pytest

from tests.shell.kit import BoardUnderTest, write_tree

MEMINFO = "MemTotal:       16000000 kB\nMemFree:         1000000 kB\nMemAvailable:    {} kB\n"


@pytest.fixture
def systemd(board: BoardUnderTest, tmp_path: Path) -> BoardUnderTest:
    """A board that seems to have systemd: its programs write down how they are called, and refuse."""
    del board.env["RKFLEET_WAY"]
    root = write_tree(
        tmp_path / "root",
        {
            "proc/meminfo": MEMINFO.format(4000000),
            "proc/uptime": "100.00 0.00\n",
            "proc/sys/kernel/random/boot_id": "12345678-0000-0000-0000-000000000000\n",
        },
    )
    (root / "run/systemd/system").mkdir(parents=True)
    board.env["RK_SYSROOT"] = str(root)
    board.stub("systemd-run", note(board, "asked") + "echo 'Failed to connect to bus' >&2; exit 1")
    board.stub("systemctl", note(board, "systemctl") + "echo inactive")
    board.stub("sudo", note(board, "sudo") + '[ "$1" != -n ] || shift\n[ "$1" != -- ] || shift\nexec "$@"')
    return board


def note(board: BoardUnderTest, name: str) -> str:
    """Shell text: append the words, each ended by NUL, and a line."""
    return f"printf '%s\\0' \"$@\" >>'{board.folder / name}'; echo >>'{board.folder / name}'\n"


def calls(board: BoardUnderTest, name: str) -> list[list[str]]:
    path = board.folder / name
    if not path.exists():
        return []
    return [line.split("\0")[:-1] for line in path.read_text().split("\n") if line]


def as_user(board: BoardUnderTest) -> None:
    real = os.fsdecode(b"/usr/bin/id")
    board.stub("id", f'case "$*" in -u | -g) echo 1234 ;; *) exec {real} "$@" ;; esac')


def test_a_systemd_that_can_not_start_a_service_leaves_the_run_to_setsid(systemd: BoardUnderTest) -> None:
    end = systemd.ran("echo", "hi")
    assert len(calls(systemd, "asked")) == 1
    assert (end["result"], end["way"]) == ("success", "setsid")
    assert not [path.name for path in systemd.run_dir().iterdir() if path.name.startswith(".")]


@pytest.mark.parametrize("missing", ["run/systemd/system", "systemd-run", "RKFLEET_WAY"])
def test_a_board_without_systemd_is_not_asked(systemd: BoardUnderTest, missing: str) -> None:
    if missing == "RKFLEET_WAY":
        systemd.env[missing] = "setsid"
    elif missing == "systemd-run":
        (systemd.stubs / missing).unlink()
    else:
        (Path(systemd.env["RK_SYSROOT"]) / missing).rmdir()
    assert systemd.ran("true")["way"] == "setsid"
    assert calls(systemd, "asked") == []


def test_the_service_of_a_run_has_limits_and_the_same_name_every_time(systemd: BoardUnderTest) -> None:
    systemd.ran("echo", "a word that only the program sees", limit="7.5")
    (words,) = calls(systemd, "asked")
    assert "a word that only the program sees" not in words
    properties = dict(word.split("=", 1) for flag, word in itertools.pairwise(words) if flag == "-p")
    token = words[-1]
    assert shlex.split(properties.pop("ExecStopPost")) == [
        *(str(systemd.stubs / "sh"), words[words.index("--") + 2], "_ended", str(systemd.run_dir()), token)
    ]
    assert properties == {
        "RuntimeMaxSec": "83",
        "TimeoutStopSec": "45",
        "KillMode": "control-group",
        "OOMPolicy": "continue",
        "User": str(os.getuid()),
        "Group": str(os.getgid()),
        "WorkingDirectory": str(systemd.run_dir()),
        "StandardInput": "null",
        "MemoryMax": str(4000000 * 1024 - 384 * 2**20),
    }
    assert words[words.index("--") + 3 :] == ["_unit", str(systemd.run_dir()), token]
    names = []
    for run in ("r1", "r1", "r2", "x" * 121):
        systemd.script("job.sh", "start", systemd.run_dir(run), "60", "--", "true", stdin=b"{}")
        (unit,) = [word for word in calls(systemd, "asked")[-1] if word.startswith("--unit=")]
        names.append(unit.removeprefix("--unit="))
        systemd.wait_free(systemd.run_dir(run) / "lock")
    assert names[0] == names[1] != names[2]
    assert names[2].startswith("rkfleet-r2-")
    assert max(map(len, names)) <= 255


def test_the_limit_of_a_guarded_run_comes_after_its_tripwire(systemd: BoardUnderTest) -> None:
    argv = ("start", systemd.run_dir(), "60", "--tripwire", str(256 * 2**20), "--", "true")
    systemd.script("job.sh", *argv, stdin=b"{}")
    (words,) = calls(systemd, "asked")
    assert f"MemoryMax={4000000 * 1024 - 128 * 2**20}" in words
    assert systemd.wait(systemd.run_dir())["result"] == "success"


@pytest.mark.parametrize(("kib", "limit"), [(700000, 700000 * 1024 - 384 * 2**20), (500000, 256 * 2**20)])
def test_the_limit_on_memory_is_what_the_board_can_spare(systemd: BoardUnderTest, kib: int, limit: int) -> None:
    (Path(systemd.env["RK_SYSROOT"]) / "proc/meminfo").write_text(MEMINFO.format(kib))
    systemd.ran("true")
    assert f"MemoryMax={limit}" in calls(systemd, "asked")[0]


def test_a_path_that_systemd_would_misread_is_left_to_setsid(systemd: BoardUnderTest) -> None:
    odd = systemd.folder / 'a $HOME "b" \\c' / "runs" / "c1" / "r1"
    systemd.script("job.sh", "start", odd, "60", "--", "true", stdin=b"{}")
    assert systemd.wait(odd)["way"] == "setsid"
    assert calls(systemd, "asked") == []


def test_a_normal_user_asks_by_sudo_without_a_password_and_only_where_sudo_is(systemd: BoardUnderTest) -> None:
    as_user(systemd)
    assert systemd.ran("true")["way"] == "setsid"
    (words,) = [words for words in calls(systemd, "sudo") if "systemd-run" in words]
    assert words[:3] == ["-n", "--", "systemd-run"]
    assert "User=1234" in words


def test_an_earlier_service_of_the_same_run_is_waited_for(systemd: BoardUnderTest) -> None:
    """One that has just given up, because the board was busy, is on its way out; its name is still taken."""
    count = systemd.folder / "count"
    systemd.stub(
        "systemd-run",
        f"echo x >>'{count}'; [ $(wc -l <'{count}') -lt 3 ] || {{ echo 'No such property' >&2; exit 1; }}\n"
        "echo 'Failed to start transient service unit: Unit r.service was already loaded' >&2; exit 1",
    )
    assert systemd.ran("true")["way"] == "setsid"
    assert count.read_text() == "x\nx\nx\n"


def test_another_start_of_the_same_run_that_was_first_is_seen(systemd: BoardUnderTest) -> None:
    start = systemd.run_dir() / "start.json"
    systemd.stub("systemd-run", f"echo '{{}}' >'{start}'; echo 'Unit r.service already exists' >&2; exit 1")
    done = systemd.start("true")
    assert (done.returncode, done.stdout) == (0, b'{"started":false}\n')
    assert {path.name for path in systemd.run_dir().iterdir()} == {"start.json"}


def test_a_service_that_dies_at_once_does_not_keep_its_starter_waiting(systemd: BoardUnderTest) -> None:
    """systemd-run says that it started; then only ExecStopPost runs."""
    systemd.stub("systemd-run", 'while [ "$1" != -- ]; do shift; done\nsh "$3" _ended "$5" "$6"')
    done = systemd.start("true")
    assert (done.returncode, done.stdout) == (73, b"")
    assert b"left no word" in done.stderr
    assert not systemd.run_dir().exists()


def service_of(board: BoardUnderTest, **changed: object) -> Path:
    """A run whose wrapper is dead: the lock is free, and there is no end.json."""
    run_dir = board.run_dir()
    run_dir.mkdir(parents=True)
    boot_id = "12345678-0000-0000-0000-000000000000"
    start = {"run": "r1", "boot_id": boot_id, "uptime_s": 50.5, "pid": 1, "way": "systemd", "unit": "u.service"}
    start |= {"invocation_id": "abc", "limit_s": 60} | changed
    (run_dir / "start.json").write_text(json.dumps(start, separators=(",", ":")) + "\n")
    (run_dir / "spec.json").write_text("{}")
    for name in ("lock", ".armed", ".helper", "stdout.log", "stderr.log", "telemetry.csv"):
        (run_dir / name).touch()
    return run_dir


@pytest.mark.parametrize(
    ("said", "changed", "alive"),
    [
        ("deactivating", {}, True),
        ("active", {}, True),
        ("inactive", {}, False),
        ("failed", {}, False),
        ("active", {"boot_id": "another"}, False),
        ("active", {"way": "setsid"}, False),
    ],
)
def test_a_run_is_not_lost_while_its_service_is_there(
    systemd: BoardUnderTest, said: str, changed: dict[str, object], alive: bool
) -> None:
    service_of(systemd, **changed)
    systemd.stub("systemctl", note(systemd, "systemctl") + f"echo {said}")
    assert systemd.state()["now"]["run_alive"] is alive
    assert systemd.json("list", systemd.runs)["runs"][0]["run_alive"] is alive
    if said == "active" and changed == {}:
        assert calls(systemd, "systemctl")[0] == ["show", "-p", "ActiveState", "--value", "--", "u.service"]
    if "boot_id" in changed:
        assert calls(systemd, "systemctl") == []


def test_systemd_is_not_asked_about_a_run_that_ended_or_holds_its_lock(systemd: BoardUnderTest) -> None:
    run_dir = service_of(systemd)
    (run_dir / "end.json").write_text('{"result":"success","exit_code":0}\n')
    systemd.state()
    systemd.follow()
    assert calls(systemd, "systemctl") == []


def test_what_the_tripwire_saw_is_recorded_for_a_wrapper_that_died_with_its_program(systemd: BoardUnderTest) -> None:
    run_dir = service_of(systemd)
    (run_dir / ".tripped").write_text("1000 - 90.25\n")
    said = {"SERVICE_RESULT": "signal", "EXIT_CODE": "killed", "EXIT_STATUS": "KILL", "INVOCATION_ID": "abc"}
    systemd.env |= said
    systemd.script("job.sh", "_ended", run_dir, "1")
    end = json.loads((run_dir / "end.json").read_bytes())
    assert (end["result"], end["exit_code"], end["signal"]) == ("tripwire", 137, 9)
    assert end["tripwire"] == {"available_bytes": 1000, "highest_bytes": None, "uptime_s": 90.25}
    assert not (run_dir / ".tripped").exists()


@pytest.mark.parametrize(
    ("service", "files", "uptime", "result", "exit_code", "number"),
    [
        ("oom-kill killed KILL", (), 100, "oom-kill", 137, 9),
        ("signal killed KILL", (), 100, "signal", None, 9),
        ("core-dump dumped SEGV", (), 100, "core-dump", None, None),
        ("exit-code exited 73", (), 100, "exit-code", None, None),
        ("success killed TERM", (), 100, "cancelled", None, 15),
        ("timeout killed KILL", (), 100, "cancelled", None, 9),  # `systemctl stop`, and the wrapper hung
        ("timeout killed KILL", (), 150, "timeout", 124, 9),  # RuntimeMaxSec
        ("success killed TERM", (), 150, "timeout", 124, 15),
        ("signal killed KILL", ("no .armed",), 100, "timeout", 124, 9),  # the guard had said so before
        ("signal killed KILL", (".cancel",), 100, "cancelled", None, 9),
        ("oom-kill killed KILL", ("no .armed",), 150, "oom-kill", 137, 9),
        ("x;`id` killed KILL", (), 100, "unknown", None, 9),
    ],
)
def test_the_end_that_systemd_saw_is_recorded(
    systemd: BoardUnderTest,
    service: str,
    files: tuple[str, ...],
    uptime: int,
    result: str,
    exit_code: int | None,
    number: int | None,
) -> None:
    run_dir = service_of(systemd)
    for name in files:
        if name.startswith("no "):
            (run_dir / name.removeprefix("no ")).unlink()
        else:
            (run_dir / name).touch()
    (Path(systemd.env["RK_SYSROOT"]) / "proc/uptime").write_text(f"{uptime}.25 0.00\n")
    systemd.stub("dmesg", "echo '[    1.000000] boot'; echo '[   60.000000] oom-kill: a'; echo 'b'")
    said = dict(zip(("SERVICE_RESULT", "EXIT_CODE", "EXIT_STATUS"), service.rsplit(" ", 2), strict=True))
    systemd.env |= said | {"INVOCATION_ID": "abc"}
    done = systemd.script("job.sh", "_ended", run_dir, "1")
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
    end = json.loads((run_dir / "end.json").read_bytes())
    assert (end["result"], end["exit_code"], end["signal"], end["way"]) == (result, exit_code, number, "systemd")
    assert (end["duration_s"], end["limit_s"]) == (uptime - 50.25, 60)
    assert (run_dir / "dmesg.log").read_text() == "[   60.000000] oom-kill: a\nb\n"
    assert json.loads((run_dir / "facts.after.json").read_bytes())["schema"]
    assert not [path.name for path in run_dir.iterdir() if path.name.startswith(".")]


@pytest.mark.parametrize(("kills", "result", "exit_code"), [(1, "oom-kill", 137), (0, "signal", None)])
def test_a_wrapper_that_the_kernel_took_for_lack_of_memory_is_told_from_one_that_was_killed(
    systemd: BoardUnderTest, kills: int, result: str, exit_code: int | None
) -> None:
    run_dir = service_of(systemd)
    events = f"low 0\nhigh 0\nmax 9\noom 2\noom_kill {kills}\noom_group_kill 0\n"
    group = {"sys/fs/cgroup/a.slice/memory.events": events, "sys/fs/cgroup/a.slice/memory.peak": "4096\n"}
    write_tree(Path(systemd.env["RK_SYSROOT"]), {"proc/self/cgroup": "0::/a.slice\n", **group})
    systemd.env |= {"SERVICE_RESULT": "signal", "EXIT_CODE": "killed", "EXIT_STATUS": "KILL", "INVOCATION_ID": "abc"}
    systemd.script("job.sh", "_ended", run_dir, "1")
    end = json.loads((run_dir / "end.json").read_bytes())
    assert (end["result"], end["exit_code"], end["signal"]) == (result, exit_code, 9)
    assert end["memory_peak_bytes"] == 4096


@pytest.mark.parametrize("why", ["another start of the run", "it ended by itself", "the board goes down"])
def test_no_end_is_recorded_where_there_is_none(systemd: BoardUnderTest, why: str) -> None:
    run_dir = service_of(systemd)
    systemd.env |= {"SERVICE_RESULT": "success", "EXIT_CODE": "killed", "EXIT_STATUS": "TERM"}
    systemd.env["INVOCATION_ID"] = "other" if why == "another start of the run" else "abc"
    if why == "it ended by itself":
        (run_dir / "end.json").write_text("{}\n")
    if why == "the board goes down":
        systemd.stub("systemctl", "echo stopping")
    before = {path.name: path.read_bytes() for path in run_dir.iterdir()}
    assert systemd.script("job.sh", "_ended", run_dir, "1").returncode == 0
    assert {path.name: path.read_bytes() for path in run_dir.iterdir()} == before


def test_a_term_while_the_board_goes_down_is_no_cancel(systemd: BoardUnderTest) -> None:
    up = systemd.pipe("up")
    run_dir = systemd.started("sh", "-c", f"echo up >'{up.path}'; exec sleep 1000")
    up.read_line()
    systemd.stub("systemctl", "echo stopping")
    os.kill(systemd.state()["start"]["pid"], 15)
    systemd.wait_free(run_dir / "lock")
    assert not (run_dir / "end.json").exists()
    assert systemd.state()["now"]["run_alive"] is True  # until the next boot says what became of it
    (Path(systemd.env["RK_SYSROOT"]) / "proc/sys/kernel/random/boot_id").write_text("another\n")
    assert systemd.state()["now"]["run_alive"] is False
