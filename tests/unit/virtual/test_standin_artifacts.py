from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from virtual.artifacts import (
    MODELS,
    SIZE_BYTES,
    artifact_bytes,
    artifact_name,
    main,
    read_header,
    write_artifacts,
)


def test_the_bytes_of_a_stand_in_never_change() -> None:
    """Their sha256 is in catalogues and in collected evidence: changing one orphans both."""
    digests = [hashlib.sha256(artifact_bytes("qwen3-0.6b", cores)).hexdigest()[:16] for cores in (1, 2, 3)]
    assert digests == ["5c70b0ca7c5ac358", "50ae45d732705905", "c632ccbccad85de4"]


@pytest.mark.parametrize("model", sorted(MODELS))
def test_the_header_says_all_that_the_demo_needs(model: str) -> None:
    content = artifact_bytes(model, 2)
    header = read_header(content.split(b"\n", 1)[0].decode())
    assert header is not None
    assert (header.architecture, header.npu_core_num) == (MODELS[model], 2)
    assert header.size_bytes == len(content) == SIZE_BYTES
    assert len(content.split(b"\n", 1)[0]) < 1024  # as much as the demo looks at


@pytest.mark.parametrize(
    "line", ["", "version https://git-lfs.github.com/spec/v1", "RKLLM-STANDIN 1 {}", "RKLLM 1 2 3"]
)
def test_other_files_have_no_header(line: str) -> None:
    assert read_header(line) is None


def test_files_that_are_right_are_left_alone_and_others_are_mended(tmp_path: Path) -> None:
    write_artifacts(tmp_path, "qwen3-0.6b")
    good, bad = (tmp_path / artifact_name("qwen3-0.6b", cores) for cores in (1, 2))
    bad.write_bytes(b"half")
    before = good.stat().st_ino
    write_artifacts(tmp_path, "qwen3-0.6b")
    assert good.stat().st_ino == before
    assert bad.read_bytes() == artifact_bytes("qwen3-0.6b", 2)
    assert len(list(tmp_path.iterdir())) == 3


def test_the_command_prints_what_it_wrote(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(tmp_path / "new"), "qwen3-0.6b"]) == 0
    listed = json.loads(capsys.readouterr().out)
    assert [entry["npu_core_num"] for entry in listed] == [1, 2, 3]
    for entry in listed:
        content = (tmp_path / "new" / entry["file"]).read_bytes()
        assert (entry["size_bytes"], entry["sha256"]) == (len(content), hashlib.sha256(content).hexdigest())
