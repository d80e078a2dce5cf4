"""A folder of this machine that plays a board, behind a real OpenSSH server and a proxy that breaks.

It can not start anew. What really ran is in a file that the demo itself writes, outside of everything that the
scripts touch.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import threading
import time
from pathlib import Path
from socket import create_connection
from typing import Any

from fleet.ssh.host_keys import HostKeys
from tests.chaos import observed, processes
from tests.chaos.referee import Demo, Span, Truth
from tests.chaos.scenario import BOARDS, Action, Scenario
from tests.chaos.world import Later, Refused, World
from tests.ssh import sshd
from tests.ssh.proxy import FaultProxy

DEMO = Path(__file__).resolve().parents[1] / "e2e" / "llm_demo.sh"
MODEL_FILE = "Qwen3-0.6B_W8A8_RK3588_{}core.rkllm"
STEP_S = 0.02
CUT_S = 8.0
NAME = BOARDS[0]
# Before the stand-in says a word, and when it is done: what the referee believes. It takes a moment, as a model does.
WITNESS = """
say() { printf '%s %s %s %s\\n' "$1" "$(date +%s.%N)" "$RKFLEET_RUN" "$2" >>'WITNESS'; }
say began 0
sleep 0.$(($$ % 6 + 4))
"""


class Proxy(FaultProxy):
    """One that outlives the server behind it."""

    def _accept(self) -> None:
        while not self._closed.is_set():
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            try:
                board = create_connection(("127.0.0.1", self._target_port))
            except OSError:
                client.close()
                continue
            self._pairs.append((client, board))
            for source, sink in ((client, board), (board, client)):
                threading.Thread(target=self._forward, args=(source, sink), daemon=True).start()

    def forget(self) -> None:
        """Nothing is to befall it any more."""
        self._freeze_at_bytes = None
        self._bytes_per_s = None
        self.thaw()


class SshdWorld(World):
    """One board."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.board = folder / "board"
        self.witness = folder / "witness"
        for path in (self.board, self.board / "demo", folder / "sshd", folder / "models"):
            path.mkdir()
        for home in self.homes:
            (home / "models").symlink_to(folder / "models")
        script = DEMO.read_text().replace("\n", WITNESS.replace("WITNESS", str(self.witness)), 1)
        (self.board / "demo" / "llm_demo").write_text(script + "say ended 0\n")
        (self.board / "demo" / "llm_demo").chmod(0o755)
        for cores in (1, 2, 3):
            head = f"cores {cores}\n".encode()
            (folder / "models" / MODEL_FILE.format(cores)).write_bytes(head + bytes(range(256)) * 1000)
        self.server = sshd.start(folder / "sshd", extra=sshd.playing_board(self.board))
        self.proxy = Proxy(self.server.port)
        for home in self.homes:
            HostKeys.load(home / "known_hosts").replace("127.0.0.1", self.proxy.port, [self.server.key])
        self._sessions = 0

    def entry(self, board: str, scenario: Scenario) -> dict[str, Any]:
        reach = {"address": "127.0.0.1", "port": self.proxy.port, "user": self.server.user}
        paths = {"llm_demo": str(self.board / "demo" / "llm_demo"), "store": str(self._store)}
        return {**reach, "key": str(self.server.identity), "agent": False, "paths": paths}

    def reset(self, scenario: Scenario) -> None:
        super().reset(scenario)
        self.heal()
        shutil.rmtree(self._store, ignore_errors=True)
        self.witness.write_text("")
        for path in (self.folder / "models").iterdir():
            there = self.board / "demo" / path.name
            if scenario.bare:
                there.unlink(missing_ok=True)
            else:
                shutil.copy(path, there)
        self._sessions = self._count_sessions()

    def progress(self, board: str) -> dict[str, int]:
        text = self.witness.read_text()
        sessions = self._count_sessions() - self._sessions
        return {"session": sessions, "demo": text.count("began "), "over": text.count("ended ")}

    def strike(self, action: Action) -> Later | None:
        for_s = float(action.details.get("for_s", 0.1))
        if action.what == "run_killed":
            hit = processes.shoot(self._processes())
            if not hit:
                raise Refused("nothing runs there")
            self.shot[NAME] |= hit
        elif action.what in ("sshd_killed", "sshd_restarted"):
            self._kill_server()
            return (for_s, self._start_server)
        elif action.what == "sshd_frozen":
            self.server.freeze()
            return (for_s, self.server.thaw)
        elif action.what == "drop":
            self.proxy.drop()
        elif action.what == "wire_frozen":
            self.proxy.freeze()
            return (for_s, self.proxy.thaw)
        elif action.what == "slow":
            self.proxy.slow(action.details["rate"])
            return (for_s, lambda: self.proxy.slow(float("inf")))
        elif action.what == "cut":
            self.proxy.frozen.clear()
            self.proxy.freeze_after(action.details["bytes"])
            until_s = time.monotonic() + CUT_S
            return (STEP_S, lambda: self._cut(until_s))
        return None

    def _cut(self, until_s: float) -> Later | None:
        """As soon as so many bytes have passed; nobody waits for ever for bytes of a driver that is gone."""
        if not self.proxy.frozen.is_set():
            return (STEP_S, lambda: self._cut(until_s)) if time.monotonic() < until_s else None
        self.proxy.drop()
        self.proxy.thaw()
        return None

    def heal(self) -> None:
        self.proxy.forget()
        self.server.thaw()
        if self.server.process.poll() is not None:
            self._start_server()

    def busy(self) -> list[str]:
        found = [one.shown for one in self._processes()]
        return found + [f"the lock of {lock} is held" for lock in self._locks()]

    def truth(self, cancels: dict[str, list[Span]], spoilt: set[str]) -> tuple[Truth, ...]:
        demos: dict[str, list[Demo]] = {}
        for line in self.witness.read_text().splitlines():
            event, at_s, rest = line.split(" ", 2)
            run = "/".join(rest.rpartition("]")[0].split("/")[-2:])
            if event == "began":
                demos.setdefault(run, []).append(Demo(run, float(at_s), None, None))
            else:
                began = demos[run].pop()
                demos[run].append(Demo(run, began.began_s, float(at_s), 0))
        every = sorted((demo for list_ in demos.values() for demo in list_), key=lambda demo: demo.began_s)
        for at, demo in enumerate(every):  # one that was killed ended at the latest when the next began
            if demo.ended_s is None:
                later_s = every[at + 1].began_s if at + 1 < len(every) else float("inf")
                every[at] = Demo(demo.run, demo.began_s, later_s, None)
        leases = [path for path in (self.board / "lease").glob("*") if path.name != "lease.log"]
        return (
            Truth(
                NAME,
                tuple(every),
                disk=observed.runs_in(self._store),
                locks=tuple(self._locks()),
                leases=tuple(f"{path.name}: {path.read_text()}" for path in leases),
                litter=observed.litter_in(self._store),
                processes=tuple(one.shown for one in self._processes()),
                cancels=tuple(cancels.get(NAME, [])),
                killed=frozenset(self.shot[NAME]),
                spoilt=NAME in spoilt,
            ),
        )

    def close(self) -> None:
        self.proxy.close()
        with contextlib.suppress(ProcessLookupError):
            self.server.stop()

    @property
    def _store(self) -> Path:
        return self.board / "store"

    def _locks(self) -> list[str]:
        found = [str(path.parent.name) for path in (self._store / "runs").glob("*/*/lock") if processes.held(path)]
        return found + (["the board"] if processes.held(self.board / "board.lock") else [])

    def _processes(self) -> list[processes.Process]:
        mark = str(self.board).encode()
        every = processes.everything().values()
        return [one for one in every if mark in one.words or b"RKFLEET_RUN=[" + mark in one.environment]

    def _kill_server(self) -> None:
        for pid in self.server.servers():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.server.process.wait(10)

    def _start_server(self) -> None:
        if self.server.process.poll() is None:
            return
        with self.server.log.open("ab") as log:
            words = [*sshd.DIE_WITH_US, sshd.SSHD, "-D", "-e", "-f", str(self.server.folder / "sshd_config")]
            self.server.process = subprocess.Popen(
                words, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )
        sshd.wait_for_banner(self.server.port, self.server.process, self.server.log)

    def _count_sessions(self) -> int:
        return self.server.log.read_bytes().count(b"Starting session")
