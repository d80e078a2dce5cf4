"""A campaign is a list that is fixed before its first run: given again it goes on, and nothing is done twice."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from fleet import campaign, plan
from fleet.cell import Matrix, Ordering, Workload
from fleet.config.catalogue import Catalogue, load_catalogue
from fleet.config.images import load_image
from fleet.config.inventory import BoardEntry, load_inventory
from fleet.config.prompts import Prompt, PromptSet
from fleet.errors import ConfigError
from fleet.plan import Request

PROJECT = Path(__file__).parents[2]
BOARDS = ("rk3588-a", "rk3588-b")


@dataclass
class Begun:
    """A campaign with its plan on disk."""

    collected: Path
    request: Request
    record: campaign.Record
    boards: tuple[BoardEntry, ...]
    catalogue: Catalogue

    def evidence(self, board: str, *runs: str) -> None:
        for run in runs:
            (self.collected / self.record.campaign / board / run).mkdir(parents=True)


@pytest.fixture
def begun(tmp_path: Path) -> Begun:
    inventory = tmp_path / "inventory.yaml"
    inventory.write_text(json.dumps({"boards": {name: {"virtual": True} for name in BOARDS}}))
    boards = load_inventory(inventory).boards
    catalogue = load_catalogue(PROJECT / "models.yaml")
    prompts = PromptSet("two", "ab" * 32, (Prompt("hen", "头14个"), Prompt("row", 'What\'s "$HOME"?')))
    asked = (Workload(prompts, 128),)
    part = Matrix(catalogue.models[:1], (1, 3), (4096,), asked)
    request = Request(boards, (part,), 2, 5, Ordering.INTERLEAVED, 7, 600)
    collected = tmp_path / "collected"
    record = campaign.write(collected, "night", request, plan.check(request), tool="rkfleet 0", token="3f2a")
    return Begun(collected, request, record, boards, catalogue)


def another(request: Request, **part: Any) -> Request:
    """The same with another matrix."""
    return replace(request, parts=(replace(request.parts[0], **part),))


def test_what_was_asked_for_comes_back_whole_from_disk(begun: Begun) -> None:
    record = campaign.begun(begun.collected, "night")
    assert record == begun.record
    assert campaign.request_of(record, begun.boards, begun.catalogue, begun.collected) == begun.request


def test_a_campaign_of_before_there_were_probes_goes_on_without_one(begun: Begun) -> None:
    path = begun.collected / "night" / campaign.FILE
    data = json.loads(path.read_text())
    assert data["asked"].pop("probe") is False
    path.write_text(json.dumps(data))
    record = campaign.begun(begun.collected, "night")
    assert campaign.request_of(record, begun.boards, begun.catalogue, begun.collected) == begun.request
    campaign.same(record, begun.request)
    with pytest.raises(ConfigError, match="begun with probe False, and is now asked for True"):
        campaign.same(record, replace(begun.request, probe=True))


def test_an_image_lies_beside_the_record_and_may_change_where_it_came_from(begun: Begun, tmp_path: Path) -> None:
    shutil.copy(PROJECT / "suites" / "images" / "house.png", tmp_path / "mine.png")
    (prompts,) = (one.prompts for one in begun.request.workloads)
    seen = Workload(prompts, 64, load_image(tmp_path / "mine.png"))
    model = begun.catalogue.model("qwen3-vl-2b")
    asked = another(begun.request, models=(model,), workloads=(seen,), vision_cores=(1, 3))
    campaign.write(begun.collected, "seen", asked, plan.check(asked), tool="rkfleet 0", token="3f2a")
    (tmp_path / "mine.png").write_bytes(b"\xff\xd8\xff another")
    record = campaign.begun(begun.collected, "seen")
    again = campaign.request_of(record, begun.boards, begun.catalogue, begun.collected)
    (workload,) = again.workloads
    assert workload.image is not None and seen.image is not None
    assert load_image(workload.image.path).sha256 == seen.image.sha256
    assert campaign.asked(again) == campaign.asked(asked) and again.cells[0].vision_cores == 1
    campaign.same(record, asked)
    other = another(asked, workloads=(replace(seen, image=load_image(tmp_path / "mine.png")),))
    with pytest.raises(ConfigError, match="workloads"):
        campaign.same(record, other)
    with pytest.raises(ConfigError, match="changed while the campaign was planned"):
        campaign.write(begun.collected, "late", asked, plan.check(asked), tool="rkfleet 0", token="3f2a")


def test_the_same_request_given_again_goes_on_and_another_one_is_refused(begun: Begun) -> None:
    campaign.same(begun.record, begun.request)
    with pytest.raises(ConfigError, match=r"begun with cores \[1, 3\], and is now asked for \[1\]") as refused:
        campaign.same(begun.record, another(begun.request, cores=(1,)))
    assert refused.value.hint.startswith("invoke bench --campaign night")
    other = Workload(replace(begun.request.workloads[0].prompts, sha256="cd" * 32), 128)
    with pytest.raises(ConfigError, match="workloads"):
        campaign.same(begun.record, another(begun.request, workloads=(other,)))
    with pytest.raises(ConfigError, match="begun with parts 1, and is now asked for 2"):
        campaign.same(begun.record, replace(begun.request, parts=begun.request.parts * 2))


def test_what_is_missing_is_what_has_no_evidence_here(begun: Begun) -> None:
    first, *rest = begun.record.runs["rk3588-a"]
    begun.evidence("rk3588-a", first)
    begun.evidence("rk3588-b", *begun.record.runs["rk3588-b"])
    assert begun.record.missing(begun.collected) == {"rk3588-a": tuple(rest)}


def test_only_what_failed_is_repeated_and_each_of_its_cells_warms_up_again(begun: Begun) -> None:
    runs = begun.record.runs["rk3588-a"]
    outcomes = {("rk3588-a", run): "ok" for run in runs}
    outcomes |= {("rk3588-b", run): "ok" for run in begun.record.runs["rk3588-b"]}
    failed = next(run for run in runs if "3core-row-r2" in run)
    outcomes["rk3588-a", failed] = "rebooted"
    again = campaign.failed_only(begun.record, begun.request, outcomes)
    assert [entry.name for entry in again.boards] == ["rk3588-a"]
    planned = plan.check(again)["rk3588-a"]
    assert [one.run for one in planned] == [next(run for run in runs if "3core-row-warmup" in run), failed]


def test_what_was_skipped_is_tried_again_because_its_reason_may_be_gone(begun: Begun) -> None:
    outcomes = {("rk3588-a", run): "ok" for run in begun.record.runs["rk3588-a"]}
    outcomes |= {("rk3588-b", run): "skipped" for run in begun.record.runs["rk3588-b"]}
    again = campaign.failed_only(begun.record, begun.request, outcomes)
    assert [entry.name for entry in again.boards] == ["rk3588-b"]


def test_a_run_that_left_no_evidence_has_failed(begun: Begun) -> None:
    runs = begun.record.runs
    outcomes = {(board, run): "ok" for board in BOARDS for run in runs[board][:-1]}
    again = campaign.failed_only(begun.record, begun.request, outcomes)
    assert again.only == {board: {runs[board][-1]} for board in BOARDS}


def test_nothing_that_failed_is_said_and_begins_nothing(begun: Begun) -> None:
    outcomes = {(board, run): "ok" for board in BOARDS for run in begun.record.runs[board]}
    with pytest.raises(ConfigError, match="nothing failed in campaign night"):
        campaign.failed_only(begun.record, begun.request, outcomes)


def test_a_board_that_left_the_inventory_is_named(begun: Begun) -> None:
    with pytest.raises(ConfigError, match="rk3588-b"):
        campaign.request_of(begun.record, begun.boards[:1], begun.catalogue, begun.collected)


@pytest.mark.parametrize("name", ["", "..", "../night", ".lock", "a/b", "x" * 122])
def test_what_is_no_name_for_a_folder_is_refused(begun: Begun, name: str) -> None:
    with pytest.raises(ConfigError, match="no name for a campaign"):
        campaign.load(begun.collected, name)


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "null", '{"runs": 1}', '{"created_utc":"","tool":"","token":"","asked":{},"runs":[]}']
)
def test_a_record_that_is_no_record_is_a_message(begun: Begun, text: str) -> None:
    (begun.collected / "night" / campaign.FILE).write_text(text)
    with pytest.raises(ConfigError, match="can not be read"):
        campaign.load(begun.collected, "night")
    assert list(campaign.unfinished(begun.collected)) == []


def test_one_process_drives_a_campaign_and_its_lock_ends_with_it(begun: Begun) -> None:
    code = (
        "import sys; from pathlib import Path; from fleet import campaign\n"
        "with campaign.driving(Path(sys.argv[1]), 'night'):\n"
        "    print('driving', flush=True); sys.stdin.read()\n"
    )
    argv = [sys.executable, "-c", code, str(begun.collected)]
    with subprocess.Popen(argv, cwd=PROJECT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "driving\n"
        assert campaign.is_driven(begun.collected, "night")
        assert list(campaign.unfinished(begun.collected)) == []
        with pytest.raises(campaign.BeingDriven), campaign.driving(begun.collected, "night"):
            pass
        other.kill()
        other.wait()
    assert not campaign.is_driven(begun.collected, "night")
    assert [record.campaign for record in campaign.unfinished(begun.collected)] == ["night"]
    with campaign.driving(begun.collected, "night"):
        pass


def held(**fields: Any) -> Any:
    return SimpleNamespace(**({"campaign": "night", "token": "3f2a"} | fields))


def test_a_lease_is_left_behind_when_it_is_ours_and_nobody_drives_its_campaign(begun: Begun) -> None:
    assert campaign.left_behind(begun.collected, held())
    with campaign.driving(begun.collected, "night"):
        assert not campaign.left_behind(begun.collected, held())
    for other in (held(token="beef"), held(campaign=None), held(campaign="../night"), held(campaign="tuesday")):
        assert not campaign.left_behind(begun.collected, other)
