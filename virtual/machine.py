"""The hardware of one virtual board as it is right now: clocks and their governors, heat, memory.

Nothing here touches a file. Time comes in twice: ``wall_s`` is what the board's uptime counts (statistics of
clocks), ``simulated_s`` is what the demo lives through (heat), because a demo that is sped up twenty times heats
the chip twenty times as fast.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable

from virtual.artifacts import Architecture
from virtual.config import BoardConfig
from virtual.misuse import little_worth
from virtual.physics import Clocks, Luck, Silicon, bus_load, silicon

GIB = 1024**3
DEVFREQ_GOVERNORS = ("rknpu_ondemand", "dmc_ondemand", "userspace", "powersave", "performance", "simple_ondemand")
CPU_GOVERNORS = ("conservative", "ondemand", "userspace", "powersave", "performance", "schedutil")
LPDDR5_HZ = (534_000_000, 1_320_000_000, 1_968_000_000, 2_400_000_000)
DMC_HZ = (528_000_000, 1_068_000_000, 1_560_000_000, 2_112_000_000)
STEPPED_HZ = tuple(range(300_000_000, 1_000_000_001, 100_000_000))
LITTLE_HZ = tuple(mhz * 1_000_000 for mhz in (408, 600, 816, 1008, 1200, 1416, 1608, 1800))
BIG_HZ = (*LITTLE_HZ, 2_016_000_000, 2_208_000_000)
ZONES = ("soc", "bigcore0", "bigcore1", "littlecore", "center", "gpu", "npu")
CAPPED_STEPS = 3
TRIP_MC = 85_000  # passive cooling starts
RELEASE_MC = 81_000
IDLE_WATT = 1.9
COMPANY_WATT = 0.6  # a core that somebody else keeps busy
WARM_MC = 500  # above where it would be at rest: it still cools visibly


@dataclasses.dataclass
class Clock:
    """One clock domain with its governor; what a person may write to it is checked as the kernel would."""

    available_hz: tuple[int, ...]
    governors: tuple[str, ...]
    governor: str
    min_hz: int
    max_hz: int
    cur_hz: int
    wanted_hz: int  # by the userspace governor
    spent_ms: dict[int, float]
    moves: dict[tuple[int, int], int]
    cooling: int = 0  # steps taken off the top against heat

    @classmethod
    def fresh(cls, available_hz: Iterable[int], governors: tuple[str, ...], governor: str, cur_hz: int) -> Clock:
        steps = tuple(available_hz)
        spent = dict.fromkeys(steps, 0.0)
        return cls(steps, governors, governor, steps[0], steps[-1], cur_hz, steps[-1], spent, {})

    @property
    def top_hz(self) -> int:
        """The highest step that both the limit and the heat allow."""
        allowed = [hz for hz in self.available_hz if hz <= self.max_hz] or [self.available_hz[0]]
        return allowed[max(0, len(allowed) - 1 - self.cooling)]

    @property
    def bottom_hz(self) -> int:
        return min([hz for hz in self.available_hz if hz >= self.min_hz] or [self.available_hz[-1]])

    def settle(self, on_demand_hz: int) -> None:
        """Go to where the governor wants to be; ``on_demand_hz`` is where a demand-driven one would be."""
        fixed = {"performance": self.top_hz, "powersave": self.bottom_hz, "userspace": self.wanted_hz}
        wish = min(max(fixed.get(self.governor, on_demand_hz), self.bottom_hz), self.top_hz)
        target = min((hz for hz in self.available_hz if hz >= wish), default=self.top_hz)
        if target != self.cur_hz:
            self.moves[self.cur_hz, target] = self.moves.get((self.cur_hz, target), 0) + 1
            self.cur_hz = target

    def shown(self, what: str) -> str:
        """What the file for ``what`` is about, as it is now."""
        return str({"governor": self.governor, "min": self.min_hz, "max": self.max_hz, "wanted": self.wanted_hz}[what])

    def write(self, what: str, text: str) -> bool:
        """What a person wrote into one of the files; False is the kernel's EINVAL."""
        word = text.strip()
        if what == "governor":
            if word not in self.governors:
                return False
            self.governor = word
            return True
        if not word.isdigit():
            return False
        hz = int(word)
        if what == "min":
            self.min_hz = min(max(hz, self.available_hz[0]), self.max_hz)
        elif what == "max":
            self.max_hz = max(min(hz, self.available_hz[-1]), self.min_hz)
        elif what == "wanted":
            self.wanted_hz = hz
        return True


@dataclasses.dataclass
class IdleState:
    """A sleep of one processor that costs time to wake up from; it may be forbidden."""

    disabled: bool = False

    def shown(self, _what: str) -> str:
        return str(int(self.disabled))

    def write(self, _what: str, text: str) -> bool:
        """False is the kernel's EINVAL."""
        if text.strip() not in ("0", "1"):
            return False
        self.disabled = text.strip() == "1"
        return True


@dataclasses.dataclass(frozen=True)
class Work:
    """What a demo keeps the hardware busy with; loading is work for the processor only."""

    arch: Architecture
    cores: int
    lucky: Luck
    on_npu: bool


class Machine:
    """One board's hardware; owned by the board process, advanced by its clock."""

    def __init__(self, name: str, config: BoardConfig) -> None:
        self.chip: Silicon = silicon(name, config.seed)
        if config.ambient_c is not None:
            self.chip = dataclasses.replace(self.chip, ambient_mc=config.ambient_c * 1000)
        chip = self.chip
        traits = frozenset(config.traits)
        without = {"userspace"} if "no_userspace" in traits else set()
        devfreq = tuple(name for name in DEVFREQ_GOVERNORS if name not in without)
        cpufreq = tuple(name for name in CPU_GOVERNORS if name not in without)
        dram_hz = LPDDR5_HZ if "lpddr5" in traits else DMC_HZ
        self.capped = "capped" in traits
        self.little_worth = little_worth(name, config.seed) if "little_cores" in traits else None
        self.dmc_stuck = "dmc_stuck" in traits
        self.company_cores = config.background_load
        self.swap_pages_s = config.swap_pages_s
        self.swapped_pages = 0.0
        self.lived_s = 0.0  # with company; the processors' ticks are counted from it
        self.has_dmc = "no_dmc" not in traits
        self.npu = Clock.fresh(STEPPED_HZ, devfreq, "rknpu_ondemand", STEPPED_HZ[-1])
        self.dmc = Clock.fresh(dram_hz, devfreq, "dmc_ondemand" if self.has_dmc else "performance", dram_hz[0])
        self.gpu = Clock.fresh(STEPPED_HZ, devfreq, "simple_ondemand", STEPPED_HZ[0])
        self.cpu = {
            0: Clock.fresh(LITTLE_HZ, cpufreq, "ondemand", LITTLE_HZ[0]),
            4: Clock.fresh(_steps_to(chip.big0_max_hz), cpufreq, "ondemand", LITTLE_HZ[0]),
            6: Clock.fresh(_steps_to(chip.big1_max_hz), cpufreq, "ondemand", LITTLE_HZ[0]),
        }
        self.idle = {cpu: IdleState() for cpu in range(8)}
        self.total_bytes = int(config.ram_gib * GIB * 0.9685) // 4096 * 4096  # the firmware keeps the rest
        self.base_bytes = int(0.043 * GIB * config.ram_gib**0.5) + 190 * 1024 * 1024  # a server image at rest
        self.base_bytes += config.memory_taken_mib * 1024 * 1024
        self.cached_bytes = 310 * 1024 * 1024
        self.swap_used_bytes = config.swap_used_mib * 1024 * 1024
        self.soc_mc = chip.ambient_mc + chip.kelvin_per_watt * IDLE_WATT * 1000 + 1500
        self.work: dict[int, Work] = {}  # by pid
        self.taken_bytes: dict[int, float] = {}  # by pid
        self.load1 = 0.04
        self.settle()

    @property
    def available_bytes(self) -> int:
        return max(0, int(self.total_bytes - self.base_bytes - sum(self.taken_bytes.values())))

    @property
    def clocks(self) -> Clocks:
        big_hz = (self.cpu[4].cur_hz + self.cpu[6].cur_hz) // 2
        if self.little_worth is not None:
            big_hz = int(self.cpu[0].cur_hz * self.little_worth)
        return Clocks(self.npu.cur_hz, self.dmc.cur_hz, big_hz, self.soc_mc, self.company_cores)

    @property
    def on_npu(self) -> bool:
        return any(work.on_npu for work in self.work.values())

    def settle(self) -> None:
        """Every governor looks at the load and decides; called when the load or a setting has changed."""
        busy = bool(self.work)
        share = self.chip.ondemand_share
        self.cpu[0].settle(1_008_000_000 if busy else LITTLE_HZ[0])
        for policy in (4, 6):
            clock = self.cpu[policy]
            if self.capped:
                clock.cooling = CAPPED_STEPS if self.on_npu else 0
            clock.settle(int(clock.available_hz[-1] * share) if busy else LITTLE_HZ[1])
        self.npu.settle(STEPPED_HZ[-1])  # vendor images leave it at the top, idle or not
        self.gpu.settle(STEPPED_HZ[0])
        if not self.dmc_stuck:
            self.dmc.settle(self._dmc_on_demand_hz())

    def retune(self) -> None:
        """What a daemon for balanced power does: governors that follow the load, and every sleep allowed."""
        self.dmc.governor, self.dmc.min_hz = "dmc_ondemand", self.dmc.available_hz[0]
        for clock in self.cpu.values():
            clock.governor, clock.min_hz = "ondemand", clock.available_hz[0]
        for state in self.idle.values():
            state.disabled = False
        self.settle()

    def advance(self, wall_s: float, simulated_s: float) -> None:
        """Let time pass with the load as it is."""
        for clock in (self.npu, self.dmc, self.gpu, *self.cpu.values()):
            clock.spent_ms[clock.cur_hz] += wall_s * 1000
        self.soc_mc += (self._target_mc() - self.soc_mc) * (1 - math.exp(-simulated_s / self.chip.thermal_tau_s))
        self._cool()
        self.swapped_pages += wall_s * self.swap_pages_s
        self.lived_s += wall_s if self.company_cores else 0.0
        fade = math.exp(-wall_s / 60)
        self.load1 = self.load1 * fade + (0.04 + self.company_cores + 3.2 * len(self.work)) * (1 - fade)
        self.settle()

    @property
    def is_warm(self) -> bool:
        """Is it above where it would be at rest, so that a look a moment later shows another temperature."""
        return self.soc_mc > self._target_mc() + WARM_MC

    def temperatures_mc(self) -> dict[str, int]:
        """Every sensor, each with its own offset from the middle of the chip."""
        warm = 1500 if self.work else 0
        offsets = (0, 700 + warm, 900 + warm, 200, -300, -500, 100 + warm)
        return {zone: int(self.soc_mc + offset) // 100 * 100 for zone, offset in zip(ZONES, offsets, strict=True)}

    def _dmc_on_demand_hz(self) -> int:
        jobs = [work for work in self.work.values() if work.on_npu]
        steps_hz = self.dmc.available_hz
        if not jobs:
            return steps_hz[1] if self.work else steps_hz[0]
        for hz in steps_hz:
            at = dataclasses.replace(self.clocks, dmc_hz=hz)
            load = sum(bus_load(self.chip, job.arch, job.cores, at, job.lucky) for job in jobs)
            if load <= self.chip.dmc_up_threshold:
                return hz
        return steps_hz[-1]

    def _target_mc(self) -> float:
        """Where the heat of now would lead to in the end."""
        return self.chip.ambient_mc + self.chip.kelvin_per_watt * self._watt() * 1000

    def _watt(self) -> float:
        """A rough sum of idle, processor, memory and NPU."""
        if not self.work:
            return IDLE_WATT + COMPANY_WATT * self.company_cores + 0.3 * self.dmc.cur_hz / self.dmc.available_hz[-1]
        cores = max((work.cores for work in self.work.values() if work.on_npu), default=0)
        big_watt = 2.6 * float((self.clocks.big_hz / 2.3e9) ** 2.2)
        memory = 1.6 * self.dmc.cur_hz / self.dmc.available_hz[-1]
        npu_watt = 1.1 * cores * float((self.npu.cur_hz / 1e9) ** 1.5)
        return IDLE_WATT + COMPANY_WATT * self.company_cores + big_watt + memory + npu_watt

    def _cool(self) -> None:
        if self.capped:
            return
        for clock in (self.cpu[4], self.cpu[6], self.npu):
            if self.soc_mc > TRIP_MC and clock.cooling < len(clock.available_hz) - 1:
                clock.cooling += 1
            elif self.soc_mc < RELEASE_MC and clock.cooling > 0:
                clock.cooling -= 1


def _steps_to(top_hz: int) -> tuple[int, ...]:
    return (*(hz for hz in BIG_HZ if hz < top_hz), top_hz)
