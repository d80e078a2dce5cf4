"""The store: what is in it is what the evidence says, nothing is read twice, and nothing that lies about breaks it."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from analysis import parser_version as versions
from analysis import store
from analysis.claiming import claims
from analysis.errors import CannotWrite
from analysis.metrics import METRICS
from analysis.physics import gated
from analysis.predictions import KnownModel
from analysis.runs import read_runs
from analysis.store import Taken, load_runs, save_derived, take_in
from tests.unit.architectures import KNOWN, PROJECT, PUBLISHED
from tests.unit.collected import evidence

MODELS = {"qwen3-0.6b": KnownModel("Qwen3-0.6B", KNOWN["Qwen3-0.6B"])}


def add(collected: Path, campaign: str, board: str = "a", run: str = "000-r1", **changed: Any) -> Path:
    if isinstance(changed.get("spec", {}), dict):
        changed["spec"] = {"campaign": campaign, "board": board, "run": run} | changed.get("spec", {})
    made = evidence(collected / ".making", **changed)
    folder = collected / campaign / board / run
    folder.parent.mkdir(parents=True, exist_ok=True)
    shutil.move(made, folder)
    shutil.rmtree(collected / ".making")
    return folder


def dump(path: Path) -> str:
    connection = sqlite3.connect(path)
    try:
        return "\n".join(connection.iterdump())
    finally:
        connection.close()


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def derive(path: Path, collected: Path) -> None:
    runs = gated(load_runs(path, collected), {"qwen3-0.6b": KNOWN["Qwen3-0.6B"]})
    save_derived(path, runs, PUBLISHED, claims(runs, PUBLISHED, MODELS))


def rows(path: Path, query: str) -> list[tuple[Any, ...]]:
    connection = sqlite3.connect(path)
    try:
        return connection.execute(query).fetchall()
    finally:
        connection.close()


@pytest.fixture
def collected(tmp_path: Path) -> Path:
    folder = tmp_path / "collected"
    add(folder, "c1")
    add(
        folder,
        "c1",
        run="001-r2",
        telemetry=b"uptime_s,memavail_bytes,soc_mc,fan-cooling_state\n1,900,40000,0\n2,800,41000,1\n",
    )
    add(folder, "c2", board="b", stdout=b"nothing", end={"exit_code": 1})
    add(folder, "c3", board="b", stderr="E rkllm: ollé 模型\0".encode())
    add(folder, "c2", board="b", run="x", spec=b"{", stdout=None)
    return folder


def test_runs_from_the_store_are_those_from_the_evidence(collected: Path, tmp_path: Path) -> None:
    path = tmp_path / "reports" / "results.sqlite"
    assert take_in(collected, path) == Taken(read=5)
    assert load_runs(path, collected) == read_runs(collected)
    assert [type(value) for run in load_runs(path, collected) for value in vars(run).values()] == [
        type(value) for run in read_runs(collected) for value in vars(run).values()
    ]
    assert load_runs(path, collected, "c2") == tuple(run for run in read_runs(collected) if run.campaign == "c2")


def test_text_that_is_no_text_comes_back_as_it_was(tmp_path: Path) -> None:
    collected, path = tmp_path / "collected", tmp_path / "r.sqlite"
    title = "half \\ud800 and \\u0000 and 模型 and \\u2028"
    add(
        collected,
        "c1",
        spec=json.dumps({"origin": "manual", "kind": "llm", "model": "m", "model_title": "T"})
        .replace("T", title)
        .encode(),
    )
    (collected / "c1").rename(collected / os.fsdecode(b"c\xff"))
    take_in(collected, path)
    assert load_runs(path, collected) == read_runs(collected)
    assert load_runs(path, collected)[0].model_title == "half \ud800 and \0 and 模型 and \u2028"
    assert len(load_runs(path, collected, os.fsdecode(b"c\xff"))) == 1


def test_a_run_whose_folder_and_parser_are_the_same_is_not_read_again(
    collected: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "results.sqlite"
    take_in(collected, path)
    read: list[str] = []
    real = store.read_evidence
    monkeypatch.setattr(store, "read_evidence", lambda files: (read.append(files.run), real(files))[1])
    assert take_in(collected, path) == Taken(known=5) and read == []
    add(collected, "c4", run="new")
    assert take_in(collected, path) == Taken(read=1, known=5) and read == ["new"]
    monkeypatch.setattr(store, "parser_version", lambda: "another")
    assert take_in(collected, path) == Taken(read=6)
    assert rows(path, "SELECT DISTINCT parser FROM runs") == [("another",)]


def test_a_file_that_changed_is_seen_and_a_run_that_is_gone_is_forgotten(collected: Path, tmp_path: Path) -> None:
    path = tmp_path / "results.sqlite"
    take_in(collected, path)
    (collected / "c1" / "a" / "000-r1" / "stdout.log").write_text("Killed\n")
    assert take_in(collected, path) == Taken(read=1, known=4)
    shutil.rmtree(collected / "c2")
    assert take_in(collected, path) == Taken(known=3, gone=2)
    assert load_runs(path, collected) == read_runs(collected)
    for table in ("samples", "checks", "telemetry"):
        assert rows(path, f"SELECT * FROM {table} WHERE run_id NOT IN (SELECT run_id FROM runs)") == []


def test_only_one_campaign_is_looked_at_when_only_one_is_asked_for(collected: Path, tmp_path: Path) -> None:
    path = tmp_path / "results.sqlite"
    assert take_in(collected, path, campaign="c2") == Taken(read=2)
    assert take_in(collected, path, campaign="c1") == Taken(read=2)
    assert take_in(collected, path) == Taken(read=1, known=4)


def test_the_dump_is_the_same_in_whatever_order_the_runs_came_and_after_a_rebuild(
    collected: Path, tmp_path: Path
) -> None:
    at_once, by_night = tmp_path / "at_once.sqlite", tmp_path / "by_night.sqlite"
    take_in(collected, at_once)
    derive(at_once, collected)
    for campaign in ("c2", "c3", "c1"):
        take_in(collected, by_night, campaign=campaign)
        derive(by_night, collected)  # of half the evidence: other claims, which go
    assert dump(at_once) == dump(by_night)
    before = dump(by_night)
    assert 'INSERT INTO "claims"' in before and 'INSERT INTO "samples"' in before
    assert take_in(collected, by_night, rebuild=True) == Taken(read=5)
    derive(by_night, collected)
    assert dump(by_night) == before
    assert names(tmp_path) == ["at_once.sqlite", "by_night.sqlite", "collected"]


def test_the_same_again_leaves_the_file_as_it_is(collected: Path, tmp_path: Path) -> None:
    path = tmp_path / "results.sqlite"
    take_in(collected, path)
    derive(path, collected)
    before = path.read_bytes()
    take_in(collected, path)
    derive(path, collected)
    assert path.read_bytes() == before


def test_every_number_has_its_unit_its_log_and_the_parser_that_read_it(collected: Path, tmp_path: Path) -> None:
    path = tmp_path / "results.sqlite"
    take_in(collected, path)
    derive(path, collected)
    (number,) = rows(path, "SELECT value, unit, log, length(log_sha256), parser FROM numbers "
                           "WHERE run = '000-r1' AND campaign = 'c1' AND metric = 'generate_tps'")  # fmt: skip
    assert number == (20.0, "tok/s", "c1/a/000-r1/stdout.log", 64, versions.parser_version())
    assert {name for (name,) in rows(path, "SELECT name FROM metrics")} >= {metric.name for metric in METRICS}
    assert ("max_mc.soc", 41000) in rows(path, "SELECT name, value FROM telemetry")
    assert rows(path, "SELECT count(*) FROM checks WHERE name = 'npu_cores_as_planned' AND ok = 1") == [(3,)]
    assert rows(path, "SELECT count(*) FROM published WHERE suspect IS NOT NULL")[0][0] > 20
    replaced = "SELECT count(*) FROM claims JOIN claim_others USING (claim_id) WHERE n = 2 AND what = 'replaced'"
    assert rows(path, replaced)[0][0] > 0


@pytest.mark.parametrize("what", ["garbage", "foreign", "truncated", "flipped", "folder", "link"])
def test_a_file_that_is_broken_or_not_ours_is_moved_aside_and_made_anew(
    collected: Path, tmp_path: Path, what: str
) -> None:
    path = tmp_path / "reports" / "results.sqlite"
    path.parent.mkdir()
    take_in(collected, path)
    whole = path.read_bytes()
    path.unlink()
    elsewhere = tmp_path / "elsewhere"
    if what == "foreign":
        connection = sqlite3.connect(path)
        connection.execute("CREATE TABLE mine (precious)")
        connection.close()
    elif what == "folder":
        path.mkdir()
    elif what == "link":
        elsewhere.write_bytes(whole)
        path.symlink_to(elsewhere)
    else:
        broken = {
            "garbage": b"no database at all" * 1000,
            "truncated": whole[: len(whole) // 2],
            "flipped": whole[:8192] + bytes(b ^ 0x55 for b in whole[8192:20480]) + whole[20480:],
        }[what]
        path.write_bytes(broken)
    before = path.read_bytes() if what not in ("folder", "link") else None
    taken = take_in(collected, path)
    ours = what in ("garbage", "truncated", "flipped")
    aside = path.with_name("results.sqlite.broken" if ours else "results.sqlite.not-ours-1")
    assert (taken.moved, taken.read) == (aside, 5)
    assert taken.told and aside.name in taken.told and "\n" not in taken.told
    assert load_runs(path, collected) == read_runs(collected)
    assert before is None or aside.read_bytes() == before
    assert what != "link" or elsewhere.read_bytes() == whole
    assert take_in(collected, path) == Taken(known=5)


def test_a_page_that_only_a_check_of_the_whole_file_would_meet_is_met(collected: Path, tmp_path: Path) -> None:
    path = tmp_path / "results.sqlite"
    take_in(collected, path)
    ((page,),) = rows(path, "SELECT rootpage FROM sqlite_master WHERE name = 'telemetry'")
    whole = path.read_bytes()
    path.write_bytes(whole[: (page - 1) * 4096] + bytes(4096) + whole[page * 4096 :])
    assert take_in(collected, path).moved == tmp_path / "results.sqlite.broken"


def test_of_broken_stores_the_newest_is_kept_and_of_others_databases_each(collected: Path, tmp_path: Path) -> None:
    path = tmp_path / "results.sqlite"
    for number in range(3):
        path.write_text(f"broken {number}\n" * 1000)
        path.with_name("results.sqlite.broken-journal").write_text("of the one before")
        take_in(collected, path)
        path.unlink()
        connection = sqlite3.connect(path)
        connection.execute(f"CREATE TABLE mine_{number} (precious)")
        connection.close()
        take_in(collected, path)
        path.unlink()
    found = [name for name in names(tmp_path) if "results" in name]
    assert found == ["results.sqlite.broken", *(f"results.sqlite.not-ours-{number}" for number in (1, 2, 3))]
    assert path.with_name(found[0]).read_text().startswith("broken 2")


def test_two_that_find_no_store_make_one(collected: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "results.sqlite"
    take_in(collected, path)
    real, late = store._is_empty, [True]
    # Another made it between our look and our lock.
    monkeypatch.setattr(store, "_is_empty", lambda connection: late.pop() if late else real(connection))
    assert len(load_runs(path, collected)) == 5


def test_tables_of_another_version_are_made_anew_without_a_word(collected: Path, tmp_path: Path) -> None:
    path = tmp_path / "results.sqlite"
    take_in(collected, path)
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA user_version = 99")
    connection.close()
    assert take_in(collected, path) == Taken(read=5)
    assert names(tmp_path) == ["collected", "results.sqlite"]


def test_what_a_kill_cut_off_is_read_the_next_time(collected: Path, tmp_path: Path) -> None:
    path = tmp_path / "results.sqlite"
    program = f"""
import os, signal, sys
from pathlib import Path
from analysis import store
store.BATCH = 1
real, seen = store._put_one, []
def put(*words):
    real(*words)
    seen.append(1)
    if len(seen) == 3:
        os.kill(os.getpid(), signal.SIGKILL)  # in the middle of the third transaction
store._put_one = put
store.take_in(Path({str(collected)!r}), Path({str(path)!r}))
"""
    done = subprocess.run([sys.executable, "-c", program], cwd=PROJECT, capture_output=True, text=True, timeout=60)
    assert done.returncode == -9, done.stderr
    assert take_in(collected, path) == Taken(read=3, known=2)
    assert load_runs(path, collected) == read_runs(collected)
    whole = tmp_path / "whole.sqlite"
    take_in(collected, whole)
    assert dump(path) == dump(whole)


def test_a_rebuild_that_fails_leaves_what_was_there(
    collected: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "results.sqlite"
    take_in(collected, path)
    before = path.read_bytes()

    def full(*_: object) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    monkeypatch.setattr(store, "_put_one", full)
    with pytest.raises(CannotWrite, match="disk is full"):
        take_in(collected, path, rebuild=True)
    assert path.read_bytes() == before
    assert names(tmp_path) == ["collected", "results.sqlite"]


def test_a_place_that_can_not_be_written_is_an_error_that_names_it(collected: Path, tmp_path: Path) -> None:
    (tmp_path / "reports").write_text("a file")
    with pytest.raises(CannotWrite, match="reports"):
        take_in(collected, tmp_path / "reports" / "results.sqlite")


def test_the_parser_version_is_of_every_module_that_reading_a_run_loads() -> None:
    program = (
        "import sys, analysis.runs; "
        "print('\\n'.join(m.__file__ for n, m in sys.modules.items() if n.startswith('analysis.')))"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=PROJECT, capture_output=True, text=True, timeout=60)
    loaded = {Path(line) for line in done.stdout.split()} - {PROJECT / "analysis" / "__init__.py"}
    assert loaded == set(versions.sources())
    assert not any(path.name in ("cells.py", "claiming.py", "store.py") for path in loaded)


def test_another_text_in_any_of_these_modules_is_another_version(tmp_path: Path) -> None:
    package = tmp_path / "analysis"
    shutil.copytree(PROJECT / "analysis", package, ignore=shutil.ignore_patterns("__pycache__"))
    before = versions.parser_version(package)
    assert before == versions.parser_version()
    for at, path in enumerate(versions.sources(package)):
        path.write_text(path.read_text() + f"# {at}\n")
        versions.parser_version.cache_clear()
        after = versions.parser_version(package)
        assert after != before, path
        before = after
    versions.parser_version.cache_clear()
