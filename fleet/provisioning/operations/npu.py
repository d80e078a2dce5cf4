"""Who may use the NPU without being root: a udev rule for its device nodes, and the group of those who may.

The driver shows itself as a DRM render node, as /dev/rknpu, or both, by how the kernel was built; buffers come from
/dev/dma_heap. Its debugfs stays root's: the kernel keeps others out of the folder above, and we read it by `sudo -n`.
"""

from __future__ import annotations

from typing import Any

from pyinfra import context
from pyinfra.api import QuoteString, StringCommand, operation
from pyinfra.operations import server

from fleet.provisioning.facts import Tells
from fleet.provisioning.operations.common import Commands, gone, text_there

RULES = "/etc/udev/rules.d/99-rkfleet-npu.rules"
_SUBSYSTEMS = " ".join(f"--subsystem-match={name}" for name in ("drm", "misc", "dma_heap"))
_TELL_UDEV = f"udevadm control --reload && udevadm trigger {_SUBSYSTEMS}"


@operation()
def access(user: str, group: str = "render", present: bool = True) -> Commands:
    """Let ``user`` use the NPU. With ``present`` false the rule goes; memberships stay, alone they give nothing."""
    host = context.host
    commands: list[Any] = list(text_there(RULES, _rules(group)) if present else gone(RULES))
    if present:
        yield from server.group._inner(group=group, system=True)
    yield from commands
    udev_runs = "command -v udevadm >/dev/null && [ -e /run/udev/control ]"
    if commands and bool(host.get_fact(Tells, condition=udev_runs)):
        yield StringCommand(_TELL_UDEV)
    if present and user != "root":
        member = f"id -nG {QuoteString(user).obj} | tr ' ' '\\n' | grep -qx {group}"
        if not host.get_fact(Tells, condition=member):
            yield StringCommand("usermod", "-a", "-G", QuoteString(group), QuoteString(user))


def _rules(group: str) -> str:
    access = f'GROUP="{group}", MODE="0660"'
    return (
        "# rkfleet: the NPU for the members of one group\n"
        f'SUBSYSTEM=="drm", KERNEL=="renderD*", {access}\n'
        f'KERNEL=="rknpu*", {access}\n'
        f'SUBSYSTEM=="dma_heap", {access}\n'
    )


def _wrong(arguments: Any) -> str:
    for key in ("user", "group"):
        value = arguments.get(key)
        if value is not None and not all(one.isalnum() or one in "._-" for one in value):
            return f"{key} '{value}' is not a name"
    return ""


CHECKS = {"access": _wrong}
