"""The vendor's runtime of a stated version, and the demo program that uses it.

A folder of this workstation holds the libraries and ``SHA256SUMS``, the pin: the same playbook brings the same bytes
next year. That the version is the stated one is read out of librkllmrt.so, where it stands as text in some releases;
others put it together when they run, and then the pin alone vouches for it.
"""

from __future__ import annotations

import functools
import hashlib
import io
import re
import tarfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pyinfra import context
from pyinfra.api import FileUploadCommand, QuoteString, StringCommand, operation

from fleet.provisioning.facts import Files, Text
from fleet.provisioning.operations.common import Commands, files_there

SUMS = "SHA256SUMS"
LIBRARY = "librkllmrt.so"
FILES = {"runtime": ("source",), "demo": ("source",)}
_SAID = re.compile(rb"rkllm-runtime version: v?([0-9]+\.[0-9]+\.[0-9]+[A-Za-z0-9]*)")
_SKIPPED = {".git", "__pycache__", "build"}


@operation()
def runtime(version: str, source: str, folder: str) -> Commands:
    """The libraries of ``source`` in ``folder`` on the board."""
    libraries = _libraries(Path(source))
    yield from files_there({f"{folder}/{name}": (path.read_bytes(), "644") for name, path in libraries.items()})


@operation()
def demo(source: str, path: str, program: str = "llm_demo", build: str | None = None) -> Commands:
    """The demo program at ``path``: ``program`` out of the folder ``source``; with ``build``, made there on the board.

    ``build`` is a shell command. It is done in a copy of the folder, and again only when the folder or it has changed.
    """
    host = context.host
    if build is None:
        yield from files_there({path: ((Path(source) / program).read_bytes(), "755")})
        return
    archive = _packed(source)
    made_of = hashlib.sha256(build.encode() + b"\0" + program.encode() + b"\0" + archive).hexdigest()
    stamp = f"{path}.built"
    now = (host.get_fact(Text, path=stamp) or "").split()
    digest, _ = host.get_fact(Files, paths=[path]).get(path, ("", ""))
    # Built from these sources, and nobody has put another program there since.
    if now == [made_of, digest]:
        return
    packed, work = f"{path}.sources.tar", f"{path}.sources"
    yield StringCommand("mkdir", "-p", "--", QuoteString(path.rpartition("/")[0]))
    yield FileUploadCommand(io.BytesIO(archive), packed)
    yield StringCommand(
        "sh", "-c", QuoteString(_BUILD), "sh", *map(QuoteString, (packed, work, build, program, path, made_of))
    )


# Whole or not at all: the stamp comes last, so that a build that was interrupted is done again.
_BUILD = r"""
set -eu
rm -rf -- "$2" "$5.built"
mkdir -p -- "$2"
tar -xf "$1" -C "$2"
(cd -- "$2" && sh -c "$3")
[ -f "$2/$4" ] || { echo "the build left no $4" >&2; exit 1; }
cp -- "$2/$4" "$5.new"
chmod 755 -- "$5.new"
mv -f -- "$5.new" "$5"
printf '%s %s\n' "$6" "$(sha256sum <"$5" | cut -d' ' -f1)" >"$5.built"
rm -rf -- "$2" "$1"
"""


def version_in(library: bytes) -> str | None:
    """The version that a library says it is, where it says so as text."""
    said = _SAID.search(library)
    return None if said is None else said[1].decode()


def _libraries(source: Path) -> dict[str, Path]:
    return {path.name: path for path in sorted(source.glob("*.so*")) if path.is_file()}


@functools.lru_cache(maxsize=16)
def _packed(source: str) -> bytes:
    """A folder as a tar archive that is the same bytes for the same files."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for path in sorted(Path(source).rglob("*")):
            name = path.relative_to(source)
            if _SKIPPED & set(name.parts) or not path.is_file():
                continue
            data = path.read_bytes()
            entry = tarfile.TarInfo(str(name))
            entry.size = len(data)
            entry.mode = 0o755 if path.stat().st_mode & 0o100 else 0o644
            archive.addfile(entry, io.BytesIO(data))
    return out.getvalue()


def _pinned(source: Path) -> Mapping[str, str] | str:
    """What ``SHA256SUMS`` says, or what is wrong with it."""
    try:
        lines = (source / SUMS).read_text(encoding="utf-8").splitlines()
    except OSError:
        what = f"{source} has no {SUMS}, so nobody knows what these libraries are"
        return f"{what}\n(cd {source} && sha256sum *.so* >{SUMS})"
    pins = {}
    for line in lines:
        found = re.fullmatch(r"([0-9a-f]{64}) [ *](\S.*)", line)
        if not found:
            return f"{source}/{SUMS}: {line[:80]!r} is not a line of sha256sum"
        pins[found[2]] = found[1]
    return pins


def _wrong_runtime(arguments: Mapping[str, Any]) -> str:
    source, version = Path(arguments["source"]), str(arguments["version"])
    if not (source / LIBRARY).is_file():
        return f"there is no {source / LIBRARY}\nput {LIBRARY} of runtime {version} there, from the vendor's release"
    pins = _pinned(source)
    if isinstance(pins, str):
        return pins
    for name, path in _libraries(source).items():
        data = path.read_bytes()
        if hashlib.sha256(data).hexdigest() != pins.get(name, ""):
            return f"{path} is not what {SUMS} says" if name in pins else f"{SUMS} says nothing of {path}"
        said = version_in(data) if name == LIBRARY else None
        if said is not None and said != version:
            return f"{path} says it is version {said}, the step says {version}"
    return ""


def _wrong_demo(arguments: Mapping[str, Any]) -> str:
    source, program = Path(arguments["source"]), str(arguments.get("program", "llm_demo"))
    if not source.is_dir():
        return f"there is no folder {source}"
    if arguments.get("build") is None and not (source / program).is_file():
        return f"there is no {source / program}\nput the program there, or say how it is built: build: a command"
    return ""


CHECKS = {"runtime": _wrong_runtime, "demo": _wrong_demo}
