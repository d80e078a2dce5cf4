"""What waiting before each run and interleaving are worth on boards that throttle, on the simulation of their heat.

Twenty boards of the simulation (``virtual.machine``, without processes or SSH, so that an hour passes in a second) in
warm air, where runs back to back pass the trip point and single ones do not. The same cells on each: 1 and 3 cores
of Qwen3-0.6B, a warm-up and five runs each, interleaved with the driver's own gates (``fleet.gates``), and cell by cell
without. Kept: of each board the spread of its cells' generate speeds, (most - least) / median, the widest cell; and the
time that the campaign takes. Between two runs lie 3 s, which is what the driver and loading leave.

Not shown: a real chip. That the simulated one slows down above a trip point is put in, and so is the luck of each run,
which no gate takes away; how much of the heat reaches a number under either order is what is measured.
"""

from __future__ import annotations

import statistics
from collections import defaultdict

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
AMBIENT_C = 60.0
CORES = (1, 3)
REPEATS = 5
TOKENS = 512
BETWEEN_S = 3.0
STEP_S = 0.5
ARCH = MODELS["qwen3-0.6b"]


def run(rounds: int, big: bool) -> list[Row]:
    """Each board both ways."""
    gated = [_campaign(seed, Ordering.INTERLEAVED, Limits()) for seed in range(rounds)]
    plain = [_campaign(seed, Ordering.LISTED, None) for seed in range(rounds)]

    def row(what: str, column: int, unit: str, target: float | None) -> Row:
        mine, other = ([turn[column] for turn in turns] for turns in (gated, plain))
        shown = f"cell by cell, no gates: {spread(other, unit, 1)}"
        return Row("thermal", what, spread(mine, unit, 1), shown, ratio(mine, other), target)

    return [
        row("generate speed, spread of the widest cell", 0, "%", 0.75),
        row("runs of the campaign that throttled", 1, "%", None),
        row("simulated time of the campaign", 2, "min", None),
    ]


class Simulated:
    """One board and its time."""

    def __init__(self, seed: int) -> None:
        self.name = "warm"
        self.seed = seed
        self.machine = Machine(self.name, BoardConfig(ambient_c=AMBIENT_C, seed=seed))
        for clock in (self.machine.npu, self.machine.dmc, *self.machine.cpu.values()):
            clock.write("governor", "performance")  # as a run pins them
        self.now_s = 0.0
        self.runs = 0

    def pass_(self, seconds: float) -> None:
        while seconds > 0:
            step_s = min(STEP_S, seconds)
            self.machine.advance(step_s, step_s)
            self.now_s += step_s
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


def _campaign(seed: int, ordering: Ordering, limits: Limits | None) -> tuple[float, float, float]:
    """The widest cell's spread and the share of throttled runs in percent, and the minutes it took."""
    board = Simulated(seed)
    entry = BoardEntry(name="warm", address="192.0.2.1")
    watch = GateWatch(limits or Limits(), None, lambda _why: None, board.pass_, lambda: board.now_s)

    def ask(set_point_c: float | None) -> Seen:
        return look(watch.limits, board.facts(), set_point_c, entry, campaign="heat")

    speeds: dict[int, list[float]] = defaultdict(list)
    throttled: list[bool] = []
    for number, repeat in in_order(len(CORES), range(REPEATS + 1), ordering, seed, board.name):
        if limits is not None:
            watch.pass_(ask, wait=repeat > 0)
        speed, was_held = board.measure(CORES[number])
        board.pass_(BETWEEN_S)
        if repeat > 0:
            speeds[number].append(speed)
            throttled.append(was_held)
    widest = max(100 * (max(each) - min(each)) / statistics.median(each) for each in speeds.values())
    return widest, 100 * statistics.mean(throttled), board.now_s / 60
