"""A suite says what to measure, so that every night measures the same: a matrix of cells, or several, in a YAML file.

What an option of ``bench`` says wins over it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, Field, model_validator

from fleet import defaults
from fleet.cell import Ordering
from fleet.config.canary import Canary
from fleet.config.catalogue import Count
from fleet.config.fields import Frozen, Name, Text, at_least_one, once, refuse
from fleet.config.validate import validated
from fleet.config.yaml_file import read_yaml, shown
from fleet.defaults import MAX_CONTEXT_LEN, REPEATS, VISION_CORES
from fleet.gates import Limits
from fleet.run import CLOCK_PROFILES

Cores = Annotated[int, Field(strict=True, ge=1, le=3, description="1, 2 or 3")]


Context = Annotated[int, Field(strict=True, ge=32, le=2**17, description="a whole number from 32 to 131072")]
NewTokens = Annotated[int, Field(strict=True, ge=2, le=2**17, description="a whole number from 2 to 131072")]
Repeats = Annotated[int, Field(strict=True, ge=1, le=1000, description="a whole number from 1 to 1000")]


def _clocks(text: str) -> str:
    if text.replace("-", "_") not in CLOCK_PROFILES:
        refuse(f"{shown(text)} is no profile of clocks: pinned, no-dmc or as-is")
    return text


class SuiteWorkload(Frozen):
    """What is asked. ``prompts`` and ``image`` are files below the suites' folder."""

    prompts: Text | None = None
    image: Text | None = None  # of vision prompts; None is the project's own
    new_tokens: NewTokens | None = None


Celsius = Annotated[float, Field(ge=-40, le=120, description="degrees Celsius, from -40 to 120")]
Kelvin = Annotated[float, Field(ge=0, le=100, description="kelvins, from 0 to 100")]
Seconds = Annotated[float, Field(ge=0, le=86400, description="seconds, from 0 to 86400")]
BusyCores = Annotated[float, Field(ge=0, le=64, description="a number of cores, from 0 to 64")]
Whole = Annotated[int, Field(strict=True, ge=0, le=2**31, description="a whole number from 0")]


class SuiteGates(Frozen):
    """What a board has to keep to before each run: see ``fleet.gates``."""

    temperature_c: Celsius | None = None
    tolerance_k: Kelvin = defaults.GATE_TOLERANCE_K
    wait_s: Seconds = defaults.GATE_WAIT_S
    load_cores: BusyCores = defaults.BUSY_FAIL_CORES
    free_mib: Whole = defaults.GATE_FREE_MIB
    swap_pages: Whole = defaults.GATE_SWAP_PAGES

    @property
    def limits(self) -> Limits:
        return Limits(**self.model_dump())


class SuitePart(Frozen):
    """One matrix: each of these with each of those. ``clocks``: pinned, no-dmc or as-is."""

    models: Annotated[tuple[Name, ...], AfterValidator(once)] = Field(default=(), description="a list of models")
    cores: Annotated[tuple[Cores, ...], AfterValidator(once), AfterValidator(at_least_one)] = Field(
        default=(1, 2, 3), description="a list of NPU core counts"
    )
    vision_cores: Annotated[tuple[Cores, ...], AfterValidator(once), AfterValidator(at_least_one)] = Field(
        default=(VISION_CORES,), description="a list of core counts of the vision encoder"
    )
    contexts: Annotated[tuple[Context, ...], AfterValidator(once), AfterValidator(at_least_one)] = Field(
        default=(MAX_CONTEXT_LEN,), description="a list of context lengths"
    )
    workloads: Annotated[tuple[SuiteWorkload, ...], AfterValidator(at_least_one)] = Field(
        default=(SuiteWorkload(),), description="a list of workloads"
    )
    clocks: Annotated[Text, AfterValidator(_clocks)] | None = None


class Suite(SuitePart):
    """What is not said is as ``bench`` has it. ``order`` and ``seed``: see ``fleet.cell``.

    With ``parts`` it is several matrices in one campaign; what a part does not say is as the suite says.
    """

    parts: tuple[SuitePart, ...] = Field(default=(), description="a list of parts")
    repeats: Repeats | None = None
    most_repeats: Repeats | None = None  # while the repeats of a cell differ too much
    order: Ordering = Ordering.INTERLEAVED
    seed: Annotated[int, Field(strict=True, ge=0, lt=2**53)] = 0
    limit: Count | None = None  # seconds a run
    probe: Annotated[bool, Field(strict=True, description="true or false")] = False  # what may not fit runs, guarded
    gates: SuiteGates = SuiteGates()
    canary: Canary = Canary()  # of a night

    @model_validator(mode="after")
    def _most_is_not_less(self) -> Suite:
        if self.most_repeats is not None and self.most_repeats < (self.repeats or REPEATS):
            refuse(f"most_repeats {self.most_repeats} is less than repeats {self.repeats or REPEATS}")
        return self

    @property
    def matrices(self) -> tuple[SuitePart, ...]:
        """The parts, complete; the suite itself where it has none."""
        own = {key: getattr(self, key) for key in SuitePart.model_fields if key in self.model_fields_set}
        return tuple(
            SuitePart(**own | {key: getattr(part, key) for key in part.model_fields_set}) for part in self.parts
        ) or (self,)


def load_suite(path: Path) -> Suite:
    """The suite in the file at ``path``, or one ConfigError with all that is wrong with it."""
    return validated(Suite, read_yaml(path))
