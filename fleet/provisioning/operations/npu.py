"""Who may use the NPU without being root: a udev rule for its device nodes, and the group of those who may.

The driver shows itself as a DRM render node, as /dev/rknpu, or both, by how the kernel was built; buffers come from
/dev/dma_heap. Its debugfs stays root's: the kernel keeps others out of the folder above, and we read it by `sudo -n`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pyinfra import context
from pyinfra.api import QuoteString, StringCommand, operation
from pyinfra.operations import server

from fleet.provisioning.facts import Tells
from fleet.provisioning.operations.common import gone, text_there

RULES = "/etc/udev/rules.d/99-rkfleet-npu.rules"
_TELL_UDEV = "udevadm control --reload && udevadm trigger --subsystem-match=drm --subsystem-match=misc --subsystem-match=dma_heap"


@operation()
def access(user: str, group: str = "render", present: bool = True) -> Iterator[Any]:
    """Let ``user`` use the NPU. With ``present`` false the rule goes; memberships stay, they give nothing by themselves."""
    host = context.host
    commands = list(gone(RULES)) if not present else list(text_there(RULES, _rules(group)))
    if present:
        yield from server.group._inner(group=group, system=True)
    yield from commands
    if commands and host.get_fact(Tells, condition="command -v udevadm >/dev/null && [ -e /run/udev/control ]"):
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
