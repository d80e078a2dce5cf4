"""The stages with what stands in for boards: what fails costs itself alone, what is over is not done again."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

import pytest

from fleet.errors import BoardError
from fleet.nightly.health import Health, State
from fleet.nightly.night import FLEET, Done, Night, Stage, Status, begin
from tests.e2e.simulated_nights import Lab, Planted

SUITE = {"cores": [3], "repeats": 1, "workloads": [{"new_tokens": 16}], "canary": {"repeats": 1}}


@pytest.fixture
def lab(tmp_path: Path) -> Lab:
    return Lab.open(tmp_path, ("a", "b"), SUITE)


def campaigns_of(lab: Lab) -> list[str]:
    return sorted(path.name.partition("Z")[2] for path in lab.session.collected.glob("*"))


def test_a_night_goes_through_its_stages_and_a_quiet_one_is_one_line(lab: Lab) -> None:
    lab_suite(lab, repeats=3)
    page = lab.night(Planted())
    assert page.night.over == list(Stage) and page.night.ended_utc is not None
    assert page.quiet and page.markdown().count("\n") == 1 and "simulated" in page.markdown()
    assert campaigns_of(lab) == ["", "-canary"]


@pytest.mark.parametrize("stage", ["lease", "check", "canary", "push", "collect", "judge", "report", "tell"])
@pytest.mark.parametrize("error", [BoardError("no room"), TypeError("a bug")])
def test_a_stage_that_fails_as_a_whole_is_on_the_page_and_the_others_do_what_they_can(
    lab: Lab, stage: str, error: Exception
) -> None:
    night = begin("nightly", ["a", "b"], lab.now, None)
    work = lab.work(night)

    def fails(*_: Any) -> Any:
        raise error

    if hasattr(work.boards, stage) and stage != "canary":
        setattr(work.boards, stage, fails)
    else:
        object.__setattr__(work.means, stage, fails)
    work.run()
    at = Stage({"tell": "notify"}.get(stage, stage))
    done = night.done(at, FLEET)
    assert done is not None and done.status is Status.FAILED and str(error) in done.what and done.code == 1
    assert night.over == list(Stage)
    assert len(list(lab.session.collected.glob(f"{night.name}/*/*"))) == 4  # measured all the same
    assert stage != "canary" or not lab.health.read()  # nobody has said how they are


def test_what_is_over_is_not_done_again_and_the_boards_are_taken_anew(lab: Lab) -> None:
    night = begin("nightly", ["a", "b"], lab.now, None)
    work = lab.work(night)
    drive, driven, leased = work.means.drive, [], []

    def killed_in_the_bench(order: Any) -> Any:
        driven.append(order.campaign.partition("Z")[2])
        if len(driven) == 2:
            raise SystemExit
        return drive(order)

    object.__setattr__(work.means, "drive", killed_in_the_bench)
    with pytest.raises(SystemExit):
        work.run()
    (again,) = lab.nights.load()
    assert again.over == [Stage.LEASE, Stage.CHECK, Stage.CANARY, Stage.PUSH] and again.ended_utc is None
    work = lab.work(again)
    drive, lease = work.means.drive, lab.lease
    object.__setattr__(
        work.means, "drive", lambda order: driven.append(order.campaign.partition("Z")[2]) or drive(order)
    )
    lab.lease = lambda entries: leased.append([entry.name for entry in entries]) or lease(entries)  # type: ignore
    work.run()
    assert driven == ["-canary", "", ""] and leased == [["a", "b"]]
    assert lab.health.read()["a"] == Health(State.GOOD, "", lab.health.read()["a"].since, night=night.name)


def test_nobody_is_told_twice(lab: Lab) -> None:
    night = begin("nightly", ["a", "b"], lab.now, None)
    told: list[str] = []

    def killed() -> Any:
        raise SystemExit

    for release in (killed, lab.release):
        work = lab.work(night)
        object.__setattr__(work.means, "tell", lambda one: told.append(one.name))
        lab.release = release  # type: ignore
        with contextlib.suppress(SystemExit):
            work.run()
        (night,) = lab.nights.load()
    assert night.over == list(Stage) and told == [night.name]


def test_a_broken_list_of_healths_costs_no_night(lab: Lab) -> None:
    night = begin("nightly", ["a", "b"], lab.now, None)
    (lab.session.home / "nightly").mkdir()
    (lab.session.home / "nightly" / "health.json").write_text("{")
    lab.work(night).run()
    assert night.over == list(Stage)
    for stage in (Stage.LEASE, Stage.CANARY):
        done = night.done(stage, FLEET)
        assert done is not None and "health.json" in done.what and done.code == 2
    assert (lab.session.home / "nightly" / "health.json").read_text() == "{"


def test_ctrl_c_gives_the_boards_back(lab: Lab) -> None:
    work = lab.work(begin("nightly", ["a", "b"], lab.now, None))
    released: list[int] = []

    def interrupted(_entries: Any) -> Any:
        raise KeyboardInterrupt

    lab.check, lab.release = interrupted, lambda: released.append(1) or {}  # type: ignore
    paged: list[Stage | None] = []
    object.__setattr__(work.means, "page", lambda night: paged.append(night.interrupted_in) or ())
    with pytest.raises(KeyboardInterrupt):
        work.run()
    assert released and paged == [Stage.CHECK]
    (kept,) = lab.nights.load()
    assert kept.interrupted_in is None and kept.over == [Stage.LEASE]


@pytest.mark.parametrize(
    ("health", "returns", "asked", "state"),
    [
        (Health(State.MAINTENANCE, "new heatsink", "t"), 1, False, State.MAINTENANCE),
        (Health(State.RETIRED, "dead", "t"), 1, False, State.RETIRED),
        (Health(State.BAD, "hot", "t"), 0, False, State.BAD),
        (Health(State.BAD, "hot", "t"), 2, True, State.BAD),
        (Health(State.BAD, "hot", "t"), 1, True, State.GOOD),
    ],
)
def test_who_is_asked_and_who_is_measured(lab: Lab, health: Health, returns: int, asked: bool, state: State) -> None:
    lab.health.update("a", lambda _before: health)
    night = begin("nightly", ["a", "b"], lab.now, None)
    work = lab.work(night)
    work.returns = returns
    work.run()
    done = night.done(Stage.LEASE, "a")
    assert done is not None and (done.status is Status.OK) == asked
    assert lab.health.read()["a"].state is state
    assert (lab.session.collected / night.name / "a").is_dir() == (state is State.GOOD)
    assert (lab.session.collected / night.name / "b").is_dir()


def test_a_board_that_is_somebody_elses_tonight_is_not_sick(lab: Lab) -> None:
    lease = lab.lease
    lab.lease = lambda entries: lease(entries) | {"a": Done(Status.FAILED, "reserved by anna", 1)}  # type: ignore
    page = lab.night(Planted())
    assert lab.health.read().get("a") is None and page.exit_code == 1
    assert "reserved by anna" in page.markdown()


def test_one_unlucky_canary_is_no_sick_board(lab: Lab) -> None:
    for _ in range(6):
        lab.night(Planted())
    hiccup = lab.night(Planted(slower=lambda campaign, board, _: 1.3 if campaign.endswith("-canary") else 1.0))
    assert not hiccup.sick and lab.health.read()["a"].state is State.GOOD
    sick = lab.night(Planted(slower=lambda campaign, board, _: 1.3 if "-canary" in campaign and board == "a" else 1.0))
    assert set(sick.sick) == {"a"} and sick.exit_code == 3


def test_what_got_worse_after_the_end_of_the_night_is_a_suspect(lab: Lab) -> None:
    lab_suite(lab, repeats=3)
    for _ in range(6):
        lab.night(Planted())
    slow = Planted(slower=lambda campaign, *_: 1.0 if "canary" in campaign else 1.08, minutes=6)
    page = lab.night(slow)
    kinds = {one.kind for one in page.night.findings}
    assert "suspect" in kinds and not page.night.alarms and "-again" not in "".join(campaigns_of(lab))
    assert "the night was over before" in page.markdown()


def lab_suite(lab: Lab, **more: Any) -> None:
    import json

    (lab.session.home / "suites" / "nightly.yaml").write_text(json.dumps(SUITE | more))


def test_a_night_that_never_ended_is_named_by_the_next(lab: Lab) -> None:
    from verbs.nightly import tonight

    before = begin("nightly", ["a", "b"], lab.now, lab.now)
    lab.nights.save(before)
    lab.session.home.joinpath("nightly").mkdir(exist_ok=True)
    found: Night = tonight(lab.nights, "nightly", ["a", "b"], lab.now.replace(hour=9), None)
    assert found.name != before.name and before.name in found.notes[0]
