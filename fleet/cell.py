"""What a campaign measures: a matrix of cells, and the order in which their repeats are run.

A cell is model x NPU cores x context x prompt x new tokens x profile of clocks, of a vision model also x image x cores
of the encoder. Those of the language model are in its file, those of the encoder an argument of the demo. A campaign
may be of several matrices, for not every combination is worth its time. Interleaved, every round runs each cell once,
in another order each time, so that a board that gets warmer, or a night that gets busier, does not look like a model.
"""

from __future__ import annotations

import enum
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields

from fleet import defaults
from fleet.config.catalogue import Kind, Model
from fleet.config.images import Image
from fleet.config.prompts import Prompt, PromptSet


class Ordering(enum.StrEnum):
    """Which run comes after which."""

    INTERLEAVED = "interleaved"  # round by round, each round in an order of its own
    LISTED = "listed"  # cell by cell


@dataclass(frozen=True)
class Workload:
    """What is asked of each model: these prompts, and answers of at most so many tokens.

    With an ``image`` it is for vision models, without one for text models.
    """

    prompts: PromptSet
    max_new_tokens: int
    image: Image | None = None


@dataclass(frozen=True)
class Cell:
    """One number's place in every table."""

    model: Model
    npu_cores: int
    max_context_len: int
    prompts: PromptSet
    prompt: Prompt
    max_new_tokens: int
    image: Image | None = None
    vision_cores: int | None = None  # of the encoder; None of a text model
    clocks: str = defaults.CLOCKS  # the profile that the board's clocks are pinned to while it runs

    @property
    def place(self) -> tuple[object, ...]:
        """What tells it from every other cell."""
        return (self.model.name, *(getattr(self, part.name) for part in fields(self) if part.name != "model"))

    @property
    def told(self) -> tuple[object, ...]:
        """Its place as the evidence of its runs tells it, in the order of ``analysis.repeats``."""
        return (
            self.model.name,
            self.npu_cores,
            self.max_context_len,
            self.prompts.sha256,
            self.prompt.id,
            self.max_new_tokens,
            self.image.sha256 if self.image else None,
            self.vision_cores,
            self.clocks,
        )


@dataclass(frozen=True)
class Matrix:
    """Each of these with each of those; each model with the workloads of its kind."""

    models: tuple[Model, ...]
    cores: tuple[int, ...]
    contexts: tuple[int, ...]
    workloads: tuple[Workload, ...]
    vision_cores: tuple[int, ...] = (defaults.VISION_CORES,)
    clocks: str = defaults.CLOCKS

    @property
    def cells(self) -> Iterator[Cell]:
        """All of them, models outermost."""
        return (
            Cell(
                model,
                npu_cores,
                context,
                one.prompts,
                prompt,
                one.max_new_tokens,
                one.image,
                encoder_cores,
                self.clocks,
            )
            for model in self.models
            for npu_cores in self.cores
            for encoder_cores in (self.vision_cores if model.kind == Kind.VLM else (None,))
            for context in self.contexts
            for one in self.workloads
            if (one.image is not None) == (model.kind == Kind.VLM)
            for prompt in one.prompts.prompts
        )


def labels(cells: Sequence[Cell]) -> tuple[str, ...]:
    """A name for each cell within its campaign: what is the same for all of them is left out."""
    several = {
        what: len({part(cell) for cell in cells}) > 1
        for what, part in (
            ("context", lambda cell: cell.max_context_len),
            ("tokens", lambda cell: cell.max_new_tokens),
            ("prompt", lambda cell: (cell.prompts.sha256, cell.prompt.id)),
            ("clocks", lambda cell: cell.clocks),
        )
    }
    seeing = [cell for cell in cells if cell.image]
    several |= {
        "image": len({cell.image for cell in seeing}) > 1,
        "encoder": len({cell.vision_cores for cell in seeing}) > 1,
    }

    def parts(cell: Cell) -> Iterator[str]:
        yield f"{cell.model.name}-{cell.npu_cores}core"
        if several["encoder"] and cell.image:
            yield f"{cell.vision_cores}vis"
        if several["image"] and cell.image:
            yield cell.image.name
        if several["context"]:
            yield f"{cell.max_context_len}ctx"
        if several["tokens"]:
            yield f"{cell.max_new_tokens}new"
        if several["prompt"]:
            yield cell.prompt.id
        if several["clocks"]:
            yield cell.clocks

    return tuple("-".join(parts(cell)) for cell in cells)


def in_order(
    cells: int, repeats: range, ordering: Ordering, seed: int, board: str, due: Sequence[int] | None = None
) -> Iterator[tuple[int, int]]:
    """(cell, repeat), by number, in the order of execution: the same on every day, another one on every board.

    ``due``: the cells, what is due first first. They come a few at a time, so that where a night is cut short some
    are complete and not all begun."""
    if due is not None:
        for at in range(0, len(due), defaults.NIGHT_BATCH):
            some = due[at : at + defaults.NIGHT_BATCH]
            yield from ((some[one], repeat) for one, repeat in in_order(len(some), repeats, ordering, seed, board))
        return
    if ordering is Ordering.LISTED:
        yield from ((cell, repeat) for cell in range(cells) for repeat in repeats)
        return
    for repeat in repeats:
        shuffled = list(range(cells))
        random.Random(f"{seed} {board} {repeat}").shuffle(shuffled)
        yield from ((cell, repeat) for cell in shuffled)
