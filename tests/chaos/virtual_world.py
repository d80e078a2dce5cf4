"""Virtual boards: they lose power, freeze and fill up, and write down themselves what really happened to them."""

from __future__ import annotations

import contextlib
import io
import json
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from fleet.scripts import _bundle
from tests.chaos import observed, processes
from tests.chaos.referee import Demo, Files, Snapshot, Span, Truth
from tests.chaos.scenario import BOARDS, Action, Scenario
from tests.chaos.world import MODEL, Later, Refused, World
from virtual import control, lifecycle
from virtual.config import parse_config
from virtual.isolation import hand_over
from virtual.truth import events

PROJECT = Path(__file__).resolve().parents[2]
CONFIG = {"time_scale": 12.0, "disk_mib": 48}  # a demo takes about a second
LASTING = ("freeze", "unreachable", "slow", "cut", "corrupt", "disk_full")
COUNTED = {"session": "session", "demo_started": "demo", "demo_ended": "over", "boot": "boot"}
NOBODY = "None"
NO_WISH = {"away_s": None, "for_ever": False, "count": None, "rate": None, "for_s": None, "seed": 0, "way": "out"}


class VirtualWorld(World):
    """Two boards; both homes see the same ones."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.state = folder / "boards"
        self.state.mkdir()
        self._began: dict[str, int] = {}  # length of the truth when the seed began
        self._boot: dict[str, str] = {}
        self._clocks: dict[str, dict[str, str]] = {}  # what can be set, as it was when the seed began
        for home in self.homes:
            (home / ".virtual").symlink_to(self.state)
            made = [sys.executable, "-m", "virtual.artifacts", str(home / "models"), MODEL]
            subprocess.run(made, cwd=PROJECT, check=True, capture_output=True)
        for board in BOARDS:
            lifecycle.up(self.state, board, parse_config(json.dumps(CONFIG)))

    def entry(self, board: str, scenario: Scenario) -> dict[str, Any]:
        entry: dict[str, Any] = {"virtual": CONFIG}
        if scenario.recover:
            words = ["env", f"PYTHONPATH={PROJECT}", sys.executable, "-m", "virtual", "power", board]
            entry["power"] = {way: [*words, way, "--state", str(self.state)] for way in ("off", "on")}
        return entry

    def reset(self, scenario: Scenario) -> None:
        super().reset(scenario)
        self.heal()
        for board in scenario.boards:
            store = self._store(board)
            for name in ("runs", "models", "sha256", "scripts"):
                shutil.rmtree(store / name, ignore_errors=True)
            if not scenario.bare:
                self._furnish(store)
            now = lifecycle.tell(self.state, board, {"verb": "look"})
            self._boot[board] = now["boot_id"]
            self._began[board] = self._log(board).stat().st_size
            self._clocks[board] = self._settings(board)

    def progress(self, board: str) -> dict[str, int]:
        counts = dict.fromkeys([*COUNTED.values(), "receive"], 0)
        for event in self._events(board):
            name = COUNTED.get(event["event"])
            if name:
                counts[name] += 1
            if "artifact.sh receive" in event.get("what", ""):
                counts["receive"] += 1
        return counts

    def strike(self, action: Action) -> Later | None:
        details, board = action.details, str(action.board)
        if action.what == "run_killed":
            hit = processes.shoot(self._processes(board))
            if not hit:
                raise Refused("nothing runs there")
            self.shot[board] |= hit
            return None
        wish: dict[str, Any] = {"for_s": details.get("for_s"), "rate": details.get("rate")}
        wish |= {"count": details.get("bytes"), "seed": details.get("seed", 0), "way": details.get("way", "out")}
        away = details.get("away")
        wish |= {"for_ever": True} if away == "never" else {"away_s": away}
        self._tell(board, action.what.removesuffix("_twice"), wish)
        if action.what == "power_loss_twice":

            def again() -> None:
                with contextlib.suppress(Refused):
                    self._tell(board, "power_loss", {"away_s": 0.5})

            return (float(away or 0) + details["then_s"], again)
        return None

    def heal(self) -> None:
        for board in self._boards():
            lifecycle.power(self.state, board, "on")
            for fault in LASTING:
                with contextlib.suppress(Refused):
                    self._tell(board, fault, {"off": True})

    def busy(self) -> list[str]:
        found = []
        for board in self._boards():
            found += [f"{board}: {one.shown}" for one in processes.of_runs(self._processes(board))]
            look = lifecycle.tell(self.state, board, {"verb": "look"})
            found += [f"{board}: the lock of {run} is held" for run, seen in look["runs"].items() if seen["lock_held"]]
        return found

    def truth(self, cancels: dict[str, list[Span]], spoilt: set[str]) -> tuple[Truth, ...]:
        return tuple(self._truth(board, cancels.get(board, []), board in spoilt) for board in self.shot)

    def close(self) -> None:
        for board in BOARDS:
            lifecycle.down(self.state, board)

    def _truth(self, board: str, cancels: list[Span], spoilt: bool) -> Truth:
        said = lifecycle.truth(self.state, board)
        boot, ended, snapshots = self._boot[board], set(), []
        demos: dict[int, Demo] = {}
        for event in self._events(board):
            if event["event"] == "boot":
                boot = event["boot_id"]
            elif event["event"] == "power_off":
                ended.add(event["boot_id"])
            elif event["event"] == "disk":
                runs = {run: _files(seen["files"]) for run, seen in event["runs"].items()}
                snapshots.append(Snapshot(event["at"], event["t_s"], runs))
            elif event["event"] == "demo_started":
                demos[event["run"]] = Demo(_run(event), event["t_s"], None, None, boot)
            elif event["event"] == "demo_ended":
                began = demos[event["run"]]
                demos[event["run"]] = Demo(began.run, began.began_s, event["t_s"], event["code"], began.boot_id)
        store = self._store(board)
        disk = observed.runs_in(store)
        locks = [run for run, seen in said["runs"].items() if seen["lock_held"]]
        locks += ["the board"] if said["locks"]["board_lock_held"] else []
        leases = {name: text for name, text in said["locks"]["lease_files"].items() if name != "lease.log"}
        return Truth(
            board,
            _named(list(demos.values()), disk),
            frozenset(ended),
            tuple(snapshots),
            disk,
            tuple(locks),
            tuple(f"{name}: {text.strip()}" for name, text in leases.items()),
            observed.litter_in(store),
            tuple(one.shown for one in processes.of_runs(self._processes(board))),
            tuple(
                f"{name} is {now}, was {self._clocks[board][name]}"
                for name, now in self._settings(board).items()
                if self._clocks[board][name] != now
            ),
            tuple(cancels),
            frozenset(self.shot[board]),
            spoilt,
        )

    def _tell(self, board: str, fault: str, wish: dict[str, Any]) -> None:
        try:
            lifecycle.tell(self.state, board, {"verb": "fault", "fault": fault, "wish": NO_WISH | wish})
        except control.Refused as error:
            raise Refused(str(error)) from None

    def _settings(self, board: str) -> dict[str, str]:
        """What a pin changes; two that mean nothing under another governor are left out."""
        sys_ = self.state / board / "sys"
        files = [*sys_.glob("class/devfreq/*/*"), *sys_.glob("devices/system/cpu/cpufreq/*/*")]
        files += sys_.glob("devices/system/cpu/*/cpuidle/*/disable")
        ends = ("governor", "min_freq", "max_freq", "disable")
        return {str(path.relative_to(sys_)): path.read_text().strip() for path in files if path.name.endswith(ends)}

    def _boards(self) -> list[str]:
        return list(self.shot) or list(BOARDS)

    def _store(self, board: str) -> Path:
        """As the board's process sees it: a disk of a limited size is mounted for that alone."""
        folder = (self.state / board).resolve()
        return Path(f"/proc/{self._pid(board)}/root{folder}/root/root/rkfleet")

    def _pid(self, board: str) -> int:
        return int(lifecycle.look(self.state / board).facts["pid"])

    def _processes(self, board: str) -> list[processes.Process]:
        return processes.below(self._pid(board))

    def _log(self, board: str) -> Path:
        return self.state / board / "truth.jsonl"

    def _events(self, board: str) -> list[dict[str, Any]]:
        return events(self._log(board), self._began[board])

    def _furnish(self, store: Path) -> None:
        """What an earlier campaign has brought: the models and this version of the scripts."""
        shutil.copytree(self.homes[0] / "models", store / "models")
        version, archive = _bundle()
        with tarfile.open(fileobj=io.BytesIO(archive)) as scripts:
            scripts.extractall(store / "scripts" / version, filter="data")
        for path in (store, *store.rglob("*")):
            hand_over(path)


def _named(demos: list[Demo], disk: Mapping[str, Files]) -> tuple[Demo, ...]:
    """A demo that was killed before the board could look whose it was is that of the one run that has none."""
    known = {demo.run for demo in demos}
    without = [run for run, files in disk.items() if "start.json" in files and run not in known]
    nameless = [demo for demo in demos if demo.run == NOBODY]
    if len(nameless) == len(without) == 1:
        demos[demos.index(nameless[0])] = replace(nameless[0], run=without[0])
    return tuple(demos)


def _run(event: dict[str, Any]) -> str:
    return "/".join(str(event["run_dir"]).split("/")[-2:])


def _files(seen: dict[str, Any]) -> dict[str, tuple[int, str]]:
    return {name: (file["bytes"], file["sha256"]) for name, file in seen.items()}
