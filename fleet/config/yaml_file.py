"""A file that a person wrote is text, then plain data plus the line on which each value stands.

YAML is read as events, not constructed: a key is the text as written (so ``on:`` and ``12:`` are names), an
unquoted value follows the core rules of YAML 1.2 (``yes`` and ``22:30`` are text), and what could surprise (a
key written twice, aliases, tags, a second document) is refused with its line.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import yaml

from fleet.errors import ConfigError

MAX_FILE_BYTES = 4 * 2**20  # a thousand boards with comments are 0.3 MiB
MAX_DEPTH = 16  # the deepest key that means anything is 5 levels down
MAX_SHOWN = 60  # characters of a value in a message
NO_MAPPING = "has no 'key: value' lines on its top level"

# libyaml reads 300 boards in a tenth of the time; wheels without it still work
LOADER: type = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

_INT = re.compile(r"[-+]?[0-9]{1,18}")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]{1,3})?")
_SURROGATE = re.compile("[\ud800-\udfff]")
_CONSTANTS: dict[str, bool | None] = {"": None, "~": None}
for _word, _value in {"null": None, "true": True, "false": False}.items():
    _CONSTANTS |= dict.fromkeys((_word, _word.capitalize(), _word.upper()), _value)

Where = tuple[str | int, ...]  # ("boards", "rk3588-a", "tags", 0)


@dataclass(frozen=True)
class Document:
    """What stands in ``file``, and on which line each place of it starts."""

    file: str
    data: dict[str, object]
    lines: dict[Where, int]

    def line(self, where: Where) -> int | None:
        """The line of ``where``, or of the nearest place around it that was written."""
        around = (where[:n] for n in range(len(where), 0, -1))
        return next((self.lines[place] for place in around if place in self.lines), None)


@dataclass
class _Open:
    """A mapping or list that is still being read; ``key`` is set while its value is awaited."""

    where: Where
    into: dict[str, object] | list[object]
    key: str | None = None

    def put(self, value: object) -> Where:
        """Add ``value`` and say where it is now."""
        if isinstance(self.into, list):
            self.into.append(value)
            return (*self.where, len(self.into) - 1)
        assert self.key is not None
        where = (*self.where, self.key)
        self.into[self.key] = value
        self.key = None
        return where


def name_of(path: Path) -> str:
    """A file's name in messages: as short as it can be from where the person stands."""
    try:
        return str(path.relative_to(Path.cwd()))
    except (OSError, ValueError):  # OSError: the current folder is gone
        return str(path)


def read_text(path: Path) -> str:
    """The text of a file that a person wrote; a ConfigError for whatever is in the way."""
    file = name_of(path)
    try:
        if not path.exists():
            near = nearest(path.name, (other.name for other in path.parent.glob("*")))
            raise ConfigError("there is no such file" + (f"; nearest is '{near}'" if near else ""), file=file)
        if not path.is_file():
            raise ConfigError("this is not a file", file=file)
        with path.open("rb") as stream:
            raw = stream.read(MAX_FILE_BYTES + 1)
    except (OSError, ValueError) as error:  # ValueError: a NUL in the path
        said = error.strerror if isinstance(error, OSError) else str(error)
        raise ConfigError(f"can not be read: {said}", file=file) from error
    if len(raw) > MAX_FILE_BYTES:
        raise ConfigError(f"is larger than the {MAX_FILE_BYTES // 2**20} MiB that are read", file=file)
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        what = f"byte {raw[error.start]:#04x} is not UTF-8 text (line {line})"
        raise ConfigError(what, file=file) from error


def read_yaml(path: Path) -> Document:
    """The mapping in the file at ``path``."""
    return parse_yaml(read_text(path), name_of(path))


def parse_yaml(text: str, file: str, *, loader: type | None = None) -> Document:
    """The mapping in ``text``; ``file`` is its name in messages."""
    reader = _Reader(file)
    try:
        for event in yaml.parse(text, Loader=loader or LOADER):
            reader.take(event)
    except yaml.MarkedYAMLError as error:
        raise _syntax_error(text, file, error) from error
    except yaml.YAMLError as error:  # a byte that YAML does not allow anywhere
        what = str(error).splitlines()[0]
        raise ConfigError(f"is not YAML: {what}", file=file) from error
    if reader.top is None:
        empty = all(not row.strip() or row.lstrip().startswith("#") for row in text.splitlines())
        raise ConfigError("is empty" if empty else NO_MAPPING, file=file)
    return Document(file, reader.top, reader.lines)


class _Reader:
    """Puts YAML events together to plain data; a stack, so that no nesting can exhaust ours."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.top: dict[str, object] | None = None
        self.lines: dict[Where, int] = {}
        self._open: list[_Open] = []

    def take(self, event: yaml.Event) -> None:
        """The next event of the file."""
        line = event.start_mark.line + 1 if event.start_mark else 1
        if isinstance(event, yaml.CollectionEndEvent):
            self._open.pop()
        elif isinstance(event, yaml.DocumentStartEvent) and self.top is not None:
            raise self._refuse("a second document starts here; one file is one document", line)
        elif isinstance(event, yaml.AliasEvent):
            raise self._refuse(f"the alias '*{event.anchor}' is not followed; write the value out", line)
        elif isinstance(event, (yaml.ScalarEvent, yaml.CollectionStartEvent)):
            if event.tag not in (None, "!"):
                raise self._refuse(f"the tag {shown(event.tag)} is not read; a value is text or a number", line)
            if isinstance(event, yaml.ScalarEvent) and _SURROGATE.search(event.value):
                raise self._refuse("half a character (a lone surrogate) is not text", line)
            here = self._open[-1] if self._open else None
            if here and isinstance(here.into, dict) and here.key is None:
                self._key(event, here, line)
            else:
                self._value(event, here, line)

    def _key(self, event: yaml.ScalarEvent | yaml.CollectionStartEvent, here: _Open, line: int) -> None:
        if not isinstance(event, yaml.ScalarEvent):
            raise self._refuse("a key is one word, not a list or mapping", line)
        key = str(event.value)
        where = (*here.where, key)
        if where in self.lines:
            at = ".".join(str(part) for part in where)
            raise self._refuse(f"{shown(at)} is written twice, first on line {self.lines[where]}", line)
        self.lines[where] = line
        here.key = key

    def _value(self, event: yaml.ScalarEvent | yaml.CollectionStartEvent, here: _Open | None, line: int) -> None:
        value: object
        if isinstance(event, yaml.ScalarEvent):
            value = plain(event.value) if event.implicit[0] else event.value
        else:
            value = {} if isinstance(event, yaml.MappingStartEvent) else []
        where: Where = ()
        if here is not None:
            where = here.put(value)
            self.lines.setdefault(where, line)
        elif isinstance(value, dict):
            self.top = value
        else:
            raise ConfigError("is empty" if value is None else NO_MAPPING, file=self.file)
        if isinstance(value, (dict, list)):
            if len(self._open) == MAX_DEPTH:
                raise self._refuse(f"more than {MAX_DEPTH} levels inside each other", line)
            self._open.append(_Open(where, value))

    def _refuse(self, what: str, line: int) -> ConfigError:
        return ConfigError(f"{what} (line {line})", file=self.file)


def plain(text: str) -> object:
    """What an unquoted word means: YAML 1.2 core, decimal numbers only."""
    if text in _CONSTANTS:
        return _CONSTANTS[text]
    if _INT.fullmatch(text):
        return int(text)
    return float(text) if _FLOAT.fullmatch(text) else text


def shown(value: object) -> str:
    """A value in a message: short, on one line, with nothing in it that a terminal would obey."""
    if value is None:
        return "no value"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict):
        return "a mapping"
    if isinstance(value, (list, tuple)):
        return "a list" if value else "an empty list"
    if not isinstance(value, str):
        return repr(value)
    if "PRIVATE KEY" in value:
        return "the text of a private key"
    return repr(value if len(value) <= MAX_SHOWN else value[:MAX_SHOWN] + "…")


def nearest(name: str, names: Iterable[str]) -> str | None:
    """The one of ``names`` that was probably meant, if any is close."""
    by_folded = {other.casefold(): other for other in sorted(names, reverse=True)}
    found = difflib.get_close_matches(name[:MAX_SHOWN].casefold(), by_folded, n=1, cutoff=0.6)
    return by_folded[found[0]] if found else None


def meant(name: str, names: Iterable[str], *, most: int = 12) -> str:
    """End of a message about an unknown name: the nearest one, else those that there are."""
    known = list(names)
    near = nearest(name, known)
    if near is not None:
        return f"nearest is '{near}'"
    if not known:
        return "there are none"
    more = f" and {len(known) - most} more" if len(known) > most else ""
    return "there are: " + ", ".join(known[:most]) + more


def _syntax_error(text: str, file: str, error: yaml.MarkedYAMLError) -> ConfigError:
    mark = error.problem_mark or error.context_mark
    if mark is None:
        return ConfigError(f"is not YAML: {error.problem}", file=file)
    rows = text.splitlines()
    row = rows[mark.line] if mark.line < len(rows) else ""
    if "\t" in row[: len(row) - len(row.lstrip())]:
        return ConfigError(f"a tab stands where YAML wants spaces (line {mark.line + 1})", file=file)
    what = f"is not YAML: {error.problem}" + (f", {error.context}" if error.context else "")
    if "mapping values are not allowed" in what:
        what += "; a value with ': ' in it goes in quotes"
    return ConfigError(f"{what} (line {mark.line + 1})", file=file)
