"""What may be written into a field, so that it stays data for a shell, a folder, an SSH client or a table.

A type carries the words for "what was expected" as its description; its check says more where more is known.
"""

from __future__ import annotations

import ipaddress
import re
from pathlib import Path
from typing import Annotated, NoReturn, TypeVar

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field
from pydantic_core import PydanticCustomError

from fleet.config.yaml_file import shown

T = TypeVar("T")

NAME_RULE = "a name: up to 60 letters, digits, '.', '_' and '-', with a letter or digit first"

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,59}")
_USER = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,63}")
_HOST = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9._-]{0,252})")
_VERSION = re.compile(r"[0-9]+\.[0-9]+\.[0-9]+[A-Za-z0-9]{0,8}")
_SECRET_WORD = re.compile(r"://[^/\s:@]*:[^/\s@]+@|^-*(pass(word|wd|phrase)?|secret|token)[=:]", re.I)


class Frozen(BaseModel):
    """A mapping in a file of ours: known keys only, never changed after it was read."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


def refuse(what: str) -> NoReturn:
    """Refuse the value being checked, in these words."""
    raise PydanticCustomError("refused", "{what}", {"what": what})


def safe_name(text: str) -> str:
    """A name that is a folder, a shell word and a spreadsheet cell without quoting."""
    if not _NAME.fullmatch(text):
        refuse(f"{shown(text)} is not {NAME_RULE}")
    return text


def user_name(text: str) -> str:
    """A login name."""
    if not _USER.fullmatch(text):
        refuse(f"{shown(text)} is not a user: letters, digits, '.', '_' and '-', and no '-' in front")
    return text


def host(text: str) -> str:
    """A host name or an IP address, and nothing that an SSH client could take for an option."""
    try:
        ipaddress.ip_address(text.partition("%")[0])
        if re.fullmatch(r"[0-9A-Za-z.:]+(%[0-9A-Za-z._-]+)?", text):
            return text
    except ValueError:
        pass
    if _HOST.fullmatch(text):
        return text
    because = ""
    if text.startswith("-"):
        because = "; a '-' in front would be read as an option"
    elif "@" in text:
        because = "; the user goes into 'user'"
    elif text.startswith("["):
        because = "; an IPv6 address stands here without brackets"
    elif ":" in text:
        because = "; the port goes into 'port'"
    refuse(f"{shown(text)} is not a host name or an IP address{because}")


def jump_host(text: str) -> str:
    """``[user@]host[:port]`` with each part checked as its own field would be."""
    user, at, rest = text.rpartition("@")
    if at:
        user_name(user)
    bracketed = re.fullmatch(r"\[([^]]*)\](?::(.*))?", rest)
    if bracketed:
        name, port = bracketed[1], bracketed[2]
    elif rest.count(":") == 1:
        name, _, port = rest.partition(":")
    else:
        name, port = rest, None
    host(name)
    if port is not None and not (re.fullmatch(r"[0-9]{1,5}", port) and 1 <= int(port) <= 65535):
        refuse(f"port {shown(port)} of {shown(text)} is not a whole number from 1 to 65535")
    return text


def path_text(text: str) -> str:
    """Any path that fits on a line and that no program takes for an option."""
    if not text:
        refuse("an empty text is not a path")
    if any(mark in text for mark in "\0\n\r"):
        refuse(f"{shown(text)} is not a path: it has a line break or a NUL in it")
    if text.startswith("-"):
        refuse(f"{shown(text)} is not a path here: a '-' in front would be read as an option; write './-…'")
    return text


def board_path(text: str) -> str:
    """A path on a board, absolute or below the user's home; nobody expands ``~`` there, so it is cut off."""
    path_text(text)
    if text == "~":
        return "."
    if text.startswith("~/"):
        rest = text[2:].lstrip("/") or "."
        return f"./{rest}" if rest.startswith(("-", "~")) else rest
    if text.startswith("~"):
        refuse(f"{shown(text)}: '~user' is not expanded on the board; write the whole path")
    return text


def version(text: str) -> str:
    """``1.2.3``, also ``1.2.1b1``."""
    if not _VERSION.fullmatch(text):
        refuse(f"{shown(text)} is not a version such as '1.2.3'")
    return text


def word(text: str) -> str:
    """One word of a command line; it is passed on as it is, so it must not carry a secret."""
    if "\0" in text:
        refuse(f"{shown(text)} has a NUL in it")
    if _SECRET_WORD.search(text):
        refuse("a secret has no place in this file; keep it where the called program finds it by itself")
    return text


def once(items: tuple[T, ...]) -> tuple[T, ...]:
    """A list that names nothing twice."""
    twice = next((item for at, item in enumerate(items) if item in items[:at]), None)
    if twice is not None:
        refuse(f"'{twice}' is in the list twice")
    return items


def at_least_one(items: tuple[T, ...]) -> tuple[T, ...]:
    """A list that names something."""
    if not items:
        refuse("an empty list says nothing; leave the key out")
    return items


def _key_file(value: object) -> object:
    if not isinstance(value, str):
        return value
    return Path(path_text(value))


Text = Annotated[str, Field(strict=True, min_length=1, max_length=500, description="a text")]
Name = Annotated[str, Field(strict=True, description=NAME_RULE), AfterValidator(safe_name)]
User = Annotated[str, Field(strict=True, description="a user name"), AfterValidator(user_name)]
Address = Annotated[str, Field(strict=True, description="a host name or an IP address"), AfterValidator(host)]
Jump = Annotated[
    str,
    Field(strict=True, description="'user@host:port', a name of the SSH config, or a board"),
    AfterValidator(jump_host),
]
BoardPath = Annotated[str, Field(strict=True, description="a path on the board"), AfterValidator(board_path)]
KeyFile = Annotated[Path, BeforeValidator(_key_file), Field(description="the path of a private key file")]
Version = Annotated[
    str, Field(strict=True, description="a version such as '1.2.3', in quotes"), AfterValidator(version)
]
Word = Annotated[
    str, Field(strict=True, description="a text (numbers go in quotes)", min_length=1), AfterValidator(word)
]
Port = Annotated[int, Field(strict=True, ge=1, le=65535, description="a whole number from 1 to 65535")]
Switch = Annotated[bool, Field(strict=True, description="true or false")]
GiB = Annotated[float, Field(strict=True, gt=0, le=4096, description="GiB, a number above 0")]
