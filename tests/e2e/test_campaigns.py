"""A campaign outlives its driver: given again it goes on, nothing runs twice, nothing is left behind."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.home import Home, virtual


def executed(home: Home, board: str) -> int:
    return [line["event"] for line in home.truth(board)].count("demo_started")


def outcomes(home: Home, campaign: str) -> dict[str, int]:
    found: dict[str, int] = {}
    for run in (home.collected / campaign).glob("*/[!.]*/manifest.json"):
        own = run.with_name("outcome.json")
        word = (
            json.loads(own.read_text())["outcome"]
            if own.exists()
            else json.loads(run.with_name("end.json").read_text())["result"]
        )
        found[word] = found.get(word, 0) + 1
    return found


def killed_in_mid_run(home: Home, *words: str) -> None:
    """A driver that is gone without a word while its second run goes on."""
    bench = home.start("bench", *words)
    try:
        assert any("run 2 of" in line and "started" in line for line in bench.stderr)
        os.kill(bench.pid, signal.SIGKILL)
        bench.wait(30)
    finally:
        bench.kill()
        bench.stderr.close()
        bench.stdout.close()


def test_a_campaign_whose_driver_was_killed_goes_on_where_it_was(home: Home) -> None:
    home.inventory({"a": virtual(time_scale=20)})
    killed_in_mid_run(home, "--cores", "1,3", "--repeats", "1", "--campaign", "evening")
    told = home.invoke("collect").stderr
    assert "invoke bench --campaign evening" in told
    done = home.invoke("bench", "--campaign", "evening", "--format", "json")
    assert {cell["outcome"] for cell in json.loads(done.stdout)} == {"ok"}
    assert outcomes(home, "evening") == {"success": 4}
    assert executed(home, "a") == 4
    again = home.invoke("bench", "--campaign", "evening", "--cores", "1,3", "--repeats", "1", "--format", "json")
    assert json.loads(again.stdout) == json.loads(done.stdout)
    assert executed(home, "a") == 4
    assert "invoke bench --campaign" not in home.invoke("collect").stderr


def test_a_killed_driver_does_not_keep_its_board(home: Home) -> None:
    home.inventory({"a": virtual(time_scale=20)})
    killed_in_mid_run(home, "--cores", "1", "--repeats", "2", "--campaign", "first")
    home.invoke("attach", "--board", "a")
    home.invoke("bench", "--cores", "1", "--repeats", "1", "--campaign", "second")
    assert outcomes(home, "second") == {"success": 2}


def test_another_request_under_the_same_name_is_refused_and_touches_nothing(home: Home) -> None:
    home.inventory({"a": virtual()})
    home.invoke("bench", "--cores", "1", "--repeats", "1", "--campaign", "evening")
    before = executed(home, "a")
    refused = home.invoke("bench", "--cores", "3", "--campaign", "evening", code=2)
    assert "begun with cores [1], and is now asked for [3]" in refused.stderr
    assert executed(home, "a") == before


def test_one_campaign_is_driven_once(home: Home) -> None:
    home.inventory({"a": virtual("hang")})
    first = home.start("bench", "--cores", "1", "--repeats", "1", "--campaign", "evening")
    try:
        assert any("started" in line for line in first.stderr)
        refused = home.invoke("bench", "--campaign", "evening", code=1)
        assert "another process" in refused.stderr
    finally:
        first.kill()
        first.communicate()
    home.invoke("cancel", "--board", "a")


def test_only_what_failed_is_repeated(home: Home) -> None:
    home.inventory({"bad": virtual("driver_too_old"), "good": virtual()})
    refused = home.invoke("bench", "--cores", "1", "--repeats", "1", "--campaign", "evening", code=3)
    assert "invoke bench --failed-from evening" in refused.stderr
    home.inventory({"bad": virtual(), "good": virtual()})
    done = home.invoke("bench", "--failed-from", "evening", "--campaign", "morning", "--format", "json")
    assert [(cell["board"], cell["outcome"]) for cell in json.loads(done.stdout)] == [("bad", "ok")]
    assert outcomes(home, "morning") == {"success": 2}
    nothing = home.invoke("bench", "--failed-from", "morning", code=2)
    assert "nothing failed in campaign morning" in nothing.stderr


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--failed-from", "evening"], "there is no campaign 'evening'"),
        (["--failed-from", "evening", "--cores", "1"], "leave the other options out"),
        (["--campaign", "../evening"], "no name for a campaign"),
        (["--suite", "nigthly"], "nearest is 'nightly'"),
        (["--suite", "../nightly"], "no suite's name"),
    ],
)
def test_what_can_not_be_meant_is_one_message(home: Home, words: list[str], says: str) -> None:
    home.inventory({"a": virtual()})
    assert says in home.invoke("bench", *words, code=2).stderr


def night(home: Home, **suite: Any) -> None:
    (home.folder / "suites").mkdir()
    (home.folder / "suites" / "nightly.yaml").write_text(json.dumps(suite))


def test_a_suite_is_the_options_of_bench_and_those_that_are_typed_win(home: Home) -> None:
    night(home, cores=[3], repeats=2, workloads=[{"new_tokens": 16}])
    home.inventory({"a": virtual()})
    cells = json.loads(home.invoke("bench", "--suite", "nightly", "--repeats", "1", "--format", "json").stdout)
    assert [(cell["npu_cores"], cell["n"]) for cell in cells] == [(3, 1)]
    spec = json.loads((home.runs()[0] / "spec.json").read_text())
    assert spec["workload"]["max_new_tokens"] == 16


def test_a_plan_is_shown_with_what_it_takes_and_nothing_is_run(home: Home) -> None:
    night(home, models=["qwen3-0.6b", "qwen3-4b", "qwen3-8b"], cores=[3], contexts=[512, 4096], repeats=2)
    home.inventory({"a": virtual()})
    done = home.invoke("bench", "--suite", "nightly", "--dry-run", "--format", "json")
    rows = {(row["model"], row["context"]): row for row in json.loads(done.stdout)}
    assert {cell: row["runs"] for cell, row in rows.items()} == {
        ("qwen3-0.6b", 512): 3,
        ("qwen3-0.6b", 4096): 3,
        ("qwen3-4b", 512): 3,
        ("qwen3-4b", 4096): 3,
        ("qwen3-8b", 512): 0,
        ("qwen3-8b", 4096): 0,
    }
    assert "--probe runs it guarded" in rows["qwen3-8b", 512]["skipped because"]
    assert "needs 7.80 GiB" in rows["qwen3-8b", 4096]["skipped because"]
    assert 1 < rows["qwen3-0.6b", 512]["seconds a run"] < rows["qwen3-4b", 512]["seconds a run"] < 100
    assert "12 runs" in done.stderr
    assert not home.collected.exists() and "demo_started" not in {line["event"] for line in home.truth("a")}


def test_the_shipped_suite_is_one(home: Home) -> None:
    from fleet.config.suite import load_suite

    assert load_suite(Path(__file__).parents[2] / "suites" / "nightly.yaml").cores == (1, 2, 3)


def test_who_cancels_a_run_hears_that_its_driver_goes_on_and_how_to_stop_that(home: Home) -> None:
    home.inventory({"a": virtual("hang")})
    bench = home.start("bench", "--cores", "1", "--repeats", "3")
    try:
        assert any("started" in line for line in bench.stderr)
        told = home.invoke("cancel", "--board", "a")
        assert "cancelled" in told.stdout
        words = told.stderr.partition("To stop that too: invoke ")[2].split()
        assert words[:3] == ["reserve", "--board", "a"]
        assert any("run 2 of 4" in line and "started" in line for line in bench.stderr)
        home.invoke(*words)
        _, said = bench.communicate(timeout=60)
    finally:
        bench.kill()
    assert bench.returncode == 1
    assert "reserved by" in said and "Traceback" not in said
    assert home.invoke("release", "--board", "a").stdout.strip() == "a: released"
    home.invoke("collect")
    ended = sorted(path.parent.name[:3] for path in home.collected.glob("*/a/[!.]*/end.json"))
    assert ended == ["001", "002"]
    assert outcomes(home, home.runs()[0].parent.parent.name) == {"cancelled": 2, "unreachable": 2}
