"""A suite says what to measure, so that every night measures the same: the options of ``bench`` in a YAML file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, Field

from fleet.config.catalogue import Count
from fleet.config.fields import Frozen, Name, Text, at_least_one, once, refuse
from fleet.config.validate import validated
from fleet.config.yaml_file import read_yaml, shown
from fleet.run import CLOCK_PROFILES

Cores = Annotated[int, Field(strict=True, ge=1, le=3, description="1, 2 or 3")]


def _clocks(text: str) -> str:
    if text.replace("-", "_") not in CLOCK_PROFILES:
        refuse(f"{shown(text)} is no profile of clocks: pinned, no-dmc or as-is")
    return text


class Suite(Frozen):
    """What is not said is as ``bench`` has it. ``prompts`` is a file below the suites' folder."""

    model: Name | None = None
    cores: Annotated[tuple[Cores, ...], AfterValidator(once), AfterValidator(at_least_one)] = Field(
        default=(1, 2, 3), description="a list of NPU core counts"
    )
    repeats: Count | None = None
    prompts: Text | None = None
    new_tokens: Count | None = None
    context: Count | None = None
    limit: Count | None = None  # seconds a run
    clocks: Annotated[Text, AfterValidator(_clocks)] | None = None  # pinned, no-dmc or as-is


def load_suite(path: Path) -> Suite:
    """The suite in the file at ``path``, or one ConfigError with all that is wrong with it."""
    return validated(Suite, read_yaml(path))
