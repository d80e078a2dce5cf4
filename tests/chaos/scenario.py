"""What befalls a campaign, drawn from a seed: a pure function, so that a seed is a scenario and can be printed.

A moment is not a time but a place in what happens ("0.31 s after demo 2 began"), because the machine that runs this
may be fast or slow. When the place is never reached, the action comes anyway, a while after the driver has begun.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

OVERDUE_S = 6.0  # after the first command on a board: a moment that did not come until then is there
CONNECT_S = 15.0  # as long as that command itself may take to come
BOARDS = ("a", "b")
CORES = ((3,), (3,), (1, 3))
LONG_AWAY_S = 9.0  # longer than the drivers of these tests wait for a board

# How often each happens. Those of a world: its boards decide what can befall them.
VIRTUAL = {
    "power_loss": 9,
    "power_loss_twice": 4,
    "reboot": 5,
    "drop": 5,
    "cut": 5,
    "slow": 4,
    "freeze": 5,
    "corrupt": 4,
    "disk_full": 5,
    "unreachable": 4,
}
SSHD = {"sshd_killed": 6, "sshd_restarted": 4, "sshd_frozen": 5, "drop": 5, "cut": 6, "slow": 3, "wire_frozen": 4}
ANYWHERE = {
    "driver_killed": 10,
    "driver_stopped": 5,
    "driver_interrupted": 6,
    "second": 6,
    "cancel": 5,
    "run_killed": 4,
}


@dataclass(frozen=True)
class Moment:
    """``delay_s`` after the ``count``-th ``what`` of the scenario: start, session, receive, demo, over, boot."""

    what: str
    count: int
    delay_s: float

    def __str__(self) -> str:
        return f"{self.what} {self.count} + {self.delay_s:.2f} s"


@dataclass(frozen=True)
class Action:
    """One thing that befalls ``board`` (or the driver of the campaign, when that is None)."""

    moment: Moment
    what: str
    board: str | None
    details: Mapping[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        more = "".join(f" {key}={value}" for key, value in self.details.items())
        return f"{self.moment}: {self.what}{f' {self.board}' if self.board else ''}{more}"


@dataclass(frozen=True)
class Scenario:
    """A campaign and what befalls it. ``bare``: nothing of ours is on the boards yet; ``again``: given twice."""

    seed: int
    world: str
    boards: tuple[str, ...]
    cores: tuple[int, ...]
    repeats: int
    new_tokens: int
    limit_s: int
    recover: bool
    bare: bool
    again: bool
    actions: tuple[Action, ...]

    @property
    def campaign(self) -> str:
        """Its name."""
        return f"seed-{self.seed}"

    @property
    def words(self) -> tuple[str, ...]:
        """What ``bench`` is asked for, besides the boards and the campaign's name."""
        asked = ["--cores", ",".join(map(str, self.cores)), "--repeats", str(self.repeats)]
        asked += ["--new-tokens", str(self.new_tokens), "--limit", str(self.limit_s)]
        return (*asked, "--recover") if self.recover else tuple(asked)

    def __str__(self) -> str:
        head = f"seed {self.seed}: {self.world} {','.join(self.boards)}, {' '.join(self.words)}"
        head += "".join(f", {word}" for word in ("bare", "again") if getattr(self, word))
        return "\n".join([head, *(f"  {action}" for action in self.actions)])


def scenario(seed: int) -> Scenario:
    """The scenario of a seed; nothing else goes into it."""
    dice = random.Random(f"rkfleet chaos {seed}")
    world = "virtual" if dice.random() < 0.75 else "sshd"
    boards = BOARDS if world == "virtual" and dice.random() < 0.25 else BOARDS[:1]
    cores = dice.choice(CORES)
    repeats = 1 if len(cores) > 1 else dice.choice((1, 1, 2))
    bare = dice.random() < 0.3
    kinds = {**(VIRTUAL if world == "virtual" else SSHD), **ANYWHERE}
    chosen = dice.choices(list(kinds), list(kinds.values()), k=dice.choices((0, 1, 2, 3, 4, 5), (1, 6, 9, 9, 6, 3))[0])
    runs = len(cores) * (repeats + 1)
    actions = [_action(dice, what, dice.choice(boards), runs, bare) for what in chosen]
    return Scenario(
        seed=seed,
        world=world,
        boards=boards,
        cores=cores,
        repeats=repeats,
        new_tokens=dice.choice((16, 128, 128)),
        limit_s=30,
        recover=world == "virtual" and dice.random() < 0.35,
        bare=bare,
        again=dice.random() < 0.5,
        actions=tuple(actions),
    )


def _moment(dice: random.Random, runs: int, bare: bool) -> Moment:
    """Before, during and after runs; by what was seen, or by the clock."""
    kind = dice.random()
    if kind < 0.15:
        return Moment("start", 1, round(dice.uniform(0, 4), 2))
    if kind < 0.35:
        return Moment("session", dice.randint(1, 4 + 4 * runs), round(dice.uniform(0, 0.2), 3))
    if bare and kind < 0.5:
        return Moment("receive", 1, round(dice.uniform(0, 0.1), 3))
    if kind < 0.85:
        return Moment("demo", dice.randint(1, max(1, runs - 1)), round(dice.uniform(0, 0.6), 2))
    return Moment("over", dice.randint(1, runs), round(dice.uniform(0, 0.4), 2))


def _action(dice: random.Random, what: str, board: str, runs: int, bare: bool) -> Action:
    moment = _moment(dice, runs, bare)
    if what.startswith("driver_"):
        details = {"for_s": round(dice.choice((0.5, 2.0, 8.0)) * dice.uniform(0.5, 1), 2)}
        return Action(moment, what, None, details if what == "driver_stopped" else {})
    return Action(moment, what, board, _details(dice, what))


def _details(dice: random.Random, what: str) -> dict[str, Any]:
    if what in ("power_loss", "reboot", "power_loss_twice"):
        away_s: float | str = round(dice.uniform(0.2, 2), 2)
        if what != "power_loss_twice" and dice.random() < 0.15:
            away_s = dice.choice((LONG_AWAY_S, "never"))
        return {"away": away_s} | ({"then_s": round(dice.uniform(0, 1.5), 2)} if what == "power_loss_twice" else {})
    if what == "cut":
        return {"bytes": int(10 ** dice.uniform(1, 4.6))}
    if what == "slow":
        return {"rate": int(10 ** dice.uniform(3.3, 4.7)), "for_s": round(dice.uniform(0.5, 3), 2)}
    if what == "corrupt":
        return {
            "bytes": int(10 ** dice.uniform(1, 4.2)),
            "seed": dice.randrange(1000),
            "way": dice.choice(("out", "in")),
        }
    if what == "unreachable":
        return {"for_s": LONG_AWAY_S if dice.random() < 0.15 else round(dice.uniform(0.3, 3), 2)}
    if what in ("freeze", "disk_full", "sshd_frozen", "wire_frozen", "sshd_killed"):
        return {"for_s": round(dice.uniform(0.3, 3), 2)}
    return {}
