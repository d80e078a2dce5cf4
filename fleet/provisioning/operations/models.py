"""The store in which `invoke push` puts model files, and runs their evidence."""

from __future__ import annotations

from pyinfra import context
from pyinfra.api import QuoteString, StringCommand, operation

from fleet.provisioning.facts import Tells
from fleet.provisioning.operations.common import Commands

FOLDERS = ("models", "sha256", "runs", "scripts")


@operation()
def store(path: str) -> Commands:
    """The folders of the store. They belong to whoever logs in, so this is never done as root for somebody else."""
    host = context.host
    paths = [f"{path}/{folder}" for folder in FOLDERS]
    quoted = StringCommand(*map(QuoteString, paths)).get_raw_value()
    if not host.get_fact(Tells, condition=f'(for d in {quoted}; do [ -d "$d" ] || exit 1; done)', _sudo=False):
        yield StringCommand("mkdir", "-p", "--", *map(QuoteString, paths), _sudo=False)
