"""``invoke models``: what runs on a board and why not, from the shipped catalogue and facts that are made up here."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from analysis.architecture import architecture_of
from fleet.boards import BoardState
from fleet.config.catalogue import load_catalogue
from fleet.config.inventory import load_inventory
from fleet.model_files import Lies
from verbs.fit import Ground, Row, fit_row, ground, nominal, not_idle, numbers_of

CATALOGUE = load_catalogue(Path(__file__).parents[2] / "models.yaml")
GIB = 2**30
BOARD = Ground("b", "measured", False, 7.0 * GIB, "1.2.3", "0.9.8", {})


def row(model: str, on: Ground = BOARD, here: dict[str, Lies] | None = None, context: int = 4096) -> Row:
    return fit_row(CATALOGUE.model(model), on, here or {}, context, set())


@pytest.mark.parametrize("model", CATALOGUE.models, ids=lambda model: model.name)
def test_every_model_gets_an_answer_on_every_board(model: Any) -> None:
    for on in (BOARD, nominal(), BOARD._replace(available_bytes=None, runtime=None, driver=None, files=None)):
        answer = fit_row(model, on, {}, 4096, set())
        assert answer["verdict"] in ("FITS", "TIGHT", "RISK", "NO", "?") and isinstance(answer["memory GiB"], float)
        assert answer["verdict"] == "FITS" or answer["reason"]
        assert all(isinstance(answer[f"tok/s {n} core{'s' * (n > 1)}"], float) for n in (1, 2, 3))


def test_the_catalogue_and_the_predictions_agree_on_what_the_numbers_mean() -> None:
    for model in CATALOGUE.models:
        arch = architecture_of(numbers_of(model))
        named, of_matrices = float(model.parameters or 0), arch.body_weights + 2.0 * arch.head_weights
        seeing = arch.vision.parameters if arch.vision else 0
        tied = arch.head_weights if arch.tied else 0
        assert of_matrices + seeing - tied == pytest.approx(named, rel=1e-3)  # all but the norms
        assert arch.moe == ("A3B" in model.title)


def test_the_same_model_is_judged_by_the_memory_that_the_board_has() -> None:
    verdicts = {gib: row("qwen3-4b", BOARD._replace(available_bytes=gib * GIB))["verdict"] for gib in (3, 5, 5.4, 8)}
    assert list(verdicts.values()) == ["NO", "RISK", "TIGHT", "FITS"]
    assert row("qwen3-4b", context=16384)["verdict"] == "RISK"


def test_why_not_is_said() -> None:
    assert "needs 7.80 GiB" in str(row("qwen3-8b")["reason"])
    assert "runtime 1.2.0 is too old" in str(row("qwen3-0.6b", BOARD._replace(runtime="1.2.0"))["reason"])
    assert "driver 0.9.2 is older than 0.9.7" in str(row("qwen3-0.6b", BOARD._replace(driver="0.9.2"))["reason"])
    assert row("qwen3-0.6b", BOARD._replace(driver="0.9.8"))["reason"] is None
    assert "no runtime is known to run it" in str(row("internvl3.5-30b-a3b")["reason"])
    unknown = row("qwen3-0.6b", BOARD._replace(available_bytes=None))
    assert (unknown["verdict"], unknown["reason"]) == ("?", "the board does not say how much memory is available")


def test_a_file_is_missing_that_bench_would_not_find() -> None:
    files = [f"Qwen3-0.6B_W8A8_RK3588_{n}core.rkllm" for n in (1, 2, 3)]
    here = {files[0]: Lies.VERIFIED, files[1]: Lies.OTHER, files[2]: Lies.MISSING}
    answer = row("qwen3-0.6b", BOARD._replace(files={files[2]: Lies.THERE, files[1]: Lies.MISSING}), here)
    assert (answer["here"], answer["on board"], answer["missing"]) == ("1 verified, 2 other content", "3 there", "2")
    assert row("qwen3-vl-2b")["missing"] == "1,2,3,vision"
    assert row("qwen3-32b")["missing"] == "none is listed"


def test_a_virtual_board_takes_stand_ins_which_are_never_missing() -> None:
    on = BOARD._replace(standin=True, facts="simulated")
    assert (row("qwen3-4b", on)["cores"], row("qwen3-4b", on)["missing"]) == ("1,2,3", None)
    assert (row("qwen3-vl-4b", on)["cores"], row("qwen3-vl-4b", on)["missing"]) == ("1,2,3", None)
    assert (row("qwen3-14b", on)["cores"], row("qwen3-14b", on)["missing"]) == (None, "none is listed")


def test_facts_become_the_ground_to_judge_on(tmp_path: Path) -> None:
    (tmp_path / "inventory.yaml").write_text("boards: {v: {virtual: true}, r: {address: 192.0.2.1}}")
    virtual, real = load_inventory(tmp_path / "inventory.yaml").boards
    facts = {
        "memory": {"available_bytes": 6 * GIB},
        "runtime": {"rkllm": [{"version": "1.3.0"}, {"version": "1.1.0"}]},
        "npu": {"driver": "0.9.6"},
        "simulated": None,
        "npu_users": [{"pid": 1, "comm": "llm_demo"}],
    }
    state = BoardState(real, facts, None)
    assert ground(state, {}) == Ground("r", "measured", False, 6.0 * GIB, "1.3.0", "0.9.6", {})
    assert ground(BoardState(virtual, facts, None)).facts == "simulated"
    assert not_idle(state) == "r: llm_demo has the NPU: memory is judged as it is now"
    for nothing in ({}, {"memory": None, "runtime": {"rkllm": [{}]}, "npu": [], "npu_users": None}):
        assert ground(BoardState(real, nothing, None)) == Ground("r", "measured", False, None, None, None)
        assert not_idle(BoardState(real, nothing, None)) is None
