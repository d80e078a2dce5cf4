"""What a fleet's own measurements predict for the models that it has not measured."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from analysis.claiming import claims
from analysis.claims import Basis, Subject
from analysis.own_predictions import own_predictors
from analysis.predictions import Asked, Generic, KnownModel
from analysis.references import load_architectures
from analysis.roofline import bytes_per_token
from analysis.runs import SIMULATED, Run
from tests.unit.test_cells import OK

KNOWN = load_architectures(Path(__file__).parents[2] / "references")
MODELS = {
    name: KnownModel(title, KNOWN[title], runtime="1.2.3")
    for name, title in (("small", "Qwen3-0.6B"), ("middle", "Qwen3-1.7B"), ("large", "Qwen3-4B"), ("new", "Qwen3-8B"))
}
HOST_S, BUS = 0.002, 25e9  # of a board that nobody has seen


def speed(name: str) -> float:
    arch = MODELS[name].architecture
    assert arch is not None
    return 1 / (arch.layers * HOST_S + bytes_per_token(arch, "w8a8", 160) / BUS)


def measured(*names: str, origin: str = "measured", board: str = "a") -> list[Run]:
    return [
        replace(
            OK,
            board=board,
            run=f"{name}-{repeat}",
            origin=origin,
            model=name,
            model_title=MODELS[name].title,
            npu_cores=3,
            npu_core_num=3,
            dtype="w8a8",
            prefill_tokens=128,
            generate_tokens=64,
            generate_tps=speed(name),
        )
        for name in names
        for repeat in range(3)
    ]


def test_three_models_on_a_board_predict_the_fourth() -> None:
    (own,) = own_predictors(measured("small", "middle", "large"), MODELS, "1.2.3")
    found = own.predict(Subject("new", 3, "generate_tps", "a"), Asked(128, 64))
    assert found is not None and found.value == pytest.approx(speed("new"), rel=1e-6)
    assert found.low <= found.value <= found.high and "from 3 models" in own.source


@pytest.mark.parametrize(
    "subject",
    [
        Subject("new", 3, "generate_tps", "b"),  # another board
        Subject("new", 3, "generate_tps"),  # any board
        Subject("new", 1, "generate_tps", "a"),
        Subject("new", 3, "ttft_ms", "a"),
        Subject("nobody", 3, "generate_tps", "a"),
        Subject("new", 3, "generate_tps", "a", simulated=True),
    ],
)
def test_it_says_nothing_of_what_it_was_not_fitted_to(subject: Subject) -> None:
    (own,) = own_predictors(measured("small", "middle", "large"), MODELS, "1.2.3")
    assert own.predict(subject, Asked()) is None


def test_two_models_or_simulated_ones_fit_nothing() -> None:
    assert own_predictors(measured("small", "large"), MODELS, "1.2.3") == ()
    assert own_predictors(measured("small", "middle", "large", origin=SIMULATED), MODELS, "1.2.3") == ()


def test_an_own_prediction_is_claimed_before_a_published_or_a_generic_one() -> None:
    runs = measured("small", "middle", "large")
    own = own_predictors(runs, MODELS, "1.2.3")
    made = claims(runs, (), MODELS, predictors=(*own, Generic(MODELS)), boards=["a"])
    (one,) = [c for c in made if c.subject == Subject("new", 3, "generate_tps", "a", context=4096)]
    assert one.basis is Basis.OWN_PREDICTION and one.value == pytest.approx(speed("new"), rel=1e-6)
    assert [other.basis for other in one.replaced] == [Basis.PREDICTION]
