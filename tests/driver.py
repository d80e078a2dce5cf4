"""The command line with another patience: a test of a board that stays away should not take minutes, and an emulated
machine on a busy workstation is slower than any board.

``python driver.py '{"CONNECT_S": 5}' VERB …`` is ``invoke VERB …`` with these values of ``fleet.defaults``. Functions
take theirs when they are made, so this comes before anything else of ours is imported.
"""

from __future__ import annotations

import faulthandler
import json
import signal
import sys
from collections.abc import Mapping
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[1]


def with_patience(patience: Mapping[str, float], *words: str) -> list[str]:
    """The argv of a verb with these values of ``fleet.defaults``."""
    return [sys.executable, __file__, json.dumps(patience), *words]


def main() -> None:
    """What the console script ``invoke`` does."""
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})  # until the program proper is there to hear it
    sys.path.insert(0, str(PROJECT))
    faulthandler.register(signal.SIGUSR1)  # says where it hangs
    from fleet import defaults

    for name, value in json.loads(sys.argv[1]).items():
        assert hasattr(defaults, name), f"fleet.defaults has no {name} any more"
        setattr(defaults, name, value)
    from invoke.main import program

    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    except KeyboardInterrupt:
        sys.exit(1)  # what Invoke makes of one that comes a moment later
    program.run(["invoke", "--search-root", str(PROJECT), *sys.argv[2:]])


if __name__ == "__main__":
    main()
