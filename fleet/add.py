"""From a bare address to an entry in the inventory: trust, log in, read the facts, write the entry, say what is next.

Each step can be repeated; the inventory is written last, whole, and only if it can be read back. A password is never
seen here: where the board takes none of our keys, OpenSSH's own ``ssh-copy-id`` asks for it, once.
"""

from __future__ import annotations

import itertools
import json
import shlex
import string
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from fleet import defaults
from fleet.boards import BoardState
from fleet.config.inventory import Inventory, load_inventory
from fleet.deadline import Deadline
from fleet.errors import AuthenticationFailed, ConfigError
from fleet.evidence import disk_errors, write_file
from fleet.facts import Facts, read_facts
from fleet.rows import board_row
from fleet.run import SAFE_NAME
from fleet.session import Session
from fleet.ssh.connection import Board
from fleet.ssh.endpoint import Endpoint
from fleet.ssh.login import USUAL_KEYS
from fleet.trust import Ask, accept, look

INSTALL_KEY_S = 300.0  # a person looks for the password


@dataclass(frozen=True)
class Newcomer:
    """What is known of a board before anybody has talked to it."""

    address: str
    name: str
    user: str
    port: int
    llm_demo: str


def add_board(
    session: Session, newcomer: Newcomer, *, fingerprint: str, ask: Ask | None, say: Callable[[str], object]
) -> str:
    """Do it all; returns what a person reads at the end. ``say`` hears what is going on.

    Raises ConfigError for anything that can not be an entry (before the board is touched), and what connecting raises.
    """
    name = newcomer.name or _next_name(session.inventory)
    _entry_text_checked(session.inventory, name, newcomer)
    offer = look(Endpoint(name, newcomer.address, newcomer.port, newcomer.user), session.keys)
    say(accept(offer, session.keys, fingerprint=fingerprint, ask=ask))
    facts = _facts(session, name, newcomer, can_ask=ask is not None)
    with disk_errors(session.inventory.file, name, "add", "the same command again"):
        write_file(session.inventory.file, _entry_text_checked(session.inventory, name, newcomer).encode())
    entry = load_inventory(session.inventory.file).board(name)
    row = board_row(BoardState(entry, facts, None))
    seen = ", ".join(
        f"{key} {value}" for key, value in row.items() if value is not None and key not in ("board", "state")
    )
    demo = (
        ""
        if newcomer.llm_demo
        else f"  add paths: {{llm_demo: …}} to boards.{name} in {session.shown(session.inventory.file)}\n"
    )
    return (
        f"{name} is in {session.shown(session.inventory.file)}: {seen}\nnext:\n{demo}"
        f"  invoke boards --board {name}\n"
        f"  invoke bench --board {name} --cores 3 --repeats 1\n"
        "  invoke collect"
    )


def _next_name(inventory: Inventory) -> str:
    taken = {entry.name for entry in inventory.boards}
    letters = itertools.chain(string.ascii_lowercase, map("".join, itertools.product(string.ascii_lowercase, repeat=2)))
    return next(name for name in (f"rk3588-{letter}" for letter in letters) if name not in taken)


def _entry_text_checked(inventory: Inventory, name: str, newcomer: Newcomer) -> str:
    """The inventory's text with the new entry, read back once to be sure. Raises ConfigError."""
    if not newcomer.address:
        raise ConfigError("say which address", hint="invoke add 192.0.2.17")
    old = inventory.file.read_text(encoding="utf-8")
    entry: dict[str, object] = {"address": newcomer.address, "user": newcomer.user}
    if newcomer.port != 22:
        entry["port"] = newcomer.port
    if newcomer.llm_demo:
        entry["paths"] = {"llm_demo": newcomer.llm_demo}
    # JSON is YAML, and it quotes whatever was typed; comments and order of the file stay as they are.
    lines = [f"  {name if SAFE_NAME.fullmatch(name) else json.dumps(name)}:"]
    lines += [f"    {key}: {json.dumps(value, ensure_ascii=False)}" for key, value in entry.items()]
    new = _inserted(old, "\n".join(lines) + "\n")
    trial = inventory.file.with_name(f".{inventory.file.name}.trial")
    try:
        trial.write_text(new, encoding="utf-8")
        before, after = inventory.boards, load_inventory(trial).boards
    except OSError as error:
        raise ConfigError(f"can not be written: {error.strerror}", file=str(inventory.file)) from None
    except ConfigError as error:
        raise ConfigError(str(error).replace(str(trial), str(inventory.file)), doing="add", board=name) from None
    finally:
        trial.unlink(missing_ok=True)
    if [entry.name for entry in after] != [*(entry.name for entry in before), name]:
        raise ConfigError(
            "its end is not the end of `boards`; write the entry by hand", file=str(inventory.file), key=name
        )
    return new


def _inserted(text: str, entry: str) -> str:
    """``text`` with ``entry`` as the last of ``boards``: before the next top-level key, or at the end."""
    lines = text.splitlines(keepends=True)
    start = next((at for at, line in enumerate(lines) if line.startswith("boards:")), None)
    if start is None:
        return text
    tops = (at for at in range(start + 1, len(lines)) if lines[at][0] not in " \t\n#")
    end = next(tops, len(lines))
    while end > start + 1 and not lines[end - 1].strip():
        end -= 1
    if not lines[end - 1].endswith("\n"):
        lines[end - 1] += "\n"
    return "".join([*lines[:end], "\n", entry, *lines[end:]])


def _facts(session: Session, name: str, newcomer: Newcomer, *, can_ask: bool) -> Facts:
    endpoint = Endpoint(name, newcomer.address, newcomer.port, newcomer.user)
    libraries = (newcomer.llm_demo.rpartition("/")[0],) if newcomer.llm_demo.count("/") > 1 else ()
    for may_install in (can_ask, False):
        try:
            with Board(endpoint, session.keys) as board:
                return read_facts(board, Deadline.after(defaults.FACTS_S), libraries=libraries)
        except AuthenticationFailed as error:
            public = next((path for path in _public_keys() if path.is_file()), None)
            if not may_install or public is None or not _install_key(session, newcomer, public):
                raise error
    raise AssertionError("the second attempt returns or raises")


def _public_keys() -> list[Path]:
    return [Path.home() / ".ssh" / f"{name}.pub" for name in USUAL_KEYS]


def _install_key(session: Session, newcomer: Newcomer, public: Path) -> bool:
    """Let ``ssh-copy-id`` ask for the password on this terminal and install our key. Did it work."""
    argv = ["ssh-copy-id", "-i", str(public), "-p", str(newcomer.port)]
    argv += ["-o", f'UserKnownHostsFile="{session.keys.path.absolute()}"']
    argv += ["-o", "GlobalKnownHostsFile=/dev/null", "-o", "StrictHostKeyChecking=yes"]
    argv.append(f"{newcomer.user}@{newcomer.address}")
    try:
        return subprocess.run(argv, timeout=INSTALL_KEY_S).returncode == 0
    except FileNotFoundError:
        raise ConfigError("ssh-copy-id is missing", hint="sudo apt-get install openssh-client") from None
    except subprocess.TimeoutExpired:
        raise ConfigError("nobody answered the password question", hint=shlex.join(argv)) from None
