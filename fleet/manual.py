"""A log made by hand becomes evidence: its bytes as they are, and what a person states of them, of origin ``manual``.

Nothing is read for meaning here, so nothing is resolved: what a log contradicts is found where logs are read. A log
has one origin: bytes that lie in ``collected`` as a board's own run are refused. All is checked before anything is
written; the same bytes with the same conditions are here once.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from fleet import defaults, evidence
from fleet.config.catalogue import Catalogue
from fleet.config.yaml_file import meant, shown
from fleet.errors import ConfigError, EvidenceBroken, NoSpace
from fleet.hand_logs import HandRun, Source, chunks, file_name, find, refused
from fleet.run import new_campaign_id
from fleet.stated import Stated, slug

RECORD_LIMIT_BYTES = 2**20  # of a spec.json or manifest.json that is looked through


@dataclass
class Imported:
    """What became of it: folders that are new, folders that had it all before, and what a person should know."""

    campaign: str
    added: list[Path] = field(default_factory=list)
    known: list[Path] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)


def import_logs(
    path: str,
    stated: Stated,
    *,
    collected: Path,
    catalogue: Catalogue,
    tool: str,
    now: datetime | None = None,
    token: str | None = None,
) -> Imported:
    """Take what lies at ``path`` into ``collected``. Raises ConfigError before anything is written, NoSpace."""
    now = now or datetime.now(UTC)
    about = _about(stated, catalogue)
    runs = find(path)
    evidence.check_space(collected, defaults.COLLECT_FREE_BYTES + sum(one.size_bytes for run in runs for one in run))
    result = Imported(new_campaign_id(now, token or secrets.token_hex(2)), remarks=_remarks(stated, about, catalogue))
    with _alone(collected):
        here = _Here(collected)
        for run in runs:
            here.refuse_a_boards_own(run)
        for index, run in enumerate(runs):
            identity = _identity(run, stated)
            if identity in here.imports:
                result.known.append(here.imports[identity])
                continue
            twins = here.with_bytes_of(run)
            spec = {
                **about,
                "schema": 1,
                "campaign": result.campaign,
                "run": _run_name(index, stated),
                "board": slug(stated.board_model),
                "origin": "manual",
                "simulated": False,
                "stated": asdict(stated),
                "files": {one.name: {"from": file_name(one.path), "bytes": one.size_bytes} for one in run},
                "import_sha256": identity,
                "created_utc": f"{now.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}",
                "tool": tool,
            }
            folder = _keep(run, spec, collected)
            result.added.append(folder)
            result.remarks += [f"{folder.name}: the same bytes with other conditions are {twin}" for twin in twins]
            here.add(folder, identity, run)
    return result


class _Here:
    """What lies in ``collected``: whose bytes, and what was imported before."""

    def __init__(self, collected: Path) -> None:
        self.imports: dict[str, Path] = {}
        self._by_hand: dict[str, list[Path]] = {}  # sha256 of a stdout.log -> the runs that have it
        self._boards: dict[str, Path] = {}
        for manifest in sorted(collected.glob("[!.]*/[!.]*/[!.]*/manifest.json")):
            folder = manifest.parent
            spec, files = _record(folder / "spec.json"), _record(manifest).get("files")
            stdout = files.get("stdout.log") if isinstance(files, dict) else None
            sha256 = str(stdout.get("sha256")) if isinstance(stdout, dict) and stdout.get("bytes") else ""
            if spec.get("origin") == "manual":
                self.imports[str(spec.get("import_sha256"))] = folder
                self._by_hand.setdefault(sha256, []).append(folder)
            elif sha256:
                self._boards[sha256] = folder

    def refuse_a_boards_own(self, run: HandRun) -> None:
        for source in run:
            if source.name == "stdout.log" and source.sha256 in self._boards:
                folder = "/".join(self._boards[source.sha256].parts[-3:])
                what = f"is stdout.log of {folder}, which a board sent; its origin stays what it is"
                raise refused(source.path, what, hint="invoke parse reads it where it lies")

    def with_bytes_of(self, run: HandRun) -> list[str]:
        twins = [self._by_hand.get(one.sha256, []) for one in run if one.name == "stdout.log" and one.size_bytes]
        return ["/".join(folder.parts[-3:]) for folders in twins for folder in folders]

    def add(self, folder: Path, identity: str, run: HandRun) -> None:
        self.imports[identity] = folder
        for source in run:
            if source.name == "stdout.log":
                self._by_hand.setdefault(source.sha256, []).append(folder)


def _keep(run: HandRun, spec: dict[str, Any], collected: Path) -> Path:
    """One run's folder, whole or not at all. Raises NoSpace, EvidenceBroken, ConfigError."""
    folder: evidence.RunFolder | None = None
    try:
        with _own_hint():
            folder = evidence.RunFolder(collected, spec["campaign"], spec["board"], spec["run"])
            for source in run:
                _copy(source, folder)
            text = json.dumps(spec, ensure_ascii=False, indent=1, sort_keys=True) + "\n"
            folder.put("spec.json", text.encode())
            return folder.finish()
    except BaseException:
        if folder is not None:
            folder.discard()
        board = collected / spec["campaign"] / spec["board"]
        for empty in (board, board.parent):
            with suppress(OSError):
                empty.rmdir()
        raise


def _copy(source: Source, folder: evidence.RunFolder) -> None:
    """The bytes that were looked at before, and no others."""
    digest, size, small = hashlib.sha256(), 0, bytearray()
    for chunk in chunks(source.path):
        if source.name in evidence.LOGS:
            folder.append(source.name, size, chunk)
        else:
            small += chunk
        digest.update(chunk)
        size += len(chunk)
    if digest.hexdigest() != source.sha256:
        raise refused(source.path, "changed while it was read", hint="wait until nothing writes to it")
    if source.name not in evidence.LOGS:
        folder.put(source.name, bytes(small))


@contextmanager
def _alone(collected: Path) -> Iterator[None]:
    """Two imports at once would each find the other's bytes missing; the lock ends with the process."""
    with _own_hint(), evidence.disk_errors(collected, "", "import"):
        collected.mkdir(parents=True, exist_ok=True)
        handle = os.open(collected, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


@contextmanager
def _own_hint() -> Iterator[None]:
    """There is no board to collect from again: what a person can repeat is the import."""
    try:
        yield
    except (EvidenceBroken, NoSpace) as error:
        error.board, error.doing, error.hint = "", "import", "mend that, then the same command again"
        raise


def _about(stated: Stated, catalogue: Catalogue) -> dict[str, Any]:
    """What a plan says of a run, as far as a person knew it. Raises ConfigError for a kind that is not the model's."""
    model = catalogue.find(stated.model)
    if model is not None and stated.kind not in (None, str(model.kind)):
        raise ConfigError(f"{model.name} is of kind {model.kind}, not {stated.kind}", key="--kind")
    return {
        "model": model.name if model else stated.model,
        "model_title": model.title if model else stated.model,
        "kind": str(model.kind) if model else stated.kind,
        "npu_cores": stated.cores,
        "workload": {"max_new_tokens": stated.new_tokens, "max_context_len": stated.context},
    }


def _remarks(stated: Stated, about: dict[str, Any], catalogue: Catalogue) -> list[str]:
    names = [model.name for model in catalogue.models]
    if about["model"] in names:
        meant_instead = catalogue.remark(stated.model)
        return [f"{stated.model}: {meant_instead}"] if meant_instead else []
    kind = "" if about["kind"] else "; without --kind llm or vlm it has no TTFT"
    return [f"{shown(about['model'])} is no model of models.yaml ({meant(about['model'], names)}): kept as typed{kind}"]


def _identity(run: HandRun, stated: Stated) -> str:
    """The same for the same bytes under the same conditions, whatever the files were called."""
    files = {source.name: source.sha256 for source in run}
    return hashlib.sha256(json.dumps([files, asdict(stated)], sort_keys=True).encode()).hexdigest()


def _run_name(index: int, stated: Stated) -> str:
    cores = f"-{stated.cores}core" if stated.cores else ""
    return f"{index:03d}-{slug(stated.model)}{cores}-manual"


def _record(path: Path) -> dict[str, Any]:
    """A JSON object of ours; whatever else lies there is an empty one."""
    try:
        with path.open("rb") as file:
            value = json.loads(file.read(RECORD_LIMIT_BYTES))
    except (OSError, ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}
