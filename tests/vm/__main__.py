"""``python -m tests.vm``: say whether test machines can run here, and build their image; ``check`` only says it."""

from __future__ import annotations

import sys

from tests.vm.image import NoMachines, image, missing


def main(words: list[str]) -> int:
    reason = missing()
    try:
        if not reason and words != ["check"]:
            print(image())
    except NoMachines as problem:
        reason = str(problem)
    if reason:
        print(reason, file=sys.stderr)
    return 1 if reason else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
