"""``invoke bench`` on virtual boards: the whole way from the command line to the table and back to the evidence."""

from __future__ import annotations

import hashlib
import json
import os
import signal

import pytest

from tests.e2e.home import virtual

EVIDENCE = {
    "spec.json",
    "start.json",
    "end.json",
    "facts.before.json",
    "facts.after.json",
    "stdout.log",
    "stderr.log",
    "dmesg.log",
    "telemetry.csv",
    "clocks.json",
    "manifest.json",
}


def test_two_boards_are_measured_at_one_two_and_three_cores(home):
    home.inventory({"a": virtual(), "b": virtual()})
    done = home.invoke("bench", "--model", "qwen3-0.6b", "--repeats", "2", "--format", "json")
    cells = json.loads(done.stdout)
    assert [(cell["board"], cell["npu_cores"]) for cell in cells] == [(b, n) for b in "ab" for n in (1, 2, 3)]
    assert {cell["outcome"] for cell in cells} == {"ok"} and {cell["n"] for cell in cells} == {2}
    assert {cell["origin"] for cell in cells} == {"simulated"}
    runs = home.runs()
    assert len(runs) == 2 * 3 * 3
    for run in runs:
        assert {path.name for path in run.iterdir()} == EVIDENCE
        for name, seen in json.loads((run / "manifest.json").read_text())["files"].items():
            data = (run / name).read_bytes()
            assert (len(data), hashlib.sha256(data).hexdigest()) == (seen["bytes"], seen["sha256"])
        spec = json.loads((run / "spec.json").read_text())
        assert f"npu_core_num: {spec['npu_cores']}," in (run / "stdout.log").read_text()


def test_the_numbers_are_those_that_the_board_really_made(home):
    home.inventory({"a": virtual()})
    cell = json.loads(home.invoke("bench", "--cores", "2", "--repeats", "1", "--format", "json").stdout)[0]
    truth = [line for line in home.truth("a") if line["event"] == "turn"][-1]
    true_tps = 1000 * truth["generate_tokens"] / truth["generate_ms"]
    assert cell["generate_tps"] == pytest.approx(true_tps, abs=0.006)
    assert cell["ttft_ms"] == pytest.approx(truth["prefill_ms"], abs=0.06)
    assert cell["memory_rkllm_bytes"] == pytest.approx(truth["peak_bytes"], abs=0.006 * 2**30)


def test_the_samples_tell_the_memory_that_the_board_really_gave_and_that_it_was_throttled(home):
    scale = 2  # seconds, as a sample a second needs them
    home.inventory({"a": virtual(time_scale=scale), "hot": virtual(time_scale=scale, traits=["capped"])})
    done = home.invoke("bench", "--cores", "3", "--repeats", "1", "--format", "json", code=1)
    cell, hot = json.loads(done.stdout)
    assert hot["outcome"] == "tainted"
    assert "throttled against heat: cpufreq-cpu4 at state 3, cpufreq-cpu6 at state 3" in str(hot["reasons"])
    truth = home.truth("a")
    peak = [line for line in truth if line["event"] == "turn"][-1]["peak_bytes"]
    system = [line for line in truth if line["event"] == "load"][-1]["system_bytes"]
    assert cell["outcome"] == "ok"
    assert cell["memory_rkllm_bytes"] == pytest.approx(peak, abs=0.006 * 2**30)
    assert cell["memory_vmhwm_bytes"] == pytest.approx(peak, rel=0.05)  # the last block of the context may be missed
    assert cell["memory_available_drop_bytes"] == pytest.approx(system, abs=4096)
    # The board gives all of the context at once, the process has touched but a part of it, and both are told.
    assert system > 1.2 * peak
    assert cell["memory_note"].startswith("memory: RKLLM says")
    assert 20_000 < cell["max_temperature_mc"] < 85_000
    (first, *_) = home.runs()[0].joinpath("telemetry.csv").read_text().splitlines()
    assert {"pswpin_pages", "soc_mc", "npu_mc", "cpufreq-cpu4_state", "dmc_hz"} <= set(first.split(","))


def test_collect_brings_nothing_twice_and_writes_the_same_bytes(home):
    home.inventory({"a": virtual()})
    home.invoke("bench", "--cores", "3", "--repeats", "1")
    first = home.invoke("collect")
    assert first.stdout.split() == ["reports/summary.csv", "reports/summary.xlsx", "reports/results.sqlite"]
    before = {path: path.read_bytes() for path in home.folder.joinpath("reports").iterdir()}
    evidence = {path: path.stat().st_mtime_ns for path in home.collected.rglob("*")}
    second = home.invoke("collect")
    assert "a: 0 new, 2 here before" in second.stderr
    assert before == {path: path.read_bytes() for path in home.folder.joinpath("reports").iterdir()}
    assert evidence == {path: path.stat().st_mtime_ns for path in home.collected.rglob("*")}


def test_a_board_that_is_down_keeps_its_rows_and_stops_nobody(home):
    home.inventory({"down": virtual("unreachable"), "up": virtual()})
    done = home.invoke("bench", "--cores", "1", "--repeats", "1", "--format", "json", code=4)
    assert {cell["board"]: cell["outcome"] for cell in json.loads(done.stdout)} == {"down": "unreachable", "up": "ok"}
    assert "down: " in done.stderr
    boards = home.invoke("boards", "--format", "json", code=4)
    assert [row["state"] for row in json.loads(boards.stdout)] == ["unreachable", "up"]


@pytest.mark.parametrize(
    ("fault", "outcome", "says"),
    [
        ("oom", "oom", "memory"),
        ("driver_too_old", "failed", "driver"),
        ("hang", "timeout", "limit"),
    ],
)
def test_a_run_that_can_not_succeed_says_why(home, fault, outcome, says):
    home.inventory({"a": virtual(fault)})
    limit = "3" if outcome == "timeout" else "60"
    words = ("--cores", "1", "--repeats", "1", "--limit", limit, "--format", "json", "--force")
    done = home.invoke("bench", *words, code=1)
    cell = json.loads(done.stdout)[0]
    assert (cell["outcome"], cell["n"]) == (outcome, 0)
    assert says in json.dumps(cell["reasons"])


def test_a_connection_that_drops_in_mid_run_costs_nothing(home):
    home.inventory({"a": virtual("drop_connection", time_scale=20)})
    done = home.invoke("bench", "--cores", "3", "--repeats", "1", "--format", "json")
    assert json.loads(done.stdout)[0]["outcome"] == "ok"
    events = [line["event"] for line in home.truth("a")]
    assert events.count("demo_started") == events.count("demo_ended") == 2
    assert [line["fault"] for line in home.truth("a") if line["event"] == "fault"] == ["drop_connection"] * 2


def test_a_full_disk_on_the_board_is_one_clear_message(home):
    home.inventory({"a": virtual("disk_full")})
    done = home.invoke("bench", "--cores", "1", "--repeats", "1", code=1)
    assert "space" in done.stderr and done.stderr.count("Try:") >= 1


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)], ids=["ctrl-c", "term"])
def test_ctrl_c_and_term_say_what_still_runs_and_the_named_command_stops_it(home, number, code):
    home.inventory({"a": virtual("hang")})
    bench = home.start("bench", "--cores", "1", "--repeats", "1")
    try:
        assert any("started" in line for line in bench.stderr)  # reads until the first run is on the board
        bench.send_signal(number)
        _, told = bench.communicate(timeout=30)
    finally:
        bench.kill()
    assert bench.returncode == code
    assert "a: interrupted\n" in told and "a: done" not in told
    (now,) = json.loads(home.invoke("who", "--format", "json").stdout)
    assert (now["state"], now["held by"], now["token"]) == ("running", None, None)
    assert "invoke attach --board a" in told and "invoke cancel --board a" in told
    assert json.loads(home.invoke("status", "--format", "json").stdout)[0]["state"] == "running"
    assert "cancelled" in home.invoke("cancel", "--board", "a").stdout
    assert json.loads(home.invoke("status", "--format", "json").stdout)[0]["state"] == "cancelled"
    home.invoke("collect")
    assert json.loads((home.runs()[0] / "end.json").read_text())["result"] == "cancelled"


def test_a_killed_workstation_loses_no_run(home):
    home.inventory({"a": virtual(time_scale=10)})
    bench = home.start("bench", "--cores", "1", "--repeats", "1")
    try:
        assert any("started" in line for line in bench.stderr)
        os.kill(bench.pid, signal.SIGKILL)
        bench.wait(30)
    finally:
        bench.kill()
    home.invoke("attach", "--board", "a")
    home.invoke("collect")
    (run,) = home.runs()
    assert json.loads((run / "end.json").read_text())["result"] == "success"
    assert [line["event"] for line in home.truth("a")].count("demo_started") == 1


def test_two_campaigns_on_one_board_do_not_run_at_once(home):
    home.inventory({"a": virtual("hang")})
    first = home.start("bench", "--cores", "1", "--repeats", "1")
    try:
        assert any("started" in line for line in first.stderr)
        second = home.invoke("bench", "--cores", "1", "--repeats", "1", code=1)
        assert "reserved by" in second.stderr and "invoke reserve --board a --steal" in second.stderr
    finally:
        first.kill()
        first.communicate()
    home.invoke("cancel", "--board", "a")


def test_a_model_that_can_not_fit_is_skipped_with_the_reason_and_costs_nothing(home):
    home.inventory({"a": virtual(), "large": virtual(ram_gib=16)})
    words = ("bench", "--model", "qwen3-8b", "--cores", "3", "--repeats", "1", "--format", "json")
    small, large = json.loads(home.invoke(*words).stdout)
    assert (small["outcome"], small["n"]) == ("skipped", 0)
    assert "too large even at the low end" in json.dumps(small["reasons"])
    assert (large["outcome"], large["n"]) == ("ok", 1)
    assert "demo_started" not in {line["event"] for line in home.truth("a")}
    rows = json.loads(home.invoke("models", "--board", "a", "--format", "json").stdout)
    assert [row["on board"] for row in rows if row["model"] == "Qwen3-8B"] == [None]


def test_a_run_gets_the_limits_that_were_predicted_for_it(home):
    home.inventory({"a": virtual()})
    home.invoke("bench", "--cores", "3", "--repeats", "1", "--campaign", "predicted")
    home.invoke("bench", "--cores", "3", "--repeats", "1", "--campaign", "typed", "--limit", "77")
    specs = {run.parent.parent.name: json.loads((run / "spec.json").read_text()) for run in home.runs()}
    assert specs["predicted"]["limit_s"] == 120 and specs["typed"]["limit_s"] == 77
    assert {1 < spec["memory_limit_bytes"] / 2**30 < 2 for spec in specs.values()} == {True}
