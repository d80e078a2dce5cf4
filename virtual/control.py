"""How a running board is told things from outside: a socket in its folder, one JSON line there and one back.

This is the side that asks; ``listener`` is the board's. The path of a socket has room for 107 characters and a
folder's has not, so both sides name it through a descriptor of the folder.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

NAME = "control"
ANSWER_S = 30.0
LONGEST = 65536


class NotOn(Exception):
    """There is no process of that board."""


class Refused(Exception):
    """The board does not do that now; the message says why."""


def ask(folder: Path, request: dict[str, Any]) -> dict[str, Any]:
    """What the board answers. Raises NotOn or Refused."""
    with socket.socket(socket.AF_UNIX) as sock:
        sock.settimeout(ANSWER_S)
        said = b""
        try:
            with short_path(folder) as here:
                sock.connect(f"{here}/{NAME}")
            sock.sendall(json.dumps(request).encode() + b"\n")
            while not said.endswith(b"\n"):
                piece = sock.recv(LONGEST)
                if not piece:
                    break
                said += piece
        except (FileNotFoundError, NotADirectoryError, ConnectionError):
            pass
        except TimeoutError:
            raise Refused(f"the board's process did not answer within {ANSWER_S:.0f} s") from None
    if not said:
        raise NotOn(f"{folder.name} is not on")
    answer: dict[str, Any] = json.loads(said)
    if "refused" in answer:
        raise Refused(f"{folder.name}: {answer['refused']}")
    return answer


@contextlib.contextmanager
def short_path(folder: Path) -> Iterator[str]:
    """A path of a few characters that leads to ``folder`` for as long as the context lasts."""
    fd = os.open(folder, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{fd}"
    finally:
        os.close(fd)
