"""What a bench needs on a test machine: a demo that can be held in the middle of a run, and its artifacts."""

from __future__ import annotations

import hashlib
import json
import select
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from fleet.deadline import Deadline
from tests.e2e.home import PROJECT, Home
from tests.vm.machine import Machine

FOLDER = "/opt/demo"
STATE = "/var/lib/demo"
WAIT_S = 300.0  # an idle host has a run started in 20


class Demo:
    """The demo on one machine, and the executions that it has counted since ``Demo`` was made."""

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        here = Path(__file__)
        machine.put(here.with_name("held_demo.sh"), f"{FOLDER}/llm_demo")
        machine.put(PROJECT / "tests/e2e/llm_demo.sh", f"{FOLDER}/demo_of_a_run")
        script = 'rm -rf "$1" /run/demo-hold.*; mkdir -m 777 "$1"; : >"$1/executions"; chmod 666 "$1/executions"; sync'
        machine.run(["sh", "-c", script, "-", STATE])
        for cores in (1, 2, 3):
            model = f"{FOLDER}/Qwen3-0.6B_W8A8_RK3588_{cores}core.rkllm"
            machine.run(["sh", "-c", 'printf "cores %s\nweights\n" "$1" >"$2"', "-", str(cores), model])

    def executions(self) -> list[str]:
        """The run directory of every execution."""
        return [line[1:-1] for line in self.machine.text(["cat", f"{STATE}/executions"]).splitlines()]

    def hold(self, number: int) -> None:
        """The ``number``-th execution, from 1, will wait until ``release`` or the next boot."""
        self.machine.run(["touch", f"/run/demo-hold.{number}"])

    def release(self) -> None:
        """Nobody waits any longer."""
        self.machine.run(["sh", "-c", "rm -f /run/demo-hold.*"])

    def wait_held(self, number: int, driver: subprocess.Popen[str]) -> str:
        """Until the ``number``-th execution writes its log; its run directory."""

        def held() -> str:
            assert driver.poll() is None, f"the driver ended with {driver.returncode}: {driver.communicate()}"
            done = self.executions()
            if len(done) < number or b"held" not in self.machine.run(["cat", f"{done[-1]}/stdout.log"]).stdout:
                return ""
            return done[-1]

        return until(held, f"execution {number} of the demo")


def until(condition: Callable[[], Any], what: str, limit_s: float = WAIT_S) -> Any:
    """The first true answer of ``condition``."""
    deadline = Deadline.after(limit_s)
    while not deadline.expired:
        answer = condition()
        if answer:
            return answer
        select.select([], [], [], 0.2)
    raise AssertionError(f"waited {limit_s:g} s in vain for {what}")


def board(home: Home, demo: Demo, user: str = "root") -> str:
    """``vm`` in the inventory of this home, with its host key trusted and a store that no other home has; the store."""
    store = f"{'/root' if user == 'root' else f'/home/{user}'}/{home.folder.name}"
    home.inventory({"vm": demo.machine.entry(user, llm_demo=f"{FOLDER}/llm_demo", store=store)})
    home.invoke("trust", "--board", "vm", "--fingerprint", demo.machine.host_key.fingerprint)
    home.catalogue_without("qwen3-0.6b", "architecture")  # or it would be known not to fit a machine of 768 MiB
    return store


@contextmanager
def driving(home: Home, *words: str) -> Iterator[subprocess.Popen[str]]:
    """A verb that goes on during the block, and not after it."""
    driver = home.start(*words)
    try:
        yield driver
    finally:
        driver.kill()
        driver.communicate()


def evidence(home: Home) -> dict[int, tuple[str, Path]]:
    """The runs of this home by the number of their repeat (0 is the warm-up): how each ended, and its folder."""
    found = {}
    for folder in home.runs():
        spec = json.loads((folder / "spec.json").read_bytes())
        end, outcome = folder / "end.json", folder / "outcome.json"
        word = json.loads(end.read_bytes())["result"] if end.exists() else ""
        found[spec["repeat"]] = (json.loads(outcome.read_bytes())["outcome"] if outcome.exists() else word, folder)
    return found


def check_whole(folder: Path) -> None:
    """Every file is as the manifest says, every record is one whole JSON object, and nothing else lies there."""
    manifest = json.loads((folder / "manifest.json").read_bytes())
    files = {name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in manifest["files"]}
    assert files == {name: about["sha256"] for name, about in manifest["files"].items()}
    assert {path.name for path in folder.iterdir()} == {*files, "manifest.json"}
    for path in folder.glob("*.json"):
        assert isinstance(json.loads(path.read_bytes()), dict), path


SCAFFOLD = {".reserve", ".end", ".armed", ".helper"}  # of a run; a power cut leaves them beside its logs


def halves(machine: Machine, store: str, cut: str = "") -> list[str]:
    """What may not lie in a store when no run goes on: parts of files, and files whose names begin with a dot.

    ``cut`` is the directory of a run that the power was taken from.
    """
    script = 'find "$1" -name "*.part" -o -type f -name ".*" 2>/dev/null; true'
    found = machine.text(["sh", "-c", script, "-", store]).splitlines()
    return [path for path in found if path not in {f"{cut}/{name}" for name in SCAFFOLD}]
