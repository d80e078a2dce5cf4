"""One machine for all the tests of a session: booting is expensive, a fresh home on it is not."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.driver import with_patience
from tests.e2e.home import Home
from tests.vm import image
from tests.vm.demo import Demo
from tests.vm.machine import Machine, running


@pytest.fixture(scope="session")
def machine_image() -> Path:
    """The image; tests that can not have one fail, since nobody runs them by accident."""
    reason = image.missing()
    assert not reason, reason
    return image.image()


@pytest.fixture(scope="session")
def _only_machine(machine_image: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    with running(tmp_path_factory.mktemp("vm"), "vm") as (one,):
        yield one


@pytest.fixture
def machine(_only_machine: Machine) -> Iterator[Machine]:
    """A machine that is on and awake, and on which nothing of an earlier test runs."""
    yield _only_machine
    if not _only_machine.on:
        _only_machine.start()
    _only_machine.thaw()
    if not idle(_only_machine):
        _only_machine.cut()
        _only_machine.start()


@pytest.fixture
def demo(machine: Machine) -> Demo:
    """The demo on that machine, with its counter at zero."""
    return Demo(machine)


# An emulated machine of 768 MiB is busy and short of memory by a board's measure: every gate would be closed for ever.
GATES = "gates: {load_cores: 64, free_mib: 0, swap_pages: 1000000, tolerance_k: 100}\n"

# Beside other tests a login to it may take longer than any board's. What tells a silent board from a busy one stays.
PATIENCE = {
    "CONNECT_S": 25.0,
    "OPEN_S": 25.0,
    "COMMAND_S": 90.0,
    "FACTS_S": 90.0,
    "START_S": 90.0,
    "RECOVER_ASK_S": 40.0,
}


class PatientHome(Home):
    """A home whose driver waits longer for what a machine has to say."""

    def argv(self, *words: str) -> list[str]:
        return with_patience(PATIENCE, *words)


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """A folder with an inventory and the suite `vm`; unlike that of tests/e2e it has no virtual boards to end."""
    (tmp_path / "suites").mkdir()
    (tmp_path / "suites" / "vm.yaml").write_text(GATES, encoding="utf-8")
    return PatientHome(tmp_path)


def idle(machine: Machine) -> bool:
    """Is there nothing that a failed test left behind? Asking must work on any machine."""
    try:
        script = ": >>/run/lock/rkfleet.lock; rm -f /filler*; flock -n -s /run/lock/rkfleet.lock true"
        return machine.run(["sh", "-c", script], check=False).returncode == 0
    except subprocess.TimeoutExpired:
        return False
