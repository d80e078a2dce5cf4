"""``python -m fleet.provisioning``: one request as a JSON line on stdin, events as JSON lines on stdout.

Started by ``fleet.provision`` alone. The end of stdin is the order to stop, so a driver that was killed stops it, too.
"""

from __future__ import annotations

import json
import os
import sys
import threading
from pathlib import Path
from typing import Any

from fleet.errors import ConfigError, FleetError

PROJECT = Path(__file__).resolve().parents[2]
_lock = threading.Lock()


def tell(event: str, **about: Any) -> None:
    """One event. A driver that is gone hears nothing; the end of stdin has told us so."""
    line = json.dumps({"event": event, **about}, default=_plain)
    try:
        with _lock:
            sys.stdout.write(line + "\n")
            sys.stdout.flush()
    except OSError:
        pass


def _plain(value: object) -> object:
    if not isinstance(value, FleetError):
        raise TypeError(f"{value!r} is not part of an event")
    what = {"kind": type(value).__name__, "what": value.what, "board": value.board, "doing": value.doing}
    about = {**what, "hint": value.hint, "exit_code": int(value.exit_code)}
    return {**about, "file": value.file, "key": value.key} if isinstance(value, ConfigError) else about


def main() -> int:
    from fleet.provisioning.runner import run
    from fleet.session import Session

    request = json.loads(sys.stdin.readline())
    stop = threading.Event()

    def wait_for_the_end() -> None:
        while os.read(sys.stdin.fileno(), 1):  # unbuffered: a lock that is held here would be one at the end
            pass
        stop.set()

    threading.Thread(target=wait_for_the_end, daemon=True).start()
    try:
        run(Session.open(PROJECT), request, tell, stop)
    except ConfigError as error:
        tell("refused", error=error)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
