"""Each board against its peers on the same cell, under the same conditions: the odd one out needs no history.

The peers of a board are all others that have the cell; its distance is from their median. How far boards of one kind
lie apart is taken from the boards themselves (1.4826 MAD), with a floor of 1 %, because three boards that happen to
agree would make a fault of every rounding. Odd is who is further off than 3.5 of these, which is the usual limit for a
modified z (Iglewicz and Hoaglin 1993), and by more than matters. Two boards can not outvote each other: three at least.
"""

from __future__ import annotations

import statistics
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from analysis.environment import Environment
from analysis.metrics import BY_NAME
from analysis.runs import Run
from analysis.tolerance import COMPARED, band, words, worse_by

LEAST_BOARDS = 3
Z_LIMIT = 3.5
FLOOR = 0.01  # boards are binned: their clocks alone differ by a percent or two (MEASURING 3.5, check 19)


@dataclass(frozen=True)
class Against:
    """One board's place among its peers in one cell and metric; stored units."""

    board: str
    value: float
    peers: float  # the median of the others
    worse_by: float  # part of ``peers``; negative is better
    z: float  # how many robust spreads
    odd: bool


@dataclass(frozen=True)
class PeerRow:
    """An ``Against`` with the cell that it is of."""

    model: str | None
    npu_cores: int | None
    workload: str
    origin: str
    metric: str
    n: int
    against: Against
    only_here: tuple[str, ...] = ()  # of an odd board: facts that none of its peers shares


def against_peers(metric: str, values: Mapping[str, float]) -> tuple[Against, ...]:
    """Every board of ``values`` (its median each); nothing of fewer than three."""
    if len(values) < LEAST_BOARDS or min(values.values()) <= 0:
        return ()
    middle = statistics.median(values.values())
    spread = 1.4826 * statistics.median(abs(value - middle) for value in values.values())
    unit = max(spread, FLOOR * middle)
    found = []
    for board, value in sorted(values.items()):
        peers = statistics.median(other for name, other in values.items() if name != board)
        worse, z = worse_by(metric, value, peers), (value - middle) / unit
        odd = abs(z) > Z_LIMIT and abs(worse) > band(metric, peers)
        found.append(Against(board, value, peers, worse, z, odd))
    return tuple(found)


def fleet_view(runs: Iterable[Run]) -> tuple[PeerRow, ...]:
    """All cells that three boards have under one condition, of the runs that count."""
    groups: defaultdict[tuple[str | None, str, str], defaultdict[str, list[Run]]] = defaultdict(
        lambda: defaultdict(list)
    )
    for run in sorted((run for run in runs if run.counts), key=lambda run: run.key):
        groups[(run.condition, run.origin, run.workload.sentence)][run.board].append(run)
    rows: list[PeerRow] = []
    for (_condition, origin, workload), boards in groups.items():
        first = next(iter(boards.values()))[0]
        facts = {board: of_board[-1].environment for board, of_board in boards.items()}
        for metric in COMPARED:
            values = {board: seen for board, some in boards.items() if (seen := _values(some, metric.name))}
            for one in against_peers(metric.name, {board: statistics.median(seen) for board, seen in values.items()}):
                alone = only_here(one.board, facts) if one.odd else ()
                n = len(values[one.board])
                rows.append(PeerRow(first.model, first.npu_cores, workload, origin, metric.name, n, one, alone))
    return tuple(sorted(rows, key=lambda row: (row.origin, row.model or "", row.npu_cores or 0, row.workload)))


def only_here(board: str, facts: Mapping[str, Environment]) -> tuple[str, ...]:
    """Facts of a board that none of the others shares, where those agree among themselves."""
    others = [dict(environment) for name, environment in facts.items() if name != board]
    found = []
    for name, value in facts[board]:
        theirs = {other.get(name) for other in others}
        if len(theirs) == 1 and (common := theirs.pop()) not in (value, None):
            found.append(f"{name} {value}, peers {common}")
    return tuple(found)


def verdict(row: PeerRow) -> str:
    """``as its peers``, or ``4.2 % slower than its peers``."""
    if not row.against.odd:
        return "as its peers"
    word = words(row.metric)[row.against.worse_by < 0]
    return f"{abs(row.against.worse_by):.1%} {word} than its peers"


def rows_of(rows: Iterable[PeerRow]) -> list[dict[str, str | int | float | None]]:
    """For a listing, in shown units."""
    listed: list[dict[str, str | int | float | None]] = []
    for row in rows:
        metric = BY_NAME[row.metric]
        listed.append(
            {
                "model": row.model,
                "cores": row.npu_cores,
                "workload": row.workload,
                "origin": row.origin,
                "metric": metric.heading,
                "board": row.against.board,
                "n": row.n,
                "median": metric.shown(row.against.value),
                "peers": metric.shown(row.against.peers),
                "off": f"{row.against.value / row.against.peers - 1:+.1%}",
                "z": round(row.against.z, 1),
                "verdict": verdict(row),
                "only here": "; ".join(row.only_here) or None,
            }
        )
    return listed


def _values(runs: Iterable[Run], metric: str) -> list[float]:
    return [value for run in runs if (value := run.believed(metric)) is not None]
