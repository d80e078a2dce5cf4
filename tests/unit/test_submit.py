"""What is known of a start that was cut off: it was not started, it was, or nobody knows; never the wrong one."""

from __future__ import annotations

import json
import threading
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from fleet import job, placing
from fleet.deadline import Deadline
from fleet.errors import BoardError, ConnectionDropped, DeadlinePassed, FleetError, LeaseHeld, Unreachable
from fleet.scripts import Store

STORE = Store("/root", "/root/rkfleet", "/root/rkfleet/scripts/1")
SPEC: Any = SimpleNamespace(
    run="r",
    campaign="c",
    limit_s=60,
    clocks="pinned",
    memory_limit_bytes=None,
    tripwire_bytes=None,
    to_json=lambda: b"{}",
)
LATE, GONE = DeadlinePassed("frozen", proven_dead=False), Unreachable("no route")


class Clock(threading.Event):
    """Waiting for it lets its time pass."""

    def __init__(self) -> None:
        super().__init__()
        self.now_s = 0.0

    def wait(self, timeout: float | None = None) -> bool:
        self.now_s += timeout or 0
        return self.is_set()


class Answers:
    """A board that answers each question with the next of these, and with the last for ever."""

    name = "a"

    def __init__(self, *answers: dict[str, object] | FleetError) -> None:
        self.answers = list(answers)
        self.asked = 0

    def run(self, _argv: list[str], **_options: object) -> Any:
        self.asked += 1
        answer = self.answers[0] if len(self.answers) == 1 else self.answers.pop(0)
        if isinstance(answer, FleetError):
            raise answer
        return SimpleNamespace(stdout=json.dumps(answer).encode(), stderr=b"", exit_code=75 if "busy" in answer else 0)


def submit(*answers: dict[str, object] | FleetError) -> bool:
    clock = Clock()
    board: Any = Answers(*answers)
    return job.submit(board, STORE, SPEC, ["true"], Deadline.after(60, clock=lambda: clock.now_s), clock)


@pytest.mark.parametrize("trouble", [LATE, GONE, ConnectionDropped("cut")])
def test_a_start_that_got_no_answer_is_asked_again(trouble: FleetError) -> None:
    assert submit(trouble, {"started": True})
    assert not submit(trouble, {"started": False})  # it was started the first time


def test_a_board_that_never_took_the_question_has_not_started_it() -> None:
    with pytest.raises(Unreachable):
        submit(GONE)


@pytest.mark.parametrize("trouble", [LATE, ConnectionDropped("cut")])
def test_a_board_that_is_gone_after_the_question_may_have_started_it(trouble: FleetError) -> None:
    with pytest.raises(ConnectionDropped) as caught:
        submit(trouble, GONE)
    assert "may have been started" in caught.value.what or caught.value.what == trouble.what


def test_a_refusal_after_a_dropped_question_is_the_boards_last_word() -> None:
    with pytest.raises(BoardError, match="other/run"):
        submit(LATE, {"busy": "other/run"})


@pytest.mark.parametrize("trouble", [LATE, ConnectionDropped("cut"), LeaseHeld("anna", token="3f2a")])
def test_a_push_that_the_board_did_not_live_to_see_is_no_failure_of_the_model(
    trouble: FleetError, monkeypatch: pytest.MonkeyPatch
) -> None:
    def place(*_: object, **__: object) -> None:
        raise trouble

    monkeypatch.setattr(placing, "place", place)
    monkeypatch.setattr(placing.plan, "model_folders", lambda *_: [])
    listener: Any = SimpleNamespace(board_moved=lambda *_: None)
    held: Any = SimpleNamespace(under=lambda _board, _store, work: work(), renew=lambda *_: None, token="3f2a")
    entry: Any = SimpleNamespace(name="a")
    board: Any = Answers(GONE)
    planned: Any = SimpleNamespace(files=[SimpleNamespace(file="m.rkllm")])
    files = placing.Placing(board, STORE, entry, Path("models"), held, listener, threading.Event())
    with pytest.raises(type(trouble)):
        files.for_run(planned)
    assert files.failed is None
