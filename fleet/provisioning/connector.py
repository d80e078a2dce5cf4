"""pyinfra's commands and files over our own connection to a board.

A command that ends with another exit code than 0 is what pyinfra makes of it (it has reasons to ask questions whose
answer is no). Whatever is wrong with the board or the connection is a ``FleetError`` and ends the board's part at
once: pyinfra would take a fact that could not be read for one that is not so.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, TypeVar

import gevent
from gevent.threadpool import ThreadPool
from pyinfra.api import StringCommand
from pyinfra.connectors.base import BaseConnector
from pyinfra.connectors.util import CommandOutput, OutputLine, make_unix_command

from fleet import defaults
from fleet.deadline import Deadline
from fleet.errors import BoardError
from fleet.ssh.connection import Board
from fleet.text import readable, tail

T = TypeVar("T")

# Whole under its name or not there at all, compared with what was sent, and with the rights that the file had before.
_PUT = r"""
umask 022
to=$1
[ ! -L "$to" ] || to=$(readlink -f -- "$to")
tmp=$to.rkfleet.$$
trap 'rm -f -- "$tmp"' EXIT
[ -z "$3" ] || mkdir -p -- "${to%/*}" || exit 1
cat >"$tmp" || exit 1
case $(sha256sum <"$tmp") in "$2"*) ;; *) echo "it did not arrive as it was sent" >&2; exit 1 ;; esac
if [ -e "$to" ]; then
    chown "$(stat -c %u:%g -- "$to")" "$tmp" 2>/dev/null
    chmod "$(stat -c %a -- "$to")" "$tmp" || exit 1
fi
[ -z "$3" ] || chmod "$3" "$tmp" || exit 1
sync -- "$tmp" 2>/dev/null || sync
mv -f -- "$tmp" "$to"
"""
WITH_MODE = "_rkfleet_mode"  # of a file that we bring: its mode, and its folder is made, in the same round trip
SUDO_WANTS_A_PASSWORD = ("sudo: a password is required", "sudo-rs: interactive authentication is required")


class Stopped(Exception):
    """Nothing more is begun on any board: a person pressed Ctrl-C, or the time is over."""


@dataclass
class Said:
    """The last command that did not end with 0: for the message, should its step fail."""

    command: str = ""
    exit_code: int = 0
    stderr: str = ""


@dataclass
class Line:
    """What a connector needs of the outside: the board, how long there is, and whether to go on."""

    board: Board
    threads: ThreadPool
    deadline: Deadline
    stop: threading.Event
    said: Said = field(default_factory=Said)

    def wait_for(self, work: Callable[[], T]) -> T:
        """Do what blocks in a native thread, while other boards go on."""
        if self.stop.is_set():
            raise Stopped
        result: T = self.threads.apply(work)
        return result


class BoardConnector(BaseConnector):
    """One host of pyinfra's is one of our boards; ``host.connector_data["line"]`` leads to it."""

    handles_execution = True

    @staticmethod
    def make_names_data(name: str) -> Iterator[tuple[str, dict[str, Any], list[str]]]:
        """Not used: boards come from the inventory."""
        raise NotImplementedError

    @property
    def _line(self) -> Line:
        line: Line = self.host.connector_data["line"]
        return line

    def run_shell_command(
        self, command: StringCommand, print_output: bool = False, print_input: bool = False, **arguments: Any
    ) -> tuple[bool, CommandOutput]:
        """A command line of pyinfra's."""
        stdin = _bytes(arguments.pop("_stdin", None))
        good = arguments.pop("_success_exit_codes", None) or [0]
        timeout_s = arguments.pop("_timeout", None) or defaults.PROVISION_COMMAND_S
        arguments.pop("_get_pty", None)
        text = make_unix_command(command, **self._rights(arguments)).get_raw_value()
        return self._run(["sh", "-c", text], stdin, timeout_s, list(good), str(command))

    def put_file(  # type: ignore[override]  # pyinfra gives open files, which are no IOBase to a checker
        self,
        filename_or_io: str | IO[Any],
        remote_filename: str,
        remote_temp_filename: str | None = None,
        print_output: bool = False,
        print_input: bool = False,
        **arguments: Any,
    ) -> bool:
        """A file of this workstation, or of memory."""
        data = _bytes(filename_or_io if not isinstance(filename_or_io, str) else Path(filename_or_io).read_bytes())
        rights = self._rights({key: value for key, value in arguments.items() if key in ("_sudo", "_sudo_user")})
        words = ["sudo", "-H", "-n"] if rights.get("_sudo") else []
        if words and rights.get("_sudo_user"):
            words += ["-u", str(rights["_sudo_user"])]
        words += ["sh", "-c", _PUT, "sh", remote_filename, hashlib.sha256(data).hexdigest()]
        words += [str(arguments.get(WITH_MODE, ""))]
        timeout_s = arguments.get("_timeout") or defaults.PROVISION_COMMAND_S
        return self._run(words, data, timeout_s, [0], f"write {remote_filename}")[0]

    def get_file(  # type: ignore[override]
        self,
        remote_filename: str,
        filename_or_io: str | IO[Any],
        remote_temp_filename: str | None = None,
        print_output: bool = False,
        print_input: bool = False,
        **arguments: Any,
    ) -> bool:
        """Not allowed in playbooks; pyinfra's own operations that are do without it."""
        raise BoardError("no file is fetched while provisioning", board=self._line.board.name)

    def _rights(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """Root needs no sudo to be root, and a bare Debian has none."""
        if self._line.board.endpoint.user == "root" and not arguments.get("_sudo_user"):
            return {**arguments, "_sudo": False}
        return arguments

    def _run(
        self, words: list[str], stdin: bytes, timeout_s: float, good: list[int], shown: str
    ) -> tuple[bool, CommandOutput]:
        line = self._line
        done = line.wait_for(
            lambda: line.board.run(
                words,
                deadline=line.deadline.cap(timeout_s),
                env={"LC_ALL": "C"},
                stdin=stdin,
                check=False,
                max_bytes=defaults.PROVISION_OUTPUT_BYTES,
                doing="provision",
            )
        )
        if done.truncated:
            raise BoardError(f"{_short(shown)} prints more than can be read", board=line.board.name, doing="provision")
        lines = [OutputLine("stdout", one) for one in _lines(done.stdout)]
        lines += [OutputLine("stderr", one) for one in _lines(done.stderr)]
        if done.exit_code not in good:
            line.said = Said(_short(shown), done.exit_code, tail(done.stderr) or tail(done.stdout))
        return done.exit_code in good, CommandOutput(lines)


def thread_pool(boards: int) -> ThreadPool:
    """Threads for so many boards: one for what a board does, one for its lease."""
    return ThreadPool(max(2, 2 * boards), hub=gevent.get_hub())


def _lines(data: bytes) -> list[str]:
    """As pyinfra's facts expect them; they compare and take apart, so nothing is prettied but what is no UTF-8."""
    return data.decode("utf-8", "replace").splitlines()


def _short(command: str) -> str:
    """A command line in a message."""
    text = " ".join(readable(command.encode()).split())
    return text if len(text) <= 120 else text[:120] + "…"


def _bytes(value: Any) -> bytes:
    """The content of a file that is open, or lines for a command's stdin."""
    if value is None:
        return b""
    if isinstance(value, bytes):
        return value
    if hasattr(value, "read"):
        value.seek(0)
        content = value.read()
        return content if isinstance(content, bytes) else str(content).encode()
    lines = [value] if isinstance(value, str) else value
    return "".join(f"{line}\n" for line in lines).encode()
