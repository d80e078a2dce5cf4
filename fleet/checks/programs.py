"""What a run executes: the demo, the libraries it loads, and the tools that our scripts call."""

from __future__ import annotations

import posixpath
from collections.abc import Mapping, Sequence
from typing import Any

from fleet import defaults
from fleet.boards import libraries_of
from fleet.checks.check import Check, Finding, Subject, parts
from fleet.config.inventory import BoardEntry
from fleet.config.model import Kind, Model


class RkllmLibrary(Check):
    """Of several copies a run loads the first."""

    name = "rkllm-library"
    reads = "`librkllmrt.so` in the inventory's `libraries`, beside the demo and in the system's folders"
    rule = "there is one; a warning when it does not tell its version, or is older than the model asks for"
    action = "`invoke provision`; or name its folder under the inventory's `paths.libraries`"

    def judge(self, board: Subject) -> Finding:
        if "runtime" not in board.facts:
            return self.unknown(board.why("runtime"))
        libraries = board.rows("runtime.rkllm")
        if not libraries:
            return self.fail("no librkllmrt.so that our user can read")
        path, said = libraries[0].get("path"), libraries[0].get("version")
        version = parts(said if isinstance(said, str) else None)
        if version is None:
            return self.warn(f"{path} does not tell its version")
        for model in board.models:
            since = model.runtime.since if model.runtime else None
            if version < (parts(since) or ()):
                seen = f"{path} is {said}; {model.title} is supported since {since}"
                return self.warn(seen, f"install runtime {since} or later")
        return self.ok(f"{said} at {path}")


class LibraryVersions(Check):
    """A half done update: which copy is measured then depends on the order of folders."""

    name = "library-versions"
    reads = "every `librkllmrt.so` and `librknnrt.so`, and the text in each that tells its version"
    rule = (
        "copies in the folders that a run searches are of one version, and a vision model has librknnrt 2 or later; "
        "another version elsewhere is a warning"
    )
    action = "remove or update the copies that are left from another version"

    def judge(self, board: Subject) -> Finding:
        if "runtime" not in board.facts:
            return self.unknown(board.why("runtime"))
        copies = {kind: board.rows(f"runtime.{kind}") for kind in ("rkllm", "rknn")}
        rknn = parts(str(copies["rknn"][0].get("version"))) if copies["rknn"] else None
        vision = next((model.title for model in board.models if model.kind == Kind.VLM), None)
        if vision is not None:
            action = "put the librknnrt.so of a current rknn-toolkit2 beside librkllmrt.so"
            if not copies["rknn"]:
                return self.fail(f"no librknnrt.so, which the vision encoder of {vision} needs", action)
            if rknn is not None and rknn[0] < defaults.LEAST_RKNN:
                return self.fail(f"librknnrt {copies['rknn'][0].get('version')} loads no encoder of today", action)
        searched = {posixpath.normpath(folder) for folder in libraries_of(board.entry)}
        for kind, found in copies.items():
            own = [one for one in found if posixpath.dirname(str(one.get("path"))) in searched]
            if len({str(one.get("version")) for one in own}) > 1:
                return self.fail(f"{_listed(own)} in the folders that a run of lib{kind}rt searches")
        for kind, found in copies.items():
            if len({str(one.get("version")) for one in found}) > 1:
                return self.warn(f"lib{kind}rt: {_listed(found)}; a run loads the first")
        if rknn is not None and rknn[0] < defaults.LEAST_RKNN:
            return self.warn(f"librknnrt {copies['rknn'][0].get('version')}: too old for a vision encoder")
        found = [*copies["rkllm"], *copies["rknn"]]
        return self.ok(_listed(found)) if found else self.unknown("there is no library to compare")


class Glibc(Check):
    """The vendor builds against a C library that an old image may not have."""

    name = "glibc"
    reads = "`getconf GNU_LIBC_VERSION`, and the newest `GLIBC_2.x` that librkllmrt and the demo name"
    rule = "the board's glibc is at least what they were linked against"
    action = "use a newer image (Debian 11 or Ubuntu 20.04 and later have 2.31), or a demo built on this board"

    def judge(self, board: Subject) -> Finding:
        there, needed = board.text("check.glibc.version"), board.text("check.glibc.needed")
        version, need = parts(there), parts(needed)
        if version is None:
            return self.unknown(board.why("check.glibc.version"))
        if need is None:
            return self.unknown(f"glibc {there}; {board.why('check.glibc.needed')}")
        by = posixpath.basename(board.text("check.glibc.needed_by") or "")
        if version < need:
            return self.fail(f"glibc {there}, and {by} needs {needed}")
        return self.ok(f"glibc {there}; {by} needs {needed}")


def demos_of(entry: BoardEntry, models: Sequence[Model]) -> dict[str, str | None]:
    """The demos that runs of these models start: by key in the inventory, the path. Where nobody named a model, that of
    text models."""
    kinds = {model.kind for model in models} or {Kind.LLM}
    paths = {Kind.LLM: ("llm_demo", entry.paths.llm_demo), Kind.VLM: ("vlm_demo", entry.paths.vlm_demo)}
    return dict(paths[kind] for kind in Kind if kind in kinds)


class Demo(Check):
    """The vendor's ``llm_demo``, the multimodal demo, or both: what the models that are asked for need."""

    name = "demo"
    reads = "the file at the inventory's `paths.llm_demo` for text models, and at `paths.vlm_demo` for vision models"
    rule = "each that the models asked for need is there, and our user may execute it"
    action = "`invoke provision`; or write the right path into the inventory, or on the board `chmod +x` that file"

    def judge(self, board: Subject) -> Finding:
        needed = demos_of(board.entry, board.models)
        seen = {str(row.get("path")): row.get("is") for row in board.rows("check.demos")}
        bad = [said for key, path in needed.items() if (said := _lacking(key, path, seen))]
        if bad:
            unsaid = [f"boards.{board.entry.name}.paths.{key}" for key, path in needed.items() if path is None]
            return self.fail("; ".join(bad), f"set {', '.join(unsaid)} in inventory.yaml" if unsaid else None)
        there = [path for path in needed.values() if path is not None]
        unseen = [path for path in there if not isinstance(seen.get(path), str)]
        if unseen:
            return self.unknown(board.why("check.demos"))
        return self.ok(", ".join(there))


def _lacking(key: str, path: str | None, seen: Mapping[Any, Any]) -> str | None:
    """What keeps a run from this demo; None where nothing does, or nobody looked."""
    if path is None:
        return f"the inventory does not say where {key} is"
    if seen.get(path) == "missing":
        return f"{key} {path} is not there"
    if seen.get(path) == "there":
        return f"{key} {path} is there, and our user may not execute it"
    return None


class Tools(Check):
    """What the board scripts can not do without."""

    name = "tools"
    reads = "`PATH` on the board, for each tool that our scripts call"
    rule = "none of awk, dd, find, flock, setsid, sha256sum, stat, stdbuf, timeout is missing"
    action = "as root: `apt-get install coreutils util-linux findutils mawk`"

    def judge(self, board: Subject) -> Finding:
        tools = board.get("tools")
        if not isinstance(tools, Mapping) or not tools:
            return self.unknown(board.why("tools"))
        missing = [str(tool) for tool, there in tools.items() if tool != "systemd" and there is not True]
        if missing:
            return self.fail(f"not there: {', '.join(missing)}")
        return self.ok("all there" if tools.get("systemd") is True else "all there; no systemd, runs are sessions")


def _listed(libraries: list[Mapping[str, Any]]) -> str:
    return ", ".join(f"{one.get('version') or 'no version'} at {one.get('path')}" for one in libraries)
