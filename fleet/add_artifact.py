"""From a model file to an entry in the team's ``models.local.yaml``: look at it, hash it, write the entry.

A file's name proves nothing (the demo's banner has the last word), so what was taken from it, or assumed, is said.
Bytes that are no model at all are refused: they are what a download left in its place.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path

from fleet import defaults
from fleet.config.catalogue import Catalogue, Model
from fleet.config.model import NPU_CORES, Artifact, ModelFile
from fleet.config.own_entry import extended
from fleet.config.yaml_file import read_text, shown
from fleet.errors import ConfigError
from fleet.evidence import disk_errors, write_file
from fleet.model_files import Digests, Moved

HEAD_BYTES = 512  # enough to know what a file is not
_NOT_A_MODEL = {
    b"version https://git-lfs.github.com/spec/": "is a pointer of git-lfs, not the file; `git lfs pull` brings that",
    b"<": "is a web page, not a model: the download asked for a login or was redirected",
    b"RKLLM-STANDIN ": "is a stand-in for virtual boards; those are in models.yaml",
}
_CORES = re.compile(
    r"(?<![0-9.])([1-3])[-_]?(?:npu[-_]?)?cores?(?![a-z])|npu[-_]?(?:cores?[-_]?)?([1-3])(?![0-9])", re.I
)
_DTYPE = re.compile(r"(?<![a-z0-9])w[0-9]+a[0-9]+(?:_g[0-9]+)?(?![0-9])", re.I)
_CONTEXT = re.compile(
    r"(?:ctx|context)[-_]?([0-9]+)(k?)|(?<![0-9])([0-9]{1,3}(?=k)|[0-9]{3,})(k?)[-_]?(?:ctx|context)", re.I
)
_TOOLKIT = re.compile(r"(?<![0-9.])v?([0-9]\.[0-9]\.[0-9](?:b[0-9]+)?)(?![0-9.])", re.I)


@dataclass(frozen=True)
class Told:
    """What a person said of the file; None was not said."""

    model: str | None = None
    cores: int | None = None
    dtype: str | None = None
    context: int | None = None
    toolkit: str | None = None


@dataclass
class Added:
    """What became of it. ``remarks``: what was not said and taken to be so."""

    model: str
    file: str
    sha256: str
    new: bool
    remarks: list[str] = field(default_factory=list)


def add_artifact(
    path: Path,
    told: Told,
    *,
    catalogue: Catalogue,
    local: Path,
    models: Path,
    moved: Moved = lambda _read, _total: None,
) -> Added:
    """Write the entry of ``path`` into the file ``local``. Raises ConfigError, with nothing written then."""
    _look(path)
    model = _model(path.name, told, catalogue)
    remarks: list[str] = []
    known = next((one for one in (*model.artifacts, *model.vision_artifacts) if one.file == path.name), None)
    entry = _entry(path, told, model, known, remarks)
    text = read_text(local) if local.exists() else ""
    entry["origin"] = f"{path.name}, added as it was found"
    if known is None or known.sha256 is None:
        extended(text, local, model.name, entry, catalogue)  # a clash is said before gigabytes are read
    sha256 = Digests(models).of(path, moved)
    if known is not None and known.sha256 == sha256:
        return Added(model.name, path.name, sha256, False, ["it is in the catalogue already, with this sha256"])
    entry |= {"size_bytes": path.stat().st_size, "sha256": sha256}
    if path.parent.resolve() != models.resolve():
        remarks.append(f"bench looks for it in {models.name}/ here and beside llm_demo on boards: copy it there")
    new = extended(text, local, model.name, entry, catalogue)
    with disk_errors(local, "", "write the entry", "the same command again"):
        write_file(local, new.encode())
    return Added(model.name, path.name, sha256, True, remarks)


def _look(path: Path) -> None:
    """Refuse what can not be a model."""
    try:
        with path.open("rb") as file:
            head = file.read(HEAD_BYTES)
    except OSError as error:
        raise ConfigError(f"can not be read: {error.strerror}", file=str(path), key="--add") from None
    if not head:
        raise ConfigError("is empty", file=str(path), key="--add", hint="copy or download it again")
    for start, what in _NOT_A_MODEL.items():
        if head.lstrip().startswith(start):
            raise ConfigError(what, file=str(path), key="--add")
    if path.suffix not in (".rkllm", ".rknn"):
        raise ConfigError("ends neither in .rkllm nor in .rknn", file=str(path), key="--add")


def _model(name: str, told: Told, catalogue: Catalogue) -> Model:
    """The model that was named, else the one whose name is in the file's."""
    if told.model is not None:
        return catalogue.model(told.model)
    fitting = [
        (len(called), model)
        for model in catalogue.models
        for called in model.names
        if re.search(rf"(?<![a-z0-9]){_loosely(called)}(?![a-z0-9])", name, re.I)
    ]
    if not fitting:
        raise ConfigError(
            f"no model's name is in {shown(name)}",
            key="--add",
            hint="add --model NAME; a new model is written into models.local.yaml first (docs/03_model_acquisition.md)",
        )
    return max(fitting, key=lambda found: found[0])[1]


def _loosely(name: str) -> str:
    """A pattern for a name however its words are joined."""
    return "[-_ .]?".join(re.escape(word) for word in re.split(r"[-_ ]", name))


def _entry(path: Path, told: Told, model: Model, known: ModelFile | None, remarks: list[str]) -> dict[str, object]:
    """The entry without what reading the whole file gives: as told, else as the catalogue has it, else by the name."""
    if path.suffix == ".rknn":
        encoder: dict[str, object] = {"file": path.name, "role": "vision", "dtype": (told.dtype or "FP16").upper()}
        if model.vision is not None:
            encoder["resolution"] = getattr(known, "resolution", None) or model.vision.resolution
            remarks.append(f"resolution {encoder['resolution']}: assumed")
        return encoder
    if isinstance(known, Artifact):
        told = Told(
            model.name,
            told.cores or known.npu_core_num,
            told.dtype or known.dtype,
            told.context or known.max_context,
            told.toolkit or known.toolkit,
        )
    cores = told.cores or _number(_CORES.search(path.name))
    if cores not in NPU_CORES:
        raise ConfigError(
            f"the NPU core count of {path.name} is not known",
            key="--cores",
            hint="--cores N: what num_npu_core was at the conversion; the demo prints it as npu_core_num",
        )
    dtype = told.dtype or _text(_DTYPE.search(path.name)) or model.dtypes[0]
    context = told.context or _number(_CONTEXT.search(path.name), thousands=True) or defaults.MAX_CONTEXT_LEN
    toolkit = told.toolkit or _text(_TOOLKIT.search(path.name), group=1)
    entry = {"file": path.name, "npu_core_num": cores, "dtype": dtype.upper(), "max_context": context}
    if toolkit:
        entry["toolkit"] = toolkit
    said = {"npu_core_num": told.cores, "dtype": told.dtype, "max_context": told.context, "toolkit": told.toolkit}
    taken = [f"{name} {entry[name]}" for name, value in said.items() if value is None and name in entry]
    if taken:
        remarks.append(f"{', '.join(taken)}: from the name, or assumed; the demo's banner has the last word")
    return entry


def _number(found: re.Match[str] | None, *, thousands: bool = False) -> int | None:
    if found is None:
        return None
    groups = [group for group in found.groups() if group]
    return int(groups[0]) * (1024 if thousands and groups[1:] else 1)


def _text(found: re.Match[str] | None, group: int = 0) -> str | None:
    return found[group] if found else None
