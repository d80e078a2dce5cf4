"""From plain data to a checked model: each problem is one line with its key path, and all come at once.

pydantic finds the problems; this module says them: what was got, what was expected (the description of the
field), and for an unknown key the nearest one that exists.
"""

from __future__ import annotations

import re
import types
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, TypeVar, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from fleet.config.yaml_file import Document, Where, meant, shown
from fleet.errors import ConfigError

MAX_PROBLEMS = 20  # lines of one message; a file with more is wrong in one way many times

M = TypeVar("M", bound=BaseModel)

_SECRET = re.compile(
    r"(^|[_-])(pass|password|passwd|passphrase|secret|token|credentials?|(api|private)[_-]?key)([_-]|$)", re.I
)
_BARE = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]*")


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong at one place."""

    where: Where
    what: str
    hint: str = ""


def validated(model: type[M], document: Document) -> M:
    """``document`` as ``model``, or one ConfigError with all that is wrong with it."""
    try:
        return model.model_validate(document.data)
    except ValidationError as error:
        raise config_error(document, _problems(model, error)) from error


def config_error(document: Document, found: Iterable[Problem]) -> ConfigError:
    """One error for all of ``found``, in the order of the file; never called without a problem."""
    ordered = sorted(dict.fromkeys(found), key=lambda one: (document.line(one.where) or 0, dotted(one.where)))
    first, *others = ordered
    lines = [_with_line(document, first)]
    for one in others[: MAX_PROBLEMS - 1]:
        lines.append(f"{document.file}: {dotted(one.where)}: {_with_line(document, one)}")
    if len(ordered) > MAX_PROBLEMS:
        lines.append(f"{document.file}: and {len(ordered) - MAX_PROBLEMS} more")
    hint = next((one.hint for one in ordered if one.hint), "")
    return ConfigError("\n".join(lines), file=document.file, key=dotted(first.where), hint=hint)


def dotted(where: Where) -> str:
    """``boards.rk3588-a.tags[0]``; a part that is not a plain word is quoted."""
    text = ""
    for part in where:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            bare = len(part) < 64 and _BARE.fullmatch(part)
            text += ("." if text else "") + (part if bare else shown(part))
    return text


def secret_key(key: str) -> bool:
    """Would the value of such a key be a secret?"""
    return _SECRET.search(key) is not None


def _problems(model: type[BaseModel], error: ValidationError) -> Iterator[Problem]:
    """pydantic's findings in our words."""
    for details in error.errors(include_url=False):
        where = tuple(part for part in details["loc"] if part != "[key]")
        yield Problem(where, _what(model, where, details))


def _with_line(document: Document, problem: Problem) -> str:
    line = document.line(problem.where)
    return f"{problem.what} (line {line})" if line else problem.what


def _what(model: type[BaseModel], loc: Where, details: ErrorDetails) -> str:
    if details["type"] == "refused":
        return str(details["ctx"]["what"])
    if details["type"] == "extra_forbidden":
        key = str(loc[-1])
        if secret_key(key):
            return "a secret has no place in this file; boards are reached with a key file or an agent"
        _, inner = _expected(model, loc[:-1])
        return f"there is no such key; {meant(key, _keys(inner))}"
    expected, inner = _expected(model, loc)
    if not expected and inner:
        expected = "a mapping with keys such as " + ", ".join(_keys(inner)[:4])
    if details["type"] == "missing":
        return f"is missing; expected {expected}"
    if details["input"] is None:
        return f"has no value; expected {expected}"
    return f"{shown(details['input'])} is not {expected}"


def _keys(model: type[BaseModel] | None) -> Sequence[str]:
    return tuple(model.model_fields) if model else ()


def _expected(model: type[BaseModel], loc: Where) -> tuple[str, type[BaseModel] | None]:
    """What belongs at ``loc``: in words, and as a model if it is one."""
    words, kind = _unwrap(model)
    for part in loc:
        origin = get_origin(kind)
        if isinstance(kind, type) and issubclass(kind, BaseModel) and part in kind.model_fields:
            field = kind.model_fields[str(part)]
            inner, kind = _unwrap(field.annotation)
            words = field.description or inner
        elif origin is dict:
            words, kind = _unwrap(get_args(kind)[1])
        elif origin is tuple:
            words, kind = _unwrap(get_args(kind)[0])
        else:
            break
    return words, kind if isinstance(kind, type) and issubclass(kind, BaseModel) else None


def _unwrap(annotation: Any) -> tuple[str, Any]:
    """The words and the bare type of ``Annotated[T, Field(description=…)] | None``."""
    words = ""
    while True:
        origin = get_origin(annotation)
        if origin is Annotated:
            annotation, *extra = get_args(annotation)
            words = next((e.description for e in extra if isinstance(e, FieldInfo) and e.description), words)
        elif origin in (Union, types.UnionType):
            annotation = next(arg for arg in get_args(annotation) if arg is not type(None))
        else:
            return words, annotation
