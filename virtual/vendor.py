"""Stand-ins for what a vendor ships for a board: the demo and the libraries of one runtime, and their sha256.

A bare board has none of them until somebody brings them there, as with a real one.

    python -m virtual.vendor FOLDER RUNTIME
"""

from __future__ import annotations

import argparse
import hashlib
from collections.abc import Sequence
from pathlib import Path

from virtual.layouts import LAYOUTS
from virtual.rootfs import DEMO, vendor_files
from virtual.whole import write_whole

NOTE = b"SIMULATED: stand-ins for virtual boards, no code of any vendor. Only a virtual board can run this demo.\n"


def write_vendor(folder: Path, runtime: str) -> None:
    """The files in ``folder``; one that is already right is left alone."""
    folder.mkdir(parents=True, exist_ok=True)
    files = vendor_files(runtime)
    sums = "".join(f"{hashlib.sha256(data).hexdigest()}  {name}\n" for name, data in sorted(files.items()))
    for name, data in {**files, "SIMULATED": NOTE, "SHA256SUMS": sums.encode()}.items():
        path = folder / name
        mode = 0o755 if name == DEMO else 0o644
        if not path.is_file() or path.read_bytes() != data:
            write_whole(path, data, mode=mode)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m virtual.vendor", description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="where the files go")
    parser.add_argument("runtime", choices=list(LAYOUTS), help="which runtime they stand in for")
    options = parser.parse_args(arguments)
    write_vendor(options.folder, options.runtime)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
