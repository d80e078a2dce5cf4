"""One step on one board: what pyinfra wants to do, done or only shown, and what became of it.

pyinfra works out the commands of an operation while it runs: a generator that asks the board's facts and gives
commands. No command is the same as no change. A dry run takes the commands and does not run them, so a step that
builds on an earlier one (a file in a folder that is not there yet) shows what it would do from where the board stands.
"""

from __future__ import annotations

import logging
import re
from dataclasses import dataclass
from typing import Any

from pyinfra import logger
from pyinfra.api import Config, FileUploadCommand, Inventory, State, StringCommand
from pyinfra.api.exceptions import PyinfraError
from pyinfra.api.host import Host
from pyinfra.api.operations import run_host_op
from pyinfra.api.state import StateStage
from pyinfra.context import ctx_host, ctx_state

from fleet import defaults
from fleet.config.inventory import BoardEntry
from fleet.errors import BoardError, FleetError
from fleet.playbook import Ready
from fleet.provisioning.allowed import function_of
from fleet.provisioning.connector import SUDO_WANTS_A_PASSWORD, BoardConnector, Line, Said, Stopped
from fleet.text import readable

CHANGED, UNCHANGED = "changed", "unchanged"


class FactFailed(Exception):
    """A question to the board had no answer; pyinfra would go on as if the answer were no."""


class StrictState(State):
    """Ends a board's part where pyinfra would note that a fact failed, and go on with an empty one."""

    def fail_hosts(self, hosts_to_fail: Any, activated_count: int | None = None) -> None:
        if hosts_to_fail:
            raise FactFailed


@dataclass(frozen=True)
class Done:
    """What a step came to. ``detail``: what was, or would be, changed; for people who asked."""

    outcome: str
    detail: str = ""


@dataclass
class Wish:
    """How the steps of all boards are done."""

    dry_run: bool
    diff: bool


class _Notes(logging.Handler):
    """What pyinfra says goes to the host in whose name it is said; none of it to a screen."""

    def emit(self, record: logging.LogRecord) -> None:
        host = ctx_host.get()
        if host is not None:
            host.connector_data.setdefault("notes", []).append(record.getMessage())


def make_state(entries: dict[str, BoardEntry], wish: Wish) -> StrictState:
    """pyinfra's view of these boards; their lines are set when they are connected."""
    names = [(entry.name, {"_sudo": entry.sudo}) for entry in entries.values()]
    inventory = Inventory((names, {}))
    for host in inventory:
        host.connector_cls = BoardConnector
    config = Config(DIFF=wish.diff, TEMP_DIR="/tmp", PARALLEL=len(names))
    state = StrictState(inventory, config, check_for_changes=False)
    state.set_stage(StateStage.Prepare if wish.dry_run else StateStage.Execute)
    ctx_state.set(state)
    logger.handlers[:] = [_Notes()]
    logger.setLevel(logging.INFO)
    logger.propagate = False
    return state


def take_line(host: Host, line: Line) -> None:
    """From now on this host is that board."""
    host.connector_data["line"] = line
    host.connected = True


def do(state: StrictState, host: Host, ready: Ready, wish: Wish) -> Done:
    """Bring one step about. Raises FleetError when it can not be, and Stopped."""
    line: Line = host.connector_data["line"]
    host.connector_data["notes"] = []
    line.said = Said()
    with _named(host):
        try:
            if ready.unless is not None and _holds(host, ready):
                return Done(UNCHANGED)
            line.said = Said()
            commands = _commands(state, host, ready, wish)
            if commands and ready.unless is not None and not wish.dry_run and not _holds(host, ready):
                what = f"it is done, and its guard says that it is not (unless: {ready.unless}): it would never be"
                raise BoardError(what, hint="correct the guard, or the command")
        except (FleetError, Stopped):
            raise
        except FactFailed:
            raise _failed(line, "the board's state can not be read") from None
        except Exception as error:  # an operation may fail in any way; the other boards go on
            kind = "" if isinstance(error, PyinfraError | OSError) else f"{type(error).__name__}: "
            raise _failed(line, f"{kind}{error}") from error
    detail = _detail(host, commands) if wish.diff else ""
    return Done(CHANGED if commands else UNCHANGED, detail)


class _named:
    """pyinfra's own context manager forgets to put the host back when something is raised."""

    def __init__(self, host: Host) -> None:
        self._host = host

    def __enter__(self) -> None:
        ctx_host.set(self._host)

    def __exit__(self, *_: object) -> None:
        ctx_host.set(None)


def _holds(host: Host, ready: Ready) -> bool:
    """Does the guard say that the step is done?"""
    further = {key: value for key, value in ready.arguments.items() if key in ("_sudo", "_chdir", "_env")}
    rights = {"_sudo": host.data.get("_sudo", False), **further}
    done, _ = host.run_shell_command(StringCommand(str(ready.unless)), print_output=False, print_input=False, **rights)
    return bool(done)


def _commands(state: StrictState, host: Host, ready: Ready, wish: Wish) -> list[Any]:
    """The commands that were run, or would be."""
    try:
        return _run(state, host, ready, wish)
    except UnicodeDecodeError:
        # pyinfra opens both sides of a diff as text before anything is sent; a program is none.
        host.connector_data["notes"].append("(no text: no diff)")
        state.config.DIFF = False
        try:
            return _run(state, host, ready, wish)
        finally:
            state.config.DIFF = wish.diff


def _run(state: StrictState, host: Host, ready: Ready, wish: Wish) -> list[Any]:
    function_of(ready.step.operation)(name=ready.step.title, **ready.arguments)
    op_hash = host.op_hash_order[-1]
    data = state.get_op_data_for_host(host, op_hash)
    if wish.dry_run:
        return list(data.command_generator())
    if not run_host_op(state, host, op_hash):
        raise _failed(host.connector_data["line"], "a command failed")
    return list(data.operation_meta._commands or [])


def _failed(line: Line, what: str) -> BoardError:
    """The error of a step, with what the board said and what may help."""
    said = line.said
    if said.exit_code:
        what = f"{said.command} ended with {said.exit_code}" + (f": {said.stderr}" if said.stderr else "")
    user, board = line.board.endpoint.user, line.board.name
    hint = ""
    if any(words in said.stderr for words in SUDO_WANTS_A_PASSWORD) or "not in the sudoers" in said.stderr:
        hint = f"let {user} run `sudo -n` on {board} without a password, or log in as root (boards.{board}.user)"
    elif user != "root" and re.search(r"[Pp]ermission denied|Operation not permitted|are you root", said.stderr):
        hint = f"if {user} may run `sudo -n` there: boards.{board}.sudo: true in inventory.yaml"
    return BoardError(what, hint=hint)


_SAID_ANYWAY = re.compile(r"^(Success|No changes|Error|executed \d+|Starting )")


def _detail(host: Host, commands: list[Any]) -> str:
    """Diffs that pyinfra showed, then the commands; safe for a terminal."""
    lines: list[str] = []
    for note in host.connector_data["notes"]:
        text = readable(note.encode()).removeprefix(f"[{host.name}]")
        if text.strip() and not _SAID_ANYWAY.match(text.strip()):
            lines.append(text.rstrip())
    for command in commands:
        if isinstance(command, FileUploadCommand):
            lines.append(f"write {command.dest}")
        else:
            lines += [f"$ {line}" for line in readable(str(command).encode()).splitlines()[:20]]
    text = "\n".join(lines)
    return text if len(text) <= defaults.PROVISION_SHOWN_CHARS else text[: defaults.PROVISION_SHOWN_CHARS] + "\n…"
