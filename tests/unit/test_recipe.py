"""The conversion script of a model: valid Python that makes exactly that artifact, whatever a title says."""

from __future__ import annotations

import ast
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleet.config.catalogue import Model, load_catalogue
from fleet.errors import ConfigError
from fleet.recipe import Target, recipe

CATALOGUE = load_catalogue(Path(__file__).parents[2] / "models.yaml")
CONVERTIBLE = [model for model in CATALOGUE.models if model.artifacts_for(standin=False)]


class Toolkit:
    """Stands in for ``rkllm.api.RKLLM`` and ``rknn.api.RKNN``: writes the file, remembers what it was asked."""

    calls: dict[str, dict[str, Any]]

    def __init__(self, **_words: Any) -> None:
        pass

    def __getattr__(self, name: str) -> Any:
        def called(*words: Any, **named: Any) -> int:
            Toolkit.calls[name] = dict(enumerate(words)) | named
            if name.startswith("export"):
                Path(words[0]).write_bytes(b"made")
            return 0

        return called


def run(text: str, folder: Path, monkeypatch: pytest.MonkeyPatch, *words: str) -> dict[str, dict[str, Any]]:
    """Execute a recipe as a program in ``folder`` with toolkits that only remember."""
    monkeypatch.chdir(folder)
    monkeypatch.setattr(sys, "argv", ["recipe.py", *words])
    for package, name in (("rkllm", "RKLLM"), ("rknn", "RKNN")):
        api = ModuleType(f"{package}.api")
        setattr(api, name, Toolkit)
        monkeypatch.setitem(sys.modules, package, ModuleType(package))
        monkeypatch.setitem(sys.modules, f"{package}.api", api)
    Toolkit.calls = {}
    exec(compile(text, "recipe.py", "exec"), {"__name__": "__main__"})
    return Toolkit.calls


def titled(title: str, name: str = "qwen3-0.6b") -> Model:
    return CATALOGUE.model(name).model_copy(update={"title": title, "weights": title})


@pytest.mark.parametrize("cores", [1, 2, 3])
@pytest.mark.parametrize("model", CONVERTIBLE, ids=lambda model: model.name)
def test_the_script_makes_exactly_the_artifact_of_the_catalogue(
    model: Model, cores: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    data = tmp_path / ("data/inputs.json" if model.vision else "data_quant.json")
    data.parent.mkdir(exist_ok=True)
    data.write_text("[]")
    calls = run(recipe(model, Target(cores)), tmp_path, monkeypatch, *(["llm"] if model.vision else []))
    artifact = model.artifact(cores, standin=False)
    build = calls["build"]
    assert (build["num_npu_core"], build["max_context"], build["quantized_dtype"], build["target_platform"]) == (
        cores,
        artifact.max_context,
        artifact.dtype.lower(),
        "rk3588",
    )
    assert (build["do_quantization"], build["optimization_level"], build["dataset"]) == (
        True,
        1,
        str(data.relative_to(tmp_path)),
    )
    assert calls["export_rkllm"] == {0: artifact.file}
    assert artifact.file in capsys.readouterr().out


def test_a_vlm_has_a_second_part_that_makes_its_vision_encoder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = CATALOGUE.model("internvl3.5-1b")
    (tmp_path / "InternVL3.5-1B_vision.onnx").write_bytes(b"x")
    calls = run(recipe(model, Target(3)), tmp_path, monkeypatch, "vision")
    assert calls["export_rknn"] == {0: model.vision_artifacts[0].file}
    assert calls["build"] == {"do_quantization": False}
    assert [round(value) for value in calls["config"]["mean_values"][0]] == [124, 116, 104]  # ImageNet's


def test_what_is_missing_is_said_before_a_toolkit_is_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SystemExit, match=r"data_quant\.json is missing"):
        run(recipe(CATALOGUE.model("qwen3-4b"), Target(1)), tmp_path, monkeypatch)
    assert Toolkit.calls == {}


def test_another_context_gives_the_file_another_name() -> None:
    literals = literals_of(recipe(CATALOGUE.model("qwen3-0.6b"), Target(1, 8192)))
    assert (literals["MAX_CONTEXT"], literals["FILE"]) == (8192, "Qwen3-0.6B_W8A8_RK3588_1core_ctx8192.rkllm")


@pytest.mark.parametrize(
    ("name", "target", "says"),
    [
        ("qwen3-0.6b", Target(1, 4100), "4100 is not a multiple of 32 up to 16384"),
        ("qwen3-0.6b", Target(1, 32768), "32768 is not a multiple of 32 up to 16384"),
        ("qwen3-0.6b", Target(1, dtype="W4A16"), "an RK3588 has no W4A16"),
        ("qwen3-32b", Target(3), "no RK3588 can run Qwen3-32B: INT8 weights alone are 33 GB"),
    ],
)
def test_what_no_rk3588_can_run_has_no_recipe(name: str, target: Target, says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        recipe(CATALOGUE.model(name), target)


def literals_of(text: str) -> dict[str, Any]:
    return {
        node.targets[0].id: ast.literal_eval(node.value)
        for node in ast.parse(text).body
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name)
    }


def shape(text: str) -> str:
    """The program with every literal of its head left out."""
    body = [node for node in ast.parse(text).body if not isinstance(node, ast.Assign)]
    return ast.dump(ast.Module(body, []))


@given(
    st.text(max_size=60)
    | st.sampled_from(["'); import os; os.abort() #", 'x"""\nimport os', "\\", "\u2028a", "# \r\nx=1"])
)
def test_no_title_becomes_code(title: str) -> None:
    for name in ("qwen3-0.6b", "qwen3-vl-2b"):
        model = titled(title, name)
        text = recipe(model, Target(2))
        assert shape(text) == shape(recipe(CATALOGUE.model(name), Target(2)))
        assert (literals_of(text)["TITLE"], literals_of(text)["WEIGHTS"]) == (title, title or model.title)
