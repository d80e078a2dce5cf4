"""job.sh tidy: what dead starts, runs and pushes left in the store goes; evidence, and what is alive, stays."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.shell.kit import BoardUnderTest, kill_at_once

NO_PROCESS = 2**22 + 1  # beyond the largest that the kernel gives


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def killed_in_mid_run(board: BoardUnderTest, run: str = "r1") -> Path:
    """As after a power cut: wrapper, guard and program are gone in one moment."""
    up = board.pipe(f"up-{run}")
    folder = board.started("sh", "-c", f"echo up >'{up.path}'; exec sleep 1000", run=run)
    up.read_line()
    kill_at_once(str(folder))
    return folder


def test_a_run_that_was_cut_keeps_its_evidence_and_nothing_else(board: BoardUnderTest) -> None:
    folder = killed_in_mid_run(board)
    for name in (
        f".spec.{NO_PROCESS}",
        f"..spec.{NO_PROCESS}.{NO_PROCESS}",
        f".end.json.{NO_PROCESS}",
        f".answer.{NO_PROCESS}",
    ):
        (folder / name).touch()
    kept = names(folder) - {".reserve", ".helper", ".armed", "keeper.lock"}
    assert names(folder) != kept, "this is about what a dead run leaves"
    assert board.json("tidy", board.runs)["tidied"] >= 8
    assert names(folder) == {name for name in kept if name[0] != "."}
    assert {"start.json", "spec.json", "stdout.log", "lock"} <= names(folder)
    assert board.json("tidy", board.runs) == {"tidied": 0}


def test_a_run_that_goes_keeps_everything_and_ends_well(board: BoardUnderTest) -> None:
    gate = board.pipe("gate")
    folder = board.started("sh", "-c", f"read _ <'{gate.path}'")
    before = names(folder)
    assert board.json("tidy", board.runs) == {"tidied": 0}
    assert names(folder) == before
    gate.tell("go")
    assert board.wait(folder)["result"] == "success"


def test_a_start_that_was_killed_leaves_a_folder_that_can_still_be_started(board: BoardUnderTest) -> None:
    folder = board.run_dir()
    folder.mkdir(parents=True)
    (folder / f".spec.{NO_PROCESS}").write_text("{")
    (folder / f"..spec.{NO_PROCESS}.{NO_PROCESS}").write_text("")  # while it was being written
    assert board.json("tidy", board.runs) == {"tidied": 2}
    assert names(folder) == set()
    assert board.ran("true")["result"] == "success"


def test_what_belongs_to_a_living_process_of_ours_stays_and_a_stranger_of_its_number_protects_nothing(
    board: BoardUnderTest,
) -> None:
    folder = board.run_dir()
    folder.mkdir(parents=True)
    with (
        subprocess.Popen(["sh", "-c", "read _", "job.sh", "start", str(folder)], stdin=subprocess.PIPE) as ours,
        subprocess.Popen(["sh", "-c", "read _"], stdin=subprocess.PIPE) as stranger,
    ):
        (folder / f".spec.{ours.pid}").touch()
        (folder / f".spec.{stranger.pid}").touch()
        assert board.json("tidy", board.runs) == {"tidied": 1}
        assert names(folder) == {f".spec.{ours.pid}"}


def test_half_unpacked_scripts_and_parts_of_dead_pushes_go(board: BoardUnderTest) -> None:
    store = board.runs.parent
    scripts, models = store / "scripts", store / "models"
    for path in (board.runs, scripts / "0123456789ab", scripts / f"0123456789ab.{NO_PROCESS}", models):
        path.mkdir(parents=True)
    (scripts / f"0123456789ab.{NO_PROCESS}" / "job.sh").touch()
    for name in ("model.rkllm", "model.rkllm.aa.part", "other.rkllm.bb.part"):
        (models / name).touch()
    held = subprocess.Popen(
        ["flock", "-x", str(models / "other.rkllm.bb.part"), "sh", "-c", "echo up; read _"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    try:
        assert held.stdout is not None and held.stdout.readline() == b"up\n"
        assert board.json("tidy", board.runs) == {"tidied": 2}
        assert names(scripts) == {"0123456789ab"}
        assert names(models) == {"model.rkllm", "other.rkllm.bb.part"}
    finally:
        held.communicate(b"\n")
    assert board.json("tidy", board.runs) == {"tidied": 1}


@pytest.mark.parametrize("where", ["nowhere", "empty"])
def test_a_store_without_runs_is_tidy(board: BoardUnderTest, where: str) -> None:
    if where == "empty":
        board.runs.mkdir(parents=True)
    assert board.json("tidy", board.runs) == {"tidied": 0}


def test_a_run_that_is_a_link_is_left_alone(board: BoardUnderTest, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / ".reserve").touch()
    (board.runs / "c1").mkdir(parents=True)
    board.run_dir().symlink_to(tmp_path / "elsewhere")
    assert board.json("tidy", board.runs) == {"tidied": 0}
    assert names(tmp_path / "elsewhere") == {".reserve"}
