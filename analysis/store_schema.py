"""The tables of ``results.sqlite`` and how a run becomes rows and is made of them again.

Nothing here was decided by hand twice: columns of ``runs`` are the fields of ``Run`` and ``Workload``, and its numbers
are rows of ``samples``, one for each metric of the registry that the evidence has, as stored units. Every key is made
of what is named, never of the order in which things came: two stores of the same evidence are dumped as the same
bytes.
"""

from __future__ import annotations

import hashlib
import json
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

from analysis.evidence import LOGS, RunFiles
from analysis.metrics import CLAIMED, METRICS
from analysis.outcome import Outcome
from analysis.runs import Run, Workload, relative_log

APPLICATION_ID = 0x726B666C  # `rkfl`, at a fixed place of the file: is it ours

_METRICS = tuple(metric.name for metric in METRICS)
# Not stored: a path of this machine, what is told by the folders, and doubts, which models.yaml decides.
_LEFT_OUT = frozenset({*_METRICS, "workload", "log_file", "log", "quarantined"})
_RUN = tuple(field for field in fields(Run) if field.name not in _LEFT_OUT)
_ASKED = tuple(fields(Workload))
_TYPES = {"int": "INTEGER", "bool": "INTEGER", "float": "REAL"}


def _type(annotation: object) -> str:
    return _TYPES.get(str(annotation).partition(" |")[0], "TEXT")


_COLUMNS = ", ".join(f"{field.name} {_type(field.type)}" for field in (*_RUN, *_ASKED))

DDL = f"""
CREATE TABLE metrics (name TEXT PRIMARY KEY, title TEXT, unit TEXT, scale INTEGER, better TEXT, digits INTEGER,
  means TEXT) WITHOUT ROWID;
CREATE TABLE runs (run_id INTEGER PRIMARY KEY, {_COLUMNS}, log_name TEXT, log_sha256 TEXT, manifest_sha256 TEXT,
  parser TEXT NOT NULL, stamp TEXT NOT NULL);
CREATE INDEX runs_by_campaign ON runs (campaign);
CREATE TABLE samples (run_id INTEGER NOT NULL, metric TEXT NOT NULL, value NOT NULL, PRIMARY KEY (run_id, metric))
  WITHOUT ROWID;
CREATE TABLE checks (run_id INTEGER NOT NULL, place INTEGER NOT NULL, name TEXT, ok INTEGER, observed TEXT,
  expected TEXT, PRIMARY KEY (run_id, place)) WITHOUT ROWID;
CREATE TABLE telemetry (run_id INTEGER NOT NULL, name TEXT NOT NULL, value NOT NULL, PRIMARY KEY (run_id, name))
  WITHOUT ROWID;
CREATE TABLE quarantine (run_id INTEGER NOT NULL, metric TEXT NOT NULL, reason TEXT NOT NULL,
  PRIMARY KEY (run_id, metric)) WITHOUT ROWID;
CREATE TABLE published (published_id INTEGER PRIMARY KEY, model TEXT, title TEXT, source TEXT, revision TEXT,
  npu_cores INTEGER, dtype TEXT, runtime TEXT, clocks TEXT, context INTEGER, prompt_tokens INTEGER, new_tokens INTEGER,
  ttft_ms REAL, generate_tps REAL, encode_ms REAL, memory_bytes REAL, memory_of TEXT, suspect TEXT, suspect_of TEXT);
CREATE TABLE claims (claim_id INTEGER PRIMARY KEY, model TEXT, npu_cores INTEGER, metric TEXT, board TEXT,
  vision_cores INTEGER, context INTEGER, workload TEXT, simulated INTEGER, basis TEXT, value REAL, low REAL, high REAL,
  n INTEGER, origin TEXT, source TEXT, condition TEXT, stable INTEGER, cv REAL, coverage REAL, conditions TEXT,
  note TEXT);
CREATE TABLE claim_others (claim_id INTEGER NOT NULL, what TEXT NOT NULL, place INTEGER NOT NULL, basis TEXT,
  value REAL, source TEXT, differs REAL, conditions TEXT, reason TEXT, PRIMARY KEY (claim_id, what, place))
  WITHOUT ROWID;
CREATE VIEW numbers AS
  SELECT r.run_id, r.campaign, r.board, r.run, r.origin, r.outcome, r.warmup, r.model, r.npu_cores, r.condition,
    s.metric, s.value, m.unit, m.scale, q.reason AS quarantined,
    r.campaign || '/' || r.board || '/' || r.run || '/' || r.log_name AS log, r.log_sha256, r.parser
  FROM samples s JOIN runs r USING (run_id) JOIN metrics m ON m.name = s.metric
  LEFT JOIN quarantine q ON q.run_id = s.run_id AND q.metric = s.metric;
"""

SCHEMA = zlib.crc32(DDL.encode()) & 0x7FFFFFFF  # of whichever tables these are: a store of others is made anew

_LOADED = ("run_id", *(field.name for field in (*_RUN, *_ASKED)), "log_name")
RUN_COLUMNS = (*_LOADED, "log_sha256", "manifest_sha256", "parser", "stamp")
LOAD = f"SELECT {', '.join(_LOADED)} FROM runs"


def run_id(campaign: str, board: str, run: str) -> int:
    """63 bits of a hash of the three names: a key that no order decides."""
    name = "\0".join((campaign, board, run)).encode("utf-8", "surrogatepass")
    return int.from_bytes(hashlib.sha256(name).digest()[:8]) >> 1


def run_row(run: Run, key: int, about: Iterable[str | None]) -> list[Any]:
    """A row of ``runs``; ``about`` are the columns after ``log``."""
    name = run.log_file.name if run.log_file is not None else None
    values = [getattr(run, field.name) for field in _RUN]
    values += [getattr(run.workload, field.name) for field in _ASKED]
    return [key, *map(_kept, values), name, *about]


def samples_of(run: Run, key: int) -> list[tuple[int, str, float]]:
    """A row for each number that there is."""
    return [(key, name, value) for name in _METRICS if (value := run.metric(name)) is not None]


def run_of(row: tuple[Any, ...], samples: Mapping[str, Any], collected: Path) -> Run:
    """The run that the row is of, as if it were read from its folder."""
    _key, *values, name = row
    asked = {field.name: _given(field.type, value) for field, value in zip(_ASKED, values[len(_RUN) :], strict=True)}
    told = {field.name: _given(field.type, value) for field, value in zip(_RUN, values[: len(_RUN)], strict=True)}
    told["outcome"] = Outcome(told["outcome"])
    folder = collected / told["campaign"] / told["board"] / told["run"]
    log_file = folder / name if name in LOGS else None
    files = RunFiles(told["campaign"], told["board"], told["run"], folder, collected)
    log = relative_log(files, log_file)
    return Run(**told, **samples, workload=Workload(**asked), log=log, log_file=log_file)


def metric_rows() -> list[tuple[Any, ...]]:
    """The registry."""
    every = {metric.name: metric for metric in (*METRICS, *CLAIMED.values())}
    return [(m.name, m.title, m.unit, m.scale, m.better, m.digits, m.means) for m in every.values()]


def text(value: str | None) -> str | bytes | None:
    """Text as SQLite takes it: half a surrogate is none that it could encode, and a NUL would end a dump early."""
    if value is None or (value.isascii() and "\0" not in value):
        return value
    try:
        return value.encode() if "\0" in value else value.encode().decode()
    except UnicodeEncodeError:
        return value.encode("utf-8", "surrogatepass")


def _kept(value: Any) -> Any:
    if isinstance(value, tuple):
        return json.dumps(value)
    return text(str(value)) if isinstance(value, str) else value


def _given(annotation: object, value: Any) -> Any:
    if isinstance(value, bytes):
        value = value.decode("utf-8", "surrogatepass")
    if annotation == "bool":
        return bool(value)
    if not str(annotation).startswith("tuple"):
        return value
    return tuple(tuple(one) if isinstance(one, list) else one for one in json.loads(value))
