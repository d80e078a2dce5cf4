"""A virtual board for a test: switched on by its command line, talked to over OpenSSH with its printed host key."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from virtual.artifacts import artifact_bytes, artifact_name
from virtual.truth import events

LIMIT_S = 30
ROOT = Path(__file__).resolve().parents[2]
MODEL = artifact_name("qwen3-0.6b", 3)
ASK = (
    "printf 'Why is the sky blue?\\nexit\\n' | RKLLM_LOG_LEVEL=1 LD_LIBRARY_PATH=/opt/rkllm/lib"
    " timeout -k 2 {limit} stdbuf -oL -eL /opt/rkllm/llm_demo {model} {new} {context}"
)


@dataclass(frozen=True)
class Board:
    """A running board and how to talk to it."""

    state: Path
    facts: dict[str, Any]
    through: Path | None = None  # the socket of a connection that stands

    @property
    def name(self) -> str:
        return str(self.facts["name"])

    @property
    def options(self) -> list[str]:
        hosts = self.state / f"{self.name}.known_hosts"
        hosts.write_text(f"[127.0.0.1]:{self.facts['port']} {self.facts['host_key']}\n")
        settings = ("StrictHostKeyChecking=yes", f"UserKnownHostsFile={hosts}", "BatchMode=yes", "IdentitiesOnly=yes")
        keys = ["-F", "/dev/null", "-i", self.facts["identity"], "-o", f"Port={self.facts['port']}"]
        shared = [] if self.through is None else ["-S", str(self.through)]
        return keys + [word for setting in settings for word in ("-o", setting)] + shared

    def argv(self, command: str, *extra: str) -> list[str]:
        return ["ssh", *self.options, *extra, "root@127.0.0.1", command]

    def ssh(self, command: str, data: bytes = b"", *extra: str) -> subprocess.CompletedProcess[bytes]:
        return subprocess.run(self.argv(command, *extra), input=data, capture_output=True, timeout=LIMIT_S, check=False)

    def say(self, command: str) -> str:
        done = self.ssh(command)
        assert done.returncode == 0, done
        return done.stdout.decode()

    def put_model(self, npu_core_num: int = 3) -> str:
        """Have that model on the board; one that a test has put there before is there still."""
        path = f"/root/{artifact_name('qwen3-0.6b', npu_core_num)}"
        data = artifact_bytes("qwen3-0.6b", npu_core_num)
        here = Path(f"{self.state}/{self.name}/root{path}")
        if not here.exists() or here.read_bytes() != data:
            done = self.ssh(f"cat >{path}", data)
            assert done.returncode == 0, done
        return path

    def ask(
        self, model: str, new: int = 64, context: int = 4096, limit: int = 20
    ) -> subprocess.CompletedProcess[bytes]:
        return self.ssh(ASK.format(model=model, new=new, context=context, limit=limit))

    def truth(self, event: str) -> list[dict[str, Any]]:
        return [entry for entry in events(self.state / self.name / "truth.jsonl") if entry["event"] == event]


def virtual(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "virtual", *map(str, arguments)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
        check=False,
    )


def command_lines() -> list[str]:
    """The command line of every process that is there."""
    lines = []
    for page in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            lines.append(page.read_bytes().replace(b"\0", b" ").decode(errors="replace"))
    return lines


def switch_on(state: Path, name: str, **config: object) -> Board:
    done = virtual("up", name, "--state", state, "--config", json.dumps({"time_scale": 100, **config}))
    assert done.returncode == 0, done.stderr
    return Board(state, json.loads(done.stdout))
