"""The wire of a virtual board, with an echo behind it instead of an SSH server."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest

from virtual.corruption import Corruption
from virtual.wire import Bucket, Wire

LIMIT_S = 20


async def echo(sock: socket.socket, peer: tuple[str, int]) -> None:
    reader, writer = await asyncio.open_connection(sock=sock)
    with contextlib.suppress(OSError):
        while data := await reader.read(65536):
            writer.write(data)
    writer.close()


def on_a_wire(test: Callable[[Wire], Coroutine[Any, Any, None]]) -> None:
    async def run() -> None:
        wire = Wire(0, echo)
        wire.open()
        try:
            await asyncio.wait_for(test(wire), LIMIT_S)
        finally:
            wire.close()
            await asyncio.wait_for(all_closed(before), LIMIT_S)

    async def all_closed(before: int) -> None:
        while open_files() > before + 3:  # the event loop has three
            await asyncio.sleep(0.01)

    before = open_files()
    asyncio.run(run())


def open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


async def client(wire: Wire) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    return await asyncio.open_connection("127.0.0.1", wire.port)


async def turns(count: int = 50) -> None:
    """Let everything happen that can happen at once."""
    for _ in range(count):
        await asyncio.sleep(0)


def test_a_megabyte_comes_back_as_it_was() -> None:
    async def test(wire: Wire) -> None:
        reader, writer = await client(wire)
        data = os.urandom(1_000_000)
        writer.write(data)
        assert await reader.readexactly(len(data)) == data
        writer.close()

    on_a_wire(test)


def test_a_connection_is_reset_after_exactly_so_many_bytes() -> None:
    async def test(wire: Wire) -> None:
        reader, writer = await client(wire)
        done = asyncio.Event()
        wire.cut_after(12_345, done.set)
        writer.write(bytes(100_000))
        await done.wait()
        assert len(await reader.readexactly(12_345)) == 12_345
        with pytest.raises(ConnectionResetError):
            await reader.read(1)
        again, writer = await client(wire)
        writer.write(b"once only")
        assert await again.readexactly(9) == b"once only"
        writer.close()

    on_a_wire(test)


def test_no_byte_passes_while_anything_holds_it_and_then_all_do() -> None:
    async def test(wire: Wire) -> None:
        reader, writer = await client(wire)
        wire.hold("freeze")
        wire.hold("unreachable")
        writer.write(b"late")
        answer = asyncio.ensure_future(reader.readexactly(4))
        await turns()
        wire.let_go("freeze")
        await turns()
        assert not answer.done()
        wire.let_go("unreachable")
        assert await answer == b"late"
        writer.close()

    on_a_wire(test)


def test_a_frozen_wire_accepts_nobody_until_it_goes_on() -> None:
    async def test(wire: Wire) -> None:
        wire.hold("freeze")
        reader, writer = await client(wire)  # the kernel's doing
        writer.write(b"hello")
        await turns()
        assert wire.connections == 0
        wire.let_go("freeze")
        assert await reader.readexactly(5) == b"hello"
        writer.close()

    on_a_wire(test)


def test_a_wire_without_power_is_silent_until_the_reset() -> None:
    async def test(wire: Wire) -> None:
        reader, writer = await client(wire)
        writer.write(b"a")
        await reader.readexactly(1)
        wire.shut()
        wire.go_dumb()
        wire.go_dumb()  # power is lost again before anybody was told of the first time
        writer.write(b"b")
        answer = asyncio.ensure_future(reader.read(1))
        await turns()
        assert not answer.done()
        with pytest.raises(ConnectionRefusedError):
            await client(wire)
        wire.reset()
        with pytest.raises(ConnectionResetError):
            await answer
        wire.open()
        _, again = await client(wire)
        again.close()
        writer.close()

    on_a_wire(test)


def test_a_client_that_leaves_a_silent_wire_is_forgotten() -> None:
    async def test(wire: Wire) -> None:
        reader, writer = await client(wire)
        writer.write(b"a")
        await reader.readexactly(1)
        wire.go_dumb()
        writer.close()
        while wire.connections:
            await asyncio.sleep(0.01)

    on_a_wire(test)


def test_a_shut_port_keeps_its_number() -> None:
    async def test(wire: Wire) -> None:
        port = wire.port
        for _ in range(5):
            wire.shut()
            with socket.socket() as other, pytest.raises(OSError):
                other.bind(("127.0.0.1", port))
            wire.open()
        _, writer = await client(wire)
        assert wire.port == port
        writer.close()

    on_a_wire(test)


@pytest.mark.parametrize("ending", ["end", "reset"])
def test_what_was_said_before_the_end_arrives(ending: str) -> None:
    async def test(wire: Wire) -> None:
        reader, writer = await client(wire)
        writer.write(b"last words")
        if ending == "end":
            writer.write_eof()
            assert await reader.read() == b"last words"
        else:
            await reader.readexactly(10)
            wire.reset()
            with pytest.raises(ConnectionResetError):
                await reader.read()
        writer.close()

    on_a_wire(test)


def test_a_bucket_never_gives_more_than_its_rate_and_one_burst() -> None:
    now = 0.0
    bucket = Bucket(1000, lambda: now)
    passed = 0
    for step in range(1, 2000):
        now = step * 0.0037
        room = bucket.room()
        bucket.take(room)
        passed += room
        assert passed <= 1000 * now + bucket.burst
    assert passed >= 1000 * now - bucket.burst
    now += 3600
    assert bucket.room() == bucket.burst, "what was not used is not saved up"


def test_a_slow_wire_lets_so_many_bytes_through_and_then_all() -> None:
    async def test(wire: Wire) -> None:
        reader, writer = await client(wire)
        loop = asyncio.get_running_loop()
        wire.limit(100_000)
        began = loop.time()
        writer.write(bytes(200_000))
        got = 0
        while got < 10_000:
            got += len(await reader.read(65536))
            passed_s = loop.time() - began
            assert 2 * got <= 100_000 * passed_s + 2 * 5_000, "in and out together"
        wire.limit(None)
        assert await reader.readexactly(200_000 - got)
        writer.close()

    on_a_wire(test)


@pytest.mark.parametrize("pieces", [1, 7, 1024, 5000])
@pytest.mark.parametrize("seed", range(5))
def test_one_byte_is_spoilt_once_in_the_kib_that_was_asked_for(seed: int, pieces: int) -> None:
    data = bytes(range(256)) * 20
    corruption: Corruption | None = Corruption("out", 2048, seed)
    out = b""
    hits = []
    for at in range(0, len(data), pieces):
        piece = data[at : at + pieces]
        if corruption is not None:
            piece, hit = corruption.through(piece)
            if hit is not None:
                hits.append(hit)
                corruption = None
        out += piece
    differs = [at for at, (one, other) in enumerate(zip(data, out, strict=True)) if one != other]
    assert len(differs) == len(hits) == 1
    (at,) = differs
    assert 2048 <= at < 3072
    assert hits == [{"offset": at, "was": data[at], "became": out[at]}]
    assert (data[at] ^ out[at]).bit_count() == 1
