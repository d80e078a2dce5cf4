"""What a campaign will do, decided before the first connection: a pure function of what was asked.

One process a repeat; the first of each cell is a warm-up, marked as such and in no statistic (it pays for the cold
file cache). A cell that the catalogue has no artifact for keeps its place, with the reason.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property

from fleet import defaults
from fleet.cell import Cell, Ordering, Workload, in_order, labels, matrix
from fleet.config.catalogue import Artifact, Kind, Model
from fleet.config.inventory import BoardEntry
from fleet.errors import ConfigError
from fleet.gate_watch import Passed
from fleet.gates import Limits
from fleet.need import Need
from fleet.run import ArtifactSpec, RunSpec, WorkloadSpec, run_id
from fleet.scripts import Store


@dataclass(frozen=True)
class Request:
    """What a person asked ``bench`` for. ``repeats`` counts measured runs; the warm-up comes on top.

    ``most_repeats``: up to so many, while the repeats of a cell differ too much. ``limit_s`` is None where nobody said
    it: each run then has what it needs. ``only``: by board, the run ids to take from the whole list, each with the
    warm-up of its cell; None takes all. ``clocks``: the profile that a board's clocks are pinned to while it runs.
    ``gates``: what a board has to keep to before each run.
    """

    boards: tuple[BoardEntry, ...]
    models: tuple[Model, ...]
    cores: tuple[int, ...]
    contexts: tuple[int, ...]
    workloads: tuple[Workload, ...]
    repeats: int
    most_repeats: int
    ordering: Ordering
    seed: int
    limit_s: int | None
    clocks: str = defaults.CLOCKS
    gates: Limits = field(default_factory=Limits)
    only: Mapping[str, frozenset[str]] | None = None

    @cached_property
    def cells(self) -> tuple[Cell, ...]:
        """What is measured on every board."""
        return matrix(self.models, self.cores, self.contexts, self.workloads)

    @cached_property
    def labels(self) -> tuple[str, ...]:
        """Of the cells, by their number."""
        return labels(self.cells)


@dataclass(frozen=True)
class PlannedRun:
    """One run of one board's list. ``number`` is the cell's; without an artifact, ``lacking`` says why."""

    run: str
    number: int
    cell: Cell
    artifact: Artifact | None
    lacking: ConfigError | None
    repeat: int

    @property
    def warmup(self) -> bool:
        """The first process of a cell."""
        return self.repeat == 0


def plan_board(request: Request, entry: BoardEntry) -> tuple[PlannedRun, ...]:
    """The list of one board, in the order of execution."""
    planned = tuple(_planned(request, entry, range(request.repeats + 1), first=1))
    if request.only is None:
        return planned
    chosen = request.only[entry.name]
    cells = {one.number for one in planned if one.run in chosen}
    return tuple(one for one in planned if one.run in chosen or (one.warmup and one.number in cells))


def plan_more(request: Request, entry: BoardEntry) -> Iterator[tuple[PlannedRun, ...]]:
    """Round by round, what may come after the list while repeats differ too much; each run has its id for good."""
    if request.only is not None:
        return
    for repeat in range(request.repeats + 1, request.most_repeats + 1):
        yield tuple(_planned(request, entry, range(repeat, repeat + 1), first=1 + repeat * len(request.cells)))


def check(request: Request) -> dict[str, tuple[PlannedRun, ...]]:
    """The plan of every board by name. Raises ConfigError, so that nothing has been touched when something is wrong:
    a board that is not described, or not a single cell that could be run."""
    for entry in request.boards:
        if entry.virtual is None and entry.paths.llm_demo is None:
            raise ConfigError(
                "the path of the demo program on this board is missing",
                file="inventory.yaml",
                key=f"boards.{entry.name}.paths.llm_demo",
                hint=f"add  paths: {{llm_demo: /path/on/the/board/llm_demo}}  to boards.{entry.name}",
            )
    plans = {entry.name: plan_board(request, entry) for entry in request.boards}
    every = [one for planned in plans.values() for one in planned]
    lacking = [one.lacking for one in every if one.lacking is not None]
    if lacking and len(lacking) == len(every):
        raise lacking[0]
    return plans


def _planned(request: Request, entry: BoardEntry, repeats: range, *, first: int) -> Iterator[PlannedRun]:
    order = in_order(len(request.cells), repeats, request.ordering, request.seed, entry.name)
    for index, (number, repeat) in enumerate(order, start=first):
        cell = request.cells[number]
        artifact, lacking = None, None
        try:
            artifact = _artifact(cell, entry)
        except ConfigError as error:
            lacking = error
        yield PlannedRun(run_id(index, request.labels[number], repeat), number, cell, artifact, lacking, repeat)


def _artifact(cell: Cell, entry: BoardEntry) -> Artifact:
    model = cell.model
    if model.kind != Kind.LLM:
        raise ConfigError(
            f"{model.title} takes an image, and bench measures text models only so far",
            key="--model",
            hint=f"run the vendor's demo by hand, then invoke import LOG --model {model.name} --kind {model.kind}",
        )
    return model.artifact(cell.npu_cores, standin=entry.virtual is not None)


def spec_of(
    request: Request,
    planned: PlannedRun,
    *,
    campaign: str,
    board: str,
    simulated: bool,
    created_utc: str,
    tool: str,
    need: Need,
    placed: tuple[str, int] | None = None,
    forced: tuple[str, ...] = (),
    gate: Passed | None = None,
) -> RunSpec:
    """The spec of one run; ``placed`` is (sha256, size in bytes) of the artifact as it lies on the board, ``forced``
    are the checks that the board had failed, ``gate`` is how it came through its gates."""
    cell = planned.cell
    return RunSpec(
        campaign=campaign,
        run=planned.run,
        board=board,
        simulated=simulated,
        model=cell.model.name,
        model_title=cell.model.title,
        kind=cell.model.kind,
        npu_cores=cell.npu_cores,
        artifact=_artifact_spec(planned.artifact, placed) if planned.artifact else None,
        workload=WorkloadSpec(
            cell.prompts.name,
            cell.prompts.sha256,
            cell.prompt.id,
            len(cell.prompt.text),
            cell.max_new_tokens,
            cell.max_context_len,
        ),
        prompt=cell.prompt.text,
        repeat=planned.repeat,
        warmup=planned.warmup,
        limit_s=need.limit_s if request.limit_s is None else request.limit_s,
        memory_limit_bytes=need.memory_bytes,
        clocks=request.clocks,
        created_utc=created_utc,
        tool=tool,
        forced=forced,
        gate=None if gate is None else gate.to_json(),
    )


def _artifact_spec(artifact: Artifact, placed: tuple[str, int] | None) -> ArtifactSpec:
    sha256, size_bytes = placed if placed else (artifact.sha256, artifact.size_bytes)
    return ArtifactSpec(
        artifact.file,
        sha256,
        size_bytes,
        artifact.npu_core_num,
        artifact.dtype,
        artifact.toolkit,
        artifact.max_context,
    )


def program(cell: Cell, *, store: Store, entry: BoardEntry, model: str, limit_s: int) -> list[str]:
    """The words that the run executes on the board; ``model`` is the artifact's path there."""
    argv = ["sh", store.script("run_text_benchmark.sh"), "--demo", demo_path(entry, store), "--model", model]
    argv += ["--max-new-tokens", str(cell.max_new_tokens), "--max-context", str(cell.max_context_len)]
    argv += ["--prompt", cell.prompt.text, "--limit", str(limit_s)]
    for folder in entry.paths.libraries:
        argv += ["--lib", store.absolute(folder)]
    return argv


def model_folders(entry: BoardEntry, store: Store) -> list[str]:
    """Where on the board an artifact may lie: the inventory's folder, the store, beside the demo."""
    named = [store.absolute(entry.paths.models)] if entry.paths.models else []
    beside = [posixpath.dirname(demo_path(entry, store))] if entry.paths.llm_demo else []
    return [*named, store.models, *beside]


def demo_path(entry: BoardEntry, store: Store) -> str:
    """The demo program on the board."""
    assert entry.paths.llm_demo is not None  # check() has seen to it
    return store.absolute(entry.paths.llm_demo)
