"""Leases, apart from boards: what is read from an answer, what a person is told, what is remembered here."""

from __future__ import annotations

import json
import stat
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from fleet import reservations
from fleet.errors import BoardError, ConfigError
from fleet.lease import Holding, Lease, duration, new_token, read_lease, refused, told

RAW: dict[str, Any] = {
    "token": "3f2a",
    "owner": "anna@lab-pc",
    "purpose": "nightly",
    "campaign": "c1",
    "boot_id": "b",
    "acquired_uptime_s": 100,
    "renewed_uptime_s": 200,
    "expires_uptime_s": 1600,
}
LEASE = Lease("3f2a", "anna@lab-pc", "nightly", "c1", "b", 100, 200, 1600)
BOARD: Any = SimpleNamespace(name="rk3588-a")


def test_a_lease_is_read_as_the_board_wrote_it() -> None:
    assert read_lease(RAW) == LEASE
    assert read_lease(None) is None
    assert read_lease(RAW | {"campaign": None}) == Lease(*("3f2a", "anna@lab-pc", "nightly", None, "b", 100, 200, 1600))


@pytest.mark.parametrize(
    "raw", [{}, [], "x", 7, RAW | {"expires_uptime_s": None}, {**RAW, "acquired_uptime_s": "soon"}]
)
def test_what_is_no_lease_is_a_value_error(raw: object) -> None:
    with pytest.raises(ValueError):
        read_lease(raw)


def test_a_refusal_says_who_for_what_how_long_and_the_way_out() -> None:
    error = refused(BOARD, {"reserved": RAW, "uptime_s": 200}, "start r1")
    assert error is not None and error.token == "3f2a"
    assert str(error) == ("rk3588-a: start r1: reserved by anna@lab-pc for 'nightly' for 23 minutes more (token 3f2a)")
    assert error.hint == "ask anna@lab-pc, or: invoke reserve --board rk3588-a --steal 3f2a"
    ended = refused(BOARD, {"reserved": None, "uptime_s": 200}, "start r1")
    assert ended is not None and ended.token is None and "has ended" in str(ended)
    assert refused(BOARD, {"busy": "c1/r1"}, "start r1") is None


@pytest.mark.parametrize(
    "answer", [{"reserved": 5, "uptime_s": 1}, {"reserved": RAW, "uptime_s": "x"}, {"reserved": {}}]
)
def test_a_refusal_that_can_not_be_read_is_that_boards_error(answer: dict[str, Any]) -> None:
    with pytest.raises(BoardError, match="can not be read"):
        refused(BOARD, answer, "start r1")


def test_what_a_board_says_of_a_lease_can_not_move_the_cursor() -> None:
    nasty = "a\x1b[2J\nb\x9bc\u202ed"
    error = refused(BOARD, {"reserved": RAW | {"owner": nasty, "purpose": nasty, "token": nasty}, "uptime_s": 1}, "x")
    assert error is not None and str(error).isprintable() and error.hint.isprintable()


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 seconds"),
        (1, "1 second"),
        (119, "119 seconds"),
        (120, "2 minutes"),
        (7199, "119 minutes"),
        (7200, "2 hours"),
        (172799, "47 hours"),
        (172800, "2 days"),
    ],
)
def test_a_duration_is_as_exact_as_a_person_needs_it(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_nobody_has_a_board_without_a_lease() -> None:
    assert told(Holding(None, 5)) == "nobody"
    assert (Holding(None, 5).left_s, Holding(None, 5).held_s) == (0, 0)
    assert (Holding(LEASE, 2000).left_s, Holding(LEASE, 50).held_s) == (0, 0)


def test_tokens_are_fit_for_a_command_line_and_are_not_met_twice() -> None:
    made = {new_token() for _ in range(1000)}
    assert len(made) == 1000 and all(token.isalnum() and len(token) == 12 for token in made)


@pytest.mark.parametrize(("text", "seconds"), [("90s", 90), ("30m", 1800), ("2h", 7200), ("1d", 86400), ("7d", 604800)])
def test_a_time_is_read_as_it_is_typed(text: str, seconds: int) -> None:
    assert reservations.for_seconds(text) == seconds


@pytest.mark.parametrize("text", ["", "0s", "2", "2 h", "-1h", "1.5h", "8d", "604801s", "²h", "99999999s", "1h30m"])
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(ConfigError):
        reservations.for_seconds(text)


def test_the_times_in_the_table_are_those_of_the_workstation() -> None:
    now = datetime(2026, 3, 1, 12, 0)
    row = reservations.who_row("a", Holding(LEASE, 700, "c1/r1"), now)
    assert row == {
        "board": "a",
        "state": "running",
        "held by": "anna@lab-pc",
        "for": "nightly",
        "campaign": "c1",
        "since": "2026-03-01 11:50",
        "until": "2026-03-01 12:15",
        "minutes left": 15.0,
        "token": "3f2a",
        "run now": "c1/r1",
    }
    free = reservations.who_row("a", Holding(None, 700), now)
    assert {key: value for key, value in free.items() if value is not None} == {"board": "a", "state": "free"}
    assert reservations.who_row("a", Holding(LEASE, 700), now)["state"] == "reserved"


def test_what_is_reserved_is_remembered_for_its_owner_alone_and_by_many_at_once(tmp_path: Path) -> None:
    assert reservations.tokens(tmp_path) == {}
    with ThreadPoolExecutor(16) as pool:
        list(pool.map(lambda k: reservations._remember(tmp_path, f"b{k}", f"t{k}"), range(40)))
        list(pool.map(lambda k: reservations._forget(tmp_path, f"b{k}", f"t{k}" if k % 2 else "other"), range(40)))
    assert reservations.tokens(tmp_path) == {f"b{k}": f"t{k}" for k in range(0, 40, 2)}
    assert [path.name for path in tmp_path.iterdir()] == [".leases.json"]
    assert stat.S_IMODE((tmp_path / ".leases.json").stat().st_mode) == 0o600


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"boards": 5}', json.dumps({"boards": {"a": 5}}), "\xff"])
def test_a_memory_that_can_not_be_read_names_the_file(tmp_path: Path, text: str) -> None:
    (tmp_path / ".leases.json").write_bytes(text.encode("latin-1"))
    with pytest.raises(ConfigError, match=r"\.leases\.json"):
        reservations.tokens(tmp_path)
