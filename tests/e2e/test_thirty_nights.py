"""Thirty nights on three boards: what was planted is alarmed for, on its night and its board, and nothing else is."""

from __future__ import annotations

from pathlib import Path

import pytest

from fleet.nightly.health import State
from fleet.nightly.page import Morning
from tests.e2e.simulated_nights import Lab, Planted

BOARDS = ("a", "b", "c")
SUITE = {"cores": [1, 3], "repeats": 3, "workloads": [{"new_tokens": 64}], "canary": {"cores": 2}}
UPGRADE, ONE_OFF, CUT, SICK, AWAY, REGRESSION = 8, 16, 18, (20, 21), 23, 25


def slower(night: int, campaign: str, board: str, cores: int) -> float:
    """How many times as long a token takes, by what is planted in that night."""
    kind = campaign.partition("Z")[2]
    if night == ONE_OFF and board == "b" and cores == 1 and not kind:
        return 1.09
    if night in SICK and board == "c":
        return 1.2
    if night >= REGRESSION and board == "a" and cores == 3:
        return 1.053  # five percent fewer tokens a second
    return 0.94 if night >= UPGRADE else 1.0


def planted(night: int) -> Planted:
    return Planted(
        runtime="1.2.3" if night >= UPGRADE else "1.2.1",
        slower=lambda campaign, board, cores: slower(night, campaign, board, cores),
        minutes=9 if night == CUT else None,
        down=frozenset({"b"}) if night == AWAY else frozenset(),
    )


def kinds(page: Morning, board: str = "") -> set[str]:
    return {one.kind for one in page.night.findings if board in one.board}


def test_thirty_nights_give_the_alarms_that_they_should(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fleet.evidence._fsync", lambda _path: None)  # no power fails here, and it is most of the time
    monkeypatch.setattr("fleet.defaults.NIGHT_BATCH", 1)
    lab = Lab.open(tmp_path, BOARDS, SUITE)
    found = {night: lab.night(planted(night)) for night in range(1, 31)}

    alarms = {(night, one.board, one.metric) for night, page in found.items() for one in page.night.alarms}
    assert alarms == {(night, "a", "generate") for night in range(REGRESSION, 31)}
    first = found[REGRESSION]
    assert {one.since for page in found.values() for one in page.night.alarms} == {first.night.name}
    assert "its peers are as ever" in first.markdown()
    assert kinds(first, "a") >= {"regression"} and kinds(found[30], "a") >= {"still worse"}
    again = {path.name for path in (tmp_path / "collected" / f"{first.night.name}-again").glob("*")}
    assert "a" in again

    codes = {night: int(page.exit_code) for night, page in found.items()}
    expected = dict.fromkeys(range(1, 31), 0) | dict.fromkeys([*SICK, *range(REGRESSION, 31)], 3) | {AWAY: 4}
    assert codes == expected

    # The upgrade is told as a change of conditions on each board; five nights later there is a new level.
    for night in range(UPGRADE, UPGRADE + 5):
        assert all("conditions" in kinds(found[night], board) for board in BOARDS)
    assert "runtime 1.2.1 → 1.2.3" in found[UPGRADE].markdown()
    # One bad night that is fine when measured again is no alarm, and is told.
    assert "flaky" in kinds(found[ONE_OFF], "b")

    # A sick board is left out for as long as its canary says so, and comes back by itself; so does one that was away.
    sick = {night: set(page.sick) for night, page in found.items() if page.sick}
    assert sick == {20: {"c"}, 21: {"c"}, AWAY: {"b"}}
    assert {row["board"] for row in found[20].runs} == {"a", "b"}
    assert "expected" in found[20].markdown() and "does not answer" in found[AWAY].markdown()
    assert all(one.state is State.GOOD for one in lab.health.read().values())

    # The night that was cut short: some cells whole, the others next night first.
    cut = [row for row in found[CUT].runs if row["board"] == "a"]
    skipped = {str(row["run"]).split("-")[-2] for row in cut if row["outcome"] == "skipped"}
    whole = {str(row["run"]).split("-")[-2] for row in cut} - skipped
    assert len(whole) == len(skipped) == 1
    assert all("the night ends at" in str(row["reason"]) for row in cut if row["outcome"] == "skipped")
    assert not found[CUT].quiet
    first_then = sorted(str(row["run"]) for row in found[CUT + 1].runs if row["board"] == "a")[0]
    assert {first_then.split("-")[-2]} == skipped

    quiet = [page.markdown() for page in found.values() if page.quiet]
    assert len(quiet) > 10 and all(text.count("\n") == 1 for text in quiet)
