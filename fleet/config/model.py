"""What is known of a model: its numbers, its vision part, and its artifacts, which are the files that boards load.

The core count of an LLM is fixed when it is converted (num_npu_core), so 1, 2 and 3 cores are three files. A vision
encoder is one file: it takes its core count at run time. Real artifacts are for real boards, stand-ins (small files
of the same shape) for virtual ones, and never the other way round.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Mapping
from typing import Annotated

from pydantic import AfterValidator, Field

from fleet.config.fields import Frozen, Name, Switch, Text, Version, refuse
from fleet.config.yaml_file import shown
from fleet.errors import ConfigError

NPU_CORES = (1, 2, 3)  # of an RK3588
RK3588_DTYPES = ("W8A8", "W8A8_G128", "W8A8_G256", "W8A8_G512")  # what rkllm-toolkit converts for this chip

_FILE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,200}\.(rkllm|rknn)")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_MARKER = re.compile(r"[A-Za-z0-9_<>|/]{1,40}")


class Kind(enum.StrEnum):
    """What a model takes."""

    LLM = "llm"  # text
    VLM = "vlm"  # text and an image


class Role(enum.StrEnum):
    """What a file is to its model."""

    LLM = "llm"  # the language model, .rkllm
    VISION = "vision"  # the vision encoder, .rknn


def _file_name(text: str) -> str:
    if not _FILE.fullmatch(text):
        refuse(
            f"{shown(text)} is not a file name of letters, digits, '.', '_', '+' and '-' that ends in .rkllm or .rknn"
        )
    return text


def _sha256(text: str) -> str:
    if not _SHA256.fullmatch(text):
        refuse(f"{shown(text)} is not a sha256: 64 characters 0-9 and a-f")
    return text


def _marker(text: str) -> str:
    if not _MARKER.fullmatch(text):
        refuse(f"{shown(text)} is not an image marker such as '<|image_pad|>'")
    return text


Count = Annotated[int, Field(strict=True, ge=1, lt=2**53, description="a whole number above 0")]
Cores = Annotated[int, Field(strict=True, ge=1, le=3, description="1, 2 or 3")]
FileName = Annotated[str, Field(strict=True, description="a file name"), AfterValidator(_file_name)]
Sha256 = Annotated[str, Field(strict=True, description="64 characters in quotes"), AfterValidator(_sha256)]
Marker = Annotated[str, Field(strict=True, description="an image marker in quotes"), AfterValidator(_marker)]
Channels = Annotated[
    tuple[float, ...], Field(min_length=3, max_length=3, description="three numbers, for red, green and blue")
]


class Architecture(Frozen):
    """The numbers that speed and memory are computed from. ``ffn`` is the width that a token passes: of a mixture of
    experts, that of all active experts together."""

    layers: Count
    hidden: Count
    heads: Count
    kv_heads: Count
    head_dim: Count
    ffn: Count
    vocab: Count
    tied: Switch  # do input and output share one embedding table
    experts: Count | None = None  # None is a dense model
    active_experts: Count | None = None
    expert_ffn: Count | None = None
    source: Text


class Vision(Frozen):
    """The vision encoder with its projector, at the one square resolution that artifacts are exported for."""

    encoder: Text
    parameters: Count
    layers: Count
    hidden: Count
    ffn: Count
    patch: Count  # pixels along an edge
    merge: Count  # patches along an edge that become one token
    outputs: Count  # output tensors; more than one are laid behind each other for the language model
    resolution: Count
    image_tokens: Count  # of one image at this resolution
    mean: Channels  # of the pixels, 0 to 1
    std: Channels
    image_start: Marker  # the demo's img_start, img_end and img_content, to be quoted for a shell
    image_end: Marker
    image_content: Marker
    source: Text


class Support(Frozen):
    """Since which runtime a model is supported; without ``since``, ``source`` says why that is not known."""

    since: Version | None = None
    source: Text


class ModelFile(Frozen):
    """One file that a board loads."""

    file: FileName
    dtype: Name = Field(description="the quantization as the runtime prints it, such as W8A8")
    toolkit: Version | None = None  # of the converter; None is not known
    size_bytes: Count | None = None
    sha256: Sha256 | None = None
    origin: Text  # where the file is from: an address or a command
    standin: Switch = False


class Artifact(ModelFile):
    """A language model, converted for one NPU core count."""

    npu_core_num: Cores
    max_context: Count


class VisionArtifact(ModelFile):
    """A vision encoder; None is the model's usual resolution."""

    resolution: Count | None = None


class Model(Frozen):
    """A model with its artifacts; ``name`` is its key in the file."""

    name: str
    title: str
    kind: Kind
    aliases: tuple[str, ...]
    instead_of: Mapping[str, str]  # names that people ask for and that do not exist, and why this model is meant
    architecture: Architecture | None
    vision: Vision | None
    parameters: int | None
    active_parameters: int | None
    runtime: Support | None
    dtypes: tuple[str, ...]
    weights: str | None
    license: str | None
    note: str | None
    artifacts: tuple[Artifact, ...]
    vision_artifacts: tuple[VisionArtifact, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """All that it answers to."""
        return (self.name, self.title, *self.aliases, *self.instead_of)

    def artifact(self, npu_core_num: int, *, standin: bool) -> Artifact:
        """The artifact for this many NPU cores: a stand-in for virtual boards, a real one for real boards."""
        fitting = self.artifacts_for(standin=standin)
        found = next((one for one in fitting if one.npu_core_num == npu_core_num), None)
        if found is not None:
            return found
        counts = ", ".join(str(one.npu_core_num) for one in fitting)
        what = "no stand-in artifact" if standin else "no artifact"
        where = "a virtual board" if standin else "a real board"
        raise ConfigError(
            f"{self.title} has {what} for {npu_core_num} NPU core{'s' * (npu_core_num != 1)} on {where}; "
            f"there is {f'one for {counts}' if counts else 'none at all'}. "
            f"{(not counts and self.note) or 'The core count of an LLM is fixed when it is converted (num_npu_core)'}",
            key="--cores",
            hint=f"--cores {counts.replace(' ', '')}" if counts else "",
        )

    def encoder(self, *, standin: bool) -> VisionArtifact:
        """The vision encoder for this sort of board: that of the usual resolution, else the only or first one."""
        fitting = [one for one in self.vision_artifacts if one.standin == standin]
        usual = self.vision.resolution if self.vision else None
        found = next((one for one in fitting if one.resolution in (None, usual)), next(iter(fitting), None))
        if found is not None:
            return found
        where = "a virtual board" if standin else "a real board"
        raise ConfigError(
            f"{self.title} has no vision encoder (.rknn, role: vision) for {where}",
            key="--model",
            hint=f"invoke models --recipe {self.name} prints how one is made",
        )

    def artifacts_for(self, *, standin: bool) -> tuple[Artifact, ...]:
        """Those that a virtual board takes, or those that a real one does; fewest cores first."""
        fitting = (one for one in self.artifacts if one.standin == standin)
        return tuple(sorted(fitting, key=lambda one: one.npu_core_num))

    def files_for(self, *, standin: bool) -> tuple[ModelFile, ...]:
        """All files that boards of this sort may load."""
        encoders = (one for one in self.vision_artifacts if one.standin == standin)
        return (*self.artifacts_for(standin=standin), *encoders)
