"""Which code read a run: a hash of every module that can have a say in what a folder of evidence turns into.

No number that somebody has to remember to raise: the modules are found by following the imports of ``analysis.runs``,
and their text is hashed. A changed comment costs a second reading, a changed parser never goes unnoticed.
"""

from __future__ import annotations

import functools
import hashlib
import re
from pathlib import Path

DIGITS = 12
ROOT = "analysis.runs"
_IMPORT = re.compile(r"^[ \t]*(?:from (analysis[\w.]*) import \(?([^\n]*)|import (analysis[\w.]*))", re.MULTILINE)


@functools.cache
def parser_version(package: Path = Path(__file__).parent) -> str:
    """The hash, in short."""
    digest = hashlib.sha256()
    for path in sources(package):
        digest.update(path.relative_to(package).as_posix().encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()[:DIGITS]


def sources(package: Path = Path(__file__).parent) -> tuple[Path, ...]:
    """The modules that ``analysis.runs`` is made of, itself among them, sorted."""
    found: set[Path] = set()
    waiting = [ROOT]
    while waiting:
        path = _file(package, waiting.pop())
        if path is None or path in found:
            continue
        found.add(path)
        for module, names, plain in _IMPORT.findall(path.read_text(encoding="utf-8")):
            waiting += [module or plain]
            # `from analysis import stated` names a module after the import.
            waiting += [
                f"{module}.{name.strip()}" for name in names.split(",") if module and name.strip().isidentifier()
            ]
    return tuple(sorted(found))


def _file(package: Path, module: str) -> Path | None:
    inside = package.joinpath(*module.split(".")[1:])
    return next((path for path in (inside.with_suffix(".py"), inside / "__init__.py") if path.is_file()), None)
