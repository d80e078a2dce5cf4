"""The workstation's disk fills up in mid-campaign: the run on the board does not notice, and nothing is lost."""

from __future__ import annotations

import fcntl
import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.home import PROJECT, Home, entry, trusted
from tests.small_disk import SmallDisk, small_disk

pytestmark = pytest.mark.parametrize("server", [None], ids=["owner"], indirect=True)


class SmallHome(Home):
    """A home whose evidence lies on a disk of its own."""

    disk: SmallDisk

    def argv(self, *words: str) -> list[str]:
        argv = [sys.executable, "-m", "invoke", "--search-root", str(PROJECT), *words]
        return self.disk.inside(argv, self.folder)


@pytest.fixture
def small_home(tmp_path: Path) -> Iterator[SmallHome]:
    made = SmallHome(tmp_path)
    with small_disk(made.collected, "80m") as made.disk:  # more than a campaign wants to see free
        yield made


def test_a_run_survives_a_full_workstation_and_is_collected_when_there_is_space(small_home, server, board_folder):
    home = small_home
    slow = (board_folder / "llm_demo").read_text().replace("ruler=", f"flock '{home.folder}/gate' true\nruler=", 1)
    (board_folder / "llm_demo").write_text(slow)
    home.inventory({"real": entry(server, board_folder)})
    trusted(home, server)
    with (home.folder / "gate").open("w") as gate:
        fcntl.flock(gate, fcntl.LOCK_EX)  # the demo answers when this goes
        bench = home.start("bench", "--cores", "3", "--repeats", "1")
        try:
            assert any("started" in line for line in bench.stderr)
            home.disk.fill()
            gate.close()
            _, told = bench.communicate(timeout=60)
        finally:
            bench.kill()
    assert bench.returncode == 1 and "Traceback" not in told, told
    assert "on this workstation has 0.0 MiB free" in told and "invoke collect" in told
    (end,) = (server.folder / "store/runs").glob("*/*/end.json")
    assert json.loads(end.read_text())["result"] == "success"
    refused = home.invoke("collect", code=1)
    assert "on this workstation has 0.0 MiB free" in refused.stderr
    home.disk.free()
    told = home.invoke("collect").stderr
    assert "1 new" in told
    (folder,) = home.disk.seen.glob(f"*/real/{end.parent.name}")
    for name in ("stdout.log", "end.json", "telemetry.csv"):
        assert (folder / name).read_bytes() == (end.parent / name).read_bytes()
    scraps = [path for path in home.disk.seen.rglob(".*") if f".{folder.name}." in path.name]
    assert scraps == []
