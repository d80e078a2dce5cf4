"""What a report is made from: everything that was claimed, and the plain data of catalogue, boards and runs beside it.

Pure data; who reads the files and the catalogue is elsewhere. ``analysis`` knows no inventory: a board is a name with
the facts that its newest evidence has.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

from analysis.architecture import Architecture
from analysis.claims import Claim
from analysis.references import Reference
from analysis.runs import Run

MEMORY = "peak_memory_bytes"  # what claims call the memory of a cell
VISION, TEXT = "vlm", "llm"


@dataclass(frozen=True)
class ArtifactEntry:
    """One model file of the catalogue that a real board would load."""

    file: str
    npu_cores: int | None  # None: a vision encoder
    dtype: str
    max_context: int | None = None
    here: bool = False  # on this workstation


@dataclass(frozen=True)
class ModelEntry:
    """One model of the catalogue."""

    name: str
    title: str
    kind: str
    parameters: int | None = None
    active_parameters: int | None = None
    since: str | None = None  # the first runtime that runs it
    support: str = ""  # where that is said, or why it is not known
    dtype: str = "W8A8"
    architecture: Architecture | None = None
    artifacts: tuple[ArtifactEntry, ...] = ()
    instead_of: Mapping[str, str] = field(default_factory=dict)

    @property
    def sees(self) -> bool:
        """Does it take an image."""
        return self.kind == VISION


@dataclass(frozen=True)
class BoardClass:
    """The board that the report is about where no board is named: what 8 GB boards have in common."""

    total_bytes: float
    available_bytes: float  # when idle
    reserve_bytes: float
    runtime: str
    driver: str
    context: int  # max_context_len that memory is judged at
    npu_cores: int = 3


@dataclass(frozen=True)
class BoardFacts:
    """What a board said of itself, in its newest evidence."""

    name: str
    simulated: bool
    model: str | None = None
    total_bytes: int | None = None
    available_bytes: int | None = None
    os: str | None = None
    kernel: str | None = None
    machine: str | None = None
    runtime: str | None = None
    driver: str | None = None
    dram_top_hz: int | None = None
    seen: str | None = None  # campaign


@dataclass(frozen=True)
class Given:
    """All of it. ``date`` is printed as it is; no clock is read here."""

    claims: tuple[Claim, ...]
    models: tuple[ModelEntry, ...]
    board_class: BoardClass
    boards: tuple[BoardFacts, ...] = ()
    runs: tuple[Run, ...] = ()
    references: tuple[Reference, ...] = ()
    date: str = ""
    version: str = ""

    def model(self, name: str) -> ModelEntry | None:
        """The catalogue's entry of this name."""
        return next((one for one in self.models if one.name == name), None)

    @cached_property
    def claimed(self) -> Mapping[tuple[str, int | None, str, str | None], tuple[Claim, ...]]:
        """The claims by model, cores, metric and board."""
        found: defaultdict[tuple[str, int | None, str, str | None], list[Claim]] = defaultdict(list)
        for claim in self.claims:
            subject = claim.subject
            found[subject.model, subject.npu_cores, subject.metric, subject.board].append(claim)
        return {key: tuple(claims) for key, claims in found.items()}

    @cached_property
    def virtual(self) -> frozenset[str]:
        """Boards that exist as software only."""
        simulated = {run.board for run in self.runs if run.simulated}
        return frozenset(simulated | {board.name for board in self.boards if board.simulated})
