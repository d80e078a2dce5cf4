"""``collected/<campaign>/<board>/<run>/``: raw, append-only, one directory a run.

A run's directory appears whole or not at all. It is filled under a hidden name of its own (``.<run>.XXXX.part``),
every file is checked against the sha256 that the board computed, and a rename makes it visible. After that nothing
is ever changed. Only the names in ``FILES`` are taken from a board, so nothing that it sends can leave the folder.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

from fleet import defaults
from fleet.errors import EvidenceBroken, NoSpace
from fleet.run import SAFE_NAME, RunSpec
from fleet.verdict import Outcome

LOGS = ("stdout.log", "stderr.log")
FILES = (
    "spec.json",
    "start.json",
    "end.json",
    "facts.before.json",
    "facts.after.json",
    *LOGS,
    "dmesg.log",
    "telemetry.csv",
    "clocks.json",
    "reboot.log",
)
OURS = ("outcome.json", "recovery.json")  # the workstation's word; no board can send it


def final_folder(collected: Path, campaign: str, board: str, run: str) -> Path:
    """Where a run's evidence lies once it is complete.

    Raises EvidenceBroken for a name that could leave ``collected``.
    """
    for name in (campaign, board, run):
        if not SAFE_NAME.fullmatch(name):
            raise EvidenceBroken(f"{name!r} is no name for a folder", board=board, doing="collect")
    return collected / campaign / board / run


class RunFolder:
    """The evidence of one run while it arrives. Use as a context manager; ``finish`` makes it visible."""

    def __init__(self, collected: Path, campaign: str, board: str, run: str) -> None:
        self.final = final_folder(collected, campaign, board, run)
        self._board = board
        self._doing = f"collect {campaign}/{run}"
        with self._disk_errors():
            self.final.parent.mkdir(parents=True, exist_ok=True)
            self.part = Path(tempfile.mkdtemp(prefix=f".{run}.", suffix=".part", dir=self.final.parent))
            self._alive = os.open(self.part, os.O_RDONLY)  # a lock that ends with this process: see _sweep
            fcntl.flock(self._alive, fcntl.LOCK_EX)
        self._digests = {name: hashlib.sha256() for name in LOGS}
        self._sizes = dict.fromkeys(LOGS, 0)
        self._written: dict[str, tuple[int, str]] = {}

    def __enter__(self) -> RunFolder:
        return self

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        """A folder that was not finished stays, hidden, with every byte that arrived."""
        self._close()

    def size(self, log: str) -> int:
        """Bytes of ``stdout.log`` or ``stderr.log`` that are here: the offset to go on from."""
        return self._sizes[log]

    def append(self, log: str, offset: int, data: bytes) -> None:
        """Add what a log has grown by. Raises EvidenceBroken when bytes between are missing, NoSpace."""
        if log not in LOGS or offset != self._sizes[log]:
            raise self._broken(f"{log!r} goes on at byte {offset}, here it ends at {self._sizes.get(log)}")
        if offset + len(data) > defaults.LOG_LIMIT_BYTES:
            raise self._broken(f"{log} is larger than {defaults.LOG_LIMIT_BYTES // 2**20} MiB")
        with self._disk_errors():
            _append(self.part / log, data, offset)
        self._digests[log].update(data)
        self._sizes[log] += len(data)

    def put(self, name: str, data: bytes, sha256: str | None = None) -> None:
        """Write one small file. Raises EvidenceBroken for a name that is no evidence or another sha256, NoSpace."""
        if name not in FILES or name in LOGS:
            raise self._broken(f"{name!r} is no evidence file")
        seen = hashlib.sha256(data).hexdigest()
        if sha256 is not None and sha256 != seen:
            raise self._broken(f"{name} arrived with sha256 {seen[:12]}…, the board has {str(sha256)[:12]}…")
        self._write(name, data)

    def put_outcome(self, outcome: Outcome, reason: str) -> None:
        """``outcome.json``: the workstation's word where the board left none (never started, rebooted, lost)."""
        text = json.dumps({"outcome": outcome, "reason": reason}, ensure_ascii=False, indent=1) + "\n"
        self._write("outcome.json", text.encode())

    def put_recovery(self, steps: bytes) -> None:
        """``recovery.json``: what the workstation did to bring the board back (``RecoveryLog.to_json()``)."""
        self._write("recovery.json", steps)

    def _write(self, name: str, data: bytes) -> None:
        with self._disk_errors():
            (self.part / name).write_bytes(data)
        self._written[name] = (len(data), hashlib.sha256(data).hexdigest())

    def check_log(self, log: str, size: object, sha256: object) -> None:
        """Compare a whole log with what the board says it is. Raises EvidenceBroken."""
        seen = (self._sizes[log], self._digests[log].hexdigest())
        if seen != (size, sha256):
            raise self._broken(f"{log} arrived as {seen[0]} bytes, the board has {size}, or its sha256 differs")

    def finish(self) -> Path:
        """Write ``manifest.json`` and make the folder visible; returns its final path.

        When another process brought the same run here meanwhile, its copy stays and this one is dropped.
        """
        for log in LOGS:
            self._written[log] = (self._sizes[log], self._digests[log].hexdigest())
        files = {name: {"bytes": size, "sha256": digest} for name, (size, digest) in sorted(self._written.items())}
        with self._disk_errors():
            for log in LOGS:
                (self.part / log).touch()
            (self.part / "manifest.json").write_text(json.dumps({"schema": 1, "files": files}, indent=1) + "\n")
            for path in (*self.part.iterdir(), self.part):
                _fsync(path)
            try:
                self.part.rename(self.final)
            except OSError as error:
                if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                    raise
                shutil.rmtree(self.part)
            for folder in (self.final.parent, *self.final.parent.parents[:2]):
                _fsync(folder)  # the board's and the campaign's own names may be new, too
        self._close()
        self._sweep()
        return self.final

    def discard(self) -> None:
        """Forget it: the run was never started, or its evidence is still on the board."""
        shutil.rmtree(self.part, ignore_errors=True)
        self._close()

    def _close(self) -> None:
        if self._alive >= 0:
            os.close(self._alive)
            self._alive = -1

    def _sweep(self) -> None:
        """Remove what killed processes left of this run, now that all of it is here."""
        for part in self.final.parent.glob(f".{self.final.name}.*.part"):
            _remove_if_dead(part)

    def _broken(self, what: str) -> EvidenceBroken:
        return EvidenceBroken(what, board=self._board, doing=self._doing, hint="invoke collect")

    def _disk_errors(self) -> disk_errors:
        return disk_errors(self.final.parent, self._board, self._doing)


def write_unstarted(
    collected: Path,
    spec: RunSpec,
    outcome: Outcome,
    reason: str,
    more: Callable[[RunFolder], object] = lambda _folder: None,
) -> Path:
    """Record a run that never got to its board: it keeps its row, with the reason; ``more`` may add to its folder."""
    with RunFolder(collected, spec.campaign, spec.board, spec.run) as folder:
        folder.put("spec.json", spec.to_json())
        folder.put_outcome(outcome, reason)
        more(folder)
        return folder.finish()


def sweep(collected: Path) -> None:
    """Remove what killed processes left of runs that are here, and what holds nothing that a board has sent.

    The rest of a run that is not here stays: if its board never comes back, that is all there is.
    """
    for part in collected.glob("*/*/.*.part"):
        run = part.name[1:].rpartition(".part")[0].rpartition(".")[0]
        if (part.parent / run).is_dir() or not any((part / name).exists() for name in ("start.json", *LOGS)):
            _remove_if_dead(part)


def check_space(collected: Path, need_bytes: int = defaults.COLLECT_FREE_BYTES) -> None:
    """Refuse to begin when this workstation could not keep the evidence. Raises NoSpace."""
    free_bytes = shutil.disk_usage(_existing(collected)).free
    if free_bytes < need_bytes:
        raise NoSpace(
            need_bytes,
            free_bytes,
            f"{collected} on this workstation",
            doing="check the space",
            hint="free some space",
        )


def write_file(path: Path, data: bytes) -> None:
    """A file that appears whole, and stays: temporary name in the same folder, fsync, rename, fsync of the folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            if path.exists():
                os.fchmod(file.fileno(), path.stat().st_mode & 0o7777)
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
    _fsync(path.parent)


def _append(path: Path, data: bytes, offset: int) -> None:
    """All of ``data`` behind the first ``offset`` bytes, or, on a disk that fills up, nothing of it."""
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o666)
    try:
        rest = memoryview(data)
        while rest:
            rest = rest[os.pwrite(handle, rest, offset + len(data) - len(rest)) :]
    except OSError:
        os.ftruncate(handle, offset)
        raise
    finally:
        os.close(handle)


def _remove_if_dead(part: Path) -> None:
    """Unless somebody is filling it right now."""
    try:
        handle = os.open(part, os.O_RDONLY)
    except OSError:
        return
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        shutil.rmtree(part, ignore_errors=True)
    except OSError:
        pass
    finally:
        os.close(handle)


def _fsync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


class disk_errors:
    """A full disk on the workstation is a message, not a traceback; so is a folder we may not write to."""

    def __init__(
        self, path: Path, board: str, doing: str, then: str = "invoke collect (the run stays on the board until then)"
    ) -> None:
        self._path, self._board, self._doing, self._then = path, board, doing, then

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        if not isinstance(error, OSError):
            return
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            free = shutil.disk_usage(_existing(self._path)).free
            raise NoSpace(
                2**20,
                free,
                f"{self._path} on this workstation",
                board=self._board,
                doing=self._doing,
                hint=f"free some space, then: {self._then}",
            ) from error
        raise EvidenceBroken(
            f"can not write {error.filename or self._path}: {error.strerror}",
            board=self._board,
            doing=self._doing,
            hint=f"make {self._path} writable, then: {self._then}",
        ) from error


def _existing(path: Path) -> Path:
    return next((p for p in (path, *path.parents) if p.exists()), Path("/"))
