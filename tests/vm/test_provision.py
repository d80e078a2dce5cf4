"""A bare Debian machine goes from nothing to numbers by the verbs alone, and keeps its state over a power cut."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.home import PROJECT, Home
from tests.ssh.sshd import fit_board
from tests.vm.machine import Machine

LIMIT_S = 600.0  # of a verb on an emulated machine beside other tests
FOLDER = "/opt/provisioned"
KERNEL = "/srv/rk3588"
SETTING = "/etc/ssh/sshd_config.d/rk3588.conf"
RELOAD = "systemctl reload ssh"
MODEL = "Qwen3-0.6B_W8A8_RK3588_3core.rkllm"


@pytest.fixture
def fresh(machine: Machine, home: Home) -> Iterator[Home]:
    """A home that knows the machine; what a vendor would ship lies in it, and nothing of it on the machine."""
    machine.run(["rm", "-rf", FOLDER, "/home/rock/store-of-rock"])
    home.inventory({"vm": machine.entry(llm_demo=f"{FOLDER}/llm_demo", store=f"/root/{home.folder.name}")})
    home.invoke("trust", "--board", "vm", "--fingerprint", machine.host_key.fingerprint)
    vendor = home.folder / "vendor" / "rkllm-1.2.3"
    vendor.mkdir(parents=True)
    shutil.copy(PROJECT / "tests/e2e/llm_demo.sh", vendor / "llm_demo")
    library = b"no code in here\0rkllm-runtime version: 1.2.3\0"
    (vendor / "librkllmrt.so").write_bytes(library)
    (vendor / "SHA256SUMS").write_text(f"{hashlib.sha256(library).hexdigest()}  librkllmrt.so\n")
    (home.folder / "models").mkdir()
    (home.folder / "models" / MODEL).write_text("cores 3\nweights\n")
    machine.run(
        ["sh", "-c", f"tar -xf - -C / && printf 'SetEnv RK_SYSROOT={KERNEL}\\n' >{SETTING} && {RELOAD}"],
        stdin=kernel(home),
    )
    machine.forget_connections()
    yield home
    # rock may not use sudo, in other tests, and they see the machine as it is
    machine.run(["sh", "-c", f"rm -rf /etc/sudoers.d/provision {SETTING} {KERNEL} && {RELOAD}"])
    machine.forget_connections()


def kernel(home: Home) -> bytes:
    """What the kernel of an RK3588 shows, for a machine that is none; without the runtime, which is to be brought."""
    tree = fit_board(home.folder / "kernel" / KERNEL.lstrip("/"))
    (tree / "opt/rkllm/lib/librkllmrt.so").unlink()
    return subprocess.run(
        ["tar", "-cf", "-", "-C", home.folder / "kernel", "."], check=True, capture_output=True
    ).stdout


def changed(home: Home, *words: str) -> int:
    said = home.invoke("provision", *words, "--format", "json", limit_s=LIMIT_S)
    (row,) = json.loads(said.stdout)
    assert row["failed at"] is None
    number = row["changed"]
    assert isinstance(number, int)
    return number


def test_provision_push_check_and_bench_are_all_that_a_bare_debian_needs(fresh: Home, machine: Machine) -> None:
    refused = json.loads(fresh.invoke("check", "--format", "json", limit_s=LIMIT_S, code=3).stdout)
    assert {row["check"] for row in refused if row["verdict"] == "fail"} == {"rkllm-library", "demo"}
    assert changed(fresh) >= 5
    fresh.invoke("push", "--cores", "3", limit_s=LIMIT_S)
    checked = json.loads(fresh.invoke("check", "--format", "json", limit_s=LIMIT_S).stdout)
    assert {row["verdict"] for row in checked} <= {"ok", "warn", "unknown"}
    words = ["bench", "--suite", "vm", "--cores", "3", "--repeats", "1", "--format", "json"]
    (cell,) = json.loads(fresh.invoke(*words, limit_s=LIMIT_S).stdout)
    assert (cell["board"], cell["outcome"], cell["n"]) == ("vm", "ok", 1)
    assert (Path(fresh.folder) / "collected").is_dir()

    # What is to hold from the start on holds after one; this machine has no clocks to pin, and says so to its journal.
    assert machine.text(["systemctl", "is-enabled", "rkfleet-clocks"]) == "enabled"
    machine.cut()
    machine.start()
    machine.run(["timeout", "120", "sh", "-c", "until systemctl is-active -q rkfleet-clocks; do sleep 0.2; done"])
    assert changed(fresh) == 0

    # The same as a user who may use sudo, and whose store is nobody else's.
    machine.run(["sh", "-c", "echo 'rock ALL=(ALL) NOPASSWD: ALL' >/etc/sudoers.d/provision"])
    machine.run(["rm", "-rf", f"{FOLDER}/lib"])
    rock = machine.entry("rock", llm_demo=f"{FOLDER}/llm_demo", store="store-of-rock")
    fresh.inventory({"vm": {**rock, "sudo": True}})
    assert changed(fresh) == 3  # store, runtime, membership of render
    assert machine.text(["stat", "-c", "%U", "/home/rock/store-of-rock/models", f"{FOLDER}/lib"]) == "rock\nroot"
    assert "render" in machine.text(["id", "-nG", "rock"])

    assert changed(fresh, "--playbook", "restore") == 3
    assert machine.run(["systemctl", "cat", "rkfleet-clocks"], check=False).returncode != 0
    assert machine.text(["ls", f"{FOLDER}/lib"]) == "librkllmrt.so"
