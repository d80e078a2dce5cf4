"""Which keys are tried on a board, in which order; a password is never asked for here.

A key file of the inventory is the only file that is tried. Without one it is those of ``~/.ssh/config`` and
the usual ``~/.ssh/id_*``. The agent comes last (OpenSSH: first), so that a full agent does not use up the
server's patience.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from paramiko import AuthenticationException, PKey, SSHException, Transport
from paramiko.agent import Agent
from paramiko.auth_strategy import AuthSource, AuthStrategy

from fleet.errors import AuthenticationFailed
from fleet.ssh.host_keys import fingerprint

USUAL_KEYS = ("id_ed25519", "id_ecdsa", "id_rsa")


@functools.lru_cache(maxsize=64)
def _load(path: Path, mtime_ns: int) -> PKey | str:
    """The key, or why it can not be used; read once for all boards (``mtime_ns``: until the file changes)."""
    try:
        return PKey.from_path(path)
    except (TypeError, AuthenticationException):  # cryptography and paramiko say it each in its way
        return "needs a passphrase: ssh-add it"
    except PermissionError:
        return "may not be read"
    except (OSError, ValueError, SSHException):
        return "is not a private key we can read"
    except Exception as error:  # cryptography's own classes, one for each kind of exotic key
        return f"can not be used: {type(error).__name__}"


def load_key(path: Path) -> PKey | str:
    """The private key in ``path``, or a few words on why there is none."""
    try:
        return _load(path, path.stat().st_mtime_ns)
    except OSError as error:
        return "does not exist" if isinstance(error, FileNotFoundError) else "may not be read"


class PatientAgent(Agent):
    """The ssh-agent, but not for ever: it may wait for a person to type or to touch something."""

    def __init__(self, timeout_s: float) -> None:
        self._timeout_s = timeout_s
        super().__init__()

    def _connect(self, conn: Any) -> None:
        conn.settimeout(self._timeout_s)
        super()._connect(conn)  # type: ignore[misc]


@dataclass
class Login(AuthStrategy):
    """Tries the keys one after another and remembers what became of each."""

    board: str
    user: str
    where: str
    files: Sequence[Path]  # tried when they exist
    named: bool  # a person named the files: one that does not exist is worth a word
    agent: bool
    timeout_s: float
    hint: str = ""
    tried: list[str] = field(default_factory=list)

    def keys(self) -> Iterator[tuple[str, PKey]]:
        """Every key that can be tried, with the words that name it in a message."""
        for path in self.files:
            key = load_key(path)
            if isinstance(key, PKey):
                yield f"{path} {fingerprint(key)}", key
            elif self.named or key != "does not exist":
                self.tried.append(f"{path} {key}")
        if not self.agent:
            return
        try:
            agent = PatientAgent(self.timeout_s * 0.8)
        except (OSError, SSHException):
            self.tried.append("the agent does not answer")
            return
        try:
            keys = agent.get_keys()
            if not keys:
                self.tried.append("no key in the agent")
            for key in keys:
                yield f"agent {fingerprint(key)}", key
        finally:
            agent.close()

    def get_sources(self) -> Iterator[AuthSource]:
        """Not used: paramiko's loop over sources takes a lost connection for a refused key."""
        raise NotImplementedError

    def authenticate(self, transport: Transport) -> Any:
        """Log in, or raise ``AuthenticationFailed`` that names everything that was tried."""
        refused = 0
        for name, key in self.keys():
            try:
                further = transport.auth_publickey(self.user, key)
            except AuthenticationException as error:
                if not transport.is_active():
                    if refused:  # MaxAuthTries
                        self.tried.append("then the server hung up")
                        break
                    raise EOFError from error
                if "timeout" in str(error).lower():
                    raise TimeoutError from error
                refused += 1
                self.tried.append(f"{name} refused")
                continue
            if not further:
                return ()
            self.tried.append(f"{name} accepted, but the server also wants {' or '.join(further)}")
            break
        raise AuthenticationFailed(
            f"{self.where} refuses the login as {self.user}: {'; '.join(self.tried) or 'there is no key to try'}",
            board=self.board,
            doing="log in",
            hint=self.hint,
        )
