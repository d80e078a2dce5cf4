"""Reading logs against the least that any reader does: decode the bytes and split them into lines.

The plain loop decodes as UTF-8 with replacement, takes out NULs and terminal sequences and splits at ``\\n``,
``\\r\\n`` or ``\\r``; it finds nothing. The target is half its speed. Both read from the file, in one process and in
turns.

- *small logs*: all of ``tests/logs``, one call a file. They are shorter than real logs (0.6 kB), so what a call costs
  weighs most here.
- *one long run*: a banner, 20 MB of a model's answer, a table: few lines mean anything.
- *all logs in one*: 20 MB of ``tests/logs`` over and over: every second line means something, the worst case.
- *garbage*: 20 MB of random bytes, the plain loop's worst case too.
- with ``--big``: the peak memory of a process that reads 1 GB, of zeros (one endless line) and of random
  bytes, against the same over 1 MB; constant is at most 1.25 times.

Not shown: which numbers are found; the tests do that.
"""

from __future__ import annotations

import os
import random
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from analysis.parse import parse_stream
from benchmarks.boards import PROJECT
from benchmarks.measure import column, ratio, spent, spread, take_turns
from benchmarks.report import Row

ROUNDS = 9
LOGS = PROJECT / "tests" / "logs"
MB = 10**6
REPEATED = 10  # times that the small logs are read in a turn
CSI = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]")
END = re.compile(r"\r?\n|\r")
WORDS = "the board answers slowly: 板子 内存 带宽 a token costs 4.2 ms, so 3 cores help"


def plain(path: Path) -> int:
    """Decode and split; returns the number of lines."""
    text = path.read_bytes().decode("utf-8", "replace").replace("\0", "")
    return len(END.split(CSI.sub("", text)))


def run(rounds: int, big: bool) -> list[Row]:
    """All inputs, each with both readers in turn."""
    small = sorted(LOGS.glob("*.log"))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        rows = [_speed(f"{len(small)} small logs", small, rounds * 3, REPEATED)]
        for what, data in (
            ("one long run, 20 MB", _long_run()),
            ("all logs in one, 20 MB", b"".join(path.read_bytes() + b"\n" for path in small)),
            ("garbage, 20 MB", random.Random(0).randbytes(20 * MB)),
        ):
            path = folder / "log"
            path.write_bytes((data * (20 * MB // len(data) + 1))[: 20 * MB])
            rows.append(_speed(what, [path], rounds, 1))
            path.unlink()
        return [*rows, *(_memory(folder) if big else [])]


def _speed(what: str, paths: Sequence[Path], rounds: int, repeated: int) -> Row:
    size_mb = repeated * sum(path.stat().st_size for path in paths) / MB

    def over_all(read: Callable[[Path], object]) -> Callable[[], None]:
        def work() -> None:
            for _ in range(repeated):
                for path in paths:
                    read(path)

        return work

    ours, theirs = over_all(parse_stream), over_all(plain)
    turns = take_turns({"ours": lambda: spent(ours), "plain": lambda: spent(theirs)}, rounds)
    mine, other = ([size_mb / max(cpu_s, 1e-9) for cpu_s in column(turns[who], "cpu_s")] for who in ("ours", "plain"))
    shown = f"plain loop: {spread(other, 'MB/s', 1)}"
    return Row("parse", f"{what}, CPU", spread(mine, "MB/s", 1), shown, ratio(mine, other), 0.5, at_least=True)


def _long_run() -> bytes:
    whole = (LOGS / "text_1.2.3_full.log").read_text(encoding="utf-8")
    head, mark, tail = whole.partition("robot:")
    assert mark, "the log has no answer to make longer"
    rng = random.Random(1)
    words = WORDS.split()
    lines = [" ".join(rng.choices(words, k=rng.randint(3, 30))) for _ in range(10_000)]
    answer = "\n".join(lines).encode()
    answer *= 20 * MB // len(answer)
    return head.encode() + mark.encode() + answer + tail.encode()


def _memory(folder: Path) -> list[Row]:
    rows = []
    block = random.Random(2).randbytes(16 * MB)
    path = folder / "big"
    for what, fill in (
        ("zeros", lambda size: os.truncate(path, size)),
        ("random bytes", lambda size: _fill(path, block, size)),
    ):
        peaks = []
        for size_bytes in (MB, 1000 * MB):
            path.write_bytes(b"")
            fill(size_bytes)
            peaks.append(_peak_mib(path))
        path.unlink()
        small, large = peaks
        shown = f"1 MB: {small:.1f} MiB"
        rows.append(Row("parse", f"1 GB of {what}, peak memory", f"{large:.1f} MiB", shown, large / small, 1.25))
    return rows


def _peak_mib(path: Path) -> float:
    """Of a process of its own, as it says itself: what ``wait4`` tells begins with the memory of whoever forked it."""
    code = (
        "import sys; from pathlib import Path; from analysis.parse import parse_stream; parse_stream(sys.argv[1]);"
        "print(next(line.split()[1] for line in Path('/proc/self/status').open() if line.startswith('VmHWM')))"
    )
    argv = [sys.executable, "-c", code, str(path)]
    return int(subprocess.run(argv, cwd=PROJECT, check=True, capture_output=True, text=True).stdout) / 1024


def _fill(path: Path, block: bytes, size_bytes: int) -> None:
    with path.open("wb") as file:
        for start in range(0, size_bytes, len(block)):
            file.write(block[: size_bytes - start])
