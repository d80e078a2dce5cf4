"""``python -m benchmarks [NAME…] [--rounds N] [--big] [--json]``: the table on stdout, progress on stderr.

Exit: 0 all measured, 1 a target was missed, 2 usage or something that is needed is not there.
"""

from __future__ import annotations

import argparse
import importlib
import sys
import time

from benchmarks.measure import Failed
from benchmarks.report import Row, as_json, markdown

# In the order of the table. Each module has ROUNDS and ``run(rounds, big) -> list[Row]``.
BENCHMARKS = {
    "facts": "benchmarks.facts",
    "run_overhead": "benchmarks.run_overhead",
    "sampler": "benchmarks.sampler",
    "list": "benchmarks.list_verbs",
    "dead_board": "benchmarks.dead_board",
    "push": "benchmarks.push",
    "provision": "benchmarks.provision",
    "parse": "benchmarks.parse",
    "analysis": "benchmarks.analysis",
    "virtual": "benchmarks.virtual_boards",
    "thermal": "benchmarks.thermal",
    "html": "benchmarks.html",
    "nights": "benchmarks.nightly_rules",
    "explain": "benchmarks.explain",
}


def main() -> int:
    """Run what was asked for; a benchmark that can not run here does not stop the others."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("name", nargs="*", help=f"which; default all: {', '.join(BENCHMARKS)}")
    parser.add_argument("--rounds", type=int, default=0, help="of each benchmark, instead of its own number")
    parser.add_argument("--big", action="store_true", help="also a log of 1 GB (parse), 100,000 runs (analysis)")
    parser.add_argument("--json", action="store_true", help="JSON instead of the table")
    options = parser.parse_args()
    unknown = [name for name in options.name if name not in BENCHMARKS]
    if unknown or options.rounds < 0:
        parser.error(f"there is no {', '.join(unknown)}; there are {', '.join(BENCHMARKS)}")
    rows: list[Row] = []
    skipped = False
    for name in options.name or BENCHMARKS:
        began_s = time.monotonic()
        module = importlib.import_module(BENCHMARKS[name])
        try:
            rows += module.run(options.rounds or module.ROUNDS, options.big)
        except Failed as problem:
            skipped = True
            print(f"{name}: {problem}", file=sys.stderr)
        print(f"{name}: {time.monotonic() - began_s:.0f} s", file=sys.stderr)
    print(as_json(rows) if options.json else markdown(rows))
    return 2 if skipped else int(any(row.met is False for row in rows))


if __name__ == "__main__":
    sys.exit(main())
