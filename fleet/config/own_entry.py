"""One more entry in ``models.local.yaml``, as text: comments, order and every line that a person wrote stay.

The new text is read back before anybody writes it. Where the file is laid out in a way that is not added to, the entry
is shown, to be written by hand.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

from fleet.config.catalogue import Catalogue, load_catalogue
from fleet.config.yaml_file import Document, name_of, parse_yaml
from fleet.errors import ConfigError

HEADER = """\
# The team's own models and model files, beside those of models.yaml; `invoke models` shows both. A model that is known
# there is given `artifacts` only. `invoke models --add FILE` writes entries; what you change by hand stays as it is.

models:
"""


def extended(text: str, local: Path, model: str, entry: dict[str, object], catalogue: Catalogue) -> str:
    """The file's text with the entry, read back: a catalogue still, with one entry more. Raises ConfigError."""
    file = name_of(local)
    new = _with_entry(text, file, model, entry)
    document = parse_yaml(new, file)
    load_catalogue(catalogue.file).with_own(document)
    before = _models(parse_yaml(text, file)) if _says_anything(text.splitlines()) else {}
    if _count(_models(document)) != _count(before) + 1:
        raise ConfigError("the entry did not find its place; write it by hand", file=file)
    return new


def _with_entry(text: str, file: str, model: str, entry: dict[str, object]) -> str:
    """``text`` with the entry as the last artifact of its model; every other line stays as it is."""
    # JSON is YAML, and it quotes whatever a file is called.
    body = [f"{key}: {json.dumps(value, ensure_ascii=False)}" for key, value in entry.items()]
    lines = text.splitlines(keepends=True)
    if lines and not lines[-1].endswith("\n"):
        lines[-1] += "\n"
    document = parse_yaml(text, file) if _says_anything(lines) else None
    key = next((name for name in _models(document) if name.casefold() == model.casefold()), None)
    if key is None:
        start = next((at for at, line in enumerate(lines) if re.match(r"models:\s*(#.*)?$", line)), None)
        item = [f"  {json.dumps(model)}:\n", "    artifacts:\n", *_item(body, 6)]
        if start is None and "models" in (document.data if document else {}):
            raise _by_hand(file, "models", body)
        if start is None:
            head = HEADER if document is None and not lines else "models:\n"
            return "".join([*lines, head, *item])
        end = _end(lines, start, 0)
        # As far in as the entries that are there
        inner = next(
            (len(line) - len(line.lstrip()) for line in lines[start + 1 : end] if line.strip()[:1] not in "#"), 2
        )
        shift = " " * (inner - 2)
        return "".join([*lines[:end], *(shift + line for line in item), *lines[end:]])
    assert document is not None
    last = max(
        (at[3] for at in document.lines if at[:3] == ("models", key, "artifacts") and len(at) == 4), default=None
    )
    line = None if last is None else document.lines["models", key, "artifacts", last] - 1
    if line is None or not lines[line].lstrip().startswith("- "):
        raise _by_hand(file, f"models.{key}.artifacts", body)
    dash = len(lines[line]) - len(lines[line].lstrip())
    end = _end(lines, line, dash)
    return "".join([*lines[:end], *_item(body, dash), *lines[end:]])


def _item(body: list[str], dash: int) -> list[str]:
    """A list item whose '-' stands in column ``dash``."""
    return [f"{' ' * dash}{'- ' if at == 0 else '  '}{row}\n" for at, row in enumerate(body)]


def _end(lines: list[str], start: int, indent: int) -> int:
    """Behind the last line of the block that begins at ``start``; comments and blank lines after it are not its own."""
    end = start + 1
    for at in range(start + 1, len(lines)):
        row = lines[at].strip()
        if row and not row.startswith("#"):
            if len(lines[at]) - len(lines[at].lstrip()) <= indent:
                break
            end = at + 1
    return end


def _says_anything(lines: list[str]) -> bool:
    return any(line.strip() and not line.lstrip().startswith("#") for line in lines)


def _models(document: Document | None) -> dict[str, object]:
    models = document.data.get("models") if document else None
    return models if isinstance(models, dict) else {}


def _by_hand(file: str, where: str, body: list[str]) -> ConfigError:
    entry = "\n".join(row.rstrip() for row in _item(body, 6))
    return ConfigError(f"{where} is written in a way that is not added to; write by hand:\n{entry}", file=file)


def _count(models: dict[str, object]) -> int:
    return sum(len(entry.get("artifacts") or ()) for entry in models.values() if isinstance(entry, dict))
