"""Model files as they are written down, and what has to hold among them so that nobody has to guess which is meant.

``.rkllm`` is a language model and says for how many cores; ``.rknn`` is a vision encoder (role: vision) and does not.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated

from pydantic import AfterValidator, Field

from fleet.config.fields import Frozen, Name, Text, at_least_one, once
from fleet.config.model import (
    RK3588_DTYPES,
    Architecture,
    Artifact,
    Cores,
    Count,
    Kind,
    ModelFile,
    Role,
    Support,
    Vision,
    VisionArtifact,
)
from fleet.config.validate import Problem


class WrittenArtifact(ModelFile):
    """One entry of ``artifacts``: of a language model or, with ``role: vision``, of a vision encoder."""

    role: Role = Field(default=Role.LLM, description="llm or vision")
    npu_core_num: Cores | None = None
    max_context: Count | None = None
    resolution: Count | None = None


class WrittenModel(Frozen):
    """One entry of ``models``; a second file need not say again what a first one says."""

    title: Text | None = None
    kind: Annotated[Kind, Field(description="llm or vlm")] | None = None
    aliases: Annotated[tuple[Name, ...], AfterValidator(once)] = Field(default=(), description="a list of other names")
    instead_of: Mapping[Name, Text] = Field(default_factory=dict, description="a mapping from names to reasons")
    weights: Text | None = None
    license: Text | None = None
    parameters: Count | None = None
    active_parameters: Count | None = None
    runtime: Support | None = None
    dtypes: Annotated[tuple[Name, ...], AfterValidator(once), AfterValidator(at_least_one)] | None = None
    note: Text | None = None
    architecture: Architecture | None = None
    vision: Vision | None = None
    artifacts: tuple[WrittenArtifact, ...] = Field(description="a list of model files")


class WrittenModels(Frozen):
    """A whole file."""

    models: dict[Name, WrittenModel] = Field(description="a mapping from model names to what is known of each")


def split(written: tuple[WrittenArtifact, ...]) -> tuple[tuple[Artifact, ...], tuple[VisionArtifact, ...]]:
    """Language models and vision encoders; what was written has been checked."""

    def fields(kind: type[ModelFile], one: WrittenArtifact) -> dict[str, object]:
        return {name: value for name, value in one.model_dump().items() if name in kind.model_fields}

    return (
        tuple(Artifact.model_validate(fields(Artifact, one)) for one in written if one.role == Role.LLM),
        tuple(VisionArtifact.model_validate(fields(VisionArtifact, one)) for one in written if one.role == Role.VISION),
    )


def shared_files(written: WrittenModels) -> Iterator[Problem]:
    """Two artifacts that would be one file on a board, or between which nobody could choose."""
    files: dict[str, str] = {}
    contents: dict[str, str] = {}
    for name, entry in written.models.items():
        choices: dict[tuple[Role, int | None, bool], str] = {}
        for at, one in enumerate(entry.artifacts):
            where = ("models", name, "artifacts", at)
            if one.file.casefold() in files:
                yield Problem(
                    (*where, "file"), f"'{one.file}' is an artifact of '{files[one.file.casefold()]}' already"
                )
            files.setdefault(one.file.casefold(), name)
            if one.sha256 and contents.setdefault(one.sha256, one.file) != one.file:
                yield Problem((*where, "sha256"), f"this is the sha256 of '{contents[one.sha256]}' already")
            of = one.npu_core_num if one.role == Role.LLM else one.resolution
            same = choices.setdefault((one.role, of, one.standin), one.file)
            if same != one.file and one.role == Role.LLM:
                yield Problem((*where, "npu_core_num"), f"'{same}' is for {one.npu_core_num} NPU cores already")
            elif same != one.file:
                yield Problem((*where, "resolution"), f"'{same}' is the vision encoder of that resolution already")


def incomplete(written: WrittenModels) -> Iterator[Problem]:
    """What one artifact lacks, or has and can not have."""
    for name, entry in written.models.items():
        for at, one in enumerate(entry.artifacts):
            for field, what in _wrong(one, entry):
                yield Problem(("models", name, "artifacts", at, field), what)


def _wrong(one: WrittenArtifact, entry: WrittenModel) -> Iterator[tuple[str, str]]:
    # A stand-in is made by us, byte for byte: there is no excuse for not knowing it.
    for field in ("size_bytes", "sha256"):
        if one.standin and getattr(one, field) is None:
            yield field, "is missing; a stand-in has size_bytes and sha256"
    if one.role == Role.VISION:
        yield from _wrong_vision(one, entry)
        return
    if not one.file.endswith(".rkllm"):
        yield "file", f"'{one.file}' does not end in .rkllm; a vision encoder (.rknn) has role: vision"
    if one.npu_core_num is None:
        yield "npu_core_num", "is missing; expected 1, 2 or 3"
    if one.max_context is None:
        yield "max_context", "is missing; expected a whole number above 0"
    if one.resolution is not None:
        yield "resolution", "is of a vision encoder; this has not role: vision"
    if one.dtype.upper() not in RK3588_DTYPES:
        yield "dtype", f"'{one.dtype}' does not run on an RK3588, whose dtypes are {', '.join(RK3588_DTYPES)}"


def _wrong_vision(one: WrittenArtifact, entry: WrittenModel) -> Iterator[tuple[str, str]]:
    if not one.file.endswith(".rknn"):
        yield "file", f"'{one.file}' does not end in .rknn, as a vision encoder does"
    if one.npu_core_num is not None:
        yield "npu_core_num", "a vision encoder is not converted for a core count; it takes one at run time"
    if one.max_context is not None:
        yield "max_context", "a vision encoder has no context"
    if entry.kind == Kind.LLM:
        yield "role", "a model of kind llm has no vision encoder"
