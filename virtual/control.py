"""How a running board is told things from outside: a socket in its folder, one JSON line there and one back.

Only the owner of the folder may connect. The path of a socket has room for 107 characters and a folder's has not, so
both sides name it through a descriptor of the folder.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import socket
import struct
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

NAME = "control"
ANSWER_S = 30.0
LONGEST = 65536
_PEER = struct.Struct("3i")  # pid, uid, gid

Answer = Callable[[dict[str, Any]], Awaitable[dict[str, Any]]]


class NotOn(Exception):
    """There is no process of that board."""


class Refused(Exception):
    """The board does not do that now; the message says why."""


async def listen(folder: Path, answer: Answer) -> asyncio.Server:
    """Answer on the board's socket; a request that raises Refused is answered with the reason."""

    async def client(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            sock = writer.get_extra_info("socket")
            _, uid, _ = _PEER.unpack(sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _PEER.size))
            if uid not in (0, os.geteuid()):
                return
            try:
                said = await answer(json.loads(await reader.readline()))
            except Refused as error:
                said = {"refused": str(error)}
            writer.write(json.dumps(said, ensure_ascii=False).encode() + b"\n")
            await writer.drain()
        except (OSError, ValueError):
            pass  # whoever asked has gone, or was none of ours
        finally:
            writer.close()

    path = folder / NAME
    path.unlink(missing_ok=True)  # of a process that was killed
    sock = socket.socket(socket.AF_UNIX)
    before = os.umask(0o077)
    try:
        with _folder(folder) as here:
            sock.bind(f"{here}/{NAME}")
    finally:
        os.umask(before)
    return await asyncio.start_unix_server(client, sock=sock, limit=LONGEST)


def ask(folder: Path, request: dict[str, Any]) -> dict[str, Any]:
    """What the board answers. Raises NotOn or Refused."""
    with socket.socket(socket.AF_UNIX) as sock:
        sock.settimeout(ANSWER_S)
        said = b""
        try:
            with _folder(folder) as here:
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
def _folder(folder: Path) -> Any:
    fd = os.open(folder, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{fd}"
    finally:
        os.close(fd)
