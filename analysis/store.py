"""``reports/results.sqlite``: what all evidence says, as tables. Derived: it may be deleted, and is made again.

A run is read when its folder is new, when a file in it changed (names, sizes, times), or when the code that reads it
did (``parser_version``); all others are taken as they are, so a new night costs a night. What was taken from a folder
that is gone, goes too. The same evidence gives the same dump, whether it came in one night or in a hundred, in any
order.

Writing is in transactions, some hundred runs each: what a crash cuts off is read the next time. ``rebuild`` makes the
file under another name and puts it in place whole. A file that is broken, or not ours, is moved aside and never
written to: what is not ours stays for good, of broken stores the newest does.
"""

from __future__ import annotations

import contextlib
import enum
import os
import secrets
import sqlite3
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from analysis.claims import Claim, Other
from analysis.errors import CannotWrite
from analysis.evidence import RunFiles, find_runs
from analysis.parser_version import parser_version
from analysis.references import Reference
from analysis.runs import Evidence, Run, read_evidence
from analysis.store_schema import (
    APPLICATION_ID,
    DDL,
    LOAD,
    RUN_COLUMNS,
    SCHEMA,
    metric_rows,
    run_id,
    run_of,
    run_row,
    samples_of,
    text,
)
from analysis.telemetry import Telemetry

FILE = "results.sqlite"
BUSY_S = 60.0  # for another `invoke collect` that is writing
BATCH = 500  # runs in a transaction: a second of reading, which is what an interruption may cost
_OF_A_RUN = ("samples", "checks", "telemetry", "quarantine", "runs")
_BROKEN = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})


class State(enum.Enum):
    """What lies where the store belongs."""

    USABLE = "usable"  # ours and whole, or nothing yet
    BROKEN = "broken"  # damaged: the newest is kept, for who wants to know what damaged it
    NOT_OURS = "not ours"  # another program's database, a folder, a link: somebody may miss it


@dataclass(frozen=True)
class Taken:
    """What became of the evidence: runs that were read, that were known, that are gone."""

    read: int = 0
    known: int = 0
    gone: int = 0
    moved: Path | None = None  # where a file that was broken, or not ours, lies now

    @property
    def told(self) -> str | None:
        """For a person, where something happened that they should know."""
        if self.moved is None:
            return None
        return f"{FILE} was broken or not ours: it is {self.moved.name} now, and a new one was made from the evidence"


def take_in(collected: Path, path: Path, *, campaign: str | None = None, rebuild: bool = False) -> Taken:
    """Bring the store up to the evidence, or to that of one campaign. Raises CannotRead, CannotWrite."""
    if rebuild:
        return _rebuilt(collected, path)
    with _errors(path):
        moved = _out_of_the_way(path)
        try:
            return _taken(collected, path, campaign, moved)
        except sqlite3.DatabaseError as error:
            if _code(error) not in _BROKEN:
                raise
        # It was whole enough to be opened, and was not.
        return _taken(collected, path, None, _move_aside(path, State.BROKEN))


def load_runs(path: Path, collected: Path, campaign: str | None = None) -> tuple[Run, ...]:
    """The runs of a store, sorted as ``read_runs`` does, as if they were read from their folders."""
    where, values = ("", ()) if campaign is None else (" WHERE campaign = ?", (text(campaign),))
    samples: defaultdict[int, dict[str, Any]] = defaultdict(dict)
    with _errors(path), _opened(path) as store:
        query = "SELECT run_id, metric, value FROM samples"
        query += f" WHERE run_id IN (SELECT run_id FROM runs{where})" if where else ""
        for key, metric, value in store.execute(query, values):
            samples[key][metric] = value
        runs = [run_of(row, samples.get(row[0], {}), collected) for row in store.execute(LOAD + where, values)]
    return tuple(sorted(runs, key=lambda run: run.key))


def save_derived(path: Path, runs: Iterable[Run], references: Sequence[Reference], claims: Sequence[Claim]) -> None:
    """What follows from the runs and from what is known beside them. What would not change is left alone, so that the
    file of a second collect is the file of the first. Raises CannotWrite."""
    tables: dict[str, list[tuple[Any, ...]]] = {
        "quarantine": sorted((run_id(*run.key), metric, reason) for run in runs for metric, reason in run.quarantined),
        "published": [_published(key, one) for key, one in enumerate(references)],
        "claims": [_claim(key, one) for key, one in enumerate(claims)],
        "claim_others": [
            _other(key, what, place, other)
            for key, claim in enumerate(claims)
            for what, others in (("quarantined", claim.quarantined), ("replaced", claim.replaced))
            for place, other in enumerate(others)
        ],
    }
    with _errors(path), _opened(path) as store, _transaction(store):
        for table, rows in tables.items():
            if store.execute(f"SELECT * FROM {table}").fetchall() == rows:
                continue
            store.execute(f"DELETE FROM {table}")
            if rows:
                store.executemany(f"INSERT INTO {table} VALUES ({_marks(len(rows[0]))})", rows)


def _taken(collected: Path, path: Path, campaign: str | None, moved: Path | None) -> Taken:
    read = known = 0
    parser = parser_version()
    with _opened(path) as store:
        where, values = ("", ()) if campaign is None else (" WHERE campaign = ?", (text(campaign),))
        had = {
            key: (stamp, by)
            for key, stamp, by in store.execute(f"SELECT run_id, stamp, parser FROM runs{where}", values)
        }
        left = set(had)
        batch: list[tuple[int, str, RunFiles]] = []
        for files in find_runs(collected, campaign):
            key = run_id(files.campaign, files.board, files.run)
            left.discard(key)
            try:
                stamp = files.stamp()
            except OSError:  # it was there a moment ago; the next collect sees what became of it
                left.add(key)
                continue
            if had.get(key) == (stamp, parser):
                known += 1
                continue
            read += 1
            batch.append((key, stamp, files))
            if len(batch) >= BATCH:
                _put(store, batch, parser)
                batch = []
        _put(store, batch, parser)
        if left:
            with _transaction(store):
                _forget(store, left)
    return Taken(read, known, len(left), moved)


def _put(store: sqlite3.Connection, batch: Sequence[tuple[int, str, RunFiles]], parser: str) -> None:
    if not batch:
        return
    # Read before the transaction: another collect may write meanwhile, and would write the same.
    found = [(key, stamp, files, read_evidence(files)) for key, stamp, files in batch]
    with _transaction(store):
        _forget(store, [key for key, *_ in found])
        for key, stamp, files, evidence in found:
            _put_one(
                store, key, evidence, (_log_sha256(files, evidence.run), files.sha256("manifest.json"), parser, stamp)
            )


def _put_one(store: sqlite3.Connection, key: int, evidence: Evidence, about: tuple[str | None, ...]) -> None:
    row = run_row(evidence.run, key, about)
    store.execute(f"INSERT INTO runs ({', '.join(RUN_COLUMNS)}) VALUES ({_marks(len(row))})", row)
    store.executemany("INSERT INTO samples VALUES (?, ?, ?)", samples_of(evidence.run, key))
    store.executemany(
        "INSERT INTO checks VALUES (?, ?, ?, ?, ?, ?)",
        (
            (key, place, check.name, int(check.ok), text(check.observed), text(check.expected))
            for place, check in enumerate(evidence.checks)
        ),
    )
    store.executemany(
        "INSERT INTO telemetry VALUES (?, ?, ?)", ((key, name, value) for name, value in _seen(evidence.telemetry))
    )


def _seen(telemetry: Telemetry) -> Iterator[tuple[str | bytes | None, float]]:
    """The samples in short, by what was seen."""
    plain = {
        "samples": telemetry.samples,
        "available_first_bytes": telemetry.available_first_bytes,
        "available_least_bytes": telemetry.available_least_bytes,
        "vmhwm_bytes": telemetry.vmhwm_bytes,
        "swapped_in_pages": telemetry.swapped_in_pages,
        "swapped_out_pages": telemetry.swapped_out_pages,
    }
    yield from ((name, value) for name, value in plain.items() if value is not None)
    yield from ((text(f"start_mc.{zone}"), value) for zone, value in telemetry.start_mc.items())
    yield from ((text(f"max_mc.{zone}"), value) for zone, value in telemetry.max_mc.items())
    yield from ((text(f"cooling.{device}"), value) for device, value in telemetry.cooling.items())
    yield from ((f"npu_busy.{core}", value) for core, value in enumerate(telemetry.npu_busy))


def _log_sha256(files: RunFiles, run: Run) -> str | None:
    return files.sha256(run.log_file.name) if run.log_file is not None else None


def _forget(store: sqlite3.Connection, keys: Iterable[int]) -> None:
    listed = [(key,) for key in keys]
    for table in _OF_A_RUN:
        store.executemany(f"DELETE FROM {table} WHERE run_id = ?", listed)


def _rebuilt(collected: Path, path: Path) -> Taken:
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
    with _errors(path):
        moved = _out_of_the_way(path)
        try:
            taken = _taken(collected, temporary, None, moved)
            temporary.replace(path)
        finally:
            for left in (temporary, *_companions(temporary)):
                left.unlink(missing_ok=True)
    return taken


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[sqlite3.Connection]:
    """The store, made where there is none."""
    path.parent.mkdir(parents=True, exist_ok=True)
    store = sqlite3.connect(path, timeout=BUSY_S, isolation_level=None)
    try:
        if _is_empty(store):
            with _transaction(store):
                if _is_empty(store):  # still, now that nobody else can write
                    _make(store)
        yield store
    finally:
        store.close()


def _is_empty(store: sqlite3.Connection) -> bool:
    return store.execute("SELECT 1 FROM sqlite_master").fetchone() is None


def _make(store: sqlite3.Connection) -> None:
    for statement in DDL.split(";\n"):
        store.execute(statement)
    store.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    store.execute(f"PRAGMA user_version = {SCHEMA}")
    store.executemany(f"INSERT INTO metrics VALUES ({_marks(7)})", metric_rows())


@contextlib.contextmanager
def _transaction(store: sqlite3.Connection) -> Iterator[None]:
    store.execute("BEGIN IMMEDIATE")
    try:
        yield
    except BaseException:
        store.rollback()
        raise
    store.commit()


def _out_of_the_way(path: Path) -> Path | None:
    """Whatever lies there and is no store of ours is moved aside; where to."""
    state = _state(path)
    return None if state is State.USABLE else _move_aside(path, state)


def _state(path: Path) -> State:
    """Is it ours, whole, and of these tables? What is ours and of other tables is taken away here: it is derived."""
    if not os.path.lexists(path):
        return State.USABLE
    if path.is_symlink() or not path.is_file():
        return State.NOT_OURS
    store = sqlite3.connect(f"{path.absolute().as_uri()}?mode=rw", uri=True, timeout=BUSY_S, isolation_level=None)
    try:
        if _is_empty(store):
            return State.USABLE
        if store.execute("PRAGMA application_id").fetchone() != (APPLICATION_ID,):
            return State.NOT_OURS
        if store.execute("PRAGMA quick_check(1)").fetchone() != ("ok",):
            return State.BROKEN
        version: tuple[Any, ...] = store.execute("PRAGMA user_version").fetchone()
        same = version == (SCHEMA,) and sorted(store.execute("SELECT * FROM metrics")) == sorted(metric_rows())
    except sqlite3.DatabaseError as error:
        if _code(error) not in _BROKEN:
            raise
        return State.BROKEN
    finally:
        store.close()
    if not same:
        for old in (path, *_companions(path)):
            old.unlink(missing_ok=True)
    return State.USABLE


def _move_aside(path: Path, state: State) -> Path:
    aside = path.with_name(f"{path.name}.broken")
    if state is State.NOT_OURS:
        number = 1
        while os.path.lexists(aside := path.with_name(f"{path.name}.not-ours-{number}")):
            number += 1
    for old in _companions(aside):  # of the one before
        old.unlink(missing_ok=True)
    path.replace(aside)
    for companion in _companions(path):  # a journal would be played into whatever is made under the name
        if os.path.lexists(companion):
            companion.replace(aside.with_name(aside.name + companion.name.removeprefix(path.name)))
    return aside


def _companions(path: Path) -> tuple[Path, ...]:
    return tuple(path.with_name(path.name + end) for end in ("-journal", "-wal", "-shm"))


@contextlib.contextmanager
def _errors(path: Path) -> Iterator[None]:
    try:
        yield
    except (sqlite3.Error, OSError) as error:
        hint = f"see that {path.parent} is writable and has space, and that no other `invoke collect` runs"
        raise CannotWrite(f"can not be written: {error}", file=str(path), hint=hint) from error


def _code(error: sqlite3.Error) -> int | None:
    code = getattr(error, "sqlite_errorcode", None)
    return code & 0xFF if isinstance(code, int) else None


def _marks(count: int) -> str:
    return ", ".join("?" * count)


def _published(key: int, one: Reference) -> tuple[Any, ...]:
    about = (one.model, one.title, one.source, one.revision, one.npu_cores, one.dtype, one.runtime, one.clocks)
    asked = (one.context, one.prompt_tokens, one.new_tokens)
    return (
        key,
        *about,
        *asked,
        one.ttft_ms,
        one.generate_tps,
        one.encode_ms,
        one.memory_bytes,
        one.memory_of,
        one.suspect,
        one.suspect_of,
    )


def _claim(key: int, one: Claim) -> tuple[Any, ...]:
    at = one.subject
    place = (at.model, at.npu_cores, at.metric, at.board, at.vision_cores, at.context, at.workload, int(at.simulated))
    value = (str(one.basis), one.value, one.low, one.high, one.n, one.origin, one.source, one.condition)
    rest = (int(one.stable), one.cv, one.coverage, one.conditions, one.note)
    return (key, *map(_plain, (*place, *value, *rest)))


def _other(key: int, what: str, place: int, one: Other) -> tuple[Any, ...]:
    said = (str(one.basis), one.value, one.source, one.differs, one.conditions, one.reason)
    return (key, what, place, *map(_plain, said))


def _plain(value: Any) -> Any:
    return text(value) if isinstance(value, str) else value
