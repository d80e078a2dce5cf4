"""The models of ``models.yaml``: a model is a name and its artifacts, one file for each NPU core count.

The core count of an LLM is fixed when it is converted, so 1, 2 and 3 cores are three files. Real artifacts
are for real boards, stand-ins (small files of the same shape) for virtual ones, and never the other way round.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, Field

from fleet.config.fields import Frozen, Name, Switch, Text, Version, once, refuse
from fleet.config.validate import Problem, config_error, validated
from fleet.config.yaml_file import meant, name_of, read_yaml, shown
from fleet.errors import ConfigError

CATALOGUE_FILE = Path("models.yaml")
NPU_CORES = (1, 2, 3)  # of an RK3588

_FILE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,200}\.rkllm")
_SHA256 = re.compile(r"[0-9a-f]{64}")


class Kind(enum.StrEnum):
    """What a model takes."""

    LLM = "llm"  # text
    VLM = "vlm"  # text and an image


def _file_name(text: str) -> str:
    if not _FILE.fullmatch(text):
        refuse(f"{shown(text)} is not a file name of letters, digits, '.', '_', '+' and '-' that ends in .rkllm")
    return text


def _sha256(text: str) -> str:
    if not _SHA256.fullmatch(text):
        refuse(f"{shown(text)} is not a sha256: 64 characters 0-9 and a-f")
    return text


Count = Annotated[int, Field(strict=True, ge=1, lt=2**53, description="a whole number above 0")]


class Architecture(Frozen):
    """The numbers that speed and memory are computed from."""

    layers: Count
    hidden: Count
    heads: Count
    kv_heads: Count
    head_dim: Count
    ffn: Count
    vocab: Count
    tied: Switch  # do input and output share one embedding table
    source: Text


class Artifact(Frozen):
    """One model file."""

    file: Annotated[str, Field(strict=True, description="a file name"), AfterValidator(_file_name)]
    npu_core_num: int = Field(strict=True, ge=1, le=3, description="1, 2 or 3")
    dtype: Name = Field(description="the quantization as the runtime prints it, such as W8A8")
    toolkit: Version | None = None  # of the converter; None is not known
    max_context: Count
    size_bytes: Count | None = None
    sha256: (
        Annotated[str, Field(strict=True, description="64 characters in quotes"), AfterValidator(_sha256)] | None
    ) = None
    origin: Text  # where the file is from: an address or a command
    standin: Switch = False


class Model(Frozen):
    """A model with its artifacts; ``name`` is its key in the file."""

    name: str
    title: str
    kind: Kind
    aliases: tuple[str, ...]
    architecture: Architecture | None
    artifacts: tuple[Artifact, ...]

    def artifact(self, npu_core_num: int, *, standin: bool) -> Artifact:
        """The artifact for this many NPU cores: a stand-in for virtual boards, a real one for real boards."""
        fitting = [one for one in self.artifacts if one.standin == standin]
        found = next((one for one in fitting if one.npu_core_num == npu_core_num), None)
        if found is not None:
            return found
        counts = ", ".join(str(count) for count in sorted(one.npu_core_num for one in fitting))
        what = "no stand-in artifact" if standin else "no artifact"
        where = "a virtual board" if standin else "a real board"
        raise ConfigError(
            f"{self.title} has {what} for {npu_core_num} NPU core{'s' * (npu_core_num != 1)} on {where}; "
            f"there is {f'one for {counts}' if counts else 'none at all'}. "
            "The core count of an LLM is fixed when it is converted (num_npu_core)",
            key="--cores",
            hint=f"--cores {counts.replace(' ', '')}" if counts else "",
        )


class Catalogue(Frozen):
    """All models, in the order of the file."""

    file: Path
    models: tuple[Model, ...]

    def model(self, name: str) -> Model:
        """The model of this name, title or alias; capital letters do not matter."""
        by_name = {known.casefold(): model for model in self.models for known in _names(model)}
        if name.casefold() in by_name:
            return by_name[name.casefold()]
        what = (
            f"{shown(name)} is no model of {name_of(self.file)}; {meant(name, [model.name for model in self.models])}"
        )
        raise ConfigError(what, key="--model")


class _Written(Frozen):
    title: Text
    kind: Annotated[Kind, Field(description="llm or vlm")]
    aliases: Annotated[tuple[Name, ...], AfterValidator(once)] = Field(default=(), description="a list of other names")
    architecture: Architecture | None = None
    artifacts: tuple[Artifact, ...] = Field(description="a list of model files")


class _File(Frozen):
    models: dict[Name, _Written] = Field(description="a mapping from model names to what is known of each")


def load_catalogue(path: Path = CATALOGUE_FILE) -> Catalogue:
    """The catalogue in the file at ``path``, or one ConfigError with all that is wrong with it."""
    document = read_yaml(path)
    written = validated(_File, document)
    found = [*_shared_names(written), *_shared_files(written), *_incomplete(written)]
    if found:
        raise config_error(document, found)
    models = (
        Model(
            name=name,
            title=entry.title,
            kind=entry.kind,
            aliases=entry.aliases,
            architecture=entry.architecture,
            artifacts=entry.artifacts,
        )
        for name, entry in written.models.items()
    )
    return Catalogue(file=path, models=tuple(models))


def _names(model: Model) -> tuple[str, ...]:
    return (model.name, model.title, *model.aliases)


def _shared_names(written: _File) -> Iterator[Problem]:
    """Two models that answer to one name."""
    owner: dict[str, str] = {}
    for name, entry in written.models.items():
        for called in (name, entry.title, *entry.aliases):
            other = owner.setdefault(called.casefold(), name)
            if other != name:
                yield Problem(("models", name), f"'{called}' is a name of '{other}' already")


def _shared_files(written: _File) -> Iterator[Problem]:
    """Two artifacts that would be one file on a board, or between which nobody could choose."""
    files: dict[str, str] = {}
    contents: dict[str, str] = {}
    for name, entry in written.models.items():
        choices: dict[tuple[int, bool], str] = {}
        for at, one in enumerate(entry.artifacts):
            where = ("models", name, "artifacts", at)
            if one.file.casefold() in files:
                yield Problem(
                    (*where, "file"), f"'{one.file}' is an artifact of '{files[one.file.casefold()]}' already"
                )
            files.setdefault(one.file.casefold(), name)
            if one.sha256 and contents.setdefault(one.sha256, one.file) != one.file:
                yield Problem((*where, "sha256"), f"this is the sha256 of '{contents[one.sha256]}' already")
            same = choices.setdefault((one.npu_core_num, one.standin), one.file)
            if same != one.file:
                yield Problem((*where, "npu_core_num"), f"'{same}' is for {one.npu_core_num} NPU cores already")


def _incomplete(written: _File) -> Iterator[Problem]:
    """A stand-in is made by us, byte for byte: there is no excuse for not knowing it."""
    for name, entry in written.models.items():
        for at, one in enumerate(entry.artifacts):
            for field in ("size_bytes", "sha256"):
                if one.standin and getattr(one, field) is None:
                    where = ("models", name, "artifacts", at, field)
                    yield Problem(where, "is missing; a stand-in has size_bytes and sha256")
