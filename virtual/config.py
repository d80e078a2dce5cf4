"""What a virtual board can be told to be: one flat JSON object, checked before anything is started."""

from __future__ import annotations

import dataclasses
import json
import re
from typing import Any

from virtual.layouts import LAYOUTS

MOMENTS = (
    "reboot",
    "power_loss",
    "freeze",
    "unreachable",
    "slow",
    "cut",
    "drop",
    "corrupt",
    "disk_full",
)  # at any time
STRIKES = frozenset({"reboot", "power_loss", "freeze", "cut", "slow", "corrupt"})
FAULTS = STRIKES | {"unreachable", "driver_too_old", "oom", "hang", "drop_connection", "disk_full"}
FAULTS |= {"encoder_failed", "submit_failed", "matmul_failed", "damaged_table"}
TRAITS = frozenset(
    {
        "no_userspace",  # Radxa's kernels: no such governor
        "no_dmc",  # Armbian on a ROCK 5B+: nobody steers the DRAM, and it stays where the bootloader put it
        "lpddr5",  # an Orange Pi 5 Max
        "dmc_stuck",  # whatever its governor is told, the DRAM stays at its lowest clock
        "little_cores",  # the runtime is told to use the little ones
        "cached_prompt",  # the second time a demo is asked, most of the prompt is in a cache
        "capped",  # under load, firmware or heat takes the big cores three steps down whatever anybody asks for
        "retuned",  # in the middle of an answer a daemon that saves power takes back what was pinned
        "own_question",  # the demo was built to warm up: it asks itself one of its presets, then reads
        "no_log_level",  # a wrapper of the demo loses RKLLM_LOG_LEVEL, and there is no table
        "two_core_mask",  # librknnrt gives an encoder two cores at most, and one where it is asked for three
    }
)
MAX_DISK_MIB = 4096  # a limited disk is memory of this machine
MAX_SWAP_MIB = 65536
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,60}")  # also the board's host name, and Linux allows 64


class BadConfig(Exception):
    """A key or a value that no board can be built from; the message names it."""


@dataclasses.dataclass(frozen=True)
class BoardConfig:
    """One board's wishes; the defaults are a healthy untuned 8 GB board, twenty times faster than life."""

    time_scale: float = 20  # the demo's own sleeping is divided by this, nothing else is
    faults: tuple[str, ...] = ()
    traits: tuple[str, ...] = ()
    ram_gib: float = 8
    runtime: str = "1.2.3"
    driver: str = "0.9.8"
    seed: int = 0
    fault_times: int = 1  # how many demos the faults of STRIKES hit, counted over reboots; the next demo is spared
    away_s: float | None = 1.5  # wall time from a reboot or power loss to the next boot; null: until switched on
    disk_mib: int | None = None  # size of the home; null: as much as this machine has, and it can not be filled
    bare: bool = False  # no demo and no libraries on its disk: what a board is before it is provisioned
    ambient_c: float | None = None  # of the air around it; null: as its name has it, 23 to 30
    swap_used_mib: int = 0  # in use, of a swap twice as large
    swap_pages_s: int = 0  # pages of swap that somebody moves all the time
    memory_taken_mib: int = 0  # held by somebody else; a model that needs it ends out of memory
    background_load: float = 0  # cores that somebody else keeps busy, of eight
    idle_exit_s: float = 900  # without a connection and without a demo for so long, the board switches itself off

    def __post_init__(self) -> None:
        for key in ("time_scale", "ram_gib", "idle_exit_s"):
            value = getattr(self, key)
            if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < 1e6:
                raise BadConfig(f"{key}: {value!r} is not a number above 0")
        if not isinstance(self.bare, bool):
            raise BadConfig(f"bare: {self.bare!r} is not true or false")
        if isinstance(self.seed, bool) or not isinstance(self.seed, int):
            raise BadConfig(f"seed: {self.seed!r} is not a whole number")
        if isinstance(self.fault_times, bool) or not isinstance(self.fault_times, int) or self.fault_times < 0:
            raise BadConfig(f"fault_times: {self.fault_times!r} is not a whole number from 0")
        if self.away_s is not None and not _is_seconds(self.away_s):
            raise BadConfig(f"away_s: {self.away_s!r} is not a number of seconds, or null")
        if self.disk_mib is not None and (type(self.disk_mib) is not int or not 1 <= self.disk_mib <= MAX_DISK_MIB):
            raise BadConfig(f"disk_mib: {self.disk_mib!r} is not a whole number from 1 to {MAX_DISK_MIB}, or null")
        if self.ambient_c is not None and not (_is_number(self.ambient_c) and -40 <= self.ambient_c <= 125):
            raise BadConfig(f"ambient_c: {self.ambient_c!r} is not a number from -40 to 125, or null")
        if type(self.swap_used_mib) is not int or not 0 <= self.swap_used_mib <= MAX_SWAP_MIB:
            raise BadConfig(f"swap_used_mib: {self.swap_used_mib!r} is not a whole number from 0 to {MAX_SWAP_MIB}")
        if not (_is_number(self.background_load) and 0 <= self.background_load <= 8):
            raise BadConfig(f"background_load: {self.background_load!r} is not a number of cores from 0 to 8")
        for key in ("swap_pages_s", "memory_taken_mib"):
            if type(getattr(self, key)) is not int or not 0 <= getattr(self, key) < 10**9:
                raise BadConfig(f"{key}: {getattr(self, key)!r} is not a whole number from 0")
        for fault in self.faults:
            if fault not in FAULTS:
                raise BadConfig(f"faults: {fault!r} is unknown; there are {', '.join(sorted(FAULTS))}")
        for trait in self.traits:
            if trait not in TRAITS:
                raise BadConfig(f"traits: {trait!r} is unknown; there are {', '.join(sorted(TRAITS))}")
        if not isinstance(self.runtime, str) or self.runtime not in LAYOUTS:
            raise BadConfig(f"runtime: {self.runtime!r} is not modelled; there are {', '.join(LAYOUTS)}")
        if not isinstance(self.driver, str) or not re.fullmatch(r"\d+\.\d+\.\d+", self.driver):
            raise BadConfig(f"driver: {self.driver!r} is not a version like 0.9.8")

    @property
    def strikes(self) -> frozenset[str]:
        """The faults that wait for the middle of a demo's answer, ``fault_times`` of them."""
        return STRIKES & frozenset(self.faults)

    @property
    def driver_shown(self) -> str:
        """The driver version wherever it is read; an old one comes with the fault of the same name."""
        return LAYOUTS[self.runtime].driver_too_old if "driver_too_old" in self.faults else self.driver

    def to_json(self) -> str:
        return json.dumps(dataclasses.asdict(self), sort_keys=True)


def _is_number(value: object) -> bool:
    return not isinstance(value, bool) and isinstance(value, int | float)


def _is_seconds(value: Any) -> bool:
    return _is_number(value) and 0 <= value < 1e6


def parse_config(text: str) -> BoardConfig:
    """The board that a JSON object asks for; unknown keys are errors, because a misspelt fault never fires."""
    try:
        data = json.loads(text)
    except ValueError as error:
        raise BadConfig(f"not JSON: {error}") from error
    if not isinstance(data, dict):
        raise BadConfig("a JSON object is needed")
    known = {field.name for field in dataclasses.fields(BoardConfig)}
    for key in data:
        if key not in known:
            raise BadConfig(f"{key!r} is unknown; there are {', '.join(sorted(known))}")
    for key in data.keys() & {"faults", "traits"}:
        names = data[key]
        if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
            raise BadConfig(f"{key}: a list of names is needed")
        data[key] = tuple(sorted(set(names)))
    return BoardConfig(**data)
