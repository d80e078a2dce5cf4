"""A bare board lacks exactly what the vendor's stand-ins bring."""

from __future__ import annotations

import hashlib
import io
import tarfile
from pathlib import Path

import pytest

from virtual.config import BadConfig, BoardConfig, parse_config
from virtual.rootfs import factory_archive
from virtual.vendor import main


def members(config: BoardConfig) -> dict[str, bytes]:
    with tarfile.open(fileobj=io.BytesIO(factory_archive("a", config))) as archive:
        return {one.name: archive.extractfile(one).read() for one in archive if one.isfile()}  # type: ignore[union-attr]


def test_what_a_bare_board_lacks_is_what_lies_in_the_vendors_folder(tmp_path: Path) -> None:
    assert main([str(tmp_path), "1.2.1"]) == 0
    whole, bare = members(BoardConfig(runtime="1.2.1")), members(BoardConfig(runtime="1.2.1", bare=True))
    lacking = {path.rpartition("/")[2]: data for path, data in whole.items() if path not in bare}
    assert {lacking.pop(name)[:9] for name in ("demo", "VLM_NPU")} == {b"#!/bin/sh"}  # in no release: built by somebody
    assert lacking == {name: (tmp_path / name).read_bytes() for name in lacking}
    assert set(lacking) == {"llm_demo", "librkllmrt.so", "librknnrt.so"}
    assert b"rkllm-runtime version: 1.2.1" in lacking["librkllmrt.so"] and b"STANDIN" in lacking["librkllmrt.so"]
    sums = dict(line.split("  ")[::-1] for line in (tmp_path / "SHA256SUMS").read_text().splitlines())
    assert sums == {name: hashlib.sha256(data).hexdigest() for name, data in lacking.items()}
    assert "SIMULATED" in (tmp_path / "SIMULATED").read_text()


def test_what_is_right_is_left_alone_and_what_is_not_is_made_anew(tmp_path: Path) -> None:
    main([str(tmp_path), "1.2.3"])
    (tmp_path / "llm_demo").write_text("something else")
    before = (tmp_path / "librkllmrt.so").stat().st_ino
    main([str(tmp_path), "1.2.3"])
    assert (tmp_path / "librkllmrt.so").stat().st_ino == before
    assert (tmp_path / "llm_demo").read_text().startswith("#!/bin/sh")
    assert (tmp_path / "llm_demo").stat().st_mode & 0o111


def test_bare_is_true_or_false() -> None:
    with pytest.raises(BadConfig, match="bare"):
        parse_config('{"bare": "yes"}')
