"""``invoke push`` as a person types it: boards side by side, under leases, the second time nothing; and what can go."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.home import Home, entry, trusted

MODEL = "Qwen3-0.6B_W8A8_RK3588_{}core.rkllm"


@pytest.fixture
def pushing(home: Home, server: Any, board_folder: Path) -> Home:
    """A home with model files that are not on the board."""
    home.inventory({"real": entry(server, board_folder)})
    trusted(home, server)
    (home.folder / "models").mkdir()
    for cores in (1, 2, 3):
        (board_folder / MODEL.format(cores)).unlink()
        data = f"cores {cores}\n".encode() + bytes(range(256)) * 2000
        (home.folder / "models" / MODEL.format(cores)).write_bytes(data)
    return home


def store_of(server: Any) -> Path:
    found = server.home / "rkfleet" if server.home else server.folder / "store"
    assert isinstance(found, Path)
    return found


def rows(home: Home, *words: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(home.invoke("push", *words, "--format", "json").stdout)
    return found


def test_files_are_there_ahead_of_a_bench_and_the_second_time_nothing_is_sent(pushing: Home, server: Any) -> None:
    first = pushing.invoke("push", "--cores", "1,3", "--format", "json")
    assert [(one["file"], one["sent MiB"]) for one in json.loads(first.stdout)] == [
        (MODEL.format(1), 0.5),
        (MODEL.format(3), 0.5),
    ]
    assert f"real: pushed {MODEL.format(3)}, 0.5 MiB" in first.stderr
    assert [(one["file"], one["sent MiB"]) for one in rows(pushing)] == [
        (MODEL.format(1), 0.0),
        (MODEL.format(2), 0.5),
        (MODEL.format(3), 0.0),
    ]
    assert "free" in pushing.invoke("who").stdout
    told = pushing.invoke("bench", "--cores", "3", "--repeats", "1").stderr
    assert "pushed" not in told
    assert len(list((store_of(server) / "sha256").iterdir())) == 3


def test_a_board_of_somebody_else_is_not_pushed_to_nor_cleaned(pushing: Home, server: Any, tmp_path: Path) -> None:
    other = Home(tmp_path_of(tmp_path))
    other.inventory(json.loads((pushing.folder / "inventory.yaml").read_text())["boards"])
    trusted(other, server)
    other.invoke("reserve", "--board", "real", "--for", "10m", "--purpose", "my tests")
    for words in (["--cores", "3"], ["--board", "real", "--remove", MODEL.format(3)]):
        refused = pushing.invoke("push", *words, code=1)
        assert "reserved by" in refused.stderr and "my tests" in refused.stderr
    assert not list((store_of(server) / "models").glob("*.rkllm"))
    other.invoke("release", "--board", "real")
    # What a person reserved from here is used, and stays theirs.
    pushing.invoke("reserve", "--board", "real")
    pushing.invoke("push", "--cores", "3")
    assert "reserved" in pushing.invoke("who").stdout


def tmp_path_of(folder: Path) -> Path:
    other = folder / "other"
    other.mkdir()
    return other


def test_what_no_model_needs_is_listed_and_goes_on_request_only(pushing: Home, server: Any) -> None:
    pushing.invoke("push", "--cores", "3")
    models = store_of(server) / "models"
    (models / "Old-Model.rkllm").write_bytes(b"old")
    (store_of(server) / "sha256" / f"{'e' * 64}.part").write_bytes(b"half")
    found = rows(pushing, "--unused")
    assert [(one["what"], one["file"], one["sha256"]) for one in found] == [
        ("file", "Old-Model.rkllm", None),
        ("unfinished", None, "e" * 64),
    ]
    assert "say which boards" in pushing.invoke("push", "--remove", "Old-Model.rkllm", code=2).stderr
    for what in ("Old-Model.rkllm", "e" * 64):
        assert "real: removed" in pushing.invoke("push", "--board", "real", "--remove", what).stdout
        assert "has nothing" in pushing.invoke("push", "--board", "real", "--remove", what).stdout
    assert rows(pushing, "--unused") == []
    assert [path.name for path in models.glob("*.rkllm")] == [MODEL.format(3)]
    assert "neither a file" in pushing.invoke("push", "--board", "real", "--remove", "../x", code=2).stderr


def test_a_file_that_is_nowhere_is_named_and_says_where_to_put_it(pushing: Home) -> None:
    (pushing.folder / "models" / MODEL.format(2)).unlink()
    refused = pushing.invoke("push", "--cores", "2", code=2)
    assert MODEL.format(2) in refused.stderr and "models/" in refused.stderr
