"""A night's own decisions: where it ends, what is gone on with, what becomes of a board's health, what is shown."""

from __future__ import annotations

import json
import os
import sys
import xml.etree.ElementTree as ElementTree
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from fleet.cell import Ordering, in_order
from fleet.config.suite import load_suite
from fleet.errors import ConfigError, ExitCode
from fleet.need import Need
from fleet.nightly import notify, units
from fleet.nightly.health import Health, HealthBook, State, after
from fleet.nightly.junit import junit
from fleet.nightly.night import FLEET, Done, Finding, NightGoesOn, Nights, Stage, Status, begin, to_go_on_with
from fleet.nightly.page import Morning
from fleet.nightly.units import Timer
from fleet.nightly.until import bounded, next_time, settled

NOW = datetime(2026, 11, 22, 2, 0, tzinfo=UTC)
NIGHT = begin("nightly", ["a", "b"], NOW, NOW + timedelta(hours=4))


# --- where it ends -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("text", "day"), [("06:00", 22), ("6:00", 22), ("02:00", 23), ("00:30", 23)])
def test_a_night_ends_at_the_next_such_time_on_the_wall(text: str, day: int, monkeypatch: pytest.MonkeyPatch) -> None:
    import time

    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    end = next_time(text, NOW)
    assert (end.day, f"{end:%H:%M}") == (day, text.zfill(5))


@pytest.mark.parametrize("text", ["", "24:00", "6", "06:60", "06:00:00", "٠٦:٠٠", "6am"])
def test_what_is_no_time_of_day_is_a_message(text: str) -> None:
    with pytest.raises(ConfigError, match="no time of day"):
        next_time(text, NOW)


@pytest.mark.parametrize(
    ("left_s", "expected_s", "runs"), [(100, 60, True), (80, 60, False), (400, None, True), (200, None, False)]
)
def test_a_run_is_begun_where_it_has_room_and_keeps_its_row_where_not(
    left_s: int, expected_s: float | None, runs: bool
) -> None:
    need = bounded(lambda *_: Need(expected_s=expected_s), NOW + timedelta(seconds=left_s), lambda: NOW)
    skip = need(None, {}, None).skip  # type: ignore[arg-type]
    assert (skip is None) == runs
    assert runs or "the night ends at" in str(skip)


def test_what_can_not_be_run_anyway_keeps_its_own_reason_and_nothing_is_repeated_after_the_end() -> None:
    need = bounded(lambda *_: Need(skip="too big"), NOW, lambda: NOW)
    assert need(None, {}, None).skip == "too big"  # type: ignore[arg-type]
    assert not settled(lambda _board: lambda _planned: True, NOW, lambda: NOW)("a")(None)  # type: ignore[arg-type]
    assert settled(lambda _board: lambda _planned: True, None, lambda: NOW)("a")(None)  # type: ignore[arg-type]


def test_what_is_due_first_is_measured_first_a_few_cells_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fleet.defaults.NIGHT_BATCH", 2)
    order = list(in_order(3, range(2), Ordering.INTERLEAVED, 0, "a", (2, 0, 1)))
    assert {cell for cell, _ in order[:4]} == {2, 0} and [cell for cell, _ in order[4:]] == [1, 1]
    assert sorted(order) == sorted(in_order(3, range(2), Ordering.INTERLEAVED, 0, "a"))


# --- what is kept --------------------------------------------------------------------------------------------------


def test_a_night_is_on_disk_as_it_was(tmp_path: Path) -> None:
    night = begin("nightly", ["a"], NOW, None)
    night.put(Stage.CHECK, {"a": Done(Status.SICK, "hot", 3), FLEET: Done(Status.OK)})
    night.over.append(Stage.CHECK)
    night.findings = (Finding("regression", "a", "cell", "generate", "slower", "night 3", alarm=True, again=("r1",)),)
    nights = Nights(tmp_path)
    nights.save(night)
    (nights.folder / "nightly-broken.json").write_text("{")
    assert nights.load() == (night,)
    assert night.out("a") == (Stage.CHECK, Done(Status.SICK, "hot", 3))


@pytest.mark.parametrize(
    ("suite", "boards", "hours", "ended", "goes_on"),
    [
        ("nightly", ["a", "b"], 3, False, True),
        ("nightly", ["a", "b"], 5, False, False),
        ("nightly", ["a", "b"], 3, True, False),
        ("nightly", ["a"], 3, False, False),
        ("other", ["a", "b"], 3, False, False),
    ],
)
def test_a_killed_night_is_gone_on_with_until_it_is_over(
    suite: str, boards: list[str], hours: int, ended: bool, goes_on: bool
) -> None:
    night = replace(NIGHT, ended_utc="2026-11-22T03:00:00Z" if ended else None)
    found = to_go_on_with([night], suite, boards, NOW + timedelta(hours=hours))
    assert (found is not None) == goes_on


def test_a_night_without_an_end_is_over_after_half_a_day() -> None:
    night = begin("nightly", ["a"], NOW, None)
    assert to_go_on_with([night], "nightly", ["a"], NOW + timedelta(hours=11)) is night
    assert to_go_on_with([night], "nightly", ["a"], NOW + timedelta(hours=13)) is None


def test_a_second_night_says_who_is_first_and_leaves(tmp_path: Path) -> None:
    nights = Nights(tmp_path)
    nights.save(NIGHT)
    second = pytest.raises(NightGoesOn, match=f"{NIGHT.name} goes on.*at its stage lease")
    with nights.alone(), second, nights.alone():
        pass
    with nights.alone():
        pass


# --- health --------------------------------------------------------------------------------------------------------


def test_a_board_is_bad_until_it_has_passed_so_often_in_a_row() -> None:
    board = after(Health(), None, "n1", "t1", 2)
    assert board == Health(State.GOOD, "", "t1", night="n1")
    board = after(board, "hot", "n2", "t2", 2)
    board = after(board, "hotter", "n3", "t3", 2)
    assert (board.state, board.reason, board.since) == (State.BAD, "hotter", "t2")
    board = after(board, None, "n4", "t4", 2)
    board = after(board, None, "n4", "t4", 2)  # the same night, gone on with
    assert (board.state, board.passes) == (State.BAD, 1)
    assert after(board, "hot", "n5", "t5", 2).passes == 0
    assert after(board, None, "n5", "t5", 2).state is State.GOOD
    assert after(board, None, "n5", "t5", 0).state is State.BAD  # only a person makes it good


@pytest.mark.parametrize("state", [State.MAINTENANCE, State.RETIRED])
@pytest.mark.parametrize("trouble", [None, "hot"])
def test_what_a_person_has_said_no_night_changes(state: State, trouble: str | None) -> None:
    said = Health(state, "new heatsink", "t0")
    assert after(said, trouble, "n1", "t1", 1) is said


def test_health_is_kept_board_by_board_and_never_forgotten(tmp_path: Path) -> None:
    book = HealthBook(tmp_path)
    assert book.read() == {}
    book.update("a", lambda before: after(before, "hot", "n1", "t1", 1))
    book.update("b", lambda before: after(before, None, "n1", "t1", 1))
    assert {name: one.state for name, one in HealthBook(tmp_path).read().items()} == {"a": State.BAD, "b": State.GOOD}
    (tmp_path / "nightly" / "health.json").write_text("{}")
    with pytest.raises(ConfigError, match="can not be read"):
        book.read()


@pytest.mark.parametrize(
    ("canary", "says"),
    [
        ({"band": {"generate_tps": [12, 11]}}, "begins above its end"),
        ({"returns": -1}, "0 to 30"),
        ({"cores": 4}, "1, 2 or 3"),
        ({"bands": {}}, "band"),
    ],
)
def test_a_canary_that_can_not_be_meant_is_a_message(tmp_path: Path, canary: dict[str, object], says: str) -> None:
    (tmp_path / "nightly.yaml").write_text(json.dumps({"canary": canary}))
    with pytest.raises(ConfigError, match=says):
        load_suite(tmp_path / "nightly.yaml")


# --- the morning ---------------------------------------------------------------------------------------------------


def row(board: str, run: str, outcome: str = "ok", reason: str | None = None) -> dict[str, str | int | float | None]:
    return {"board": board, "run": run, "outcome": outcome, "reason": reason}


GOOD = {"a": Health(State.GOOD), "b": Health(State.GOOD)}
ALARM = Finding("regression", "a", "m, 3 cores", "generate", "5.1 % slower", "nightly-1", alarm=True)


def test_a_quiet_night_is_one_line() -> None:
    page = Morning(NIGHT, GOOD, [row("a", "r1"), row("b", "r1"), row("b", "r2", "skipped", "needs 9 GiB")])
    assert page.markdown() == (
        f"{NIGHT.name}: quiet: 2 of 3 runs ok on 2 boards, nothing got worse, no board is sick\n"
    )


@pytest.mark.parametrize(
    ("change", "health", "rows", "says"),
    [
        ({"findings": (ALARM,)}, {}, [], "| regression | a | m, 3 cores | generate | 5.1 % slower | nightly-1 |"),
        ({}, {"b": Health(State.BAD, "canary: slow", "t")}, [], "| b | bad | t | canary: slow |"),
        ({}, {}, [row("b", "r2", "oom", "killed")], "| b | 1 | oom | killed |"),
        (
            {},
            {},
            [row("b", "r2", "skipped", "the night ends at 06:00")],
            "| b | 1 | skipped | the night ends at 06:00 |",
        ),
        ({"notes": ["cut short"]}, {}, [], "- cut short"),
        ({"interrupted_in": Stage.BENCH}, {}, [], ": interrupted in its stage bench, 1 of 1 run ok"),
        ({"stages": {Stage.NOTIFY: {FLEET: Done(Status.FAILED, "not sent")}}}, {}, [], "| notify | all | not sent |"),
    ],
)
def test_what_a_person_has_to_know_is_on_the_page(change, health, rows, says) -> None:  # type: ignore[no-untyped-def]
    page = Morning(replace(NIGHT, **change), GOOD | health, [row("a", "r1"), *rows])
    assert not page.quiet and says in page.markdown()


def test_what_a_board_says_is_neither_markup_nor_moves_a_cursor() -> None:
    text = Morning(NIGHT, GOOD, [row("a", "r1", "failed", "\x1b[2J|<b>`x`\nnext")]).markdown()
    assert "\\|\\<b\\>\\`x\\` next" in text and "\x1b" not in text


@pytest.mark.parametrize(
    ("codes", "alarm", "code"),
    [([0], False, 0), ([0], True, 3), ([4, 3], True, 4), ([1], True, 3), ([1, 3], False, 1), ([2, 4], True, 2)],
)
def test_the_exit_code_is_the_worst_of_the_night(codes: list[int], alarm: bool, code: int) -> None:
    night = replace(NIGHT, findings=(ALARM,) if alarm else ())
    night.stages = {Stage.BENCH: {str(n): Done(Status.FAILED, "", one) for n, one in enumerate(codes)}}
    assert Morning(night, GOOD, []).exit_code is ExitCode(code)


@pytest.mark.parametrize(("outcome", "code"), [("oom", 1), ("skipped", 0), ("ok", 0), ("tainted", 1)])
def test_a_run_that_did_not_end_well_is_an_exit_code_too(outcome: str, code: int) -> None:
    reason = "the night ends at 06:00" if outcome == "skipped" else None
    assert Morning(NIGHT, GOOD, [row("a", "r1", outcome, reason)]).exit_code is ExitCode(code)


def test_a_ci_system_sees_each_run_each_stage_and_each_alarm() -> None:
    night = replace(NIGHT, findings=(ALARM, Finding("flaky", "a", "m", "TTFT", "once")))
    night.stages = {Stage.CHECK: {"a": Done(Status.OK), "b": Done(Status.SICK, "hot \x1b", 3)}}
    rows = [row("a", "r1"), row("a", "r2", "failed", "no\x00"), row("a", "r3", "skipped", "too big")]
    top = ElementTree.fromstring(junit(Morning(night, GOOD, rows)))
    suites = {suite.get("name"): suite for suite in top}
    assert {name: (s.get("tests"), s.get("failures"), s.get("skipped")) for name, s in suites.items()} == {
        "a": ("6", "2", "2"),
        "b": ("1", "1", "0"),
    }


def test_what_is_for_programs_has_no_token() -> None:
    data = json.dumps(Morning(NIGHT, GOOD, [row("a", "r1")]).as_dict())
    assert NIGHT.token not in data and '"quiet": true' in data


# --- who is told ---------------------------------------------------------------------------------------------------

SECRET = "hunter2hunter2"


def test_an_address_is_taken_out_of_the_environment_and_shows_nothing_of_itself() -> None:
    environment = {"RKFLEET_NOTIFY_URLS": f"mailtos://me:{SECRET}@example.org\n json://x/{SECRET}", "PATH": "/bin"}
    told = notify.take(environment)
    assert environment == {"PATH": "/bin"}
    assert (repr(told), str(told)) == ("Addresses(mailtos://…, json://…)",) * 2
    assert notify.take({}).urls == () and notify.tell(notify.take({}), "t", "b") is None


FAKE = """
import pathlib
class Apprise:
    def add(self, url): self.url = url; return "bad" not in url
    def notify(self, title, body, body_format):
        if "raise" in self.url: raise RuntimeError(self.url)
        print(self.url) if "print" in self.url else None
        pathlib.Path({folder!r}, "sent").write_text(title + body)
        return True
"""


@pytest.mark.parametrize(
    ("scheme", "says"),
    [("good", None), ("bad", "could not send to bad://…"), ("raise", "without a word"), ("print", "without a word")],
)
def test_a_message_is_sent_and_what_goes_wrong_is_said_without_the_secret(
    scheme: str, says: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "apprise.py").write_text(FAKE.format(folder=str(tmp_path)))
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.syspath_prepend(str(tmp_path))
    problem = notify.tell(notify.Addresses((f"{scheme}://{SECRET}",)), "title ", "text")
    assert (problem is None) if says is None else (says in str(problem))
    assert SECRET not in str(problem)
    assert scheme != "good" or (tmp_path / "sent").read_text() == "title text"


def test_without_apprise_it_is_said_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "apprise", None)
    monkeypatch.setattr("importlib.util.find_spec", lambda _name: None)
    assert "requirements/notify.txt" in str(notify.tell(notify.Addresses(("json://x",)), "t", "b"))


# --- who starts it -------------------------------------------------------------------------------------------------

FAKE_SYSTEMCTL = '#!/bin/sh\nprintf "%s\\n" "$*" >>"$CALLED"\nexit "${SYSTEMCTL_EXIT:-0}"\n'
FAKE_CRONTAB = """#!/bin/sh
case $1 in
    -l) [ -z "$CRONTAB_BROKEN" ] || { echo 'not allowed' >&2; exit 1; }
        [ -e "$TABLE" ] || { echo 'no crontab for me' >&2; exit 1; }; cat "$TABLE" ;;
    -) cat >"$TABLE" ;;
esac
"""


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine with a systemd and a cron that only write down what they were told."""
    programs = tmp_path / "bin"
    programs.mkdir()
    for name, text in (("systemctl", FAKE_SYSTEMCTL), ("crontab", FAKE_CRONTAB)):
        (programs / name).write_text(text)
        (programs / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}:/usr/bin:/bin")
    monkeypatch.setenv("CALLED", str(tmp_path / "called"))
    monkeypatch.setenv("TABLE", str(tmp_path / "table"))
    monkeypatch.setenv("SYSTEMD_UNIT_PATH", str(tmp_path / "units"))
    return tmp_path


def timer(home: str = "/home/me/100 % fleet", *words: str) -> Timer:
    command = ("/opt/py thon", "-m", "invoke", "nightly", *words)
    return Timer(command, Path(home), "02:05", Path("/home/me/.config/rkfleet/notify.env"))


def test_systemd_gets_a_service_and_a_timer_once_and_loses_them_again(machine: Path) -> None:
    written = units.install(timer(), os.environ, dry_run=True)
    assert not (machine / "units").exists() and "OnCalendar=*-*-* 02:05:00" in "\n".join(written)
    units.install(timer(), os.environ)
    service = (machine / "units" / "rkfleet-nightly.service").read_text()
    assert "KillMode=mixed\nSuccessExitStatus=143\n" in service
    assert "WorkingDirectory=/home/me/100 %% fleet\n" in service
    assert 'ExecStart="/opt/py thon" "-m" "invoke" "nightly"\n' in service
    assert units.install(timer(), os.environ)[0] == "nothing has changed"
    called = (machine / "called").read_text()
    assert "enable --now rkfleet-nightly.timer" in called and "daemon-reload" in called
    with pytest.raises(ConfigError, match="is there already, for /home/me"):
        units.install(timer("/elsewhere"), os.environ)
    assert "would remove" in units.uninstall(os.environ, dry_run=True)[0]
    assert len(units.uninstall(os.environ)) == 2
    assert list((machine / "units").iterdir()) == []
    assert "disable --now rkfleet-nightly.timer" in (machine / "called").read_text()
    assert units.uninstall(os.environ) == ["nothing was installed"]


def test_without_systemd_it_is_one_line_of_the_crontab_beside_what_is_there(
    machine: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SYSTEMCTL_EXIT", "1")
    (machine / "table").write_text("1 2 3 4 5 mine\n")
    for until in ("05:00", "06:00", "06:00"):
        units.install(timer("/home/me/100 % fleet", "--until", until), os.environ)
    mine, ours = (machine / "table").read_text().splitlines()
    assert mine == "1 2 3 4 5 mine"
    assert ours.startswith("5 2 * * * cd '/home/me/100 \\% fleet' && ") and "--until 06:00" in ours
    units.uninstall(os.environ)
    assert (machine / "table").read_text() == "1 2 3 4 5 mine\n"


def test_a_crontab_that_can_not_be_read_is_not_written_over(machine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SYSTEMCTL_EXIT", "1")
    monkeypatch.setenv("CRONTAB_BROKEN", "1")
    (machine / "table").write_text("1 2 3 4 5 mine\n")
    with pytest.raises(Exception, match="not allowed"):
        units.install(timer(), os.environ)
    assert (machine / "table").read_text() == "1 2 3 4 5 mine\n"


def test_a_path_that_a_unit_can_not_hold_is_refused() -> None:
    with pytest.raises(ConfigError, match="can not be written into a unit"):
        timer("/home/me\nExecStart=/bin/evil")
