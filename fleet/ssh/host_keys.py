"""A board is believed when its host key is in the project's own ``known_hosts``; nobody's
``~/.ssh/known_hosts`` counts.

The file has OpenSSH's format, because ``ssh`` reads the same file for the bulk path. Lines we do not
understand (comments, patterns, certificate authorities) stay as they are and vouch for nothing; a line
``@revoked`` refuses its key everywhere.
"""

from __future__ import annotations

import base64
import binascii
import fcntl
import hashlib
import hmac
import os
import tempfile
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from fleet.deadline import Deadline
from fleet.errors import ConfigError
from fleet.ssh.endpoint import SSH_PORT


@dataclass(frozen=True)
class HostKey:
    """A server's public key: its type (``ssh-ed25519``) and the blob that SSH sends around."""

    type: str
    blob: bytes

    @property
    def fingerprint(self) -> str:
        """``SHA256:…`` as ``ssh-keygen -l`` prints it."""
        return "SHA256:" + base64.b64encode(hashlib.sha256(self.blob).digest()).decode().rstrip("=")

    def __str__(self) -> str:
        return f"{self.fingerprint} ({self.type})"

    @classmethod
    def parse(cls, text: str) -> HostKey:
        """The key of ``ssh-ed25519 AAAA… [comment]``."""
        kind, _, rest = text.strip().partition(" ")
        try:
            blob = base64.b64decode(rest.split()[0], validate=True)
        except (IndexError, binascii.Error) as error:
            raise ValueError(f"not a public key: {text!r}") from error
        return cls(kind, blob)


class _HasBlob(Protocol):
    def asbytes(self) -> bytes: ...


def fingerprint(key: HostKey | _HasBlob) -> str:
    """``SHA256:…`` of one of our keys or of a paramiko ``PKey``."""
    return key.fingerprint if isinstance(key, HostKey) else HostKey("", key.asbytes()).fingerprint


def host_key_name(address: str, port: int) -> str:
    """The name under which OpenSSH files the keys of a server."""
    return address if port == SSH_PORT else f"[{address}]:{port}"


@dataclass(frozen=True)
class _Line:
    text: str
    names: tuple[str, ...] = ()  # empty: a line that vouches for nothing
    key: HostKey | None = None
    revoked: bool = False

    def is_for(self, name: str) -> bool:
        return any(_matches(pattern, name) for pattern in self.names)


def _matches(pattern: str, name: str) -> bool:
    if not pattern.startswith("|1|"):
        return pattern.lower() == name.lower()
    try:
        salt, digest = (base64.b64decode(part) for part in pattern[3:].split("|"))
    except (ValueError, binascii.Error):
        return False
    return hmac.compare_digest(hmac.new(salt, name.encode(), "sha1").digest(), digest)


def _parse_line(text: str) -> _Line:
    words = text.split()
    revoked = bool(words) and words[0] == "@revoked"
    if revoked:
        words = words[1:]
    if len(words) < 3 or words[0].startswith(("#", "@")):
        return _Line(text)
    try:
        key = HostKey.parse(" ".join(words[1:3]))
    except ValueError:
        return _Line(text)
    return _Line(text, tuple(words[0].split(",")), key, revoked)


class HostKeys:
    """The project's ``known_hosts``. Threads may share it; writers of several processes wait for each other."""

    def __init__(self, path: Path, lines: Iterable[_Line] = ()) -> None:
        self.path = path
        self._lines = tuple(lines)
        self._lock = threading.Lock()

    @classmethod
    def load(cls, path: Path) -> HostKeys:
        """The keys in ``path``; no file is no keys."""
        return cls(path, _read(path))

    def trusted(self, address: str, port: int) -> tuple[HostKey, ...]:
        """The keys that somebody vouched for at this address, oldest first."""
        name = host_key_name(address, port)
        return tuple(
            line.key
            for line in self._lines
            if line.key and not line.revoked and line.is_for(name) and not self.revoked(line.key)
        )

    def revoked(self, key: HostKey) -> bool:
        """Is there a line ``@revoked`` for this key."""
        return any(line.revoked and line.key == key for line in self._lines)

    def add(self, address: str, port: int, keys: Iterable[HostKey]) -> None:
        """Vouch for ``keys`` beside those that are there."""
        name = host_key_name(address, port)

        def change(lines: tuple[_Line, ...]) -> tuple[_Line, ...]:
            known = {line.key for line in lines if line.is_for(name) and not line.revoked}
            return (*lines, *(_line(name, key) for key in dict.fromkeys(keys) if key not in known))

        self._rewrite(change)

    def replace(self, address: str, port: int, keys: Iterable[HostKey]) -> None:
        """Vouch for ``keys`` and for no others any more at this address."""
        name = host_key_name(address, port)
        self._rewrite(lambda lines: (*_without(lines, name), *(_line(name, key) for key in dict.fromkeys(keys))))

    def remove(self, address: str, port: int) -> None:
        """Vouch for no key at this address any more."""
        self._rewrite(lambda lines: _without(lines, host_key_name(address, port)))

    def _rewrite(self, change: Callable[[tuple[_Line, ...]], tuple[_Line, ...]]) -> None:
        with self._lock, _alone(self.path.parent):
            lines = change(_read(self.path))  # read again: another process may have added a board
            _write(self.path, "".join(f"{line.text}\n" for line in lines))
            self._lines = lines


def _line(name: str, key: HostKey) -> _Line:
    if not name or any(ch.isspace() or ch in ",*?!|" for ch in name) or name.startswith(("#", "@")):
        raise ValueError(f"{name!r} can not be a name in known_hosts")
    return _Line(f"{name} {key.type} {base64.b64encode(key.blob).decode()}", (name,), key)


def _without(lines: tuple[_Line, ...], name: str) -> tuple[_Line, ...]:
    """Lines that also vouch for other names lose just this one."""
    kept = []
    for line in lines:
        if line.revoked or not line.is_for(name):
            kept.append(line)
            continue
        others = tuple(pattern for pattern in line.names if not _matches(pattern, name))
        if others:
            kept.append(_parse_line(" ".join((",".join(others), *line.text.split(maxsplit=1)[1:]))))
    return tuple(kept)


def _read(path: Path) -> tuple[_Line, ...]:
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return ()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"can not be read: {error}", file=str(path)) from error
    return tuple(_parse_line(line) for line in text.splitlines())


def _write(path: Path, text: str) -> None:
    try:
        fd, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        try:
            with os.fdopen(fd, "w", encoding="utf-8") as file:
                file.write(text)
                file.flush()
                os.fchmod(file.fileno(), 0o644)
                os.fsync(file.fileno())
            Path(temporary).replace(path)
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    except OSError as error:
        raise ConfigError(f"can not be written: {error.strerror or error}", file=str(path)) from error


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """One writer at a time: a lock on the folder itself leaves no lock file behind."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        fd = os.open(folder, os.O_RDONLY)
    except OSError as error:
        raise ConfigError(f"can not be written: {error.strerror or error}", file=str(folder)) from error
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
        yield
    finally:
        os.close(fd)


def scan(address: str, port: int, deadline: Deadline, *, name: str = "") -> tuple[HostKey, ...]:
    """The host keys that a server offers, one of each type, read without logging in."""
    from fleet.ssh.scan import offered  # paramiko only when it is needed

    return offered(address, port, deadline, name=name or address)
