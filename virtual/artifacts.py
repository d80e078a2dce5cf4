"""Stand-in model files: small, made of the architecture's numbers, and the same bytes on every machine.

A vision model has one more, its encoder, which says nothing of cores: those are an argument of the demo.

A file is one line of text and padding. The line holds a magic word and a JSON object with all that the demo
needs to know; a demo never looks at the file's name. Padding is a hash stream, so that no transfer can compress
it away and a damaged byte changes the sha256.

    python -m virtual.artifacts FOLDER MODEL
"""

from __future__ import annotations

import argparse
import dataclasses
import hashlib
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from virtual.whole import write_whole

MAGIC = "RKLLM-STANDIN"
ENCODER_MAGIC = "RKNN-STANDIN"
ENCODER_DTYPE = "FP16"
ENCODER_TOOLKIT = "2.3.2"
SIZE_BYTES = 256 * 1024
TOOLKIT = "1.2.3"
DTYPE = "W8A8"
MAX_CONTEXT = 4096
CORE_COUNTS = (1, 2, 3)


@dataclasses.dataclass(frozen=True)
class Architecture:
    """The numbers of a model's public config.json."""

    layers: int
    hidden: int
    heads: int
    kv_heads: int
    head_dim: int
    ffn: int
    vocab: int


@dataclasses.dataclass(frozen=True)
class Encoder:
    """A vision encoder with its projector, exported for one square resolution."""

    parameters: int
    layers: int
    hidden: int
    patch: int
    merge: int
    outputs: int
    resolution: int
    width: int  # of its output: the language model's hidden size

    @property
    def patches(self) -> int:
        """Of one image, as the encoder sees it."""
        return (self.resolution // self.patch) ** 2

    @property
    def image_tokens(self) -> int:
        """Of one image, as the language model sees it."""
        return self.patches // self.merge**2


MODELS = {
    "tinyllama-1.1b": Architecture(22, 2048, 32, 4, 64, 5632, 32000),
    "qwen2.5-1.5b": Architecture(28, 1536, 12, 2, 128, 8960, 151936),
    "qwen3-0.6b": Architecture(28, 1024, 16, 8, 128, 3072, 151936),
    "qwen3-1.7b": Architecture(28, 2048, 16, 8, 128, 6144, 151936),
    "qwen3-4b": Architecture(36, 2560, 32, 8, 128, 9728, 151936),
    "qwen3-8b": Architecture(36, 4096, 32, 8, 128, 12288, 151936),
    "internvl3.5-1b": Architecture(28, 1024, 16, 8, 128, 3072, 151936),
    "internvl3.5-2b": Architecture(28, 2048, 16, 8, 128, 6144, 151936),
    "internvl3.5-4b": Architecture(36, 2560, 32, 8, 128, 9728, 151936),
    "internvl3.5-8b": Architecture(36, 4096, 32, 8, 128, 12288, 151936),
    "qwen2-vl-2b": Architecture(28, 1536, 12, 2, 128, 8960, 151936),
    "qwen3-vl-2b": Architecture(28, 2048, 16, 8, 128, 6144, 151936),
    "qwen3-vl-4b": Architecture(36, 2560, 32, 8, 128, 9728, 151936),
    "qwen3-vl-8b": Architecture(36, 4096, 32, 8, 128, 12288, 151936),
}
ENCODERS = {
    "internvl3.5-1b": Encoder(309265408, 24, 1024, 14, 2, 1, 448, 1024),
    "internvl3.5-2b": Encoder(316607488, 24, 1024, 14, 2, 1, 448, 2048),
    "internvl3.5-4b": Encoder(321064960, 24, 1024, 14, 2, 1, 448, 2560),
    "internvl3.5-8b": Encoder(337583104, 24, 1024, 14, 2, 1, 448, 4096),
    "qwen2-vl-2b": Encoder(665271296, 32, 1280, 14, 2, 1, 392, 1536),
    "qwen3-vl-2b": Encoder(406957056, 24, 1024, 16, 2, 4, 448, 2048),
    "qwen3-vl-4b": Encoder(415347712, 24, 1024, 16, 2, 4, 448, 2560),
    "qwen3-vl-8b": Encoder(576388336, 27, 1152, 16, 2, 4, 448, 4096),
}


@dataclasses.dataclass(frozen=True)
class Artifact:
    """One stand-in file as it lies on a disk."""

    file: str
    model: str
    npu_core_num: int | None  # None: an encoder, which has neither of the two
    size_bytes: int
    sha256: str
    dtype: str = DTYPE
    toolkit: str = TOOLKIT
    max_context: int | None = MAX_CONTEXT


@dataclasses.dataclass(frozen=True)
class Header:
    """What the first line of a stand-in says."""

    architecture: Architecture
    model: str
    npu_core_num: int
    size_bytes: int
    dtype: str
    toolkit: str
    max_context: int
    target_platform: str


@dataclasses.dataclass(frozen=True)
class EncoderHeader:
    """What the first line of an encoder's stand-in says."""

    encoder: Encoder
    model: str
    size_bytes: int
    dtype: str
    toolkit: str
    target_platform: str


def encoder_name(model: str) -> str:
    return f"standin-{model}-vision-{ENCODERS[model].resolution}-{ENCODER_DTYPE.lower()}-rk3588.rknn"


def encoder_bytes(model: str) -> bytes:
    """The whole file of the vision encoder; a pure function of its argument."""
    fields = {
        "dtype": ENCODER_DTYPE,
        "encoder": dataclasses.asdict(ENCODERS[model]),
        "model": model,
        "size_bytes": SIZE_BYTES,
        "target_platform": "RK3588",
        "toolkit": ENCODER_TOOLKIT,
    }
    return _padded(f"{ENCODER_MAGIC} 1 {json.dumps(fields, sort_keys=True)}\n", f"{model}/vision")


def artifact_name(model: str, npu_core_num: int) -> str:
    return f"standin-{model}-{DTYPE.lower()}-rk3588-{npu_core_num}core.rkllm"


def artifact_bytes(model: str, npu_core_num: int) -> bytes:
    """The whole file; a pure function of its arguments."""
    fields = {
        "architecture": dataclasses.asdict(MODELS[model]),
        "dtype": DTYPE,
        "max_context": MAX_CONTEXT,
        "model": model,
        "npu_core_num": npu_core_num,
        "size_bytes": SIZE_BYTES,
        "target_platform": "RK3588",
        "toolkit": TOOLKIT,
    }
    return _padded(f"{MAGIC} 1 {json.dumps(fields, sort_keys=True)}\n", f"{model}/{npu_core_num}")


def _padded(line: str, seed: str) -> bytes:
    blocks = (hashlib.sha256(f"{seed}/{block}".encode()).digest() for block in range(SIZE_BYTES // 32))
    return (line.encode("ascii") + b"".join(blocks))[:SIZE_BYTES]


def read_header(line: str) -> Header | None:
    """The header in a file's first line, or None when that file is no stand-in."""
    magic, _, rest = line.strip().partition(" 1 ")
    if magic != MAGIC:
        return None
    try:
        fields = json.loads(rest)
        return Header(architecture=Architecture(**fields.pop("architecture")), **fields)
    except (ValueError, TypeError, KeyError, AttributeError):
        return None


def read_encoder(line: str) -> EncoderHeader | None:
    """The same for a vision encoder."""
    magic, _, rest = line.strip().partition(" 1 ")
    if magic != ENCODER_MAGIC:
        return None
    try:
        fields = json.loads(rest)
        return EncoderHeader(encoder=Encoder(**fields.pop("encoder")), **fields)
    except (ValueError, TypeError, KeyError, AttributeError):
        return None


def write_artifacts(folder: Path, model: str) -> tuple[Artifact, ...]:
    """One file a core count in ``folder``, and the encoder; a file that is already right is left alone."""
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for npu_core_num in CORE_COUNTS:
        content = artifact_bytes(model, npu_core_num)
        digest = _write(folder / artifact_name(model, npu_core_num), content)
        written.append(Artifact(artifact_name(model, npu_core_num), model, npu_core_num, len(content), digest))
    if model in ENCODERS:
        content, name = encoder_bytes(model), encoder_name(model)
        digest = _write(folder / name, content)
        written.append(Artifact(name, model, None, len(content), digest, ENCODER_DTYPE, ENCODER_TOOLKIT, None))
    return tuple(written)


def _write(path: Path, content: bytes) -> str:
    if not path.is_file() or path.read_bytes() != content:
        write_whole(path, content)
    return hashlib.sha256(content).hexdigest()


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m virtual.artifacts", description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="where the files go")
    parser.add_argument("model", choices=sorted(MODELS), help="which model they stand in for")
    options = parser.parse_args(arguments)
    artifacts = write_artifacts(options.folder, options.model)
    sys.stdout.write(json.dumps([dataclasses.asdict(artifact) for artifact in artifacts], indent=1) + "\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
