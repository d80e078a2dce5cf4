"""A run is one cell executed once on one board: one process, one directory, one outcome.

A ``RunSpec`` is all that is decided before it starts. It becomes ``spec.json``, the first file of the evidence.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

CLOCK_PROFILES = ("pinned", "no_dmc", "as_is")  # of board_scripts/clocks.sh
SAFE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,120}")


@dataclass(frozen=True)
class ArtifactSpec:
    """The model file as it lies on the board; sha256 and size are None where the run never got that far.

    ``npu_core_num`` is the catalogue's word; the banner has the last.
    """

    file: str
    sha256: str | None
    size_bytes: int | None
    npu_core_num: int
    dtype: str
    toolkit: str | None
    max_context: int | None


@dataclass(frozen=True)
class EncoderSpec:
    """The vision encoder as it lies on the board. ``resolution`` and ``image_tokens`` are the catalogue's word."""

    file: str
    sha256: str | None
    size_bytes: int | None
    dtype: str
    toolkit: str | None
    resolution: int | None
    image_tokens: int | None


@dataclass(frozen=True)
class WorkloadSpec:
    """What is asked of the model; a vision model has an image, known by its sha256."""

    prompt_set: str
    prompt_set_sha256: str
    prompt_id: str
    prompt_chars: int
    max_new_tokens: int
    max_context_len: int
    image: str | None = None
    image_sha256: str | None = None


@dataclass(frozen=True)
class RunSpec:
    """One planned run. ``prompt`` itself is evidence too: without it nobody can repeat the run.

    ``artifact`` is None where the catalogue has none. ``memory_limit_bytes`` is what it may not exceed where a board
    can see to that; None leaves that to the board. ``tripwire_bytes``: it is guarded, and killed before the board has
    less than so much available.
    """

    campaign: str
    run: str
    board: str
    simulated: bool
    model: str
    model_title: str
    kind: str
    npu_cores: int
    artifact: ArtifactSpec | None
    workload: WorkloadSpec
    prompt: str
    repeat: int
    warmup: bool
    limit_s: int
    created_utc: str
    tool: str
    clocks: str = "as_is"  # one of CLOCK_PROFILES
    memory_limit_bytes: int | None = None
    tripwire_bytes: int | None = None
    forced: tuple[str, ...] = ()  # checks that the board had failed when it was measured all the same
    vision_cores: int | None = None  # of the encoder, as the demo is told
    encoder: EncoderSpec | None = None
    gate: Mapping[str, Any] | None = None  # how it came through the gates (fleet/gates.py); None: it never got there
    schema: int = 1

    @property
    def origin(self) -> str:
        """``simulated`` or ``measured``: once simulated, simulated for ever."""
        return "simulated" if self.simulated else "measured"

    def to_json(self) -> bytes:
        """The bytes of ``spec.json``; the same spec always gives the same bytes."""
        return (
            json.dumps(asdict(self) | {"origin": self.origin}, ensure_ascii=False, indent=1, sort_keys=True) + "\n"
        ).encode()


def new_campaign_id(now: datetime, token: str) -> str:
    """An id that sorts by time; ``token`` (four hex digits) keeps two campaigns of one second apart."""
    return f"{now.astimezone(UTC):%Y%m%dT%H%M%SZ}-{token}"


def run_id(index: int, cell: str, repeat: int) -> str:
    """The name of a run's directory: sorts in the order of execution and says which cell it is."""
    return f"{index:03d}-{cell}-{'warmup' if repeat == 0 else f'r{repeat}'}"


def utc_now() -> str:
    """UTC, ISO 8601, whole seconds."""
    return f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"
