"""Start a virtual board and learn where it is, as one learns where a real one is: from outside.

The package ``virtual`` is a program to us (``python -m virtual up NAME``), never an import: a board that shares code
with its driver proves nothing. The key of a board that we started ourselves needs nobody to vouch for it.
"""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from fleet.config.inventory import BoardEntry
from fleet.errors import BoardError, Unreachable

PROJECT = Path(__file__).parent.parent
NO_ISOLATION = 3  # exit code: this machine has no way to give a board a root of its own
START_S = 60.0


@dataclass(frozen=True)
class Started:
    """Where a virtual board listens, the key that opens it, and the host key it has."""

    address: str
    port: int
    user: str
    identity: Path
    host_key: str


def start(entry: BoardEntry, state: Path) -> Started:
    """Start the board unless it runs already. Raises BoardError where this machine can not isolate one."""
    assert entry.virtual is not None
    config = entry.virtual.model_dump(mode="json")
    answer = _virtual("up", entry.name, "--config", json.dumps(config), "--state", str(state))
    if answer.returncode != 0:
        said = answer.stderr.strip() or f"python -m virtual up ended with {answer.returncode}"
        kind = BoardError if answer.returncode == NO_ISOLATION else Unreachable
        raise kind(said.removeprefix("virtual: "), board=entry.name, doing="start the virtual board")
    told = json.loads(answer.stdout)
    return Started(told["address"], int(told["port"]), told["user"], Path(told["identity"]), str(told["host_key"]))


def stop(names: list[str], state: Path) -> None:
    """Stop these virtual boards; one that does not run is no error."""
    for name in names:
        _virtual("down", name, "--state", str(state))


def make_artifacts(folder: Path, model: str) -> None:
    """Write the stand-in model files of ``model`` into ``folder``: the same bytes on every machine."""
    made = _run("virtual.artifacts", str(folder), model)
    if made.returncode != 0:
        raise BoardError(made.stderr.strip(), doing=f"make the stand-in files of {model}")


def make_vendor(folder: Path, runtime: str) -> None:
    """Write into ``folder`` what stands in for a vendor's release: the demo, the libraries and their sha256."""
    made = _run("virtual.vendor", str(folder), runtime)
    if made.returncode != 0:
        raise BoardError(made.stderr.strip(), doing=f"make the stand-ins of runtime {runtime}")


def _virtual(*words: str) -> subprocess.CompletedProcess[str]:
    return _run("virtual", *words)


def _run(module: str, *words: str) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(
            [sys.executable, "-m", module, *words],
            cwd=PROJECT,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=START_S,
        )
    except subprocess.TimeoutExpired:
        raise Unreachable(f"no answer within {START_S:.0f} s", doing=f"python -m {module} {words[0]}") from None
