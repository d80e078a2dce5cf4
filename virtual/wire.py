"""The wire between a board and its clients: every byte passes here, so here it can be held, slowed, counted and cut.

    client ── TCP ── Link ── a pair of sockets ── the SSH server

There is one listening port for the life of the board process. A port that is *shut* refuses and still belongs to us:
a listening socket that is shut down keeps its number. What holds the wire has a name (``freeze``, ``unreachable``),
so that two faults at once do not let go of each other's hold.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import socket
import struct
import termios
import time
from collections.abc import Callable, Coroutine
from typing import Any

PIECE = 65536
BURST_S = 0.05  # a slow wire lets no more than so many seconds' worth through at once
DRAIN_S = 1.0  # before a cut, for what has gone out to arrive at the client
DRAIN_STEP_S = 0.005
_NOT_SENT = struct.Struct("i")

Serve = Callable[[socket.socket, tuple[str, int]], Coroutine[Any, Any, None]]


class Bucket:
    """So many bytes a second, and never much more at once: at most ``rate * seconds + burst`` in any time."""

    def __init__(self, rate: float, clock: Callable[[], float] = time.monotonic) -> None:
        self.rate = rate
        self.burst = max(1, int(rate * BURST_S))
        self._clock = clock
        self._at = clock()
        self._tokens = float(self.burst)

    def room(self) -> int:
        """How many bytes may pass now."""
        now = self._clock()
        self._tokens = min(self.burst, self._tokens + (now - self._at) * self.rate)
        self._at = now
        return int(self._tokens)

    def wait_s(self, wanted: int) -> float:
        """How long until ``wanted`` bytes, or as many as ever pass at once, may pass."""
        return max(0.0, (min(wanted, self.burst) - self._tokens) / self.rate)

    def take(self, count: int) -> None:
        self._tokens -= count


class Wire:
    """One listening port and all that goes through it."""

    def __init__(self, port: int, serve: Serve) -> None:
        self._serve = serve
        self._socket = _bound(port)
        self.port: int = self._socket.getsockname()[1]
        self._open = False
        self._holds: set[str] = set()
        self._flowing = asyncio.Event()
        self._flowing.set()
        self._links: set[Link] = set()
        self._bucket: Bucket | None = None
        self._left: int | None = None  # bytes that go out to clients before the cut
        self._cut: asyncio.Task[None] | None = None
        self._when_cut: Callable[[], None] = lambda: None

    # --- the port -----------------------------------------------------------------------------------------------

    def open(self) -> None:
        """Answer from now on."""
        if not self._open:
            self._open = True
            self._socket.listen(100)
            asyncio.get_running_loop().add_reader(self._socket, self._accept)

    def shut(self) -> None:
        """Refuse from now on; connections that stand stay as they are."""
        if self._open:
            self._open = False
            asyncio.get_running_loop().remove_reader(self._socket)
            self._socket.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Give the port away."""
        self.shut()
        if self._cut is not None:
            self._cut.cancel()
        self.hang_up()
        self._socket.close()

    # --- what passes --------------------------------------------------------------------------------------------

    def hold(self, name: str) -> None:
        """No byte passes until ``let_go`` of the same name."""
        self._holds.add(name)
        self._flowing.clear()

    def let_go(self, name: str) -> None:
        self._holds.discard(name)
        if not self._holds:
            self._flowing.set()

    def limit(self, rate: float | None) -> None:
        """At most ``rate`` bytes a second in and out together; None is as fast as it goes."""
        self._bucket = None if rate is None else Bucket(rate)

    def cut_after(self, count: int | None, when_cut: Callable[[], None] = lambda: None) -> None:
        """Reset every connection when ``count`` more bytes have gone out; None takes that back."""
        self._left, self._when_cut = count, when_cut
        if count == 0:
            self._cut_now()

    async def flowing(self) -> None:
        """Until nothing holds the wire."""
        while self._holds:
            await self._flowing.wait()

    def room(self, outward: bool) -> int:
        """How many bytes may pass at this moment."""
        if self._holds:
            return 0
        room = PIECE if self._bucket is None else self._bucket.room()
        return room if self._left is None or not outward else min(room, self._left)

    async def wait(self, wanted: int) -> None:
        """Until it is worth asking again."""
        if self._holds:
            await self._flowing.wait()
        elif self._bucket is not None:
            await asyncio.sleep(min(1.0, max(0.001, self._bucket.wait_s(wanted))))
        else:
            await asyncio.sleep(0)

    def passed(self, count: int, outward: bool) -> None:
        """So many bytes have gone."""
        if self._bucket is not None:
            self._bucket.take(count)
        if outward and self._left is not None:
            self._left -= count
            if self._left <= 0:
                self._cut_now()

    # --- the connections ----------------------------------------------------------------------------------------

    @property
    def connections(self) -> int:
        return len(self._links)

    def reset(self) -> None:
        """Every connection ends at once and with an error at the client's side."""
        for link in tuple(self._links):
            link.reset()

    def hang_up(self) -> None:
        """Every connection ends as by a server that goes down in order."""
        for link in tuple(self._links):
            link.end()

    def go_dumb(self) -> None:
        """Nobody is there any more to end the connections: the clients hear nothing, until ``reset``."""
        for link in tuple(self._links):
            link.go_dumb()

    def forget(self, link: Link) -> None:
        self._links.discard(link)

    def _accept(self) -> None:
        if "freeze" in self._holds:
            asyncio.get_running_loop().remove_reader(self._socket)
            asyncio.get_running_loop().create_task(self._accept_later())
            return
        with contextlib.suppress(OSError):
            client, peer = self._socket.accept()
            client.setblocking(False)
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._links.add(Link(self, client, peer, self._serve))

    async def _accept_later(self) -> None:
        await self.flowing()
        if self._open:
            asyncio.get_running_loop().add_reader(self._socket, self._accept)

    def _cut_now(self) -> None:
        self._left = None
        self.hold("cut")
        self._cut = asyncio.get_running_loop().create_task(self._cut_when_arrived())

    async def _cut_when_arrived(self) -> None:
        """A reset throws away what the other side has not got yet, and this cut is after a number of bytes."""
        deadline = time.monotonic() + DRAIN_S
        while any(link.unsent() for link in self._links) and time.monotonic() < deadline:
            await asyncio.sleep(DRAIN_STEP_S)
        self.reset()
        self.let_go("cut")
        self._when_cut()


class Link:
    """One client's connection and the pair of sockets behind it."""

    def __init__(self, wire: Wire, client: socket.socket, peer: tuple[str, int], serve: Serve) -> None:
        self._wire = wire
        self._client = client
        self._ours, theirs = socket.socketpair()
        self._ours.setblocking(False)
        loop = asyncio.get_running_loop()
        self._server = loop.create_task(serve(theirs, peer))
        self._pumps = [loop.create_task(self._inward()), loop.create_task(self._outward())]

    def unsent(self) -> bool:
        """Has something gone out that has not arrived yet?"""
        with contextlib.suppress(OSError):
            (count,) = _NOT_SENT.unpack(fcntl.ioctl(self._client, termios.TIOCOUTQ, bytes(_NOT_SENT.size)))
            return bool(count)
        return False

    def reset(self) -> None:
        with contextlib.suppress(OSError):
            self._client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.end()

    def end(self) -> None:
        """Both sockets are closed; the server notices by the end of its own."""
        for pump in self._pumps:
            pump.cancel()
        self._wire.forget(self)
        loop = asyncio.get_running_loop()
        for sock in (self._client, self._ours):
            if sock.fileno() >= 0:
                loop.remove_reader(sock)
                loop.remove_writer(sock)
                sock.close()

    def go_dumb(self) -> None:
        if self._ours.fileno() < 0:
            return  # it is
        for pump in self._pumps:
            pump.cancel()
        loop = asyncio.get_running_loop()
        loop.remove_reader(self._ours)
        loop.remove_writer(self._ours)
        self._ours.close()
        self._pumps = [loop.create_task(self._swallow())]

    async def _inward(self) -> None:
        await self._pump(self._client, self._ours, outward=False)
        with contextlib.suppress(OSError):
            self._ours.shutdown(socket.SHUT_WR)

    async def _outward(self) -> None:
        await self._pump(self._ours, self._client, outward=True)
        self.end()

    async def _pump(self, source: socket.socket, target: socket.socket, *, outward: bool) -> None:
        loop, wire = asyncio.get_running_loop(), self._wire
        with contextlib.suppress(OSError):
            while data := memoryview(await loop.sock_recv(source, PIECE)):
                while data:
                    room = wire.room(outward)
                    if room < 1:
                        await wire.wait(len(data))
                        continue
                    try:
                        sent = target.send(data[:room])
                    except BlockingIOError:
                        await _writable(target)
                        continue
                    wire.passed(sent, outward)
                    data = data[sent:]

    async def _swallow(self) -> None:
        with contextlib.suppress(OSError):
            while await asyncio.get_running_loop().sock_recv(self._client, PIECE):
                pass
        self.end()


async def _writable(sock: socket.socket) -> None:
    loop = asyncio.get_running_loop()
    ready: asyncio.Future[None] = loop.create_future()

    def now() -> None:
        if not ready.done():
            ready.set_result(None)

    loop.add_writer(sock, now)
    try:
        await ready
    finally:
        if sock.fileno() >= 0:
            loop.remove_writer(sock)


def _bound(port: int) -> socket.socket:
    """A socket that has ``port``, or any other when that is taken, and keeps it while it does not listen."""
    for wanted in (port, 0):
        with contextlib.ExitStack() as stack:
            if wanted == 0:
                finder = stack.enter_context(_socket())
                finder.bind(("127.0.0.1", 0))
                wanted = finder.getsockname()[1]  # only a port that was asked for by number stays after a shutdown
            sock = _socket()
            try:
                sock.bind(("127.0.0.1", wanted))
                sock.setblocking(False)
                return sock
            except OSError:
                sock.close()
    raise OSError("no free port on 127.0.0.1")


def _socket() -> socket.socket:
    sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    return sock
