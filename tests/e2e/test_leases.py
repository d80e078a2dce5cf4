"""Leases over a real OpenSSH server: whose a board is holds for launches, for pushes and at the command line."""

from __future__ import annotations

import hashlib
import re
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from fleet import job, lease
from fleet.config.catalogue import Artifact
from fleet.deadline import Deadline
from fleet.errors import BoardBusy, LeaseHeld
from fleet.lease import Holding
from fleet.push import Placed, place
from fleet.run import ArtifactSpec, RunSpec, Workload, utc_now
from fleet.scripts import Store, prepare
from fleet.ssh.connection import Board
from tests.ssh import sshd
from tests.ssh.sshd import NoSuchUser, Sshd


@pytest.fixture(params=[None, "normal"], ids=["owner", "normal user"])
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sshd]:
    folder = tmp_path_factory.mktemp("sshd")
    board = Path(tempfile.mkdtemp(prefix="rkfleet-board-"))
    board.chmod(0o777)
    extra = f"Match all\nSetEnv SHLVL=5 RKFLEET_BOARD_LOCK={board}/board.lock RKFLEET_LEASE={board}/lease\n"
    try:
        with sshd.running(folder, user=request.param, extra=extra) as running:
            yield running
    except NoSuchUser as reason:
        pytest.skip(str(reason))
    finally:
        shutil.rmtree(board, ignore_errors=True)


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
    workload = Workload("p", "0" * 64, "1", 1, 16, 4096)
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
    assert busy.value.holder == "c1/r1" and "invoke cancel --board b" in busy.value.message()
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
    anna.board.run(["rm", f"{anna.store.models}/m.rkllm"], deadline=soon(), doing="remove")
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
