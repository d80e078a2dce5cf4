"""The command line with less patience, so that a test of a board that stays away does not take minutes.

``python driver.py VERB …`` is ``invoke VERB …`` with other values of ``fleet.defaults``. Functions take theirs when
they are made, so this comes before anything else of ours is imported.
"""

from __future__ import annotations

import faulthandler
import signal
import sys
from pathlib import Path

PATIENCE = {
    "CONNECT_S": 5.0,
    "OPEN_S": 5.0,
    "DEAD_PEER_S": 6.0,
    "COMMAND_S": 12.0,
    "FACTS_S": 12.0,
    "PREPARE_S": 20.0,
    "HASH_S": 20.0,
    "PUSH_S": 30.0,
    "START_S": 12.0,
    "CANCEL_S": 25.0,
    "SILENCE_S": 8.0,
    "LIMIT_GRACE_S": 20.0,
    "PULL_S": 30.0,
    "AWAY_S": 5.0,
    "DROPS": 5,
    "RELEASE_S": 5.0,
    "RECOVER_WAIT_S": 4.0,
    "RECOVER_PAUSE_S": 0.3,
    "RECOVER_ASK_S": 6.0,
    "POWER_OFF_S": 0.3,
    "POWER_LIMIT_S": 15.0,
}
PROJECT = Path(__file__).resolve().parents[2]


def main() -> None:
    """What the console script ``invoke`` does."""
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})  # until the program proper is there to hear it
    sys.path.insert(0, str(PROJECT))
    faulthandler.register(signal.SIGUSR1)  # says where it hangs
    from fleet import defaults

    for name, value in PATIENCE.items():
        assert hasattr(defaults, name), f"fleet.defaults has no {name} any more"
        setattr(defaults, name, value)
    from invoke.main import program

    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    except KeyboardInterrupt:
        sys.exit(1)  # what Invoke makes of one that comes a moment later
    program.run(["invoke", "--search-root", str(PROJECT), *sys.argv[1:]])


if __name__ == "__main__":
    main()
