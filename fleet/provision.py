"""``invoke provision`` from this side: starts the child in which pyinfra runs, listens to it, and sees that it ends.

The child is a process of its own, because pyinfra keeps its state in globals and lives in an event loop of its own, and
because what does not end by its deadline can be ended. Its stdin is its life line: closed, by us or by our death, it
begins nothing more, lets what is under way on the boards end, and gives the boards back.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import IO, Any

from fleet import defaults
from fleet.config.inventory import BoardEntry
from fleet.errors import (
    AuthenticationFailed,
    BoardBusy,
    BoardError,
    ConfigError,
    ConnectionDropped,
    DeadlinePassed,
    ExitCode,
    FleetError,
    HostKeyChanged,
    HostKeyUnknown,
    Unreachable,
)
from fleet.listener import Listener
from fleet.session import Session
from fleet.text import tail
from fleet.virtual_boards import PROJECT

_KINDS = (AuthenticationFailed, BoardError, ConnectionDropped, HostKeyChanged, HostKeyUnknown, Unreachable)


@dataclass(frozen=True)
class StepDone:
    """What one step came to on one board."""

    number: int
    title: str
    place: str
    outcome: str  # changed, unchanged or failed
    detail: str = ""


@dataclass
class Provisioned:
    """What became of one board. A step without an outcome of its own was not begun."""

    board: str
    steps: list[StepDone] = field(default_factory=list)
    error: FleetError | None = None
    ended: bool = False

    def count(self, outcome: str) -> int:
        """How many steps ended so."""
        return sum(step.outcome == outcome for step in self.steps)

    @property
    def failed_at(self) -> StepDone | None:
        """The step that the board stopped at."""
        return next((step for step in self.steps if step.outcome == "failed"), None)


def provision(
    session: Session,
    boards: Sequence[BoardEntry],
    playbook: str,
    listener: Listener,
    *,
    dry_run: bool = False,
    diff: bool = False,
) -> tuple[Provisioned, ...]:
    """Bring boards to a playbook's state. Raises ConfigError before the first is touched; Ctrl-C is raised anew."""
    results = {entry.name: Provisioned(entry.name) for entry in boards}
    about = {"playbook": playbook, "dry_run": dry_run, "diff": diff, "limit_s": defaults.PROVISION_S}
    request = {**about, "boards": list(results)}
    with tempfile.TemporaryFile() as complaints, _child(complaints) as child:
        assert child.stdin is not None and child.stdout is not None
        try:
            child.stdin.write(json.dumps(request).encode() + b"\n")
            child.stdin.flush()
            for event in _events(child.stdout):
                _take(event, results, listener)
        except KeyboardInterrupt:
            _stop(child)
            raise
        except BrokenPipeError:
            pass  # it ended before it read the request, and says why on stderr
        code = child.wait()
        complaints.seek(0)
        said = tail(complaints.read())
    for result in results.values():
        if not result.ended:
            what = f"the provisioning process ended with {code} before this board was done"
            result.error = BoardError(f"{what}: {said}" if said else what, board=result.board)
            listener.board_ended(result.board, result.error)
    return tuple(results.values())


class _child:
    """The child, which does not outlive the block."""

    def __init__(self, complaints: IO[bytes]) -> None:
        self._complaints = complaints

    def __enter__(self) -> subprocess.Popen[bytes]:
        path = os.pathsep.join(filter(None, (str(PROJECT), os.getenv("PYTHONPATH"))))
        # In a session of its own: Ctrl-C is for us, and it hears from us.
        self._process = subprocess.Popen(
            [sys.executable, "-m", "fleet.provisioning"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._complaints,
            env={**os.environ, "PYTHONPATH": path},
            start_new_session=True,
        )
        return self._process

    def __exit__(self, *_: object) -> None:
        if self._process.poll() is None:
            self._process.kill()
        self._process.communicate()


def _stop(child: subprocess.Popen[bytes]) -> None:
    """Ask it to stop and wait; a second Ctrl-C ends the wait, and the child."""
    assert child.stdin is not None
    child.stdin.close()
    child.stdin = None  # or communicate() would flush it
    try:
        child.communicate(timeout=defaults.PROVISION_STOP_S + defaults.PROVISION_LEAVE_S)
    except (subprocess.TimeoutExpired, KeyboardInterrupt):
        child.kill()


def _events(stream: IO[bytes]) -> Iterator[dict[str, Any]]:
    for line in stream:
        try:
            event = json.loads(line)
        except ValueError:
            continue  # a library that prints
        if isinstance(event, dict):
            yield event


def _take(event: dict[str, Any], results: dict[str, Provisioned], listener: Listener) -> None:
    kind = event["event"]
    if kind == "refused":
        raise _error(event["error"])
    if kind == "moved":
        listener.board_moved(event["board"], event["phase"], event.get("detail", ""))
    elif kind == "step":
        step = StepDone(event["number"], event["step"], event["place"], event["outcome"], event["detail"])
        results[event["board"]].steps.append(step)
    elif kind == "ended":
        result = results[event["board"]]
        result.ended = True
        result.error = None if event["error"] is None else _error(event["error"])
        listener.board_ended(result.board, result.error)


def _error(told: dict[str, Any]) -> FleetError:
    """The error that the child told of, as one of ours again."""
    about = {key: told[key] for key in ("board", "doing", "hint")}
    if told["kind"] == ConfigError.__name__ or told["exit_code"] == ExitCode.USAGE:
        return ConfigError(told["what"], file=told.get("file", ""), key=told.get("key", ""), **about)
    if told["kind"] == DeadlinePassed.__name__:
        return DeadlinePassed(told["what"], proven_dead=False, **about)
    if told["kind"] == BoardBusy.__name__:
        return BoardBusy(told["what"].removeprefix("the board is busy with "), **about)
    kinds = {kind.__name__: kind for kind in _KINDS}
    fallback = Unreachable if told["exit_code"] == ExitCode.UNREACHABLE else BoardError
    return kinds.get(told["kind"], fallback)(told["what"], **about)
