"""All models that are known: those of ``models.yaml`` and, merged into them, the team's own of ``models.local.yaml``.

The second file lies beside the inventory. It adds files to known models and whole new models. A file of its own takes
the place of the shipped entry for the same core count; where both speak of one file, they may not contradict.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from fleet.config.artifacts import WrittenModel, WrittenModels, incomplete, shared_files, split
from fleet.config.fields import Frozen
from fleet.config.model import RK3588_DTYPES, Artifact, Cores, Count, Kind, Model, ModelFile, Role
from fleet.config.validate import Problem, config_error, validated
from fleet.config.yaml_file import Document, meant, name_of, read_yaml, shown
from fleet.errors import ConfigError

__all__ = ["CATALOGUE_FILE", "LOCAL_FILE", "Artifact", "Catalogue", "Cores", "Count", "Kind", "Model", "load_catalogue"]

CATALOGUE_FILE = Path("models.yaml")
LOCAL_FILE = "models.local.yaml"


class Catalogue(Frozen):
    """All models, in the order of the files."""

    file: Path
    models: tuple[Model, ...]

    def model(self, name: str) -> Model:
        """The model of this name, title or alias; capital letters do not matter."""
        found = self.find(name)
        if found is not None:
            return found
        what = (
            f"{shown(name)} is no model of {name_of(self.file)}; {meant(name, [model.name for model in self.models])}"
        )
        raise ConfigError(what, key="--model")

    def find(self, name: str) -> Model | None:
        """The same, or None."""
        by_name = {known.casefold(): model for model in self.models for known in model.names}
        return by_name.get(name.casefold())

    def remark(self, name: str) -> str | None:
        """What a person must know who asked by this name: that it does not exist, and what is taken for it."""
        model = self.find(name)
        if model is None:
            return None
        return next((why for asked, why in model.instead_of.items() if asked.casefold() == name.casefold()), None)

    def with_own(self, document: Document) -> Catalogue:
        """This catalogue and what a team wrote into ``document``. Raises ConfigError."""
        own = _checked(document, known={model.name.casefold() for model in self.models})
        found = list(_clashes(self.models, own, name_of(self.file)))
        if found:
            raise config_error(document, found)
        return Catalogue(file=self.file, models=_merged(self.models, own))


def load_catalogue(path: Path = CATALOGUE_FILE, local: Path | None = None) -> Catalogue:
    """The catalogue in the file at ``path`` with what ``local`` adds, where that exists.

    Raises one ConfigError with all that is wrong with the first of them that has something wrong.
    """
    shipped = _checked(read_yaml(path))
    models = tuple(_model(name, entry) for name, entry in shipped.models.items())
    catalogue = Catalogue(file=path, models=models)
    return catalogue.with_own(read_yaml(local)) if local is not None and local.exists() else catalogue


def _checked(document: Document, known: frozenset[str] | set[str] = frozenset()) -> WrittenModels:
    """One file, checked for itself; a model that is ``known`` already need not be told again."""
    written = validated(WrittenModels, document)
    found = [
        *_shared_names(written),
        *shared_files(written),
        *incomplete(written),
        *(
            problem
            for name, entry in written.models.items()
            for problem in (_too_much(name, entry) if name.casefold() in known else _too_little(name, entry))
        ),
    ]
    if found:
        raise config_error(document, found)
    return written


def _model(name: str, entry: WrittenModel) -> Model:
    artifacts, encoders = split(entry.artifacts)
    assert entry.title is not None and entry.kind is not None  # _too_little has seen to it
    return Model(
        name=name,
        title=entry.title,
        kind=entry.kind,
        aliases=entry.aliases,
        instead_of=entry.instead_of,
        architecture=entry.architecture,
        vision=entry.vision,
        parameters=entry.parameters,
        active_parameters=entry.active_parameters,
        runtime=entry.runtime,
        dtypes=entry.dtypes or RK3588_DTYPES,
        weights=entry.weights,
        license=entry.license,
        note=entry.note,
        artifacts=artifacts,
        vision_artifacts=encoders,
    )


def _too_little(name: str, entry: WrittenModel) -> Iterator[Problem]:
    """A model that nobody else describes."""
    if entry.title is None:
        yield Problem(("models", name, "title"), "is missing; expected a text")
    if entry.kind is None:
        yield Problem(("models", name, "kind"), "is missing; expected llm or vlm")


def _too_much(name: str, entry: WrittenModel) -> Iterator[Problem]:
    """A second description of a model: which of them is true?"""
    for field in sorted(entry.model_fields_set - {"artifacts"}):
        yield Problem(("models", name, field), f"'{name}' is described in models.yaml; here it is given artifacts only")


def _shared_names(written: WrittenModels) -> Iterator[Problem]:
    """Two models that answer to one name."""
    owner: dict[str, str] = {}
    for name, entry in written.models.items():
        for called in (name, entry.title or name, *entry.aliases, *entry.instead_of):
            other = owner.setdefault(called.casefold(), name)
            if other != name:
                yield Problem(("models", name), f"'{called}' is a name of '{other}' already")


def _clashes(models: tuple[Model, ...], own: WrittenModels, shipped: str) -> Iterator[Problem]:
    """Where the team's file can not stand beside the shipped one."""
    by_key = {model.name.casefold(): model for model in models}
    called = {name.casefold(): model for model in models for name in model.names}
    files = {one.file.casefold(): (model, one) for model in models for one in _all_files(model)}
    hashes = {one.sha256: one.file for _, one in files.values() if one.sha256}
    for name, entry in own.models.items():
        if name.casefold() not in by_key:
            for other in (name, entry.title or name, *entry.aliases, *entry.instead_of):
                if other.casefold() in called:
                    owner = called[other.casefold()].name
                    yield Problem(("models", name), f"'{other}' is a name of '{owner}' in {shipped} already")
        for at, one in enumerate(entry.artifacts):
            where = ("models", name, "artifacts", at)
            if one.sha256 and hashes.get(one.sha256, one.file) != one.file:
                yield Problem((*where, "sha256"), f"this is the sha256 of '{hashes[one.sha256]}' in {shipped} already")
            if one.role == Role.VISION and name.casefold() in by_key and by_key[name.casefold()].kind == Kind.LLM:
                yield Problem((*where, "role"), "a model of kind llm has no vision encoder")
            owner_model, there = files.get(one.file.casefold(), (None, None))
            if there is None or owner_model is None:
                continue
            if owner_model.name.casefold() != name.casefold():
                what = f"'{one.file}' is an artifact of '{owner_model.name}' in {shipped} already"
                yield Problem((*where, "file"), what)
                continue
            for field in ("npu_core_num", "dtype", "toolkit", "max_context", "size_bytes", "sha256", "standin"):
                said, stands = getattr(one, field), getattr(there, field, None)
                if said is not None and stands is not None and said != stands:
                    what = f"{shown(said)} here, and {shown(stands)} for the same file in {shipped}"
                    yield Problem((*where, field), what, hint="give a file of another make another name")


def _merged(models: tuple[Model, ...], own: WrittenModels) -> tuple[Model, ...]:
    by_key = {name.casefold(): entry for name, entry in own.models.items()}
    merged = []
    for model in models:
        entry = by_key.pop(model.name.casefold(), None)
        merged.append(_with(model, entry) if entry else model)
    new = (name for name in own.models if name.casefold() in by_key)
    return (*merged, *(_model(name, own.models[name]) for name in new))


def _with(model: Model, entry: WrittenModel) -> Model:
    """The model with the team's files, each in the place of the shipped one for the same cores and sort of board."""
    artifacts, encoders = split(entry.artifacts)
    taken = {(one.npu_core_num, one.standin) for one in artifacts}
    usual = model.vision.resolution if model.vision else None
    taken_encoders = {(one.resolution or usual, one.standin) for one in encoders}
    kept = (one for one in model.artifacts if (one.npu_core_num, one.standin) not in taken)
    kept_encoders = (
        one for one in model.vision_artifacts if (one.resolution or usual, one.standin) not in taken_encoders
    )
    return model.model_copy(
        update={"artifacts": (*kept, *artifacts), "vision_artifacts": (*kept_encoders, *encoders)},
    )


def _all_files(model: Model) -> tuple[ModelFile, ...]:
    return (*model.artifacts, *model.vision_artifacts)
