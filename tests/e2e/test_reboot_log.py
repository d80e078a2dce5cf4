"""A board that loses its power under a run: its own word on that is part of the evidence, and of the reason."""

from __future__ import annotations

import json

from tests.e2e.home import virtual


def test_what_the_board_says_of_a_power_loss_is_collected_and_told(home):
    home.inventory({"a": virtual("power_loss")})
    done = home.invoke("bench", "--cores", "3", "--repeats", "1", "--format", "json", code=1)
    assert "no log of that boot is left" in json.dumps(json.loads(done.stdout)[0]["reasons"])
    (log,) = home.collected.glob("*/a/*/reboot.log")
    boot_id = json.loads((log.parent / "start.json").read_text())["boot_id"]
    assert log.read_text().startswith(f"== boots: ok ==\nof the run: {boot_id}\n")
    assert "== journal: not kept over a restart" in log.read_text()
    assert "reboot.log" in json.loads((log.parent / "manifest.json").read_text())["files"]
    assert "2 runs pruned" in home.invoke("collect", "--prune").stderr
