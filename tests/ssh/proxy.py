"""A TCP proxy that breaks on demand: freezes, drops, slows down; and a port of a board that has no power."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
from collections.abc import Iterator


class FaultProxy:
    """Forwards to one port. What it does to the bytes is changed while they flow."""

    def __init__(self, target_port: int) -> None:
        self._target_port = target_port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.connections = 0
        self._pairs: list[tuple[socket.socket, socket.socket]] = []
        self._open = threading.Event()  # cleared: not a byte passes
        self._open.set()
        self._closed = threading.Event()
        self._bytes_per_s: float | None = None
        self._freeze_at_bytes: int | None = None
        self.passed_bytes = 0
        self.frozen = threading.Event()
        threading.Thread(target=self._accept, daemon=True).start()

    def freeze(self) -> None:
        """Everything stays connected, nothing passes any more."""
        self._open.clear()
        self.frozen.set()

    def freeze_after(self, more_bytes: int) -> None:
        """Freeze once this many more have passed; ``frozen`` is set then."""
        self._freeze_at_bytes = self.passed_bytes + more_bytes

    def thaw(self) -> None:
        """Let bytes pass again."""
        self._open.set()

    def slow(self, bytes_per_s: float) -> None:
        """No more than this in either direction."""
        self._bytes_per_s = bytes_per_s

    def drop(self, *, reset: bool = True) -> None:
        """End all connections: with a reset as from a board that came back, or as if it had closed them."""
        for pair in self._pairs:
            for sock in pair:
                with contextlib.suppress(OSError):
                    if reset:
                        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                    sock.shutdown(socket.SHUT_RDWR)
                    sock.close()
        self._pairs.clear()

    def close(self) -> None:
        """End it."""
        self._closed.set()
        self._open.set()
        self._listener.close()
        self.drop()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
                board = socket.create_connection(("127.0.0.1", self._target_port))
            except OSError:
                return
            self.connections += 1
            self._pairs.append((client, board))
            for source, sink in ((client, board), (board, client)):
                threading.Thread(target=self._forward, args=(source, sink), daemon=True).start()

    def _forward(self, source: socket.socket, sink: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536 if self._bytes_per_s is None else 1024):
                self._open.wait()
                if self._bytes_per_s is not None:
                    self._closed.wait(len(data) / self._bytes_per_s)
                sink.sendall(data)
                self.passed_bytes += len(data)
                if self._freeze_at_bytes is not None and self.passed_bytes >= self._freeze_at_bytes:
                    self._freeze_at_bytes = None
                    self.freeze()
        with contextlib.suppress(OSError):
            sink.shutdown(socket.SHUT_WR)


@contextlib.contextmanager
def proxy_to(port: int) -> Iterator[FaultProxy]:
    """A proxy for the length of the block."""
    proxy = FaultProxy(port)
    try:
        yield proxy
    finally:
        proxy.close()


@contextlib.contextmanager
def port_without_power() -> Iterator[int]:
    """A port whose connection requests are never answered: the queue of waiting ones is full."""
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(socket.socket())
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        port = listener.getsockname()[1]
        for _ in range(3):
            filler = stack.enter_context(socket.socket())
            filler.setblocking(False)
            filler.connect_ex(("127.0.0.1", port))
        yield port
