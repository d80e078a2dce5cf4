"""A night on virtual boards over real connections: killed, gone on with, judged, and told of in the morning."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path
from xml.etree import ElementTree

from tests.e2e.home import Home, virtual

SECRET = "hunter2hunter2"


def suite(home: Home, **more: object) -> None:
    (home.folder / "suites").mkdir()
    said = {"cores": [1], "repeats": 1, "workloads": [{"new_tokens": 16}], "canary": {"new_tokens": 8, "repeats": 1}}
    (home.folder / "suites" / "nightly.yaml").write_text(json.dumps(said | more))


def executed(home: Home, board: str) -> int:
    return [line["event"] for line in home.truth(board)].count("demo_started")


def holding(folder: Path, text: str) -> list[Path]:
    """The files below a folder that hold this text; what virtual boards keep of themselves is theirs."""
    files = [path for path in folder.rglob("*") if path.is_file() and ".virtual" not in path.parts]
    return [path for path in files if text.encode() in path.read_bytes()]


def test_a_night_that_was_killed_goes_on_where_it_was_and_ends_with_a_page(home: Home) -> None:
    suite(home)
    home.inventory({"a": virtual(time_scale=20), "b": virtual(time_scale=20), "down": virtual("unreachable")})
    home.environment["RKFLEET_NOTIFY_URLS"] = f"jsons://me:{SECRET}@example.invalid/"
    first = home.start("nightly")
    try:
        assert any(line.rstrip().endswith(": bench") for line in first.stderr)
        assert any("started" in line for line in first.stderr)
        os.kill(first.pid, signal.SIGSTOP)
        second = home.invoke("nightly", code=1)
        assert "goes on, begun at" in second.stderr and "at its stage bench" in second.stderr
        os.kill(first.pid, signal.SIGKILL)
        first.wait(30)
    finally:
        first.kill()
        first.communicate()
    before = {path.name for path in (home.folder / "nightly").glob("nightly-*.json")}

    done = home.invoke("nightly", "--format", "json", code=4)
    assert "goes on where it was" in done.stderr
    assert {path.name for path in (home.folder / "nightly").glob("nightly-*.json")} == before
    page = json.loads(done.stdout)
    assert [(row["board"], row["outcome"]) for row in page["runs"]] == [("a", "ok")] * 2 + [("b", "ok")] * 2
    assert {board: executed(home, board) for board in "ab"} == {"a": 4, "b": 4}  # the canary, the suite, each once
    states = {row["board"]: row for row in json.loads(home.invoke("health", "--format", "json").stdout)}
    assert {name: row["state"] for name, row in states.items()} == {"a": "good", "b": "good", "down": "bad"}
    assert "refuses connections" in states["down"]["reason"]

    reports = home.folder / "reports"
    assert "1 board sick (down)" in (reports / "nightly.md").read_text()
    assert len(ElementTree.parse(reports / "nightly.xml").getroot()) >= 3
    assert json.loads((reports / "nightly.json").read_text())["exit_code"] == 4
    assert (reports / "summary.xlsx").exists()
    assert "RKFLEET_NOTIFY_URLS is set" in done.stderr or "could not send to jsons://…" in done.stderr
    assert SECRET not in done.stderr + done.stdout and not holding(home.folder, SECRET)
    assert "free" in home.invoke("who", "--board", "a").stdout

    home.invoke("health", "--board", "down", "--state", "maintenance", "--reason", "new heatsink")
    left = home.invoke("nightly", "--board", "down")
    assert "1 in maintenance" in left.stdout and "new heatsink" in left.stdout


def test_a_night_that_is_stopped_gives_its_boards_back_and_says_so_on_its_page(home: Home) -> None:
    suite(home)
    home.inventory({"a": virtual("hang", time_scale=20)})
    night = home.start("nightly", "--force")
    try:
        assert any("started" in line for line in night.stderr)
        assert "nightly" in home.invoke("who").stdout
        night.send_signal(signal.SIGTERM)
        _, told = night.communicate(timeout=60)
    finally:
        night.kill()
    assert night.returncode == 143 and "Traceback" not in told, told
    (now,) = json.loads(home.invoke("who", "--format", "json").stdout)
    assert (now["state"], now["held by"], now["token"]) == ("running", None, None)
    page = (home.folder / "reports" / "nightly.md").read_text()
    assert "interrupted in its stage canary" in page.splitlines()[0] and "goes on where it was" in page
    assert json.loads((home.folder / "reports" / "nightly.json").read_text())["interrupted_in"] == "canary"
    assert json.loads(home.invoke("status", "--format", "json").stdout)[0]["state"] == "running"


def test_a_board_that_is_somebody_elses_is_left_alone_and_is_not_sick(home: Home) -> None:
    suite(home)
    home.inventory({"a": virtual(), "old": virtual("driver_too_old")})
    home.invoke("reserve", "--board", "a", "--purpose", "prompt tests")
    page = home.invoke("nightly", code=1).stdout
    assert "reserved by" in page and "prompt tests" in page
    states = {row["board"]: row for row in json.loads(home.invoke("health", "--format", "json").stdout)}
    assert (states["a"]["state"], states["old"]["state"]) == ("unknown", "bad")
    assert "check: " in states["old"]["reason"]
    assert executed(home, "a") == 0 and executed(home, "old") == 0
    assert home.invoke("health", "--board", "old", "--state", "unknown").stdout.count("unknown") == 1
    home.invoke("release", "--board", "a")
