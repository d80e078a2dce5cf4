"""Switch boards on and off, from any number of processes at once.

Two locks in a board's folder say all: ``switch`` is held by whoever is switching it, ``alive`` by the board itself
for as long as it lives. Both are the kernel's, so neither can go stale. A process id is only ever signalled while
``alive`` proves that it is still that board's.
"""

from __future__ import annotations

import contextlib
import dataclasses
import fcntl
import json
import os
import select
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from virtual import control
from virtual.config import NAME, BadConfig, BoardConfig, parse_config
from virtual.disk import runs_on_disk
from virtual.small_disk import AS_ANYBODY, PRIVATE_NAMESPACE
from virtual.truth import events
from virtual.whole import write_whole

START_S = 60.0
STOP_S = 8.0
SHOWN = ("name", "address", "port", "user", "identity", "host_key", "pid")


class CanNotStart(Exception):
    """The board did not come up; the message says why."""


class Refused(CanNotStart):
    """This machine can not isolate a board."""


@dataclasses.dataclass(frozen=True)
class Seen:
    """A board's folder as it was found."""

    name: str
    running: bool
    facts: dict[str, Any]  # of the last time it was on, {} when it never was


def up(state: Path, name: str, config: BoardConfig | None) -> dict[str, Any]:
    """Have the board on, and say how to reach it. Without a config, it stays or becomes what it last was."""
    folder = _folder(state, name)
    folder.mkdir(parents=True, exist_ok=True)
    with _locked(folder / "switch"):
        seen = look(folder)
        if config is None:
            stored = folder / "config.json"
            config = parse_config(stored.read_text()) if stored.exists() else BoardConfig()
        if seen.running:
            if seen.facts.get("config") == json.loads(config.to_json()):
                return _answer(seen.facts, started=False)
            _stop(folder, seen)
        write_whole(folder / "config.json", config.to_json().encode())
        _start(folder, config)
        return _answer(look(folder).facts, started=True)


def down(state: Path, name: str, *, wipe: bool = False) -> bool:
    """Have the board off; True when it was on. ``wipe`` also throws away its disk, its keys and its history."""
    folder = _folder(state, name)
    if not folder.is_dir():
        return False
    with _locked(folder / "switch"):
        seen = look(folder)
        if seen.running:
            _stop(folder, seen)
        if wipe:
            shutil.rmtree(folder)
        return seen.running


def boards(state: Path) -> tuple[Seen, ...]:
    """Every board that has a folder in ``state``."""
    if not state.is_dir():
        return ()
    return tuple(look(folder) for folder in sorted(state.iterdir()) if (folder / "config.json").exists())


def tell(state: Path, name: str, request: dict[str, Any]) -> dict[str, Any]:
    """What the running board answers to a request. Raises control.NotOn or control.Refused."""
    return control.ask(_known(state, name), request)


def power(state: Path, name: str, to: str) -> dict[str, Any]:
    """Switch a board's power ``off``, ``on`` or off and on (``cycle``), as a socket in the wall does."""
    _known(state, name)
    try:
        return tell(state, name, {"verb": "power", "to": to})
    except control.NotOn:
        if to == "off":
            return {"power": "off", "boot_id": None, "frozen": False}
        up(state, name, None)
        return tell(state, name, {"verb": "power", "to": "on"})


def truth(state: Path, name: str) -> dict[str, Any]:
    """Everything that happened to a board, and what is on it now, whether it is on or off."""
    folder = _known(state, name)
    try:
        now = tell(state, name, {"verb": "look"})
    except control.NotOn:
        now = {"power": "off", "boot_id": None, "frozen": False, "connections": 0, "faults": [], "locks": None}
        now["runs"] = runs_on_disk(folder / "root")
    return {"events": events(folder / "truth.jsonl"), **now}


def look(folder: Path) -> Seen:
    """Is that board on, and what did it last say about itself?"""
    facts: dict[str, Any] = {}
    with contextlib.suppress(OSError, ValueError):
        facts = json.loads((folder / "board.json").read_text())
    return Seen(folder.name, _held(folder / "alive"), facts)


def _start(folder: Path, config: BoardConfig) -> None:
    ready, theirs = os.pipe()
    environment = dict(os.environ)
    package = str(Path(__file__).resolve().parent.parent)
    environment["PYTHONPATH"] = os.pathsep.join(filter(None, [package, environment.get("PYTHONPATH", "")]))
    own_mounts = () if config.disk_mib is None else PRIVATE_NAMESPACE if os.geteuid() == 0 else AS_ANYBODY
    try:
        with (folder / "board.log").open("ab") as log:
            process = subprocess.Popen(
                [*own_mounts, sys.executable, "-m", "virtual.board", str(folder.resolve()), str(theirs)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                pass_fds=[theirs],
                start_new_session=True,
                cwd="/",
                env=environment,
            )
    finally:
        os.close(theirs)
    try:
        said = _read_until_end(ready, START_S)
    finally:
        os.close(ready)
    if said.startswith("ready"):
        return
    with contextlib.suppress(OSError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    if said.startswith("refused "):
        raise Refused(said.removeprefix("refused ").strip())
    raise CanNotStart(
        f"{folder.name}: the board process ended or was not ready in {START_S:.0f} s; see {folder / 'board.log'}"
    )


def _stop(folder: Path, seen: Seen) -> None:
    """End the board process and with it everything on the board."""
    pid = int(seen.facts["pid"])
    try:
        pidfd = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    try:
        if not _held(folder / "alive"):
            return  # it went by itself, and the id may be anyone's by now
        for number in (signal.SIGTERM, signal.SIGKILL):
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(pidfd, number)
            if select.select([pidfd], [], [], STOP_S)[0]:
                return
    finally:
        os.close(pidfd)
    raise CanNotStart(f"{folder.name}: process {pid} does not end")


def _answer(facts: dict[str, Any], *, started: bool) -> dict[str, Any]:
    return {key: facts[key] for key in SHOWN} | {"started": started}


def _folder(state: Path, name: str) -> Path:
    if not NAME.fullmatch(name):
        raise BadConfig(f"{name!r} is not a board name: letters, digits, dot, underscore and hyphen")
    return state / name


def _known(state: Path, name: str) -> Path:
    folder = _folder(state, name)
    if not (folder / "config.json").exists():
        raise BadConfig(f"there is no board {name!r} in {state}")
    return folder


def _held(lock: Path) -> bool:
    """Does somebody hold the lock in this file?"""
    try:
        fd = os.open(lock, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
        return False
    except BlockingIOError:
        return True
    finally:
        os.close(fd)


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
        yield
    finally:
        os.close(fd)


def _read_until_end(fd: int, limit_s: float) -> str:
    deadline = time.monotonic() + limit_s
    said = b""
    while select.select([fd], [], [], max(0.0, deadline - time.monotonic()))[0]:
        piece = os.read(fd, 4096)
        if not piece:
            break
        said += piece
    return said.decode(errors="replace")
