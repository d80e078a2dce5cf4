"""Limits of processes. The runtime opens many files: 1024, the usual soft limit, is not enough for version 1.0.x."""

from __future__ import annotations

from pyinfra.api import operation

from fleet.provisioning.operations.common import Commands, gone, text_there

FILE = "/etc/security/limits.d/90-rkfleet.conf"


@operation()
def nofile(value: int = 10240, present: bool = True) -> Commands:
    """So many open files for a login's processes, root's too (``*`` does not mean root)."""
    if not present:
        yield from gone(FILE)
        return
    lines = "".join(f"{who} {kind} nofile {value}\n" for who in ("*", "root") for kind in ("soft", "hard"))
    yield from text_there(FILE, f"# rkfleet: the RKLLM runtime opens many files\n{lines}")
