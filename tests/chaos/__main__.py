"""``python -m tests.chaos --seed 4711``, ``--seeds 0..299 --jobs 2``: let chaos befall campaigns, and judge them."""

from __future__ import annotations

import argparse
import multiprocessing
import signal
import sys
import time
import traceback
from collections import Counter
from collections.abc import Iterator, Sequence

from tests.chaos.runner import Result, Runner
from tests.chaos.scenario import scenario


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--seed", type=int, nargs="+", help="play these, and say what happened")
    what.add_argument("--seeds", help="FIRST..LAST: play these, and say what happened where a rule was broken")
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--show", action="store_true", help="say what would befall, and do nothing")
    options = parser.parse_args(arguments)
    first, _, last = (options.seeds or "").partition("..")
    seeds = options.seed or range(int(first), int(last or first) + 1)
    if options.show:
        for seed in seeds:
            print(scenario(seed))
        return 0
    began_s = time.monotonic()
    results = []
    for result in play(seeds, options.jobs):
        results.append(result)
        verdict = f"VIOLATED\n{result}" if result.violations else "ok" if options.seeds else f"ok\n{result}"
        print(f"seed {result.seed} ({result.wall_s:.1f} s): {verdict}", flush=True)
    print(summary(results, time.monotonic() - began_s))
    return 1 if any(result.violations for result in results) else 0


def play(seeds: Sequence[int], jobs: int) -> Iterator[Result]:
    """Every seed, as they are done; each job has worlds of its own, and takes the next seed when it has done one."""
    todo: multiprocessing.Queue[int | None] = multiprocessing.Queue()
    done: multiprocessing.Queue[Result | str] = multiprocessing.Queue()
    for one in [*seeds, *[None] * jobs]:
        todo.put(one)
    workers = [multiprocessing.Process(target=_job, args=(todo, done)) for _ in range(jobs)]
    for worker in workers:
        worker.start()
    try:
        for _ in seeds:
            result = done.get()
            if isinstance(result, str):
                raise RuntimeError(result)
            yield result
    finally:
        for worker in workers:
            worker.join(60 if sys.exc_info()[0] is None else 1)
            worker.terminate()


def summary(results: Sequence[Result], wall_s: float) -> str:
    """What a number of seeds gave, in a few lines."""
    broken = [result.seed for result in results if result.violations]
    fired = sum((result.fired for result in results), Counter[str]())
    outcomes = sum((result.outcomes for result in results), Counter[str]())
    return "\n".join(
        [
            f"{len(results)} seeds in {wall_s:.0f} s, {len(broken)} with violations {broken or ''}",
            "befell: " + ", ".join(f"{name} {count}" for name, count in fired.most_common()),
            "outcomes: " + ", ".join(f"{name} {count}" for name, count in outcomes.most_common()),
        ]
    )


def _job(todo: multiprocessing.Queue[int | None], done: multiprocessing.Queue[Result | str]) -> None:
    runner = Runner()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    try:
        while (seed := todo.get()) is not None:
            done.put(runner.play(seed))
    except Exception:
        done.put(f"seed {seed}:\n{traceback.format_exc()}")
    finally:
        runner.close()


if __name__ == "__main__":
    sys.exit(main())
