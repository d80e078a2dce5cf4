"""JSON that can stand in an HTML page, and links that can not leave the project.

In a ``script`` element, HTML looks for ``</script`` and ``<!--`` only; without ``<`` there is neither. All else that is
not plain ASCII is escaped as well, so no line separator, half of a character or encoding can matter.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

from analysis.text import plain

_MARKUP = {"<": "\\u003c", ">": "\\u003e", "&": "\\u0026", "\x7f": "\\u007f"}
_SPECIAL = re.compile("[<>&\x7f]")
PROJECT = ".."  # the page lies in a folder of the project


def json_for_script(value: Any) -> str:
    """``value`` for a ``script`` element of type application/json; no NaN, no Infinity."""
    text = json.dumps(value, ensure_ascii=True, allow_nan=False, separators=(",", ":"))
    return _SPECIAL.sub(lambda found: _MARKUP[found[0]], text)


def harmless(value: Any) -> Any:
    """The same data with every text in it, but for the keys, one visible line."""
    if isinstance(value, str):
        return plain(value)
    if isinstance(value, Mapping):
        return {key: harmless(one) for key, one in value.items()}
    if isinstance(value, Sequence):
        return [harmless(one) for one in value]
    return value


def link(path: str) -> str:
    """A file of the project, named relative to it, as an address relative to the page."""
    return f"{PROJECT}/{quote(path, safe='/', errors='replace')}"
