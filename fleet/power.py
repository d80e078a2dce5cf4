"""The inventory's ``power:`` commands: a board is switched off, and whatever happens then, it is switched on again.

They run on this workstation, as lists of words and without a shell, each within a limit. Their words may hold a
password of the switch, so they are in no message and no file; what they print is kept.
"""

from __future__ import annotations

import os
import signal
import subprocess
import tempfile
import threading
from collections.abc import Sequence
from dataclasses import dataclass

from fleet import defaults
from fleet.config.inventory import Power
from fleet.text import readable


@dataclass(frozen=True)
class Switched:
    """What became of one power command. ``exit_code`` None: it was not started, or it was killed at its limit."""

    key: str  # "off" or "on", as in the inventory
    exit_code: int | None
    problem: str  # of a command without an exit code
    printed: str

    @property
    def worked(self) -> bool:
        """Did the command itself say so; the switch behind it may not have moved."""
        return self.exit_code == 0

    @property
    def sentence(self) -> str:
        """For a person and for the record."""
        if self.worked:
            return f"power {self.key}"
        what = f"ended with {self.exit_code}" if self.exit_code is not None else self.problem
        said = f": {' '.join(self.printed.split())}" if self.printed else ""
        return f"power.{self.key} {what}{said}"


def cycle(
    power: Power,
    stop: threading.Event,
    *,
    off_s: float = defaults.POWER_OFF_S,
    limit_s: float = defaults.POWER_LIMIT_S,
) -> tuple[Switched, Switched]:
    """Off, a pause of ``off_s``, on. ``stop`` shortens the pause; nothing leaves a board off that was on."""
    try:
        off = switch("off", power.off, limit_s)
        stop.wait(off_s if off.worked else 0)
    finally:
        on = switch("on", power.on, limit_s)
    return off, on


def switch(key: str, argv: Sequence[str], limit_s: float) -> Switched:
    """Run one power command to its end or its limit, then nothing of it is left."""
    with tempfile.TemporaryFile() as printed:
        try:
            # A session of its own: Ctrl-C in the terminal is for us, not for a switch that is in mid-move.
            child = subprocess.Popen(
                [*argv], stdin=subprocess.DEVNULL, stdout=printed, stderr=subprocess.STDOUT, start_new_session=True
            )
        except (OSError, ValueError) as error:
            return Switched(key, None, f"can not be started: {getattr(error, 'strerror', None) or error}", "")
        problem = ""
        try:
            child.wait(limit_s)
        except subprocess.TimeoutExpired:
            problem = f"did not end within {limit_s:g} s and was killed"
        finally:
            if child.poll() is None:
                os.killpg(child.pid, signal.SIGKILL)
                child.wait()
        size = printed.seek(0, os.SEEK_END)
        printed.seek(max(0, size - defaults.POWER_PRINTED_BYTES))
        text = readable(printed.read()).strip()
    return Switched(key, None if problem else child.returncode, problem, text)
