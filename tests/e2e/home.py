"""A team's folder with its own inventory, and the command line run in it as a person runs it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml

from tests.ssh.sshd import Sshd
from virtual.truth import events

PROJECT = Path(__file__).parents[2]
LIMIT_S = 120.0


class Home:
    """A folder with ``inventory.yaml``; ``invoke`` runs a verb there."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.collected = folder / "collected"
        self.environment = {**os.environ, "HOME": str(folder / "user"), "COLUMNS": "200", "NO_COLOR": "1"}
        (folder / "user").mkdir()

    def inventory(self, boards: dict[str, Any], **more: Any) -> None:
        """JSON is YAML."""
        (self.folder / "inventory.yaml").write_text(json.dumps({"boards": boards, **more}))

    def invoke(self, *words: str, code: int = 0, limit_s: float = LIMIT_S) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(self.argv(*words), **self.options(), text=True, capture_output=True, timeout=limit_s)
        assert done.returncode == code, f"{words} ended with {done.returncode}\n{done.stdout}\n{done.stderr}"
        assert "Traceback" not in done.stderr, done.stderr
        return done

    def start(self, *words: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            self.argv(*words),
            **self.options(),
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
        )

    def argv(self, *words: str) -> list[str]:
        return [sys.executable, "-m", "invoke", "--search-root", str(PROJECT), *words]

    def options(self) -> dict[str, Any]:
        return {"cwd": self.folder, "env": self.environment, "stdin": subprocess.DEVNULL}

    def runs(self) -> list[Path]:
        return sorted(path.parent for path in self.collected.glob("*/*/*/spec.json") if path.parent.name[0] != ".")

    def catalogue_without(self, model: str, key: str) -> None:
        """A catalogue of its own, like the project's, that does not know this of a model."""
        catalogue = yaml.safe_load((PROJECT / "models.yaml").read_text())
        del catalogue["models"][model][key]
        (self.folder / "models.yaml").write_text(yaml.safe_dump(catalogue, sort_keys=False))

    def catalogue_without_encoder(self, model: str) -> None:
        """A catalogue that has no vision encoder of this model for virtual boards."""
        catalogue = yaml.safe_load((PROJECT / "models.yaml").read_text())
        files = catalogue["models"][model]["artifacts"]
        catalogue["models"][model]["artifacts"] = [
            one for one in files if not (one.get("role") == "vision" and one.get("standin"))
        ]
        (self.folder / "models.yaml").write_text(yaml.safe_dump(catalogue, sort_keys=False))

    def truth(self, board: str) -> list[dict[str, Any]]:
        """What really happened, written by the virtual board where no script of ours can reach."""
        return events(self.folder / ".virtual" / board / "truth.jsonl")


def virtual(*faults: str, **more: Any) -> dict[str, Any]:
    """A virtual board a hundred times faster than a real one."""
    return {"virtual": {"time_scale": 100, "faults": list(faults), **more}}


def entry(server: Sshd, folder: Path, **more: Any) -> dict[str, Any]:
    reach = {"address": "127.0.0.1", "port": server.port, "user": server.user, "key": str(server.identity)}
    # The default store lies in the home folder, which here may be that of the person who runs the tests.
    store = {} if server.home else {"store": str(server.folder / "store")}
    return {**reach, "paths": {"llm_demo": str(folder / "llm_demo"), **store, **more}}


def trusted(home: Home, server: Sshd, name: str = "real") -> None:
    home.invoke("trust", "--board", name, "--fingerprint", server.key.fingerprint)
