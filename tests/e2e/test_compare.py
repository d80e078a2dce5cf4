"""`invoke compare` as a person types it, on evidence that lies in the folder."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.home import Home
from tests.unit.collected import BANNER, END, FACTS, SPEC, START, TABLE

SPEEDS = (20.0, 20.1, 19.9)


def put(home: Home, campaign: str, board: str, factor: float = 1.0, **facts: Any) -> None:
    """Three good runs of one campaign on one board."""
    for number, speed in enumerate(SPEEDS):
        name = f"{number:03d}-qwen3-0.6b-3core-r{number}"
        folder = home.collected / campaign / board / name
        folder.mkdir(parents=True)
        about = {"campaign": campaign, "board": board, "run": name}
        table = TABLE.replace("50.00                    20.00", f"{1000 / speed / factor:.4f}  {speed * factor:.4f}")
        table = table.replace("3150.00 ", f"{63000 / speed / factor:.3f} ")
        files = {
            "spec.json": SPEC | about,
            "start.json": START | about,
            "end.json": END,
            "facts.before.json": FACTS | facts,
        }
        for file, value in files.items():
            (folder / file).write_text(json.dumps(value))
        (folder / "stdout.log").write_text(BANNER + table)


@pytest.fixture
def home(tmp_path: Path) -> Home:
    home = Home(tmp_path)
    home.inventory({f"rk3588-{letter}": {"address": f"192.0.2.{place}"} for place, letter in enumerate("abc", 1)})
    return home


def test_two_campaigns_two_boards_and_the_fleet(home: Home) -> None:
    for board in ("rk3588-a", "rk3588-b", "rk3588-c"):
        put(home, "monday", board)
        put(home, "tuesday", board, 0.9 if board == "rk3588-c" else 1.0, kernel={"release": "6.1.99"})

    done = home.invoke("compare", "monday", "tuesday", "--format", "json")
    speed = {row["board"]: row for row in json.loads(done.stdout) if row["metric"] == "generate (tok/s)"}
    assert {board: row["verdict"] for board, row in speed.items()} == {
        "rk3588-a": "same",
        "rk3588-b": "same",
        "rk3588-c": "slower",
    }
    assert (speed["rk3588-c"]["A"], speed["rk3588-c"]["B"], speed["rk3588-c"]["B/A"]) == (20.0, 18.0, 0.9)
    assert speed["rk3588-c"]["also changed"] == "kernel unknown → 6.1.99"

    done = home.invoke("compare", "campaign=tuesday,board=rk3588-a", "campaign=tuesday,board=rk3588-c")
    assert "rk3588-a → rk3588-c" in done.stdout
    assert "slower" in done.stdout

    done = home.invoke("compare", "tuesday", "peers", "--format", "csv")
    assert "10.0% slower than its peers" in done.stdout
    assert done.stdout.count("as its peers") >= 3
    done = home.invoke("compare", "rk3588-a", "peers", "--board", "rk3588-[a-c]")
    assert "rk3588-a" in done.stdout
    assert "rk3588-c" not in done.stdout


def test_unlike_conditions_are_a_refusal_with_the_option_that_would_allow_it(home: Home) -> None:
    put(home, "monday", "rk3588-a")
    put(home, "tuesday", "rk3588-a", dmc={"available_hz": [528_000_000, 2_400_000_000]})
    done = home.invoke("compare", "monday", "tuesday", code=2)
    assert "dram unknown / 2400 MHz" in done.stdout
    assert "--across dram" in done.stderr
    done = home.invoke("compare", "monday", "tuesday", "--across", "dram")
    assert "same" in done.stdout
    assert "no campaign, board or runtime" in home.invoke("compare", "monday", "wednesday", code=2).stderr
