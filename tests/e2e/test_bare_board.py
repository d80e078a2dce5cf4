"""From nothing to numbers: a bare virtual board, and the verbs alone."""

from __future__ import annotations

import json

from tests.e2e.home import Home, virtual


def test_provision_push_check_and_bench_are_all_that_a_bare_board_needs(home: Home) -> None:
    home.inventory({"bare": virtual(bare=True)})
    refused = home.invoke("check", "--format", "json", code=3)
    failed = {row["check"] for row in json.loads(refused.stdout) if row["verdict"] == "fail"}
    assert failed == {"rkllm-library", "demo"}
    assert home.invoke("bench", "--cores", "3", "--repeats", "1", code=3).stderr.count("Try:")
    home.invoke("provision")
    home.invoke("push")
    checked = json.loads(home.invoke("check", "--format", "json").stdout)
    assert {row["verdict"] for row in checked} <= {"ok", "warn", "unknown"}
    (cell,) = json.loads(home.invoke("bench", "--cores", "3", "--repeats", "1", "--format", "json").stdout)
    assert (cell["board"], cell["outcome"], cell["n"], cell["origin"]) == ("bare", "ok", 1, "simulated")
    # What was brought is marked as the stand-in it is, on the board and here.
    vendor = home.folder / ".virtual" / "vendor" / "rkllm-1.2.3"
    assert "SIMULATED" in (vendor / "SIMULATED").read_text()
    assert b"STANDIN" in (home.folder / ".virtual/bare/root/opt/rkllm/lib/librkllmrt.so").read_bytes()
    assert json.loads(home.invoke("provision", "--format", "json").stdout)[0]["changed"] == 0
