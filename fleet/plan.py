"""What a campaign will do, decided before the first connection: a pure function of what was asked.

One process a repeat; the first of each cell is a warm-up, marked as such and in no statistic (it pays for the cold
file cache). A cell that the catalogue has no artifact for keeps its place, with the reason.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from fleet.cell import Cell, Matrix, Ordering, Workload, in_order, labels
from fleet.config.catalogue import Artifact, Kind, Model
from fleet.config.images import Image
from fleet.config.inventory import BoardEntry, VlmDemo
from fleet.config.model import VisionArtifact
from fleet.defaults import VISION_CORES
from fleet.errors import ConfigError
from fleet.gate_watch import Passed
from fleet.gates import Limits
from fleet.need import Need
from fleet.run import ArtifactSpec, EncoderSpec, RunSpec, WorkloadSpec, run_id
from fleet.scripts import Store


@dataclass(frozen=True)
class Request:
    """What a person asked ``bench`` for. ``repeats`` counts measured runs; the warm-up comes on top.

    ``most_repeats``: up to so many, while the repeats of a cell differ too much. ``limit_s`` is None where nobody said
    it: each run then has what it needs. ``only``: by board, the run ids to take from the whole list, each with the
    warm-up of its cell; None takes all. ``gates``: what a board has to keep to before each run; with ``set_point_of``,
    as warm as that campaign began. ``due``: by board, the numbers of the cells in the order in which they are due;
    None: nobody knows. ``probe``: what may or may not fit is run, guarded.
    """

    boards: tuple[BoardEntry, ...]
    parts: tuple[Matrix, ...]
    repeats: int
    most_repeats: int
    ordering: Ordering
    seed: int
    limit_s: int | None
    gates: Limits = field(default_factory=Limits)
    only: Mapping[str, frozenset[str]] | None = None
    probe: bool = False
    due: Mapping[str, tuple[int, ...]] | None = None
    set_point_of: str | None = None

    @cached_property
    def cells(self) -> tuple[Cell, ...]:
        """What is measured on every board; a cell that several parts ask for is one."""
        return tuple({cell.place: cell for part in self.parts for cell in part.cells}.values())

    @property
    def workloads(self) -> tuple[Workload, ...]:
        """Of all parts, each once."""
        return tuple(dict.fromkeys(one for part in self.parts for one in part.workloads))

    @cached_property
    def labels(self) -> tuple[str, ...]:
        """Of the cells, by their number."""
        return labels(self.cells)


@dataclass(frozen=True)
class PlannedRun:
    """One run of one board's list. ``number`` is the cell's; without an artifact, ``lacking`` says why.

    A vision model has an ``encoder`` beside its artifact.
    """

    run: str
    number: int
    cell: Cell
    artifact: Artifact | None
    lacking: ConfigError | None
    repeat: int
    encoder: VisionArtifact | None = None

    @property
    def files(self) -> tuple[Artifact | VisionArtifact | Image, ...]:
        """All that the board must have for it."""
        return tuple(one for one in (self.artifact, self.encoder, self.cell.image) if one is not None)

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
    kinds = {cell.model.kind for cell in request.cells}
    for entry in request.boards:
        if Kind.LLM in kinds and entry.paths.llm_demo is None:
            raise _no_demo(entry, "llm_demo", "the demo program", "llm_demo: /path/on/the/board/llm_demo")
        if Kind.VLM in kinds and entry.paths.vlm_demo is None:
            raise _no_demo(
                entry,
                "vlm_demo",
                "the multimodal demo program",
                "vlm_demo: /path/on/the/board/demo, vlm_kind: official",
            )
    plans = {entry.name: plan_board(request, entry) for entry in request.boards}
    every = [one for planned in plans.values() for one in planned]
    lacking = [one.lacking for one in every if one.lacking is not None]
    if lacking and len(lacking) == len(every):
        raise lacking[0]
    return plans


def _no_demo(entry: BoardEntry, key: str, what: str, said: str) -> ConfigError:
    return ConfigError(
        f"the path of {what} on this board is missing",
        file="inventory.yaml",
        key=f"boards.{entry.name}.paths.{key}",
        hint=f"add  paths: {{{said}}}  to boards.{entry.name}",
    )


def _planned(request: Request, entry: BoardEntry, repeats: range, *, first: int) -> Iterator[PlannedRun]:
    cells = None if request.due is None else request.due[entry.name]
    order = in_order(len(request.cells), repeats, request.ordering, request.seed, entry.name, cells)
    for index, (number, repeat) in enumerate(order, start=first):
        cell = request.cells[number]
        artifact, encoder, lacking = None, None, None
        try:
            artifact, encoder = _artifacts(cell, entry)
        except ConfigError as error:
            lacking = error
        run = run_id(index, request.labels[number], repeat)
        yield PlannedRun(run, number, cell, artifact, lacking, repeat, encoder)


def _artifacts(cell: Cell, entry: BoardEntry) -> tuple[Artifact, VisionArtifact | None]:
    model, standin = cell.model, entry.virtual is not None
    if cell.image is None:
        return model.artifact(cell.npu_cores, standin=standin), None
    if entry.paths.vlm_kind is VlmDemo.VLM_NPU and cell.vision_cores != VISION_CORES:
        raise ConfigError(
            f"VLM_NPU takes no core count for the vision encoder: it uses {VISION_CORES}",
            key="--vision-cores",
            hint=f"--vision-cores {VISION_CORES}, or the vendor's own demo as boards.{entry.name}.paths.vlm_demo",
        )
    return model.artifact(cell.npu_cores, standin=standin), model.encoder(standin=standin)


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
    placed: Mapping[str, tuple[str, int]] | None = None,
    forced: tuple[str, ...] = (),
    gate: Passed | None = None,
) -> RunSpec:
    """The spec of one run; ``placed`` is (sha256, size in bytes) of each file as it lies on the board, ``forced`` are
    the checks that the board had failed, ``gate`` is how it came through its gates."""
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
        artifact=_artifact_spec(planned.artifact, placed or {}) if planned.artifact else None,
        workload=WorkloadSpec(
            cell.prompts.name,
            cell.prompts.sha256,
            cell.prompt.id,
            len(cell.prompt.text),
            cell.max_new_tokens,
            cell.max_context_len,
            cell.image.name if cell.image else None,
            cell.image.sha256 if cell.image else None,
        ),
        prompt=cell.prompt.text,
        repeat=planned.repeat,
        warmup=planned.warmup,
        limit_s=need.limit_s if request.limit_s is None else request.limit_s,
        memory_limit_bytes=need.memory_bytes,
        tripwire_bytes=need.tripwire_bytes,
        clocks=cell.clocks,
        created_utc=created_utc,
        tool=tool,
        forced=forced,
        vision_cores=cell.vision_cores,
        encoder=_encoder_spec(planned.encoder, cell.model, placed or {}) if planned.encoder else None,
        gate=None if gate is None else gate.to_json(),
    )


def _encoder_spec(encoder: VisionArtifact, model: Model, placed: Mapping[str, tuple[str, int]]) -> EncoderSpec:
    sha256, size_bytes = placed.get(encoder.file, (encoder.sha256, encoder.size_bytes))
    seen = model.vision
    resolution = encoder.resolution or (seen.resolution if seen else None)
    usual = seen is not None and resolution == seen.resolution
    tokens = seen.image_tokens if seen and usual else None
    return EncoderSpec(encoder.file, sha256, size_bytes, encoder.dtype, encoder.toolkit, resolution, tokens)


def _artifact_spec(artifact: Artifact, placed: Mapping[str, tuple[str, int]]) -> ArtifactSpec:
    sha256, size_bytes = placed.get(artifact.file, (artifact.sha256, artifact.size_bytes))
    return ArtifactSpec(
        artifact.file,
        sha256,
        size_bytes,
        artifact.npu_core_num,
        artifact.dtype,
        artifact.toolkit,
        artifact.max_context,
    )


def program(
    planned: PlannedRun, *, store: Store, entry: BoardEntry, paths: Mapping[str, str], limit_s: int
) -> list[str]:
    """The words that the run executes on the board; ``paths`` is where each of its files lies there."""
    cell = planned.cell
    assert planned.artifact is not None
    script, demo = ("run_vlm_benchmark.sh" if cell.image else "run_text_benchmark.sh"), demo_path(cell, entry, store)
    argv = ["sh", store.script(script), "--demo", demo, "--model", paths[planned.artifact.file]]
    if cell.image and planned.encoder:
        argv += ["--encoder", paths[planned.encoder.file], "--image", paths[cell.image.file]]
        argv += ["--vision-cores", str(cell.vision_cores), "--kind", str(entry.paths.vlm_kind)]
        argv += ["--demo-version", entry.paths.vlm_version] if entry.paths.vlm_version else []
        if seen := cell.model.vision:
            argv += ["--image-start", seen.image_start, "--image-end", seen.image_end]
            argv += ["--image-content", seen.image_content]
    argv += ["--max-new-tokens", str(cell.max_new_tokens), "--max-context", str(cell.max_context_len)]
    argv += ["--prompt", cell.prompt.text, "--limit", str(limit_s)]
    for folder in entry.paths.libraries:
        argv += ["--lib", store.absolute(folder)]
    return argv


def model_folders(entry: BoardEntry, store: Store) -> list[str]:
    """Where on the board an artifact may lie: the inventory's folder, the store, beside the demo."""
    named = [store.absolute(entry.paths.models)] if entry.paths.models else []
    return list(dict.fromkeys([*named, store.models, *beside_demos(entry, store)]))


def beside_demos(entry: BoardEntry, store: Store) -> Sequence[str]:
    """The folders of the demos that this board has."""
    demos = (entry.paths.llm_demo, entry.paths.vlm_demo)
    return [posixpath.dirname(store.absolute(demo)) for demo in demos if demo]


def demo_path(cell: Cell, entry: BoardEntry, store: Store) -> str:
    """The demo program on the board that runs this cell."""
    demo = entry.paths.vlm_demo if cell.image else entry.paths.llm_demo
    assert demo is not None  # check() has seen to it
    return store.absolute(demo)
