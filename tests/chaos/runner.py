"""A seed from its first action to the referee's word, on a world that several seeds share.

After the chaos the world is healed and left alone until nothing runs any more; then every home collects once, and the
referee compares. In about half of the seeds the campaign is given again, and the referee compares once more.
"""

from __future__ import annotations

import shutil
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from analysis.reading import read_campaign
from tests.chaos import observed
from tests.chaos.referee import Violation, judge
from tests.chaos.scenario import scenario
from tests.chaos.sshd_world import SshdWorld
from tests.chaos.stage import Stage
from tests.chaos.virtual_world import VirtualWorld
from tests.chaos.world import World

QUIET_S = 60.0  # for what a dead driver left: its runs end by themselves
QUIET_STEP_S = 0.1
GONE_S = 30.0  # for the last processes of a command whose driver has ended
WORLDS: dict[str, Callable[[Path], World]] = {"virtual": VirtualWorld, "sshd": SshdWorld}


@dataclass(frozen=True)
class Result:
    """What a seed gave. ``kept``: where everything lies, when a rule was broken."""

    seed: int
    violations: tuple[Violation, ...]
    notes: tuple[str, ...]
    fired: Counter[str]
    outcomes: Counter[str]
    wall_s: float
    kept: Path | None = None

    def __str__(self) -> str:
        lines = [str(scenario(self.seed)), "what happened:", *self.notes, *map(str, self.violations)]
        return "\n".join([*lines, f"kept: {self.kept}"])


@dataclass
class Runner:
    """Plays seeds one after another; its worlds are made when they are first needed, and anew after a violation."""

    folder: Path = field(default_factory=lambda: Path(tempfile.mkdtemp(prefix="chaos-")))
    _worlds: dict[str, World] = field(default_factory=dict)
    _made: int = 0

    def play(self, seed: int) -> Result:
        """One seed."""
        began_s = time.monotonic()
        script = scenario(seed)
        world = self._world(script.world)
        world.reset(script)
        folder = Path(tempfile.mkdtemp(prefix=f"seed-{seed}-", dir=world.folder))
        stage = Stage(script, world, folder)
        violations: tuple[Violation, ...] = ()
        outcomes: Counter[str] = Counter()
        try:
            stage.play()
            world.heal()
            self._until_quiet(stage)
            for home in sorted({one.home for one in stage.drivers}):
                stage.alone(home, "collect", must=0)
            violations, outcomes = self._compare(stage, again=False)
            if script.again and not violations:
                stage.alone(0, "bench", "--campaign", script.campaign, *self._asked(stage))
                violations, outcomes = self._compare(stage, again=True)
        finally:
            stage.end()
        kept = None
        if violations:
            world.close()
            kept, _ = world.folder, self._worlds.pop(script.world)
        else:
            shutil.rmtree(folder)
        wall_s = time.monotonic() - began_s
        return Result(seed, violations, tuple(stage.notes), Counter(stage.fired), outcomes, wall_s, kept)

    def close(self) -> None:
        """Switch all of it off; what was kept stays."""
        for world in self._worlds.values():
            world.close()
            shutil.rmtree(world.folder)
        if not any(self.folder.iterdir()):
            self.folder.rmdir()

    def _world(self, name: str) -> World:
        if name not in self._worlds:
            self._made += 1
            folder = self.folder / f"{name}-{self._made}"
            folder.mkdir()
            self._worlds[name] = WORLDS[name](folder)
        return self._worlds[name]

    def _asked(self, stage: Stage) -> tuple[str, ...]:
        """A campaign that was begun goes on with what it was begun with; one that was not is asked for anew."""
        begun = (stage.world.homes[0] / "collected" / stage.scenario.campaign / "campaign.json").exists()
        return () if begun else stage.scenario.words

    def _until_quiet(self, stage: Stage) -> None:
        """Nothing goes on on the boards any more, as far as we wait for that: what is left then is for the referee."""
        until_s = time.monotonic() + QUIET_S
        while (busy := stage.world.busy()) and time.monotonic() < until_s:
            time.sleep(QUIET_STEP_S)
        stage.notes.extend(f"still going: {one}" for one in busy)

    def _compare(self, stage: Stage, *, again: bool) -> tuple[tuple[Violation, ...], Counter[str]]:
        world, script = stage.world, stage.scenario
        until_s = time.monotonic() + GONE_S
        while (stage.left() or world.busy()) and time.monotonic() < until_s:
            time.sleep(QUIET_STEP_S)
        homes, outcomes = [], Counter[str]()
        campaigns = (script.campaign, f"{script.campaign}-second")
        for number, folder in enumerate(world.homes):
            # Only the first one is asked again, and only it has what ran then.
            if number not in ({0} if again else {one.home for one in stage.drivers}):
                continue
            runs = [run for name in campaigns for run in read_campaign(folder / "collected", name)]
            told = {(run.board, f"{run.campaign}/{run.run}"): str(run.outcome) for run in runs}
            own = campaigns[number]
            seen = observed.home(folder.name, folder, own, told, again=again and number == 0)
            homes.append(seen)
            outcomes.update(one.told for one in seen.evidence if one.run.startswith(f"{own}/"))
        truth = world.truth(stage.cancelled(), stage.spoilt)
        return judge(truth, tuple(homes), stage.told(), stage.left()), outcomes
