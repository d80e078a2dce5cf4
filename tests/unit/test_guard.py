"""The lines of shell that every command runs under, in the three shells that boards have."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from fleet.ssh import guard
from fleet.ssh.guard import Skip, guarded, last_word, new_mark

SHELLS = [shell for shell in ("dash", "busybox ash", "bash --posix") if shutil.which(shell.split()[0]) is not None]

# A `timeout` that leaves something behind: a member of its group that lives on after it gave up.
LEAVES_ONE = f"""#!{sys.executable}
import os, subprocess, sys
os.setpgid(0, 0)
no = subprocess.DEVNULL
child = subprocess.Popen(["sleep", "60"], stdin=no, stdout=no, stderr=no)
print(child.pid, flush=True)
sys.exit(124)
"""
NO_KILL = 'kill() { case $1 in -9) ;; *) command kill "$@" ;; esac; }\n'  # as for a process stuck in a driver


def run(
    shell: str, *argv: str, script: str = "", limit_s: int = 20, path: str = ""
) -> subprocess.CompletedProcess[bytes]:
    words = [*shell.split(), "-c", script or guard._SCRIPT, "rkfleet", "MARK", str(limit_s), *argv]
    env = {**os.environ, "PATH": f"{path}:{os.environ['PATH']}" if path else os.environ["PATH"]}
    return subprocess.run(words, input=b"from stdin\n", capture_output=True, timeout=30, env=env)


@pytest.mark.parametrize("shell", SHELLS)
def test_the_command_gets_stdin_and_gives_its_output_and_exit_code_after_the_mark(shell: str) -> None:
    done = run(shell, "sh", "-c", "cat; echo oops >&2; exit 3")
    assert (done.returncode, done.stdout, done.stderr) == (3, b"MARK\nfrom stdin\n", b"MARK\noops\n")


@pytest.mark.parametrize("shell", SHELLS)
def test_a_signal_is_128_and_its_number(shell: str) -> None:
    assert run(shell, "sh", "-c", "kill -9 $$").returncode == 137
    assert run(shell, "sh", "-c", "kill -15 $$").returncode == 143


@pytest.mark.parametrize("shell", SHELLS)
def test_a_timeout_is_told_with_the_word_dead(shell: str) -> None:
    done = run(shell, "sleep", "20", limit_s=1)
    assert last_word(done.stderr.removeprefix(b"MARK\n"), b"MARK") == (b"", True)


@pytest.mark.parametrize("shell", SHELLS)
def test_what_survives_kill_is_called_alive(shell: str, tmp_path: Path) -> None:
    fake = tmp_path / "timeout"
    fake.write_text(LEAVES_ONE)
    fake.chmod(0o755)
    done = run(shell, "true", script=NO_KILL + guard._SCRIPT, path=str(tmp_path))
    left = int(done.stdout.split()[1])
    assert last_word(done.stderr, b"MARK")[1] is False
    os.kill(left, 9)
    done = run(shell, "true", path=str(tmp_path))  # and with a KILL that works it is dead
    assert last_word(done.stderr, b"MARK")[1] is True


@pytest.mark.parametrize("shell", SHELLS)
def test_a_board_without_timeout_still_runs_the_command(shell: str, tmp_path: Path) -> None:
    for tool in ("sh", "cat", "sleep"):
        (tmp_path / tool).symlink_to(str(shutil.which(tool)))
    words = [str(shutil.which(shell.split()[0])), *shell.split()[1:], "-c", guard._SCRIPT, "rkfleet", "MARK", "5"]
    if "busybox" in shell:
        pytest.skip("busybox brings its own timeout")
    done = subprocess.run(
        [*words, "sh", "-c", "cat; exit 4"], input=b"x\n", capture_output=True, timeout=30, env={"PATH": str(tmp_path)}
    )
    assert (done.returncode, done.stdout) == (4, b"MARK\nx\n")


def test_the_login_shell_is_given_one_line_of_quoted_words() -> None:
    line = guarded(["echo", "it's; rm -rf $HOME"], mark=b"m", limit_s=7)
    words = shlex.split(line.decode())
    assert words[:3] == ["exec", "sh", "-c"]
    assert words[4:] == ["rkfleet", "m", "7", "echo", "it's; rm -rf $HOME"]


def test_marks_differ() -> None:
    assert len({new_mark() for _ in range(100)}) == 100


@pytest.mark.parametrize("size", [1, 2, 3, 7, 100])
def test_noise_before_the_mark_is_told_apart_however_it_is_cut(size: int) -> None:
    skip = Skip(b"MARK")
    data = b"Welcome!\nMAR\nMARK\nthe output\nMARK\n"
    got = b"".join(skip.feed(data[at : at + size]) for at in range(0, len(data), size))
    assert (got, skip.seen, skip.noise) == (b"the output\nMARK\n", True, b"Welcome!\nMAR\n")


def test_endless_noise_is_not_kept() -> None:
    skip = Skip(b"MARK", keep_bytes=100)
    for _ in range(1000):
        assert skip.feed(b"y\n" * 500) == b""
    assert len(skip.noise) == 100
    assert skip.feed(b"MARK\nx") == b"x"


def test_the_guards_word_is_taken_out_of_stderr() -> None:
    assert last_word(b"a\nM dead\n", b"M") == (b"a\n", True)
    assert last_word(b"a\nM alive\nlate\n", b"M") == (b"a\nlate\n", False)
    assert last_word(b"dead\n", b"M") == (b"dead\n", None)
