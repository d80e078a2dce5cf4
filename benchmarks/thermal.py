"""What waiting before each run, and interleaving, are each worth on boards that throttle: the simulation of their heat.

Twenty boards of the simulation (``virtual.machine``, without processes or SSH, so that an hour passes in a second). A
warm-up and five runs of each cell of Qwen3-0.6B; between two runs lie 3 s, which is what the driver and loading leave.

gates         in warm air, where runs back to back pass the trip point and single ones do not: interleaved with the
              driver's own gates (``fleet.gates``), and cell by cell without. 1 and 3 cores; the spread of a cell's
              generate speeds, (most - least) / median, of each board's wider cell
interleaving  in air that gets warmer all the time, without gates: interleaved, and cell by cell. Two cells that are the
              same, 3 cores twice; by how much the median of one is off the other's: drift that looks like a model

Not shown: a real chip. That the simulated one slows down above a trip point is put in, and so is the luck of each run,
which nothing takes away; how much of the heat reaches a number either way is what is measured.
"""

from __future__ import annotations

import dataclasses
import statistics
from collections import defaultdict
from dataclasses import dataclass

from benchmarks.measure import ratio, spread
from benchmarks.report import Row
from fleet.cell import Ordering, in_order
from fleet.config.inventory import BoardEntry
from fleet.gate_watch import GateWatch
from fleet.gates import Limits, Seen, look
from virtual import physics
from virtual.artifacts import MODELS
from virtual.config import BoardConfig
from virtual.machine import Machine, Work

ROUNDS = 20  # boards, each both ways
WARM_C = 60.0
MORNING_C, WARMS_K_MIN = 45.0, 4.0  # the air of the second part at first, and how it goes on
CORES, TWINS = (1, 3), (3, 3)
REPEATS = 5
TOKENS = 512
BETWEEN_S = 3.0
STEP_S = 0.5
ARCH = MODELS["qwen3-0.6b"]


@dataclass(frozen=True)
class Air:
    """Around a board."""

    at_first_c: float
    warms_k_min: float = 0.0


@dataclass(frozen=True)
class Campaign:
    """What one board gave; per cent and minutes."""

    spread: float
    bias: float
    throttled: float
    minutes: float


def run(rounds: int, big: bool) -> list[Row]:
    """Each board both ways in each air."""
    warm, warming = Air(WARM_C), Air(MORNING_C, WARMS_K_MIN)
    gated = [campaign(seed, warm, CORES, Ordering.INTERLEAVED, gates=True) for seed in range(rounds)]
    plain = [campaign(seed, warm, CORES, Ordering.LISTED, gates=False) for seed in range(rounds)]
    mixed = [campaign(seed, warming, TWINS, Ordering.INTERLEAVED, gates=False) for seed in range(rounds)]
    listed = [campaign(seed, warming, TWINS, Ordering.LISTED, gates=False) for seed in range(rounds)]
    return [
        _row("generate speed, spread of the wider cell", gated, plain, "spread", "%", 0.75),
        _row("runs of the campaign that throttled", gated, plain, "throttled", "%", None),
        _row("simulated time of the campaign", gated, plain, "minutes", "min", None),
        _row("no gates: two equal cells, how far apart", mixed, listed, "bias", "%", 0.75),
        _row("no gates: spread of the wider of them", mixed, listed, "spread", "%", None),
    ]


def _row(what: str, ours: list[Campaign], theirs: list[Campaign], figure: str, unit: str, target: float | None) -> Row:
    mine, other = ([getattr(one, figure) for one in each] for each in (ours, theirs))
    way = "cell by cell" if what.startswith("no gates") else "cell by cell, no gates"
    return Row("thermal", what, spread(mine, unit, 1), f"{way}: {spread(other, unit, 1)}", ratio(mine, other), target)


class Simulated:
    """One board and its time."""

    def __init__(self, seed: int, air: Air) -> None:
        self.name = "warm"
        self.seed = seed
        self.air = air
        self.machine = Machine(self.name, BoardConfig(ambient_c=air.at_first_c, seed=seed))
        for clock in (self.machine.npu, self.machine.dmc, *self.machine.cpu.values()):
            clock.write("governor", "performance")  # as a run pins them
        self.now_s = 0.0
        self.runs = 0

    def pass_(self, seconds: float) -> None:
        while seconds > 0:
            step_s = min(STEP_S, seconds)
            self.machine.advance(step_s, step_s)
            self.now_s += step_s
            if self.air.warms_k_min:
                celsius = self.air.at_first_c + self.air.warms_k_min * self.now_s / 60
                self.machine.chip = dataclasses.replace(self.machine.chip, ambient_mc=1000 * celsius)
            seconds -= step_s

    def facts(self) -> dict[str, object]:
        zones = [{"type": zone, "temp_mc": mc} for zone, mc in self.machine.temperatures_mc().items()]
        clocks = {"cpufreq-cpu4": self.machine.cpu[4], "devfreq-npu": self.machine.npu}
        cooling = [{"type": kind, "cur_state": clock.cooling} for kind, clock in clocks.items()]
        return {"thermal": {"zones": zones, "cooling": cooling}}

    def measure(self, cores: int) -> tuple[float, bool]:
        """Tokens a second of one run, and whether a clock was held down in it."""
        self.runs += 1
        machine, pid = self.machine, self.runs
        lucky = physics.luck(machine.chip, self.name, self.seed, self.runs)
        machine.work[pid] = Work(ARCH, cores, lucky, on_npu=True)
        machine.settle()
        total_ms, unspent_s, throttled = 0.0, 0.0, False
        for depth in range(TOKENS):
            took_ms = physics.token_ms(machine.chip, ARCH, cores, depth, machine.clocks, lucky)
            total_ms += took_ms
            unspent_s += took_ms / 1000
            if unspent_s >= STEP_S:
                self.pass_(unspent_s)
                unspent_s = 0.0
                throttled = throttled or machine.cpu[4].cooling > 0
        del machine.work[pid]
        machine.settle()
        return TOKENS * 1000 / total_ms, throttled


def campaign(seed: int, air: Air, cores: tuple[int, int], ordering: Ordering, *, gates: bool) -> Campaign:
    """One board, once through all runs."""
    board = Simulated(seed, air)
    entry = BoardEntry(name="warm", address="192.0.2.1")
    watch = GateWatch(Limits(), None, lambda _why: None, board.pass_, lambda: board.now_s)

    def ask(set_point_c: float | None) -> Seen:
        return look(watch.limits, board.facts(), set_point_c, entry, campaign="heat")

    speeds: dict[int, list[float]] = defaultdict(list)
    throttled: list[bool] = []
    for number, repeat in in_order(len(cores), range(REPEATS + 1), ordering, seed, board.name):
        if gates:
            watch.pass_(ask, wait=repeat > 0)
        speed, was_held = board.measure(cores[number])
        board.pass_(BETWEEN_S)
        if repeat > 0:
            speeds[number].append(speed)
            throttled.append(was_held)
    first, second = (statistics.median(speeds[number]) for number in range(2))
    return Campaign(
        spread=max(100 * (max(each) - min(each)) / statistics.median(each) for each in speeds.values()),
        bias=100 * abs(first - second) / max(first, second),
        throttled=100 * statistics.mean(throttled),
        minutes=board.now_s / 60,
    )
