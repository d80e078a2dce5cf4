"""Leases over a real OpenSSH server: whose a board is holds for launches, for pushes and at the command line."""

from __future__ import annotations

import hashlib
import json
import re
import stat
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from fleet import job, lease
from fleet.config.catalogue import Artifact
from fleet.deadline import Deadline
from fleet.errors import BoardBusy, LeaseHeld
from fleet.lease import Holding
from fleet.push import Placed, place
from fleet.run import ArtifactSpec, RunSpec, WorkloadSpec, utc_now
from fleet.scripts import Store, prepare
from fleet.ssh.connection import Board
from tests.e2e.home import PROJECT, Home, virtual
from tests.ssh.sshd import Sshd


@dataclass
class Controller:
    """What one workstation does on the board, with a token of its own."""

    board: Board
    store: Store
    name: str
    token: str

    def hold(self, for_s: float = 600, purpose: str = "tests") -> Holding:
        about = {"owner": f"{self.name}@lab", "purpose": purpose, "campaign": None, "for_s": for_s}
        return lease.hold(self.board, self.store, self.token, **about, deadline=soon())

    def steal(self, shown: str) -> Holding:
        about = {"owner": f"{self.name}@lab", "purpose": "mine", "campaign": None, "for_s": 600}
        return lease.steal(self.board, self.store, shown, self.token, **about, deadline=soon())

    def start(self, run: str, *program: str, token: bool = True, limit_s: int = 60) -> bool:
        spec = spec_of(run, limit_s)
        words = program or ("true",)
        return job.submit(self.board, self.store, spec, words, soon(), lease=self.token if token else None)

    def push(self, local: Path, token: bool = True) -> Placed:
        artifact = Artifact.model_construct(file=local.name, sha256=hashlib.sha256(local.read_bytes()).hexdigest())
        folders = [self.store.models]
        given = self.token if token else None
        return place(self.board, self.store, artifact, local, folders, soon(), lease=given)

    def ended(self, run: str) -> bool:
        """Wait for the end of a run."""
        lock = f"{self.store.run_dir('c1', run)}/lock"
        self.board.run(["flock", "-s", "-w", "30", lock, "true"], deadline=soon(), doing="wait")
        return True


def soon() -> Deadline:
    return Deadline.after(60)


def spec_of(run: str, limit_s: int) -> RunSpec:
    artifact = ArtifactSpec("m.rkllm", None, None, 3, "W8A8", None, 4096)
    workload = WorkloadSpec("p", "0" * 64, "1", 1, 16, 4096)
    about = {"model": "m", "model_title": "M", "kind": "llm", "npu_cores": 3, "prompt": "?", "repeat": 1}
    return RunSpec(
        "c1",
        run,
        "b",
        False,
        **about,
        artifact=artifact,
        workload=workload,
        warmup=False,
        limit_s=limit_s,
        created_utc=utc_now(),
        tool="test",
    )


@pytest.fixture
def controllers(server: Sshd) -> Iterator[tuple[Controller, Controller]]:
    """Two workstations that know nothing of each other."""
    store = str(server.home / "rkfleet" if server.home else server.folder / "store")
    with Board(server.endpoint("b"), server.known()) as one, Board(server.endpoint("b"), server.known()) as other:
        yield (
            Controller(one, prepare(one, store, soon()), "anna", lease.new_token()),
            Controller(other, prepare(other, store, soon()), "bob", lease.new_token()),
        )


def test_a_board_that_is_reserved_is_refused_to_others_by_name_and_with_the_way_out(controllers):
    anna, bob = controllers
    held = anna.hold(7200, "nightly")
    assert held.lease is not None and (held.lease.token, held.left_s) == (anna.token, 7200)
    for attempt in (bob.hold, lambda: bob.start("r1"), lambda: bob.start("r1", token=False)):
        with pytest.raises(LeaseHeld) as refusal:
            attempt()
        told = str(refusal.value)
        assert re.search(r"reserved by anna@lab for 'nightly' for (2 hours|119 minutes) more", told), told
        assert f"invoke reserve --board b --steal {anna.token}" in refusal.value.message()
    assert lease.show(bob.board, bob.store, soon()).lease == held.lease
    assert anna.start("r1", limit_s=9000) and anna.ended("r1")
    longer = lease.show(bob.board, bob.store, soon())
    assert 9300 - 60 <= longer.left_s <= 9301
    assert lease.release(bob.board, bob.store, bob.token, soon()) is False
    assert lease.release(anna.board, anna.store, anna.token, soon()) is True
    assert lease.show(bob.board, bob.store, soon()).lease is None
    assert bob.start("r2", token=False) and bob.ended("r2")


def test_a_board_is_stolen_from_whom_it_was_shown_and_not_while_a_run_goes(controllers):
    anna, bob = controllers
    anna.hold()
    anna.start("r1", "sleep", "1000")
    with pytest.raises(BoardBusy) as busy:
        bob.steal(anna.token)
    assert busy.value.holder == "c1/r1" and "--cancel" in busy.value.message()
    assert lease.show(bob.board, bob.store, soon()).run == "c1/r1"
    assert job.cancel(anna.board, anna.store, "c1", "r1", soon())[0]
    with pytest.raises(LeaseHeld) as other:
        bob.steal("0" * 12)
    assert other.value.token == anna.token
    stolen = bob.steal(anna.token)
    assert stolen.lease is not None and stolen.lease.token == bob.token
    assert bob.steal(anna.token).lease == stolen.lease  # the answer got lost, and was asked for again
    for attempt in (anna.hold, lambda: anna.start("r2"), lambda: anna.steal(anna.token)):
        with pytest.raises(LeaseHeld, match="reserved by bob@lab"):
            attempt()


def test_a_push_needs_the_lease_as_a_launch_does(controllers, tmp_path):
    anna, bob = controllers
    local = tmp_path / "m.rkllm"
    local.write_bytes(bytes(range(256)) * 8192)
    anna.hold(60)
    for token in (True, False):
        with pytest.raises(LeaseHeld, match=r"push m\.rkllm: reserved by anna@lab for 'tests'"):
            bob.push(local, token)
    assert anna.push(local).sent_bytes == 2**21
    assert 900 - 60 <= lease.show(anna.board, anna.store, soon()).left_s <= 900
    assert bob.push(local, token=False).sent_bytes == 0  # it is there: nobody is disturbed
    lease.release(anna.board, anna.store, anna.token, soon())
    both = [f"{anna.store.models}/m.rkllm", f"{anna.store.path}/sha256"]
    anna.board.run(["rm", "-r", *both], deadline=soon(), doing="remove")
    with pytest.raises(LeaseHeld, match="has ended") as void:
        anna.push(local)
    assert void.value.token is None and "invoke who --board b" in void.value.message()
    with pytest.raises(LeaseHeld, match="has ended"):
        anna.start("r1")
    assert anna.push(local, token=False).sent_bytes == 2**21


@pytest.mark.parametrize(
    "text", ["a\x1b[31mb", "two\nlines\r", "q\"u\\o't; $(touch pwned)", "\u202eabc\x9b", "板子 " * 200]
)
def test_what_people_write_into_a_lease_stays_text_on_one_line(controllers, text):
    anna, bob = controllers
    anna.hold(purpose=text)
    with pytest.raises(LeaseHeld) as refusal:
        bob.hold()
    seen = lease.show(bob.board, bob.store, soon()).lease
    assert seen is not None and seen.owner == "anna@lab"
    assert seen.purpose.isprintable() and len(seen.purpose.encode()) <= 200
    assert text.isprintable() is False or text.strip().startswith(seen.purpose)
    assert str(refusal.value).isprintable()


# ------------------------------------------------------------------------------------------------ the command line


@pytest.fixture
def homes(tmp_path: Path) -> Iterator[tuple[Home, Home]]:
    """Two people's folders with the same two virtual boards: the second one's are the first one's."""
    for name in ("one", "other"):
        (tmp_path / name).mkdir()
    mine, theirs = Home(tmp_path / "one"), Home(tmp_path / "other")
    for one in (mine, theirs):
        one.inventory({"va": virtual(), "vb": virtual()})
    (theirs.folder / ".virtual").symlink_to(mine.folder / ".virtual")
    (mine.folder / ".virtual").mkdir()
    yield mine, theirs
    down = [sys.executable, "-m", "virtual", "down", "--all", "--state", str(mine.folder / ".virtual")]
    subprocess.run(down, cwd=PROJECT, check=True, capture_output=True, timeout=60)


def who(home: Home) -> dict[str, dict[str, Any]]:
    return {row["board"]: row for row in json.loads(home.invoke("who", "--format", "json").stdout)}


def test_a_person_reserves_boards_others_see_it_and_one_takes_over(homes):
    mine, theirs = homes
    purpose = 'it\'s \x1b[31mmine\x1b[0m "now"'
    said = mine.invoke("reserve", "--board", "va", "--for", "30m", "--purpose", purpose).stdout
    row = who(theirs)["va"]
    assert "va: yours for 30 minutes" in said and row["token"] in said
    assert row["held by"].count("@") == 1 and row["for"].isprintable() and row["for"].endswith('"now"')
    assert 29 < row["minutes left"] <= 30 and row["run now"] is None
    assert who(theirs)["vb"]["held by"] is None
    assert "\x1b" not in mine.invoke("who").stdout
    assert stat.S_IMODE((mine.folder / ".leases.json").stat().st_mode) == 0o600

    refused = theirs.invoke("reserve", "--board", "va,vb", code=1)
    assert f"invoke reserve --board va --steal {row['token']}" in refused.stderr
    assert "vb: yours for 2 hours" in refused.stdout
    assert set(json.loads((theirs.folder / ".leases.json").read_text())["boards"]) == {"vb"}
    assert "va: not reserved from here" in theirs.invoke("release", "--board", "va").stdout

    theirs.invoke("reserve", "--board", "va", "--steal", row["token"])
    again = theirs.invoke("reserve", "--board", "va", "--steal", row["token"])  # it is ours already
    assert again.stdout.startswith("va: yours")
    assert who(mine)["va"]["token"] != row["token"]
    lost = mine.invoke("reserve", "--board", "va", code=1)
    assert "reserved by" in lost.stderr
    assert "va: was not ours any more" in mine.invoke("release", "--board", "va").stdout
    assert "va: released\nvb: released" in theirs.invoke("release", "--board", "v*").stdout
    assert [row["token"] for row in who(mine).values()] == [None, None]


def test_who_is_refused_sees_what_to_do_and_nothing_is_reserved(homes):
    mine, _ = homes
    assert "say which boards" in mine.invoke("reserve", code=2).stderr
    assert "say which boards" in mine.invoke("release", code=2).stderr
    assert "8d" in mine.invoke("reserve", "--board", "va", "--for", "8d", code=2).stderr
    assert "--steal" in mine.invoke("reserve", "--board", "v*", "--steal", "abc", code=2).stderr
    ended = mine.invoke("reserve", "--board", "va", "--steal", "abc", code=1).stderr
    assert "has ended" in ended and "invoke who --board va" in ended
    assert json.loads((mine.folder / ".leases.json").read_text())["boards"] == {}
    (mine.folder / ".leases.json").write_text("{")
    assert ".leases.json" in mine.invoke("release", "--board", "va", code=2).stderr
