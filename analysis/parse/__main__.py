"""``python -m analysis.parse FILE…``: a JSON list on stdout, one object a file, in the order given.

Exit: 0 read, 2 no file given or one that can not be opened (then nothing is printed but the reason).
"""

from __future__ import annotations

import json
import sys

from analysis.parse import parse_stream


def main(paths: list[str]) -> int:
    """Print what the files say."""
    if not paths or paths[0] in ("-h", "--help"):
        sys.stderr.write("usage: python -m analysis.parse FILE…\n")
        return 0 if paths else 2
    answers = []
    for path in paths:
        try:
            answers.append({"file": path, **parse_stream(path).as_dict()})
        except OSError as problem:
            sys.stderr.write(f"{path}: {problem.strerror or problem}\n")
            return 2
    json.dump(answers, sys.stdout, ensure_ascii=False, indent=1)
    sys.stdout.write("\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
