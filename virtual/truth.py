"""Ground truth: what really happened to a board, one JSON object a line, where nothing on the board can reach it.

Tests of the fleet driver compare what it *says* happened with this file. It is opened once for appending and
every line is one ``write``, so a board that is killed leaves whole lines.

    boot power_off              boot_id; why it went off
    fault fault_over            what befell the board, from before its first effect; end of one that lasts
    fault_refused               a configured one that could not strike then
    power                       somebody used the switch (``python -m virtual power``)
    disk                        after each power_off and at disk_full: every run folder with sizes and hashes
    corrupted                   the byte of a ``corrupt`` fault has gone by: where, was, became
    demo_started demo_ended     with ``run_dir``, of which run; in between load, turn, init_failed
    connection_opened connection_closed session setting bad_client boot_failed
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any


def events(path: Path, since: int = 0) -> list[dict[str, Any]]:
    """What the log says from that byte on; a reader may see a line while it is being written, and leaves that one."""
    if not path.exists():
        return []
    with path.open("rb") as file:
        file.seek(since)
        *whole, _being_written = file.read().split(b"\n")
    return [json.loads(line) for line in whole]


class Truth:
    """Appends events to one file for as long as the board process lives."""

    def __init__(self, path: Path, clock: Callable[[], float] = time.time) -> None:
        self._fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        self._clock = clock

    def record(self, event: str, **fields: object) -> None:
        line = json.dumps({"t_s": round(self._clock(), 3), "event": event, **fields}, ensure_ascii=False)
        os.write(self._fd, line.encode() + b"\n")

    def close(self) -> None:
        os.close(self._fd)
