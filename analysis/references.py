"""Published numbers with their sources: what others saw, never a measurement of ours.

A file of ``references/`` is a list of tables. A table has a source, its revision, and conditions that hold for its rows
unless a row says otherwise. What a publication does not say is missing there, and None here. A ``suspect`` row stays
visible with its reason; whoever makes a mean leaves it out. ``suspect_of`` says which of its numbers is doubted.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import yaml

from analysis.architecture import Architecture, architecture_of
from analysis.constants import GIB, MIB
from analysis.errors import BadReference
from analysis.text import plain

REFERENCES = Path("references")
ARCHITECTURES = "architectures.yaml"
# libyaml reads these files, which most verbs need, in an eighth of the time; wheels without it still work
LOADER: type[yaml.SafeLoader] | type[yaml.CSafeLoader] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_UNITS = {"MiB": MIB, "GiB": GIB}
_TEXTS = frozenset(
    {"model", "dtype", "runtime", "clocks", "memory_of", "memory_unit", "suspect", "suspect_zh", "suspect_of"}
)
_NUMBERS = frozenset(
    {*("npu_cores", "context", "prompt_tokens", "new_tokens"), *("ttft_ms", "generate_tps", "encode_ms", "memory")}
)


@dataclass(frozen=True)
class Reference:
    """One row of a publication."""

    model: str
    title: str
    source: str
    revision: str
    npu_cores: int
    dtype: str | None = None
    runtime: str | None = None
    clocks: str | None = None
    context: int | None = None
    prompt_tokens: int | None = None
    new_tokens: int | None = None
    ttft_ms: float | None = None
    generate_tps: float | None = None
    encode_ms: float | None = None
    memory_bytes: float | None = None
    memory_of: str | None = None  # process (VmHWM) or machine
    suspect: str | None = None  # why it is believed to be wrong
    suspect_zh: str | None = None  # the same in Chinese
    suspect_of: str | None = None  # the one number that is: memory, generate_tps, ttft_ms, encode_ms; None is all


def load_references(folder: Path = REFERENCES) -> tuple[Reference, ...]:
    """Every row of every table, in the order of the file names."""
    files = [path for path in sorted(folder.glob("*.yaml")) if path.name != ARCHITECTURES]
    if not files:
        raise BadReference("has no file with published numbers", file=str(folder))
    return tuple(row for path in files for row in _rows(path))


def load_architectures(folder: Path = REFERENCES) -> dict[str, Architecture]:
    """The architectures of the models that references are about, by the names that are used there."""
    path = folder / ARCHITECTURES
    found = {}
    for name, numbers in _mapping(_read(path).get("models"), path, "models").items():
        try:
            found[str(name)] = architecture_of(_mapping(numbers, path, str(name)))
        except ValueError as wrong:
            raise BadReference(f"{name}: {wrong}", file=str(path)) from None
    return found


def _rows(path: Path) -> Iterator[Reference]:
    for at, table in enumerate(_list(_read(path).get("tables"), path, "tables")):
        about = {key: _mapping(table, path, f"tables.{at}").get(key) for key in ("title", "source", "revision")}
        for key, text in about.items():
            if not isinstance(text, str) or not text:
                raise BadReference(f"tables.{at} has no {key} in words", file=str(path))
        shared = _mapping(table.get("conditions", {}), path, f"{about['title']}: conditions")
        for number, row in enumerate(_list(table.get("rows"), path, f"{about['title']}: rows")):
            where = f"{about['title']}: row {number + 1}"
            yield _reference({**shared, **_mapping(row, path, where)}, about, path, where)


def _reference(row: Mapping[str, Any], about: Mapping[str, Any], path: Path, where: str) -> Reference:
    for key, value in row.items():
        good = key in _TEXTS and isinstance(value, str) and value
        counted = isinstance(value, int | float) and not isinstance(value, bool) and 0 < value < 1e12
        if not good and not (key in _NUMBERS and counted):
            raise BadReference(f"{where}: {key}: {value!r} is not understood", file=str(path))
    memory = row.get("memory")
    if "model" not in row or "npu_cores" not in row or (memory is not None and row.get("memory_unit") not in _UNITS):
        raise BadReference(f"{where}: needs model, npu_cores, and a memory_unit of MiB or GiB", file=str(path))
    given: dict[str, Any] = {field.name: row[field.name] for field in fields(Reference) if field.name in row}
    # Rounded, for a published 1.24 GiB is no whole number of bytes.
    given["memory_bytes"] = None if memory is None else float(round(memory * _UNITS[row["memory_unit"]]))
    return Reference(**{**about, **given})


def _read(path: Path) -> Mapping[str, Any]:
    try:
        read = yaml.load(path.read_text(encoding="utf-8"), Loader=LOADER)  # noqa: S506 - both are safe loaders
        return _mapping(read, path, "the file")
    except OSError as wrong:
        raise BadReference(f"can not be read: {wrong.strerror}", file=str(path)) from None
    except UnicodeDecodeError as wrong:
        raise BadReference(f"is not UTF-8 text (byte {wrong.start})", file=str(path)) from None
    except yaml.MarkedYAMLError as wrong:
        mark = wrong.problem_mark or wrong.context_mark
        line = f" (line {mark.line + 1})" if mark else ""
        raise BadReference(f"is not YAML: {wrong.problem or wrong.context}{line}", file=str(path)) from None
    except (yaml.YAMLError, ValueError, RecursionError) as wrong:  # ValueError: a date that there is not
        raise BadReference(f"is not YAML: {plain(str(wrong))}", file=str(path)) from None


def _mapping(value: object, path: Path, where: str) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise BadReference(f"{where}: is not a mapping", file=str(path))
    return value


def _list(value: object, path: Path, where: str) -> list[Any]:
    if not isinstance(value, list):
        raise BadReference(f"{where}: is not a list", file=str(path))
    return value
