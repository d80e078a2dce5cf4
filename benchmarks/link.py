"""A link of a given rate on this machine: a network namespace behind a pair of virtual cards with a token bucket on it.

Whatever is started ``inside`` sends through it to ``here``. The bucket counts whole Ethernet frames, as a cable would,
but for the 20 bytes that a cable needs between two of them.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from benchmarks.measure import Failed

PLAIN_BYTES = 256 * 2**20
SEND = """
import socket, sys
with socket.create_connection((sys.argv[1], int(sys.argv[2]))) as peer:
    block = bytes(2**20)
    for _ in range(int(sys.argv[3]) // len(block)):
        peer.sendall(block)
    peer.shutdown(socket.SHUT_WR)
    peer.recv(1)
"""


@dataclass(frozen=True)
class Cable:
    """``here`` is this end's address."""

    namespace: str
    here: str

    def inside(self, argv: Sequence[str]) -> list[str]:
        """The words that run ``argv`` at the other end."""
        return ["ip", "netns", "exec", self.namespace, *argv]

    def plain_mb_s(self) -> float:
        """What one TCP stream gets through, with nothing done to its bytes."""
        with socket.create_server((self.here, 0)) as listener:

            def swallow() -> None:
                peer, _ = listener.accept()
                with peer:
                    while peer.recv(2**20):
                        pass
                    peer.sendall(b".")

            thread = threading.Thread(target=swallow)
            thread.start()
            began_s = time.perf_counter()
            words = [self.here, str(listener.getsockname()[1]), str(PLAIN_BYTES)]
            subprocess.run(self.inside([sys.executable, "-c", SEND, *words]), check=True)
            thread.join()
            return PLAIN_BYTES / 1e6 / (time.perf_counter() - began_s)


@contextlib.contextmanager
def cable(mbit: int = 1000) -> Iterator[Cable]:
    """A link of this rate for the length of the block. Raises Failed where none can be made."""
    if os.getuid() != 0 or not all(map(shutil.which, ("ip", "tc"))):
        raise Failed("not measured: a limited link needs root and iproute2")
    name = f"rk{os.getpid() % 100000}"
    net = f"10.{77 + os.getpid() % 100}.{os.getpid() // 100 % 250}"
    limit = f"root tbf rate {mbit}mbit burst 128kb latency 50ms"
    try:
        for line in (
            f"ip netns add {name}",
            f"ip link add {name}a type veth peer name {name}b netns {name}",
            f"ip addr add {net}.1/24 dev {name}a",
            f"ip link set {name}a up",
            f"ip -n {name} addr add {net}.2/24 dev {name}b",
            f"ip -n {name} link set {name}b up",
            f"tc qdisc add dev {name}a {limit}",
            f"ip netns exec {name} tc qdisc add dev {name}b {limit}",
        ):
            done = subprocess.run(line.split(), capture_output=True, text=True, check=False)
            if done.returncode != 0:
                raise Failed(f"not measured: {line}: {done.stderr.strip()}")
        yield Cable(name, f"{net}.1")
    finally:
        subprocess.run(["ip", "link", "del", f"{name}a"], capture_output=True, check=False)
        subprocess.run(["ip", "netns", "del", name], capture_output=True, check=False)
