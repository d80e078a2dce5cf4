"""What a person says of a log made by hand: its conditions, as typed, checked for form and never for truth."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from dataclasses import dataclass
from datetime import datetime

from fleet.config.catalogue import Kind
from fleet.config.yaml_file import shown
from fleet.errors import ConfigError
from fleet.options import core_counts, whole_number

TEXT_LIMIT = 1000  # characters of one stated condition
SLUG_LIMIT = 60  # of the 121 that a folder's name may have
MOST_TOKENS = 2**20  # of a context: more is a slip of the finger
EXAMPLE = "invoke import run.log --board-model 'Orange Pi 5 Plus 8GB' --model qwen3-0.6b"

_VERSION = re.compile(r"[0-9]+\.[0-9]+\.[0-9]+[A-Za-z0-9]{0,8}")


@dataclass(frozen=True)
class Stated:
    """What the person said, None where nothing was said."""

    board_model: str
    model: str
    kind: str | None = None
    cores: int | None = None
    context: int | None = None
    new_tokens: int | None = None
    runtime: str | None = None
    driver: str | None = None
    date: str | None = None
    exit_code: int | None = None
    note: str | None = None

    @classmethod
    def typed(cls, **words: str) -> Stated:
        """From the options as they were typed, empty where left out. Raises ConfigError."""
        said = {name: _text(words.get(name, ""), _option(name)) for name in cls.__dataclass_fields__}
        for name, why in (("board_model", "which board it was made on"), ("model", "which model it is of")):
            if said[name] is None:
                raise ConfigError(f"say {why}: no log says that", key=_option(name), hint=EXAMPLE)
        return cls(
            board_model=str(said["board_model"]),
            model=str(said["model"]),
            kind=_kind(said["kind"]),
            cores=_cores(said["cores"]),
            context=_number(said["context"], "--context", 1, 2**20),
            new_tokens=_number(said["new_tokens"], "--new-tokens", 1, 2**20),
            runtime=_version(said["runtime"], "--runtime"),
            driver=_version(said["driver"], "--driver"),
            date=_date(said["date"]),
            exit_code=_number(said["exit_code"], "--exit-code", 0, 255),
            note=said["note"],
        )


def slug(text: str) -> str:
    """``text`` as the name of a folder. Two texts that differ in more than case and punctuation stay apart."""
    plain = unicodedata.normalize("NFKC", text).casefold().replace("+", " plus ")
    name = re.sub(r"[^a-z0-9.]+", "-", plain).strip("-.")
    lost = any(letter.isalnum() and not letter.isascii() for letter in plain)
    if lost or not name or len(name) > SLUG_LIMIT:
        name = f"{name[: SLUG_LIMIT - 9].strip('-.') or 'x'}-{hashlib.sha256(plain.encode()).hexdigest()[:8]}"
    return name


def _option(name: str) -> str:
    return "--" + name.replace("_", "-")


def _text(value: str, option: str) -> str | None:
    text = " ".join(value.split())
    if not text.isprintable():
        raise ConfigError("holds characters that can not be printed", key=option)
    if len(text) > TEXT_LIMIT:
        raise ConfigError(f"is longer than {TEXT_LIMIT} characters", key=option)
    return text or None


def _number(text: str | None, option: str, low: int, high: int) -> int | None:
    return None if text is None else whole_number(text, option, low, high, 0)


def _cores(text: str | None) -> int | None:
    counts = core_counts(text) if text else ()
    if len(counts) > 1:
        raise ConfigError("a log is of one NPU core count", key="--cores", hint="--cores 3")
    return counts[0] if counts else None


def _kind(text: str | None) -> str | None:
    if text is not None and text not in tuple(Kind):
        raise ConfigError(f"{shown(text)} is neither llm nor vlm", key="--kind")
    return text


def _version(text: str | None, option: str) -> str | None:
    if text is None:
        return None
    version = text.removeprefix("v")
    if not _VERSION.fullmatch(version):
        raise ConfigError(f"{shown(text)} is no version such as 1.2.3", key=option)
    return version


def _date(text: str | None) -> str | None:
    if text is not None:
        try:
            datetime.fromisoformat(text)
        except ValueError:
            what = f"{shown(text)} is no date such as 2026-03-31 or 2026-03-31T14:05:00+08:00"
            raise ConfigError(what, key="--date") from None
    return text
