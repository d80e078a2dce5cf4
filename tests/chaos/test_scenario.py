"""A seed is a scenario: the same every time, and among a few hundred there is everything."""

from __future__ import annotations

from tests.chaos.scenario import ANYWHERE, SSHD, VIRTUAL, scenario


def test_a_seed_gives_the_same_scenario_every_time() -> None:
    assert [str(scenario(seed)) for seed in range(50)] == [str(scenario(seed)) for seed in range(50)]


def test_everything_befalls_somebody() -> None:
    scripts = [scenario(seed) for seed in range(400)]
    for world, kinds in (("virtual", VIRTUAL), ("sshd", SSHD)):
        seen = {action.what for script in scripts if script.world == world for action in script.actions}
        assert seen == {*kinds, *ANYWHERE}
    assert {script.again for script in scripts} == {script.bare for script in scripts} == {True, False}
    assert {len(script.boards) for script in scripts} == {1, 2}
