"""One push by a process of its own: prints {"wall_s", "peak_mib"}; the time is that of the push alone."""

from __future__ import annotations

import json
import resource
import sys
import time
from pathlib import Path

from fleet.config.catalogue import Artifact
from fleet.deadline import Deadline
from fleet.push import place
from fleet.scripts import prepare
from fleet.ssh.connection import Board
from fleet.ssh.endpoint import Endpoint
from fleet.ssh.host_keys import HostKeys


def main(port: str, user: str, key: str, known: str, where: str, local: str, address: str = "127.0.0.1") -> None:
    """Connect, prepare the store, push."""
    endpoint = Endpoint("board", address, int(port), user, Path(key), agent=False)
    artifact = Artifact(file=Path(local).name, npu_core_num=3, dtype="W8A8", max_context=4096, origin="made here")
    with Board(endpoint, HostKeys.load(Path(known))) as board:
        store = prepare(board, where, Deadline.after(60))
        began_s = time.perf_counter()
        placed = place(board, store, artifact, Path(local), [store.models], Deadline.after(600))
        wall_s = time.perf_counter() - began_s
    assert placed.sent_bytes == placed.size_bytes == Path(local).stat().st_size
    peak_mib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"wall_s": wall_s, "peak_mib": peak_mib}))


main(*sys.argv[1:])
