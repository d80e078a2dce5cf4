"""``bench --probe``: what may or may not fit runs only when asked to, and then no kernel has to kill it."""

from __future__ import annotations

import json
from typing import Any

from tests.e2e.home import virtual

WORDS = ("bench", "--model", "qwen3-1.7b", "--cores", "3", "--repeats", "1", "--format", "json")


def with_available(mib: int) -> dict[str, Any]:
    """A board of 4 GiB that has about so much of it available: the model takes 2.3 GiB of it."""
    return virtual(ram_gib=4, memory_taken_mib=3688 - mib, time_scale=5)


def test_a_borderline_run_is_left_out_until_a_probe_is_asked_for_and_then_guarded(home):
    home.inventory({"full": with_available(2450), "scarce": with_available(2700)})
    unasked = json.loads(home.invoke(*WORDS).stdout)
    assert [cell["outcome"] for cell in unasked] == ["skipped", "skipped"]
    assert all("--probe" in json.dumps(cell["reasons"]) for cell in unasked)
    assert "demo_started" not in {line["event"] for line in home.truth("full")}
    (first,) = {run.parent.parent.name for run in home.runs()}

    (home.folder / "suites").mkdir()
    (home.folder / "suites" / "settle.yaml").write_text("models: [qwen3-1.7b]\ncores: [3]\nprobe: true\n")
    plan = json.loads(home.invoke("bench", "--suite", "settle", "--dry-run", "--format", "json").stdout)
    assert [(row["guarded"], row["skipped because"]) for row in plan] == [("yes", None)] * 2

    full, scarce = json.loads(home.invoke("bench", "--failed-from", first, "--probe", "--format", "json").stdout)
    assert (full["outcome"], scarce["outcome"]) == ("oom", "ok")
    assert "stopped by the tripwire before the kernel had to" in json.dumps(full["reasons"])
    guarded = [run for run in home.runs() if run.parent.parent.name != first]
    assert {json.loads((run / "spec.json").read_text())["tripwire_bytes"] for run in guarded} == {2**28}
    for run in (run for run in guarded if run.parent.name == "full"):
        end = json.loads((run / "end.json").read_text())
        assert (end["result"], end["signal"]) == ("tripwire", 9)
        assert 0 < end["tripwire"]["available_bytes"] < 2**28
        assert 1.5 * 2**30 < end["tripwire"]["highest_bytes"] < 2.4 * 2**30  # of what the process itself touches
        assert b"Killed process" not in (run / "dmesg.log").read_bytes()
    assert "out_of_memory" not in {line["event"] for line in home.truth("full")}


def test_a_model_that_really_does_not_fit_ends_as_on_a_board_whose_memory_runs_out(home):
    home.inventory({"a": virtual(ram_gib=2, time_scale=2)})
    home.catalogue_without("qwen3-1.7b", "architecture")  # nobody can say so before
    (cell,) = json.loads(home.invoke(*WORDS, code=1).stdout)
    assert cell["outcome"] == "oom" and "GiB at its highest" in json.dumps(cell["reasons"])
    (told, *_) = [line for line in home.truth("a") if line["event"] == "out_of_memory"]
    assert 1.2 * 2**30 < told["resident_bytes"] < 1.8 * 2**30
    for run in home.runs():
        assert json.loads((run / "end.json").read_text())["exit_code"] == 137
        assert b"Out of memory: Killed process" in (run / "dmesg.log").read_bytes()
    # A sample a second saw it coming.
    lines = [line.split(",") for line in (home.runs()[0] / "telemetry.csv").read_text().splitlines()]
    at = lines[0].index("memavail_bytes")
    left = [int(line[at]) for line in lines[1:-1]]
    assert min(left) < 0.8 * left[0]
