"""What a campaign will do, decided before the first connection: a pure function of what was asked.

One process a repeat; the first of each cell is a warm-up, marked as such and in no statistic (it pays for the cold
file cache). A core count without an artifact is refused here, for every board at once.
"""

from __future__ import annotations

import posixpath
from collections.abc import Mapping
from dataclasses import dataclass

from fleet import defaults
from fleet.config.catalogue import Artifact, Model
from fleet.config.inventory import BoardEntry
from fleet.config.prompts import Prompt, PromptSet
from fleet.errors import ConfigError
from fleet.run import ArtifactSpec, RunSpec, Workload, run_id
from fleet.scripts import Store


@dataclass(frozen=True)
class Request:
    """What a person asked ``bench`` for. ``repeats`` counts measured runs; the warm-up comes on top.

    ``clocks``: the profile that a board's clocks are pinned to while it runs.

    ``only``: by board, the run ids to take from the whole list, each with the warm-up of its cell; None takes all.
    """

    boards: tuple[BoardEntry, ...]
    model: Model
    cores: tuple[int, ...]
    repeats: int
    prompts: PromptSet
    max_new_tokens: int
    max_context_len: int
    limit_s: int
    clocks: str = defaults.CLOCKS
    only: Mapping[str, frozenset[str]] | None = None


@dataclass(frozen=True)
class PlannedRun:
    """One run of one board's list, in the order of execution."""

    run: str
    npu_cores: int
    artifact: Artifact
    prompt: Prompt
    repeat: int

    @property
    def warmup(self) -> bool:
        """The first process of a cell."""
        return self.repeat == 0


def plan_board(request: Request, entry: BoardEntry) -> tuple[PlannedRun, ...]:
    """The list of one board. Raises ConfigError for a core count that the model has no artifact for."""
    several = len(request.prompts.prompts) > 1
    wanted = [
        (cores, request.model.artifact(cores, standin=entry.virtual is not None), prompt, repeat)
        for cores in request.cores
        for prompt in request.prompts.prompts
        for repeat in range(request.repeats + 1)
    ]
    planned = tuple(
        PlannedRun(
            run_id(index, request.model.name, cores, repeat, prompt.id if several else None),
            cores,
            artifact,
            prompt,
            repeat,
        )
        for index, (cores, artifact, prompt, repeat) in enumerate(wanted, start=1)
    )
    if request.only is None:
        return planned
    chosen = request.only[entry.name]
    cells = {(one.npu_cores, one.prompt) for one in planned if one.run in chosen}
    return tuple(one for one in planned if one.run in chosen or (one.warmup and (one.npu_cores, one.prompt) in cells))


def check(request: Request) -> dict[str, tuple[PlannedRun, ...]]:
    """The plan of every board by name. Raises ConfigError, so that nothing has been touched when something is wrong."""
    for entry in request.boards:
        if entry.virtual is None and entry.paths.llm_demo is None:
            raise ConfigError(
                "the path of the demo program on this board is missing",
                file="inventory.yaml",
                key=f"boards.{entry.name}.paths.llm_demo",
                hint=f"add  paths: {{llm_demo: /path/on/the/board/llm_demo}}  to boards.{entry.name}",
            )
    return {entry.name: plan_board(request, entry) for entry in request.boards}


def spec_of(
    request: Request,
    planned: PlannedRun,
    *,
    campaign: str,
    board: str,
    simulated: bool,
    created_utc: str,
    tool: str,
    placed: tuple[str, int] | None = None,
) -> RunSpec:
    """The spec of one run; ``placed`` is (sha256, size in bytes) of the artifact as it lies on the board."""
    artifact = planned.artifact
    sha256, size_bytes = placed if placed else (artifact.sha256, artifact.size_bytes)
    return RunSpec(
        campaign=campaign,
        run=planned.run,
        board=board,
        simulated=simulated,
        model=request.model.name,
        model_title=request.model.title,
        kind=request.model.kind,
        npu_cores=planned.npu_cores,
        artifact=ArtifactSpec(
            artifact.file,
            sha256,
            size_bytes,
            artifact.npu_core_num,
            artifact.dtype,
            artifact.toolkit,
            artifact.max_context,
        ),
        workload=Workload(
            request.prompts.name,
            request.prompts.sha256,
            planned.prompt.id,
            len(planned.prompt.text),
            request.max_new_tokens,
            request.max_context_len,
        ),
        prompt=planned.prompt.text,
        repeat=planned.repeat,
        warmup=planned.warmup,
        limit_s=request.limit_s,
        clocks=request.clocks,
        created_utc=created_utc,
        tool=tool,
    )


def program(request: Request, planned: PlannedRun, *, store: Store, entry: BoardEntry, model: str) -> list[str]:
    """The words that the run executes on the board; ``model`` is the artifact's path there."""
    argv = ["sh", store.script("run_text_benchmark.sh"), "--demo", demo_path(entry, store), "--model", model]
    argv += ["--max-new-tokens", str(request.max_new_tokens), "--max-context", str(request.max_context_len)]
    argv += ["--prompt", planned.prompt.text, "--limit", str(request.limit_s)]
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
