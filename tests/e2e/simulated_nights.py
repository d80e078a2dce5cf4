"""Nights without boards: the stages, the judge and the page are the real ones, time is told and not waited for.

What stands in for the boards writes evidence as a campaign leaves it. The logs are made by the virtual demo's own
layouts from the virtual boards' own physics, with their luck; on top a test plants what shall be found.
"""

from __future__ import annotations

import functools
import json
import math
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from fleet import campaign as campaigns
from fleet import evidence, plan
from fleet.bench import BoardResult, CampaignResult, Order
from fleet.need import Need
from fleet.nightly.health import HealthBook
from fleet.nightly.night import Done, Night, Nights, Status, begin, stamp
from fleet.nightly.page import Morning
from fleet.nightly.stages import Means, NightWork
from fleet.nightly.until import bounded
from fleet.options import Bench, named_suite
from fleet.plan import PlannedRun
from fleet.session import Session
from fleet.verdict import Outcome
from verbs import judging
from verbs.nightly import canary_request, morning
from virtual import physics
from virtual.answers import prompt_tokens
from virtual.artifacts import Header, artifact_bytes, read_header
from virtual.layouts import LAYOUTS, Figures

PROJECT = Path(__file__).parents[2]
RUN_S = 60
FULL = physics.Clocks(physics.NPU_FULL_HZ, physics.DMC_FULL_HZ, physics.BIG_CPU_FULL_HZ, 45_000)


@functools.cache
def header_of(model: str, cores: int) -> Header:
    """What a stand-in's file admits."""
    header = read_header(artifact_bytes(model, cores).partition(b"\n")[0].decode())
    assert header is not None
    return header


@dataclass
class Planted:
    """What a night is like. ``slower``: by board, how many times as long a token takes in a campaign on so many cores;
    a night's own wandering comes on top."""

    runtime: str = "1.2.3"
    slower: Callable[[str, str, int], float] = lambda _campaign, _board, _cores: 1.0
    minutes: int | None = None  # until the night ends
    down: frozenset[str] = frozenset()


@dataclass
class Lab:
    """A home with virtual boards that nobody switches on, night after night."""

    session: Session
    now: datetime = datetime(2026, 11, 1, 2, 0, tzinfo=UTC)
    planted: Planted = field(default_factory=Planted)
    runs: int = 0
    archive: judging.Archive | None = None

    @classmethod
    def open(cls, home: Path, boards: Sequence[str], suite: Mapping[str, Any]) -> Lab:
        (home / "suites").mkdir()
        (home / "suites" / "nightly.yaml").write_text(json.dumps(suite))
        (home / "inventory.yaml").write_text(json.dumps({"boards": {name: {"virtual": True} for name in boards}}))
        from fleet.config.inventory import load_inventory
        from fleet.ssh.host_keys import HostKeys

        inventory = load_inventory(home / "inventory.yaml")
        session = Session(PROJECT, home, inventory, HostKeys.load(home / "known_hosts"))
        session.catalogue = functools.cache(session.catalogue)  # type: ignore[method-assign]
        return cls(session)

    @property
    def nights(self) -> Nights:
        return Nights(self.session.home)

    @property
    def health(self) -> HealthBook:
        return HealthBook(self.session.home)

    def night(self, planted: Planted) -> Morning:
        """One night to its end; then it is the next evening."""
        self.planted = planted
        until = None if planted.minutes is None else self.now + timedelta(minutes=planted.minutes)
        night = begin("nightly", [entry.name for entry in self.session.inventory.boards], self.now, until)
        began = self.now
        self.work(night).run()
        self.now = began + timedelta(days=1)
        return morning(self.session, night, self.health)

    def work(self, night: Night) -> NightWork:
        suite = named_suite(self.session, "nightly")
        if self.archive is None:
            self.archive = judging.Archive(self.session, self.nights, night.name)
        archive = self.archive
        archive.tonight = night.name
        until = None if night.until_utc is None else datetime.fromisoformat(night.until_utc)
        means = Means(
            now=lambda: self.now,
            drive=lambda order: self.drive(order, until),
            order_of=lambda request: judging.due(archive, request),
            canary=judging.canary(archive, suite.canary.band),
            judge=judging.judge(archive),
            report=lambda: (),
            page=lambda _night: (),
            tell=lambda _night: None,
            say=lambda _text: None,
        )
        return NightWork(
            self.session,
            night,
            self.nights,
            self.health,
            self,
            means,
            suite=lambda entries: Bench().request(self.session, tuple(entries), suite),
            canary=lambda entries: canary_request(self.session, suite, entries),
            returns=suite.canary.returns,
        )

    # --- what stands in for boards --------------------------------------------------------------------------------

    def lease(self, entries: Sequence[Any]) -> dict[str, Done]:
        gone = Done(Status.SICK, "does not answer", 4)
        return {entry.name: gone if entry.name in self.planted.down else Done(Status.OK) for entry in entries}

    def check(self, entries: Sequence[Any]) -> dict[str, Done]:
        return {entry.name: Done(Status.OK) for entry in entries}

    def push(self, entries: Sequence[Any], plans: Mapping[str, Sequence[PlannedRun]]) -> dict[str, Done]:
        return self.check(entries)

    def collect(self, entries: Sequence[Any]) -> dict[str, Done]:
        return self.check(entries)

    def release(self) -> dict[str, Done]:
        return {}

    def drive(self, order: Order, until: datetime | None) -> CampaignResult:
        """Board by board, for there is only one clock; a minute a run on each of them."""
        session, request, name = self.session, order.request, order.campaign
        plans = plan.check(request)
        if order.record is None:
            campaigns.write(session.collected, name, request, plans, tool="t", token="0123456789ab")
        need = bounded(lambda *_: Need(expected_s=RUN_S / 2), until, lambda: self.now)
        began, ended = self.now, [self.now]
        for entry in request.boards:
            self.now = began
            for planned in plans[entry.name]:
                if evidence.final_folder(session.collected, name, entry.name, planned.run).is_dir():
                    continue
                needs = need(entry, {}, planned)
                spec = plan.spec_of(
                    request,
                    planned,
                    campaign=name,
                    board=entry.name,
                    simulated=True,
                    created_utc=stamp(self.now),
                    tool="t",
                    need=needs,
                )
                if needs.skip is not None:
                    evidence.write_unstarted(session.collected, spec, Outcome.SKIPPED, needs.skip)
                    continue
                self._run(spec.to_json(), planned, name, entry.name)
                self.now += timedelta(seconds=RUN_S)
            ended.append(self.now)
        self.now = max(ended)
        return CampaignResult(name, tuple(BoardResult(entry.name, None, ()) for entry in request.boards), False, 0)

    def _run(self, spec: bytes, planned: PlannedRun, campaign: str, board: str) -> None:
        self.runs += 1
        chip = physics.silicon(board, 0)
        cell, lucky = planned.cell, physics.luck(chip, board, 0, self.runs)
        dice = random.Random(f"{campaign.rpartition('-')[0] if 'Z-' in campaign else campaign} {board}")
        wander = math.exp(dice.gauss(0.0, 0.008))
        slower = self.planted.slower(campaign, board, cell.npu_cores)
        lucky = replace(lucky, factor=lucky.factor * wander)
        header = header_of(cell.model.name, cell.npu_cores)
        asked, new = prompt_tokens(cell.prompt.text), cell.max_new_tokens
        arch = header.architecture
        figures = Figures(
            init_ms=physics.load_ms(chip, arch, FULL, lucky, warm=planned.repeat > 0),
            prefill_ms=physics.prefill_ms(chip, arch, cell.npu_cores, asked, FULL, lucky),
            prefill_tokens=asked,
            generate_ms=slower
            * (new - 1)
            * physics.token_ms(chip, arch, cell.npu_cores, asked + new // 2, FULL, lucky),
            generate_tokens=new - 1,
            peak_bytes=physics.resident_bytes(chip, arch, asked + new),
        )
        layout = LAYOUTS[self.planted.runtime]
        lines = ["rkllm init start", *layout.banner(self.planted.runtime, "0.9.8"), *layout.loading("/models/m.rkllm")]
        lines += [*layout.model(header), *layout.processors(), "rkllm init success", "", "user: robot: It rained.", ""]
        lines += [*layout.table(figures, is_first=True), "", "user: "]
        end = {"result": "success", "exit_code": 0, "boot_id": "b", "uptime_s": 90.0, "duration_s": 30.0}
        with evidence.RunFolder(self.session.collected, campaign, board, planned.run) as folder:
            folder.put("spec.json", spec)
            folder.put("start.json", json.dumps({"boot_id": "b", "uptime_s": 60.0}).encode())
            folder.put("end.json", json.dumps(end).encode())
            folder.append("stdout.log", 0, "\n".join(lines).encode())
            folder.finish()
