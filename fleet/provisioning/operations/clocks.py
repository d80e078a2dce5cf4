"""A clock profile from the start of the board on: our clock script, under a path of root's, called when it boots.

With systemd by a unit of our own; elsewhere by a block in /etc/rc.local, which most others call. What can not be pinned
on a board (a kernel without a DRAM clock) does not fail the boot nor the provisioning: the script says it, a run's
evidence records it, and a bench that wants pinned clocks pins them itself.
"""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any

from pyinfra import context
from pyinfra.api import StringCommand, operation

from fleet.provisioning.facts import SYSTEMD, Look, Seen, Text
from fleet.provisioning.operations.common import Commands, files_there, gone, text_there
from fleet.scripts import SOURCE

FOLDER = "/usr/local/lib/rkfleet"
SCRIPT = f"{FOLDER}/clocks.sh"
UNIT = "/etc/systemd/system/rkfleet-clocks.service"
RC = "/etc/rc.local"
PROFILES = ("pinned", "no_dmc")
NOT_ALL_PINNED = 1
BEGIN, END = "# rkfleet clocks: begin", "# rkfleet clocks: end"
_SOURCED = re.compile(r'^\. "[^"]*/([a-z_]+\.sh)"', re.MULTILINE)


@operation()
def at_boot(profile: str = "pinned", present: bool = True) -> Commands:
    """Pin the clocks now and at each start; with ``present`` false, not any more, and the kernel's own are back."""
    call = f"{SCRIPT} set {profile} || :"
    files = {f"{FOLDER}/{path.name}": (path.read_bytes(), "755") for path in _scripts()}
    enabled = "systemctl is-enabled --quiet rkfleet-clocks 2>/dev/null"
    conditions = [SYSTEMD, enabled, f"grep -qsxF {shlex.quote(call)} {RC}"]
    seen: Seen = context.host.get_fact(Look, paths=[*files, UNIT], conditions=conditions)
    has_systemd, is_enabled, is_called = seen.holds
    if not present:
        yield from _take_back(seen, has_systemd, tuple(files))
        return
    commands = list(files_there(files, seen.files))
    pin: StringCommand
    if has_systemd:
        unit = list(text_there(UNIT, _unit(profile), seen=seen.files))
        commands += [*unit, StringCommand("systemctl", "daemon-reload")] if unit else []
        commands += [] if is_enabled else [StringCommand("systemctl", "enable", "rkfleet-clocks")]
        pin = StringCommand("systemctl", "restart", "rkfleet-clocks")
    else:
        commands += [] if is_called else list(_rc(f"{call}\n"))
        pin = StringCommand(SCRIPT, "set", profile, _success_exit_codes=[0, NOT_ALL_PINNED])
    yield from [*commands, pin] if commands else []


def _take_back(seen: Seen, has_systemd: bool, scripts: tuple[str, ...]) -> Commands:
    if SCRIPT not in seen.files:
        return
    if has_systemd:
        yield StringCommand("systemctl disable --quiet rkfleet-clocks || :")
    # What a pin found before is not kept over it; automatic governors are what every kernel starts with.
    yield StringCommand(_AS_THE_KERNEL_STARTS)
    if has_systemd:
        yield from gone(UNIT, seen=seen.files)
        yield StringCommand("systemctl", "daemon-reload")
    else:
        yield from _rc("")
    # The script last: as long as it is there, an interrupted restore is taken up again.
    yield from gone(*(path for path in scripts if path != SCRIPT), SCRIPT, seen=seen.files)


# Minimum first: a governor that starts from the highest frequency comes down by itself.
_AS_THE_KERNEL_STARTS = r"""
root=${RK_SYSROOT:-}
for node in "$root"/sys/class/devfreq/*.npu "$root"/sys/class/devfreq/dmc; do
    [ -w "$node/governor" ] || continue
    for name in rknpu_ondemand dmc_ondemand simple_ondemand; do
        grep -qw "$name" "$node/available_governors" 2>/dev/null || continue
        echo "$name" >"$node/governor" && break
    done
done 2>/dev/null
for node in "$root"/sys/devices/system/cpu/cpufreq/policy*; do
    [ -w "$node/scaling_governor" ] || continue
    for name in schedutil ondemand interactive; do
        grep -qw "$name" "$node/scaling_available_governors" 2>/dev/null || continue
        echo "$name" >"$node/scaling_governor" && break
    done
done 2>/dev/null
for state in "$root"/sys/devices/system/cpu/cpu[0-9]*/cpuidle/state[1-9]*/disable; do
    [ ! -w "$state" ] || echo 0 >"$state"
done 2>/dev/null
:
"""


def _rc(call: str) -> Commands:
    """Our block in rc.local with this call in it, at its head: what stands there may end with ``exit 0``."""
    now = context.host.get_fact(Text, path=RC)
    own = re.compile(rf"^{BEGIN}\n.*?^{END}\n", re.MULTILINE | re.DOTALL)
    others = own.sub("", now or "")
    head, rest = re.match(r"(#!.*\n)?((?:.*\n?)*)", others).groups()  # type: ignore[union-attr]
    block = f"{BEGIN}\n{call}{END}\n" if call else ""
    if not call and not rest.strip():
        yield from gone(RC)
        return
    wanted = f"{head or '#!/bin/sh' + chr(10)}{block}{rest}"
    if now != wanted:
        yield from text_there(RC, wanted, "755")


def _unit(profile: str) -> str:
    return (
        "# rkfleet: the clocks as a benchmark wants them; `invoke provision --playbook restore` takes it away\n"
        "[Unit]\nDescription=Pin the clocks of this board (rkfleet)\n"
        "[Service]\nType=oneshot\nRemainAfterExit=yes\n"
        f"ExecStart={SCRIPT} set {profile}\nSuccessExitStatus={NOT_ALL_PINNED}\n"
        "[Install]\nWantedBy=multi-user.target\n"
    )


def _scripts() -> list[Path]:
    """The clock script and all that it sources."""
    found, todo = [], ["clocks.sh"]
    while todo:
        path = SOURCE / todo.pop()
        if path not in found:
            found.append(path)
            todo += _SOURCED.findall(path.read_text(encoding="utf-8"))
    return found


def _wrong(arguments: Any) -> str:
    profile = arguments.get("profile", PROFILES[0])
    return "" if profile in PROFILES else f"there is no profile '{profile}'; there are: {', '.join(PROFILES)}"


CHECKS = {"at_boot": _wrong}
