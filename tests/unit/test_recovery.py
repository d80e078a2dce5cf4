"""The rungs by which a board is brought back, and the commands that switch its power."""

from __future__ import annotations

import json
import sys
import threading
from pathlib import Path

import pytest

from fleet import power
from fleet.config.inventory import Power
from fleet.recovery import RecoveryLog, Step, next_step

WAIT, REBOOT, POWER, GIVE_UP = Step.WAIT, Step.REBOOT, Step.POWER, Step.GIVE_UP


@pytest.mark.parametrize(
    ("tried", "answers", "restart", "has_power", "barred", "then"),
    [
        ([], False, False, True, False, WAIT),
        ([WAIT], False, False, True, False, POWER),
        ([WAIT, POWER], False, False, True, False, WAIT),
        ([WAIT, POWER, WAIT], False, False, True, False, GIVE_UP),
        ([WAIT], False, False, False, False, GIVE_UP),
        ([], True, True, True, False, REBOOT),
        ([], False, True, True, False, WAIT),
        ([WAIT], True, True, True, False, REBOOT),
        ([REBOOT], False, True, True, False, WAIT),
        ([REBOOT, WAIT], True, True, True, False, POWER),
        ([REBOOT, WAIT], True, True, False, False, GIVE_UP),
        ([WAIT, POWER, WAIT], True, True, True, False, GIVE_UP),
        ([], False, False, True, True, GIVE_UP),
        ([WAIT], False, False, True, True, GIVE_UP),
    ],
)
def test_the_gentlest_rung_that_was_not_tried_comes_next(
    tried: list[Step], answers: bool, restart: bool, has_power: bool, barred: bool, then: Step
) -> None:
    assert next_step(tried, answers=answers, restart=restart, has_power=has_power, barred=barred) is then


def script(folder: Path, name: str, text: str) -> list[str]:
    path = folder / f"{name}.py"
    path.write_text(text)
    return [sys.executable, str(path)]


def test_the_power_goes_off_and_on_in_this_order_with_its_words_as_they_are(tmp_path: Path) -> None:
    log = tmp_path / "log"
    say = f"import sys; open({str(log)!r}, 'a').write(sys.argv[1] + '\\n')"
    argv = script(tmp_path, "switch", say)
    switched = power.cycle(
        Power(off=(*argv, "off; $(x)"), on=(*argv, "on *")), threading.Event(), off_s=0.0, limit_s=30
    )
    assert [one.worked for one in switched] == [True, True]
    assert log.read_text() == "off; $(x)\non *\n"


@pytest.mark.parametrize(
    ("off", "limit_s", "seen"),
    [
        ("import sys; print('no such port'); sys.exit(3)", 30, "power.off ended with 3: no such port"),
        ("import time; print('hm', flush=True); time.sleep(600)", 1, "power.off did not end within 1 s and was killed"),
        (None, 30, "power.off can not be started: No such file or directory"),
    ],
    ids=["fails", "hangs", "missing"],
)
def test_whatever_becomes_of_off_the_power_is_switched_on(
    tmp_path: Path, off: str | None, limit_s: float, seen: str
) -> None:
    on = ["touch", str(tmp_path / "is-on")]  # within the limit in which a hanging one is killed
    argv = script(tmp_path, "off", off) if off else [str(tmp_path / "nothing")]
    first, second = power.cycle(Power(off=tuple(argv), on=tuple(on)), threading.Event(), off_s=60, limit_s=limit_s)
    assert first.sentence.startswith(seen) and not first.worked
    assert second.worked and (tmp_path / "is-on").exists()


def test_ctrl_c_in_the_middle_leaves_no_board_off(tmp_path: Path) -> None:
    on = script(tmp_path, "on", f"open({str(tmp_path / 'is-on')!r}, 'w')")
    stop = threading.Event()
    stop.set()
    power.cycle(Power(off=("true",), on=tuple(on)), stop, off_s=3600, limit_s=30)
    assert (tmp_path / "is-on").exists()


def test_a_switch_can_not_write_to_the_terminal_nor_fill_the_memory(tmp_path: Path) -> None:
    argv = script(tmp_path, "loud", "print('x' * 1_000_000 + '\\x1b[2Jend')\nraise SystemExit(1)")
    switched = power.switch("off", argv, 30)
    assert len(switched.sentence) < 4096 and switched.sentence.endswith("xend") and "\x1b" not in switched.sentence


def test_the_record_has_each_step_with_its_time_and_tells_it_at_once() -> None:
    told: list[tuple[str, str]] = []
    log = RecoveryLog(tell=lambda step, what: told.append((step, what)), now_utc=lambda: "2026-01-01T00:00:00Z")
    assert not log
    log.add("wait", "up to 120 s: 等")
    assert log and told == [("wait", "up to 120 s: 等")]
    step = {"t_utc": "2026-01-01T00:00:00Z", "step": "wait", "what": "up to 120 s: 等"}
    assert json.loads(log.to_json()) == {"schema": 1, "steps": [step]}
