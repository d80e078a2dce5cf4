"""Debian packages, with the list of what there is brought up to date only where something is missing.

pyinfra's ``apt.packages`` either never updates that list, and fails on a fresh image, or does so on every run.
"""

from __future__ import annotations

from pyinfra import context
from pyinfra.api import operation
from pyinfra.api.exceptions import OperationError
from pyinfra.facts.deb import DebPackages
from pyinfra.operations import apt

from fleet.provisioning.facts import Tells
from fleet.provisioning.operations.common import Commands

SIMULATED = "grep -qs rkfleet,virtual /proc/device-tree/compatible /sys/firmware/devicetree/base/compatible"


@operation()
def packages(packages: list[str]) -> Commands:
    """Have these packages."""
    host = context.host
    there = host.get_fact(DebPackages)
    missing = [one for one in packages if one not in there]
    if not missing:
        return
    if host.get_fact(Tells, condition=SIMULATED):
        raise OperationError(
            f"missing: {' '.join(missing)}; a virtual board has the programs of this machine, read-only, so they are"
            " installed here and not there"
        )
    if not host.get_fact(Tells, condition="command -v apt-get >/dev/null"):
        raise OperationError(f"missing: {' '.join(missing)}; the board has no apt-get: install them its own way")
    yield from apt.update._inner()
    yield from apt.packages._inner(packages=missing, no_recommends=True)
