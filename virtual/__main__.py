"""``python -m virtual up|down|list|power|fault|truth``: switch virtual boards on and off, let things befall them."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from virtual.config import MOMENTS, BadConfig, parse_config
from virtual.control import NotOn
from virtual.control import Refused as Declined
from virtual.lifecycle import CanNotStart, Refused, boards, down, power, tell, truth, up

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
        elif options.verb == "power":
            print(json.dumps(power(state, options.name, options.to)))
        elif options.verb == "fault":
            print(
                json.dumps(tell(state, options.name, {"verb": "fault", "fault": options.fault, "wish": _wish(options)}))
            )
        elif options.verb == "truth":
            print(json.dumps(truth(state, options.name), ensure_ascii=False))
        else:
            listed = [{"name": seen.name, "running": seen.running, **seen.facts} for seen in boards(state)]
            print(json.dumps(listed))
    except BadConfig as error:
        print(f"virtual: {error}", file=sys.stderr)
        return EXIT_USAGE
    except Refused as error:
        print(f"virtual: {error}", file=sys.stderr)
        return EXIT_CAN_NOT_ISOLATE
    except (CanNotStart, NotOn, Declined) as error:
        print(f"virtual: {error}", file=sys.stderr)
        return EXIT_FAILED
    return 0


def _wish(options: argparse.Namespace) -> dict[str, Any]:
    for_ever = options.away == "never"
    try:
        away_s = None if for_ever or options.away is None else float(options.away)
    except ValueError:
        raise BadConfig(f"--away {options.away}: a number of seconds, or never") from None
    return {
        "away_s": away_s,
        "for_ever": for_ever,
        "count": options.bytes,
        "rate": options.rate,
        "for_s": options.for_s,
        "seed": options.seed,
        "way": options.way,
        "off": options.off,
    }


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
    switch = verbs.add_parser("power", help="the socket in the wall: all at once, and the disk stays")
    switch.add_argument("name")
    switch.add_argument("to", choices=["off", "on", "cycle"])
    strike = verbs.add_parser("fault", help="let something befall a running board, now; answers when it has begun")
    strike.add_argument("name")
    strike.add_argument("fault", choices=MOMENTS)
    strike.add_argument("--away", help="reboot, power_loss: seconds until it is back, or never; default: its config's")
    strike.add_argument("--bytes", type=int, help="cut: after so many more out; corrupt: in the KiB after so many")
    strike.add_argument("--rate", type=float, help="slow: bytes a second, both ways together")
    strike.add_argument("--for", type=float, dest="for_s", help="freeze, unreachable, slow, disk_full: seconds")
    strike.add_argument("--seed", type=int, default=0, help="corrupt: which byte and which bit")
    strike.add_argument("--way", choices=["out", "in"], default="out", help="corrupt: what sessions say or get")
    strike.add_argument("--off", action="store_true", help="end a fault that lasts, or take back one that waits")
    tell_all = verbs.add_parser("truth", help="what really happened, and what is on the disk now")
    tell_all.add_argument("name")
    for verb in (start, stop, show, switch, strike, tell_all):
        verb.add_argument("--state", type=Path, default=Path(".virtual"), help="default: .virtual here")
    return parser


if __name__ == "__main__":
    raise SystemExit(main())
