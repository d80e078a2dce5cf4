"""invoke collect --prune: what is proven to be here goes from the board, and nothing else does."""

from __future__ import annotations

import fcntl
import json
import shutil

import pytest

from tests.e2e.home import entry, trusted

pytestmark = pytest.mark.parametrize("server", [None], ids=["owner"], indirect=True)
BENCH = ("bench", "--cores", "3", "--repeats", "1")


@pytest.fixture
def benched(home, server, board_folder):
    """A home with a campaign of two runs, which are on the board too; the board's folder of runs."""
    home.inventory({"real": entry(server, board_folder)})
    trusted(home, server)
    home.invoke(*BENCH)
    assert len(home.runs()) == 2
    runs = server.folder / "store" / "runs"
    assert len(list(runs.glob("*/*/spec.json"))) == 2
    return runs


def test_what_is_here_goes_from_the_board_with_its_empty_campaign(home, benched):
    before = {path: path.read_bytes() for path in home.collected.rglob("*") if path.is_file()}
    told = home.invoke("collect", "--prune").stderr
    assert "real: 2 runs pruned" in told and "MiB" in told
    assert list(benched.iterdir()) == []
    assert {path: path.read_bytes() for path in home.collected.rglob("*") if path.is_file()} == before
    assert "real: 0 runs pruned" in home.invoke("collect", "--prune").stderr
    assert json.loads(home.invoke("status", "--format", "json").stdout) == []
    home.invoke(*BENCH)
    assert len(home.runs()) == 4


def test_one_byte_that_differs_on_either_side_keeps_the_run(home, benched):
    here, there = home.runs()
    with (here / "stdout.log").open("r+b") as file:
        file.write(b"X")
    with (benched / there.parent.parent.name / there.name / "end.json").open("ab") as file:
        file.write(b" ")
    told = home.invoke("collect", "--prune").stderr
    assert f"stays: {here.parent.parent.name}/{here.name}: stdout.log here is not what was collected" in told
    assert f"{there.name}: end.json is another one on the board" in told
    assert "real: 0 runs pruned" in told and len(list(benched.glob("*/*/spec.json"))) == 2


@pytest.mark.parametrize("what", ["manifest.json", "stderr.log", "a file more"])
def test_evidence_here_that_is_no_longer_whole_prunes_nothing(home, benched, what):
    first, _ = home.runs()
    if what == "a file more":
        manifest = json.loads((first / "manifest.json").read_text())
        manifest["files"]["../../x"] = {"bytes": 0, "sha256": "0" * 64}
        (first / "manifest.json").write_text(json.dumps(manifest))
    else:
        (first / what).unlink()
    told = home.invoke("collect", "--prune").stderr
    assert "real: 1 runs pruned" in told and f"stays: {first.parent.parent.name}/{first.name}: " in told
    assert [path.parent.name for path in benched.glob("*/*/spec.json")] == [first.name]


def test_what_still_runs_and_what_was_never_collected_here_stays(home, benched, board_folder):
    stranger = benched / "20260101T000000Z-beef" / "001-x"
    stranger.mkdir(parents=True)
    (stranger / "spec.json").write_text("{}\n")
    slow = (board_folder / "llm_demo").read_text().replace("ruler=", f"flock '{home.folder}/gate' true\nruler=", 1)
    (board_folder / "llm_demo").write_text(slow)
    with (home.folder / "gate").open("w") as gate:
        fcntl.flock(gate, fcntl.LOCK_EX)  # the demo answers when this goes
        bench = home.start(*BENCH)
        try:
            assert any("started" in line for line in bench.stderr)
            told = home.invoke("collect", "--prune").stderr
            going = [path.parent for path in benched.glob("*/*/start.json")]
            assert "real: 2 runs pruned" in told and len(going) == 1
            assert f"stays: {going[0].parent.name}/{going[0].name}: it was not collected here" in told
            assert f"stays: {stranger.parent.name}/001-x: it was not collected here" in told
        finally:
            gate.close()
            out, told = bench.communicate(timeout=60)
    assert bench.returncode == 0, told
    assert stranger.is_dir() and " ok " in out


def test_a_folder_here_that_was_deleted_keeps_the_boards_copy_until_it_is_collected_again(home, benched):
    first = home.runs()[0]
    (benched.parent / "kept").mkdir()
    shutil.rmtree(first)
    told = home.invoke("collect", "--prune").stderr
    assert "1 new" in told and "real: 2 runs pruned" in told and (first / "stdout.log").is_file()
