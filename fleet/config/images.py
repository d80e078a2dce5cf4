"""The image of a vision workload: a PNG or JPEG file, known by its content.

On a board it lies in the store as model files do, under a name made of its sha256: it is verified there, and the second
run sends nothing.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path

from fleet.config.fields import NAME_RULE
from fleet.config.yaml_file import name_of, shown
from fleet.errors import ConfigError

MOST_BYTES = 32 * 2**20  # of a photograph; more is a mistake
_KINDS = ((b"\x89PNG\r\n\x1a\n", "png"), (b"\xff\xd8\xff", "jpg"))
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")


@dataclass(frozen=True)
class Image:
    """``name`` is a person's word for it, ``file`` its name on boards and in a campaign's folder."""

    name: str
    file: str
    sha256: str
    size_bytes: int
    path: Path


def load_image(path: Path) -> Image:
    """The image in the file at ``path``. Raises ConfigError."""
    try:
        with path.open("rb") as file:
            data = file.read(MOST_BYTES + 1)
    except OSError as error:
        raise ConfigError(f"can not be read: {error.strerror}", file=name_of(path)) from None
    ending = next((ending for magic, ending in _KINDS if data.startswith(magic)), None)
    if ending is None:
        raise ConfigError("is neither a PNG nor a JPEG image", file=name_of(path))
    if len(data) > MOST_BYTES:
        raise ConfigError(f"is larger than {MOST_BYTES // 2**20} MiB", file=name_of(path))
    if not _NAME.fullmatch(path.stem):
        what = f"the file's name without its ending is the image's name: {shown(path.stem)} is not {NAME_RULE}"
        raise ConfigError(what, file=name_of(path))
    sha256 = hashlib.sha256(data).hexdigest()
    return Image(path.stem, f"image-{sha256[:16]}.{ending}", sha256, len(data), path)
