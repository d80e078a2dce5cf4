"""What is there: a board's store and a home's ``collected/``, read as they lie on this machine's disk.

Written for the referee, and from the description of the folders: it shares nothing with the code that fills them.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from tests.chaos.referee import LOGS, Evidence, Files, Home

EVIDENCE = (
    "spec.json",
    "start.json",
    "end.json",
    "facts.before.json",
    "facts.after.json",
    *LOGS,
    "dmesg.log",
    "telemetry.csv",
    "clocks.json",
)
BESIDE = {*EVIDENCE, "lock", "reboot.log", "wrapper.log", "core"}  # what may stay in a run's folder on its board
SCRIPTS = re.compile(r"[0-9a-f]{12}")


def runs_in(store: Path) -> dict[str, Files]:
    """The evidence files of every run in a board's store, by ``<campaign>/<run>``."""
    found: dict[str, Files] = {}
    for folder in sorted((store / "runs").glob("*/*/")):
        files = {name: file for name in EVIDENCE if (file := _file(folder / name)) is not None}
        found[f"{folder.parent.name}/{folder.name}"] = files
    return found


def litter_in(store: Path) -> tuple[str, ...]:
    """What nobody will ever ask for again."""
    found = [path for path in (store / "runs").glob("*/*/*") if path.name not in BESIDE]
    found += (store / "models").glob("*.part")
    found += [path for path in (store / "models").glob(".*") if path.name != ".sha256"]
    found += (store / "sha256").glob("*.*.part")  # a part without a number waits for the push that goes on with it
    found += [path for path in (store / "models" / ".sha256").glob("*") if "." in path.name]
    found += [path for path in (store / "scripts").glob("*") if not SCRIPTS.fullmatch(path.name)]
    return tuple(str(path.relative_to(store)) for path in sorted(found))


def home(name: str, folder: Path, campaign: str, told: Mapping[tuple[str, str], str], *, again: bool) -> Home:
    """A workstation's folder. ``told``: what the analyst says of (board, ``<campaign>/<run>``)."""
    collected = folder / "collected"
    record = collected / campaign / "campaign.json"
    planned: Mapping[str, Any] = json.loads(record.read_bytes())["runs"] if record.exists() else {}
    evidence = [
        _evidence(path, told.get((path.parent.name, f"{path.parents[1].name}/{path.name}"), "nothing"))
        for path in sorted(collected.glob("*/*/[!.]*/"))
    ]
    litter = [path for path in folder.rglob(".*") if path.parent != folder and path.name != ".lock"]
    return Home(
        name,
        {board: tuple(f"{campaign}/{run}" for run in runs) for board, runs in planned.items()},
        tuple(evidence),
        tuple(str(path.relative_to(folder)) for path in _beneath(litter, folder / ".virtual", folder / "user")),
        again,
    )


def _beneath(paths: list[Path], *others: Path) -> Iterator[Path]:
    for path in sorted(paths):
        if not any(path.is_relative_to(other) for other in others):
            yield path


def _evidence(folder: Path, told: str) -> Evidence:
    files = {path.name: file for path in folder.iterdir() if (file := _file(path)) is not None}
    manifest = _json(folder / "manifest.json")
    files.pop("manifest.json", None)
    own = _json(folder / "outcome.json")
    return Evidence(
        board=folder.parent.name,
        run=f"{folder.parents[1].name}/{folder.name}",
        files=files,
        manifest=None
        if manifest is None
        else {name: (int(file["bytes"]), str(file["sha256"])) for name, file in manifest["files"].items()},
        outcome=None if own is None else str(own["outcome"]),
        start=_json(folder / "start.json"),
        end=_json(folder / "end.json"),
        told=told,
        logs={name: (folder / name).read_bytes() for name in LOGS if (folder / name).exists()},
        reason="" if own is None else str(own["reason"]),
    )


def _json(path: Path) -> Any:
    try:
        return json.loads(path.read_bytes())
    except FileNotFoundError:
        return None


def _file(path: Path) -> tuple[int, str] | None:
    try:
        data = path.read_bytes()
    except OSError:
        return None
    return len(data), hashlib.sha256(data).hexdigest()
