"""What a suite says of its canary: the small cell that each board has to pass before the suite is measured on it."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field

from fleet import defaults
from fleet.config.fields import Frozen, Name, refuse

Band = tuple[float, float]


def _ascending(bands: dict[str, Band]) -> dict[str, Band]:
    for name, (low, high) in bands.items():
        if low > high:
            refuse(f"the band of {name} begins above its end: {low:g} to {high:g}")
    return bands


class Canary(Frozen):
    """``model`` None: the suite's first. ``band``: by metric, lowest and highest median that is good on every board;
    without one each board is held to its own history. ``returns``: nights in a row that a bad board has to pass to be
    good again; 0: only a person makes it so."""

    model: Name | None = None
    cores: Annotated[int, Field(strict=True, ge=1, le=3, description="1, 2 or 3")] | None = None
    new_tokens: Annotated[int, Field(strict=True, ge=2, le=4096, description="a whole number from 2 to 4096")] = (
        defaults.CANARY_NEW_TOKENS
    )
    repeats: Annotated[int, Field(strict=True, ge=1, le=20, description="a whole number from 1 to 20")] = (
        defaults.CANARY_REPEATS
    )
    band: Annotated[dict[Name, Band], AfterValidator(_ascending)] = Field(
        default={}, description="a mapping from a metric to its lowest and highest value: generate_tps: [11.5, 12.5]"
    )
    returns: Annotated[int, Field(strict=True, ge=0, le=30, description="a whole number from 0 to 30")] = (
        defaults.CANARY_RETURNS
    )
