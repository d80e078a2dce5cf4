"""``python -m virtual up|down|list``: switch virtual boards on and off."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from virtual.config import BadConfig, parse_config
from virtual.lifecycle import CanNotStart, Refused, boards, down, up

EXIT_FAILED = 1
EXIT_USAGE = 2
EXIT_CAN_NOT_ISOLATE = 3


def main(arguments: Sequence[str] | None = None) -> int:
    options = _parser().parse_args(arguments)
    state: Path = options.state
    try:
        if options.verb == "up":
            config = parse_config(options.config) if options.config is not None else None
            print(json.dumps(up(state, options.name, config)))
        elif options.verb == "down":
            if not options.all and options.name is None:
                raise BadConfig("a board name, or --all")
            names = [seen.name for seen in boards(state)] if options.all else [options.name]
            stopped = [name for name in names if down(state, name, wipe=options.wipe)]
            print(json.dumps({"stopped": stopped}))
        else:
            listed = [{"name": seen.name, "running": seen.running, **seen.facts} for seen in boards(state)]
            print(json.dumps(listed))
    except BadConfig as error:
        print(f"virtual: {error}", file=sys.stderr)
        return EXIT_USAGE
    except Refused as error:
        print(f"virtual: {error}", file=sys.stderr)
        return EXIT_CAN_NOT_ISOLATE
    except CanNotStart as error:
        print(f"virtual: {error}", file=sys.stderr)
        return EXIT_FAILED
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m virtual", description=__doc__)
    verbs = parser.add_subparsers(dest="verb", required=True)
    start = verbs.add_parser("up", help="switch a board on; a board that is on stays as it is")
    start.add_argument("name")
    start.add_argument("--config", help="JSON object; without it the board is what it last was, at first healthy")
    stop = verbs.add_parser("down", help="switch boards off; their disks stay")
    stop.add_argument("name", nargs="?")
    stop.add_argument("--all", action="store_true", help="every board of this state folder")
    stop.add_argument("--wipe", action="store_true", help="throw the disk, the keys and the history away too")
    show = verbs.add_parser("list", help="every board of this state folder")
    for verb in (start, stop, show):
        verb.add_argument("--state", type=Path, default=Path(".virtual"), help="default: .virtual here")
    return parser


if __name__ == "__main__":
    raise SystemExit(main())
