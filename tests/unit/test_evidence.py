"""A run's folder in collected/: whole or not there, verified, and nothing in it but evidence."""

import hashlib
import json
from pathlib import Path

import pytest

from fleet import campaign, evidence
from fleet.errors import EvidenceBroken
from fleet.evidence import RunFolder, final_folder, write_file, write_unstarted
from fleet.run import ArtifactSpec, RunSpec, WorkloadSpec
from fleet.verdict import Outcome

SPEC = RunSpec(
    campaign="c1",
    run="001-m-1core-r1",
    board="b1",
    simulated=True,
    model="m",
    model_title="M",
    kind="llm",
    npu_cores=1,
    artifact=ArtifactSpec("m.rkllm", None, None, 1, "w8a8", "1.2.3", 4096),
    workload=WorkloadSpec("p", "0" * 64, "one", 5, 64, 4096),
    prompt="Why?\u2028",
    repeat=1,
    warmup=False,
    limit_s=60,
    created_utc="2026-01-01T00:00:00Z",
    tool="0",
)


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def test_a_run_is_invisible_until_it_is_complete_and_has_a_manifest_then(tmp_path):
    folder = RunFolder(tmp_path, "c", "b", "r")
    folder.append("stdout.log", 0, b"one ")
    folder.append("stdout.log", 4, b"two")
    folder.put("end.json", b"{}\n", sha256(b"{}\n"))
    assert not (tmp_path / "c/b/r").exists()
    assert folder.finish() == tmp_path / "c/b/r"
    assert (tmp_path / "c/b/r/stdout.log").read_bytes() == b"one two"
    manifest = json.loads((tmp_path / "c/b/r/manifest.json").read_text())
    assert manifest["files"]["stdout.log"] == {"bytes": 7, "sha256": sha256(b"one two")}
    assert set(manifest["files"]) == {"stdout.log", "stderr.log", "end.json"}
    assert [path.name for path in (tmp_path / "c/b").iterdir()] == ["r"]


def test_bytes_that_are_missing_or_differ_are_noticed(tmp_path):
    folder = RunFolder(tmp_path, "c", "b", "r")
    with pytest.raises(EvidenceBroken, match="goes on at byte 3"):
        folder.append("stdout.log", 3, b"late")
    with pytest.raises(EvidenceBroken, match="arrived with sha256"):
        folder.put("end.json", b"{}", "0" * 64)
    folder.append("stdout.log", 0, b"abc")
    folder.check_log("stdout.log", 3, sha256(b"abc"))
    with pytest.raises(EvidenceBroken):
        folder.check_log("stdout.log", 3, sha256(b"abd"))
    with pytest.raises(EvidenceBroken):
        folder.check_log("stdout.log", 4, sha256(b"abc"))


@pytest.mark.parametrize(
    "name", ["../../x", "/etc/passwd", "manifest.json", "outcome.json", "recovery.json", ".ssh", "", "x.json", "lock"]
)
def test_a_board_can_name_no_file_but_evidence(tmp_path, name):
    folder = RunFolder(tmp_path, "c", "b", "r")
    with pytest.raises(EvidenceBroken, match="no evidence file"):
        folder.put(name, b"")
    with pytest.raises(EvidenceBroken):
        folder.append(name, 0, b"")


@pytest.mark.parametrize("name", ["..", ".", "", "a/b", "/abs", "-x", ".hidden", "a\nb", "a" * 200])
def test_a_board_can_name_no_folder_outside(tmp_path, name):
    with pytest.raises(EvidenceBroken):
        final_folder(tmp_path, name, "b", "r")
    with pytest.raises(EvidenceBroken):
        final_folder(tmp_path, "c", "b", name)


def test_the_first_of_two_copies_stays_and_is_not_changed(tmp_path):
    first, second = RunFolder(tmp_path, "c", "b", "r"), RunFolder(tmp_path, "c", "b", "r")
    first.append("stdout.log", 0, b"first")
    second.append("stdout.log", 0, b"second")
    first.finish()
    assert second.finish() == tmp_path / "c/b/r"
    assert (tmp_path / "c/b/r/stdout.log").read_bytes() == b"first"
    assert [path.name for path in (tmp_path / "c/b").iterdir()] == ["r"]


def test_what_a_killed_process_left_goes_when_the_run_is_here(tmp_path):
    with RunFolder(tmp_path, "c", "b", "r") as killed:
        killed.append("stdout.log", 0, b"half")
    assert killed.part.exists()
    RunFolder(tmp_path, "c", "b", "r").finish()
    assert [path.name for path in (tmp_path / "c/b").iterdir()] == ["r"]


def test_a_run_that_never_started_keeps_its_row_with_the_reason(tmp_path):
    folder = write_unstarted(tmp_path, SPEC, Outcome.UNREACHABLE, "nobody answers")
    assert json.loads((folder / "outcome.json").read_text()) == {
        "outcome": "unreachable",
        "reason": "nobody answers",
    }
    spec = json.loads((folder / "spec.json").read_text())
    assert spec["origin"] == "simulated" and spec["prompt"] == "Why?\u2028" and spec["artifact"]["sha256"] is None


def test_a_file_that_can_not_be_written_whole_leaves_the_old_one(tmp_path):
    target = tmp_path / "campaign.json"
    write_file(target, b"old")
    with pytest.raises(TypeError):
        write_file(target, "text is no bytes")
    assert target.read_bytes() == b"old" and [path.name for path in tmp_path.iterdir()] == ["campaign.json"]


def test_a_folder_without_rights_is_a_message_with_the_path(tmp_path):
    (tmp_path / "c").write_text("a file where a folder should be")
    with pytest.raises(EvidenceBroken, match=r"can not write .*/c"):
        RunFolder(tmp_path, "c", "b", "r")


def test_what_was_done_for_the_board_lies_with_the_run_and_is_vouched_for(tmp_path):
    folder = write_unstarted(tmp_path, SPEC, Outcome.UNREACHABLE, "away", lambda run: run.put_recovery(b"{}\n"))
    assert (folder / "recovery.json").read_bytes() == b"{}\n"
    manifest = json.loads((folder / "manifest.json").read_text())
    assert manifest["files"]["recovery.json"] == {"bytes": 3, "sha256": sha256(b"{}\n")}


def test_half_folders_of_dead_processes_go_when_the_run_is_here_or_nothing_came_from_its_board(tmp_path: Path) -> None:
    board = tmp_path / "c1" / "a"
    for run in ("whole", "half", "unsent"):
        folder = RunFolder(tmp_path, "c1", "a", run)
        if run != "unsent":
            folder.append("stdout.log", 0, b"some of it")
        folder.__exit__(None, None, None)
    (board / "whole").mkdir()
    with RunFolder(tmp_path, "c1", "a", "filling") as filling:
        evidence.sweep(tmp_path)
        assert filling.part.is_dir()
    assert sorted(path.name.split(".")[1] for path in board.glob(".*.part")) == ["filling", "half"]


def test_a_half_written_record_goes_unless_its_campaign_is_being_driven(tmp_path: Path) -> None:
    for name in ("dead", "driven"):
        (tmp_path / name).mkdir()
        (tmp_path / name / ".campaign.json.x1").touch()
    with campaign.driving(tmp_path, "driven"):
        campaign.sweep(tmp_path)
    assert [path.parent.name for path in tmp_path.glob("*/.campaign.json.*")] == ["driven"]
