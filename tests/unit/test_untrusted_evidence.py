"""Evidence is not trusted: changes to it are noticed, no link or pipe is followed, and nothing in it may raise."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from analysis.errors import CannotRead
from analysis.evidence import RunFiles, find_runs
from analysis.outcome import Outcome
from analysis.runs import read_run, read_runs
from tests.unit.collected import BANNER, TABLE, evidence, only_run


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"spec": None}, "no spec.json"),
        ({"spec": b"{"}, "is no JSON"),
        ({"spec": b"\xff\x00["}, "is no JSON"),
        ({"spec": b"[" * 100_000}, "is no JSON"),
        ({"spec": b"[1, 2]"}, "no JSON object"),
        ({"spec": b'{"n": ' + b"9" * 5000 + b"}"}, "is no JSON"),
        ({"spec": b" " * (2**20 + 1)}, "larger than 1 MiB"),
        ({"spec": {"board": "rk3588-b"}}, "spec.json is of board 'rk3588-b'"),
        ({"spec": {"npu_cores": "three"}}, "npu_cores is 'three'"),
        ({"spec": {"npu_cores": True}}, "npu_cores is True"),
        ({"spec": {"model": ""}}, "model is ''"),
    ],
)
def test_a_broken_spec_is_a_failed_row_that_says_why(tmp_path: Path, changed: dict[str, Any], reason: str) -> None:
    run = only_run(tmp_path / "collected", **changed)
    assert run.outcome == "failed"
    assert reason in str(run.reason)
    assert run.board == "rk3588-a"


def test_a_file_that_changed_after_it_was_collected_taints_the_run(tmp_path: Path) -> None:
    folder = evidence(tmp_path)
    files = {path.name: {"sha256": hashlib.sha256(path.read_bytes()).hexdigest()} for path in folder.iterdir()}
    (folder / "manifest.json").write_text(json.dumps({"schema": 1, "files": files}))
    assert read_runs(tmp_path)[0].outcome == "ok"
    (folder / "telemetry.csv").write_text("vmhwm_bytes\n1\n")
    run = read_runs(tmp_path)[0]
    assert (run.outcome, run.reason) == ("tainted", "telemetry.csv is not what was collected")


def test_a_file_that_only_a_later_version_collects_is_compared_too(tmp_path: Path) -> None:
    folder = evidence(tmp_path)
    (folder / "power.csv").write_bytes(b"watts\n")
    files = {path.name: {"sha256": hashlib.sha256(path.read_bytes()).hexdigest()} for path in folder.iterdir()}
    (folder / "manifest.json").write_text(json.dumps({"schema": 1, "files": files}))
    assert read_runs(tmp_path)[0].outcome == "ok"


def test_a_file_that_was_added_after_collection_taints_the_run(tmp_path: Path) -> None:
    folder = evidence(tmp_path)
    files = {path.name: {"sha256": hashlib.sha256(path.read_bytes()).hexdigest()} for path in folder.iterdir()}
    without = {name: entry for name, entry in files.items() if name != "end.json"}
    (folder / "manifest.json").write_text(json.dumps({"schema": 1, "files": without}))
    assert read_runs(tmp_path)[0].reason == "end.json is not what was collected"
    (folder / "manifest.json").write_text(json.dumps({"schema": 1, "files": files | {"../../secret": {}}}))
    assert read_runs(tmp_path)[0].reason == "../../secret is not what was collected"


@pytest.mark.parametrize("listed", [None, [], {}, {"../../secret": {}}, {"a\0b": {"sha256": "0"}}, {"stdout.log": 3}])
def test_a_manifest_that_makes_no_sense_taints_the_run(tmp_path: Path, listed: object) -> None:
    assert only_run(tmp_path / "collected", manifest={"files": listed}).outcome == "tainted"


def test_runs_are_found_sorted_and_unfinished_ones_are_not_there(tmp_path: Path) -> None:
    for path in ("b/x/2", "b/x/1", "a/y/3", "b/x/.4.part", ".c/x/5", "b/.z/6"):
        (tmp_path / path).mkdir(parents=True)
    (tmp_path / "a" / "note.txt").write_text("not a board")
    found = [(files.campaign, files.board, files.run) for files in find_runs(tmp_path)]
    assert found == [("a", "y", "3"), ("b", "x", "1"), ("b", "x", "2")]


def test_links_are_not_followed(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    (outside / "board" / "run").mkdir(parents=True)
    collected = tmp_path / "collected"
    folder = evidence(collected, stdout=None)
    (collected / "linked").symlink_to(outside)
    secret = tmp_path / "secret.log"
    secret.write_text(BANNER + TABLE)
    (folder / "stdout.log").symlink_to(secret)
    (run,) = read_runs(collected)
    assert run.outcome == "failed"
    assert run.ttft_ms is None


def test_a_pipe_in_place_of_a_file_is_not_waited_on(tmp_path: Path) -> None:
    folder = evidence(tmp_path / "collected", spec=None, stdout=None)
    os.mkfifo(folder / "spec.json")
    os.mkfifo(folder / "stdout.log")
    (run,) = read_runs(tmp_path / "collected")
    assert "no plain file" in str(run.reason)


def test_no_folder_is_no_runs_and_a_file_is_an_error(tmp_path: Path) -> None:
    assert find_runs(tmp_path / "nothing") == ()
    (tmp_path / "file").write_text("")
    with pytest.raises(CannotRead, match="is no folder"):
        find_runs(tmp_path / "file")


def test_of_a_log_above_the_limit_whole_lines_at_both_ends_are_read(tmp_path: Path) -> None:
    (tmp_path / "stdout.log").write_bytes(b"first 11\nsecond 22\nthird 33\nfourth 44\nfifth 55\n")
    files = RunFiles("c", "b", "r", tmp_path, tmp_path)
    data = files.read("stdout.log", limit_bytes=24)
    assert data is not None
    assert data.startswith(b"first 11\n\n[")
    assert data.endswith(b"]\nfifth 55\n")
    assert files.read("stdout.log", limit_bytes=100) == (tmp_path / "stdout.log").read_bytes()


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(st.data())
def test_nothing_in_a_runs_folder_makes_reading_raise(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    folder = tmp_path_factory.mktemp("c") / "campaign" / "board" / "run"
    folder.mkdir(parents=True)
    values = st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(WORDS), inner, max_size=6),
        max_leaves=12,
    )
    for name in FILES:
        kind = data.draw(st.sampled_from(("missing", "bytes", "json")))
        if kind == "bytes":
            (folder / name).write_bytes(data.draw(st.binary(max_size=60)))
        elif kind == "json":
            (folder / name).write_text(json.dumps(data.draw(st.dictionaries(st.sampled_from(WORDS), values))))
    run = read_run(RunFiles("campaign", "board", "run", folder, folder.parents[2]))
    assert run.outcome is not Outcome.OK


FILES = (
    *("spec.json", "start.json", "end.json", "outcome.json", "facts.before.json", "facts.after.json"),
    *("stdout.log", "stderr.log", "dmesg.log", "telemetry.csv", "manifest.json"),
)
WORDS = (
    *("campaign", "board", "run", "model", "npu_cores", "artifact", "workload", "file", "sha256", "files", "npu"),
    *("driver", "simulated", "time_scale", "origin", "result", "exit_code", "outcome", "reason", "boot_id", "signal"),
)
