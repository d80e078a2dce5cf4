"""Stand-in model files: small, made of the architecture's numbers, and the same bytes on every machine.

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


MODELS = {
    "tinyllama-1.1b": Architecture(22, 2048, 32, 4, 64, 5632, 32000),
    "qwen2.5-1.5b": Architecture(28, 1536, 12, 2, 128, 8960, 151936),
    "qwen3-0.6b": Architecture(28, 1024, 16, 8, 128, 3072, 151936),
    "qwen3-1.7b": Architecture(28, 2048, 16, 8, 128, 6144, 151936),
    "qwen3-4b": Architecture(36, 2560, 32, 8, 128, 9728, 151936),
    "qwen3-8b": Architecture(36, 4096, 32, 8, 128, 12288, 151936),
}


@dataclasses.dataclass(frozen=True)
class Artifact:
    """One stand-in file as it lies on a disk."""

    file: str
    model: str
    npu_core_num: int
    size_bytes: int
    sha256: str
    dtype: str = DTYPE
    toolkit: str = TOOLKIT
    max_context: int = MAX_CONTEXT


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
    line = f"{MAGIC} 1 {json.dumps(fields, sort_keys=True)}\n".encode("ascii")
    blocks = (hashlib.sha256(f"{model}/{npu_core_num}/{block}".encode()).digest() for block in range(SIZE_BYTES // 32))
    return (line + b"".join(blocks))[:SIZE_BYTES]


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


def write_artifacts(folder: Path, model: str) -> tuple[Artifact, ...]:
    """One file a core count in ``folder``; a file that is already right is left alone."""
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for npu_core_num in CORE_COUNTS:
        content = artifact_bytes(model, npu_core_num)
        path = folder / artifact_name(model, npu_core_num)
        if not path.is_file() or path.read_bytes() != content:
            write_whole(path, content)
        digest = hashlib.sha256(content).hexdigest()
        written.append(Artifact(path.name, model, npu_core_num, len(content), digest))
    return tuple(written)


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
