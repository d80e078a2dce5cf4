"""A file where evidence or reports belong: said before any board is asked, and nothing is written over it."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from invoke import Context, Exit

import tasks

IMPORT = {"path": "run.log", "board_model": "ROCK 5B", "model": "qwen3-0.6b"}


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """With a board that no connection may be made to: a test that tries gets another exit code."""
    (tmp_path / "inventory.yaml").write_text("boards: {a: {address: 192.0.2.1}, v: {virtual: true}}\n")
    (tmp_path / "run.log").write_text("rkllm init success\n")
    monkeypatch.chdir(tmp_path)
    before = signal.getsignal(signal.SIGINT)
    yield tmp_path
    signal.signal(signal.SIGINT, before)  # a verb that ended lets nobody interrupt the end of its program


@pytest.mark.parametrize("name", ["reports", "collected"])
@pytest.mark.parametrize(
    ("verb", "options"),
    [("bench", {}), ("demo", {}), ("nightly", {}), ("collect", {}), ("report", {}), ("import_", IMPORT)],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_writes_there_says_what_is_in_the_way(home: Path, name: str, verb: str, options: dict[str, str]) -> None:
    (home / name).write_text("mine")
    with pytest.raises(Exit) as ended:
        getattr(tasks, verb)(Context(), **options)
    assert ended.value.code == 2
    assert str(ended.value).startswith(f"{home / name}: is no folder, and has to be one\nTry: mv ")
    assert (home / name).read_text() == "mine"
    assert not {"nightly", "models", ".virtual"} & {path.name for path in home.iterdir()}


@pytest.mark.parametrize(("name", "verb"), [("reports", "compare"), ("collected", "status"), ("collected", "attach")])
def test_so_does_what_only_reads_or_follows(home: Path, name: str, verb: str) -> None:
    (home / name).symlink_to("nowhere")
    with pytest.raises(Exit, match="is no folder") as ended:
        getattr(tasks, verb)(Context(), **({"a": "x", "b": "y"} if verb == "compare" else {}))
    assert ended.value.code == 2


def test_a_link_to_a_folder_is_a_folder(home: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    (home / "reports").symlink_to(tmp_path_factory.mktemp("elsewhere"))
    with pytest.raises(Exit, match="no run here") as ended:
        tasks.compare(Context(), "x", "y")
    assert ended.value.code == 2
