"""The board's side of ``control``: answers the owner of its folder, and nobody else."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import struct
import traceback
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from virtual.control import LONGEST, NAME, Refused, short_path

_PEER = struct.Struct("3i")  # pid, uid, gid

Answer = Callable[[dict[str, Any]], Awaitable[dict[str, Any]]]


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
            except Exception as error:  # whoever asked must hear of it, and the log must have the whole of it
                traceback.print_exc()
                said = {"refused": f"it can not: {error!r}"}
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
        with short_path(folder) as here:
            sock.bind(f"{here}/{NAME}")
    finally:
        os.umask(before)
    return await asyncio.start_unix_server(client, sock=sock, limit=LONGEST)
