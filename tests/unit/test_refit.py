"""What `invoke models --board` adds from the evidence: constants planted into logs come back out of them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml

from analysis.architecture import Architecture, architecture_of
from analysis.memory_model import predict_memory
from analysis.roofline import bytes_per_token
from fleet.config.catalogue import Model
from fleet.session import Session
from tests.unit.architectures import PROJECT
from tests.unit.collected import BANNER, TABLE, evidence
from verbs.fit import numbers_of
from verbs.refit import DEPTH, Refit, refit

LAYER_S, BUS = 0.0005, 25e9  # of the board that is made up here: seconds of host work a layer, bytes a second
BASE_BYTES, VOCAB_BYTES = 250 * 2**20, 566.0  # as near to the published ones as the gate of physics asks
PROMPT, ANSWER, CONTEXT = 40, 63, 1024  # tokens, as the log of these tests has them
AVAILABLE_BYTES = 15 * 10**9
WATCHED = "uptime_s,memavail_bytes,rss_bytes,vmhwm_bytes"
MODELS = ("qwen3-0.6b", "qwen3-1.7b", "qwen3-4b", "qwen3-8b")


@pytest.fixture
def session(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Session:
    (tmp_path / "inventory.yaml").write_text("boards: {rk3588-a: {address: 192.0.2.1}}\n")
    monkeypatch.chdir(tmp_path)
    return Session.open(PROJECT)


def known(session: Session, names: Sequence[str] = MODELS) -> list[Model]:
    return [session.catalogue().model(name) for name in names]


def architecture(model: Model) -> Architecture:
    return architecture_of(numbers_of(model))


def token_s(arch: Architecture, depth: float) -> float:
    return arch.layers * LAYER_S + bytes_per_token(arch, "W8A8", depth) / BUS


def made(
    session: Session,
    model: Model,
    board: str = "rk3588-a",
    *,
    repeat: int = 1,
    cores: int = 3,
    slower: float = 1.0,
    **changed: Any,
) -> Path:
    """The evidence of a run on the board that is made up here."""
    arch = architecture(model)
    ms = slower * 1000 * token_s(arch, PROMPT + ANSWER / 2)
    row = f"Generate      {ms * ANSWER:.2f}      63        {ms:.2f}       {1000 / ms:.2f}"
    table = TABLE.replace("Generate      3150.00          63        50.00                    20.00", row)
    assert table != TABLE
    table = table.replace("200.00           40        5.00                     200.00", "100.00  40  2.50  400.00")
    parts = predict_memory(arch, "W8A8", CONTEXT, "1.2.3").parts
    held = sum(parts.values()) - parts["runtime"] + BASE_BYTES + VOCAB_BYTES * arch.vocab
    run, said = f"{model.name}-r{repeat}", changed.pop("spec", {})
    spec = {"run": run, "model": model.name, "model_title": model.title, "board": board, "repeat": repeat}
    spec |= {"npu_cores": cores}
    usual = {
        "spec": spec | said if isinstance(said, dict) else said,
        "start": {"run": run},
        "before": {"memory": {"available_bytes": AVAILABLE_BYTES}},
        "telemetry": f"{WATCHED}\n1,{AVAILABLE_BYTES},5,1\n2,{AVAILABLE_BYTES - round(held)},5,1\n".encode(),
        "stdout": (BANNER.replace("npu_core_num: 3", f"npu_core_num: {cores}") + table).encode(),
    }
    folder = evidence(session.collected, **usual | changed)
    place = folder.parents[1] / board / run
    place.parent.mkdir(exist_ok=True)
    return folder.rename(place)


def test_planted_constants_come_back_and_predict_a_model_that_was_not_measured(session: Session) -> None:
    for model in known(session):
        made(session, model)
    found = refit(session, ["rk3588-a"])
    fit = found.boards["rk3588-a", "measured", 3]
    assert fit.layer_s == pytest.approx(LAYER_S, rel=0.01) and fit.bus_bytes_per_s == pytest.approx(BUS, rel=0.01)
    memory = found.memory["measured", "1.2.3"]
    words = architecture(known(session)[0]).vocab  # of all four, so base and vocabulary can not be told apart
    told = memory.base_bytes + memory.vocab_bytes * words
    assert told == pytest.approx(BASE_BYTES + VOCAB_BYTES * words, rel=0.01) and memory.models == 4

    arch = architecture(session.catalogue().model("internvl3.5-14b"))
    speed = found.speed_text("rk3588-a", "measured", arch, "W8A8")
    assert speed is not None and speed.endswith("% (3 cores)")
    assert float(speed.split(" ± ")[0].split()[0]) == pytest.approx(1 / token_s(arch, DEPTH), rel=0.02, abs=0.05)
    arch = architecture(session.catalogue().model("internvl3.5-1b"))
    room = found.memory_text("measured", "1.2.3", arch, "W8A8", CONTEXT)
    parts = predict_memory(arch, "W8A8", CONTEXT, "1.2.3").parts
    held = sum(parts.values()) - parts["runtime"] + BASE_BYTES + VOCAB_BYTES * arch.vocab
    assert room is not None and float(room.split(" ± ")[0]) == pytest.approx(held / 2**30, rel=0.01)
    assert [one.split(",")[0] for one in found.sentences] == ["memory of measured runs", "rk3588-a"]


def test_a_fit_is_of_its_own_board_origin_and_runtime_only(session: Session) -> None:
    for board in ("rk3588-a", "rk3588-b"):
        for model in known(session):
            made(session, model, board)
    found = refit(session, ["rk3588-a"])
    assert {board for board, _, _ in found.boards} == {"rk3588-a"}
    arch = architecture(session.catalogue().model("qwen3-8b"))
    assert found.speed_text("rk3588-b", "measured", arch, "W8A8") is None
    assert found.speed_text("rk3588-a", "simulated", arch, "W8A8") is None
    assert found.memory_text("simulated", "1.2.3", arch, "W8A8", CONTEXT) is None
    assert found.memory_text("measured", None, arch, "W8A8", CONTEXT) is None


def test_two_models_give_a_speed_without_an_error_and_no_memory(session: Session) -> None:
    for model in known(session, ("qwen3-0.6b", "qwen3-4b")):
        made(session, model)
    found = refit(session, ["rk3588-a"])
    assert found.memory == {}
    arch = architecture(session.catalogue().model("qwen3-1.7b"))
    speed = found.speed_text("rk3588-a", "measured", arch, "W8A8")
    assert speed == f"{1 / token_s(arch, DEPTH):.1f} error unknown (3 cores)"


def test_the_most_cores_with_a_fit_are_told(session: Session) -> None:
    for model in known(session, ("qwen3-0.6b", "qwen3-4b")):
        made(session, model)
        made(session, model, repeat=2, cores=1, slower=2.0)
    found = refit(session, ["rk3588-a"])
    one, three = (found.boards["rk3588-a", "measured", cores] for cores in (1, 3))
    assert one.layer_s == pytest.approx(2 * three.layer_s, rel=0.01)
    arch = architecture(session.catalogue().model("qwen3-1.7b"))
    speed = found.speed_text("rk3588-a", "measured", arch, "W8A8")
    assert speed == f"{1 / token_s(arch, DEPTH):.1f} error unknown (3 cores)"


def test_bad_evidence_moves_no_constant(session: Session) -> None:
    for model in known(session):
        made(session, model)
    good = refit(session, ["rk3588-a"])
    small = known(session)[0]
    for repeat, changed in enumerate(
        (
            {"stdout": b"\xff\x00 no log at all"},
            {"stdout": (BANNER + TABLE.replace("20.00", "nan").replace("50.00 ", "nan ")).encode()},
            {"stdout": (BANNER + TABLE.replace("20.00", "0.00")).encode()},
            {"slower": 0.1},  # a speed that no memory can feed
            {"end": {"exit_code": 137, "signal": 9, "result": "oom"}},
            {"spec": b"{ no JSON"},
            {"spec": {"model": "nobody-knows-this", "model_title": "?"}},
            {"spec": {"warmup": True}, "stdout": (BANNER + TABLE).encode()},
        ),
        2,
    ):
        made(session, small, repeat=repeat, **changed)
    assert refit(session, ["rk3588-a"]) == good


def test_a_model_without_architecture_is_left_out(session: Session) -> None:
    for model in known(session):
        made(session, model)
    catalogue = yaml.safe_load((PROJECT / "models.yaml").read_text())
    del catalogue["models"]["qwen3-0.6b"]["architecture"]
    (session.home / "models.yaml").write_text(yaml.safe_dump(catalogue, sort_keys=False))
    found = refit(session, ["rk3588-a"])
    assert found.memory == {}  # of three models nothing is fitted
    assert [one.model for one in found.boards["rk3588-a", "measured", 3].points] == [
        "Qwen3-1.7B",
        "Qwen3-4B",
        "Qwen3-8B",
    ]


@pytest.mark.parametrize("there", [False, True])
def test_without_evidence_or_boards_nothing_is_refitted(session: Session, there: bool) -> None:
    if there:
        for model in known(session):
            made(session, model)
    found = refit(session, [])
    assert found.boards == {} and bool(found.memory) == there
    assert there or (found == Refit({}, {}) and found.sentences == ())
