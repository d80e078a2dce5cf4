"""models.local.yaml: a team's own files and models beside the shipped ones."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from fleet.config.catalogue import Catalogue, load_catalogue
from fleet.errors import ConfigError

SHA = "a" * 64
OTHER = "b" * 64
SHIPPED = f"""
models:
  m1:
    title: M One
    kind: llm
    aliases: [em]
    instead_of: {{M-0: there is none}}
    artifacts:
      - {{file: m-1.rkllm, npu_core_num: 1, dtype: W8A8, max_context: 4096, origin: shipped}}
      - {{file: m-3.rkllm, npu_core_num: 3, dtype: W8A8, max_context: 4096, sha256: {SHA}, origin: shipped}}
  v1:
    title: V One
    kind: vlm
    artifacts:
      - {{file: v.rknn, role: vision, dtype: FP16, resolution: 448, origin: shipped}}
"""
OWN = "file: own.rkllm, npu_core_num: 1, dtype: W8A8, max_context: 8192, origin: mine"


def load(tmp_path: Path, own: str | None) -> Catalogue:
    (tmp_path / "models.yaml").write_text(SHIPPED)
    local = tmp_path / "models.local.yaml"
    if own is not None:
        local.write_text(own)
    return load_catalogue(tmp_path / "models.yaml", local)


def test_without_a_file_of_ones_own_there_is_the_shipped_catalogue(tmp_path: Path) -> None:
    assert [model.name for model in load(tmp_path, None).models] == ["m1", "v1"]


def test_an_own_file_takes_the_place_of_the_shipped_one_for_its_core_count_only(tmp_path: Path) -> None:
    model = load(tmp_path, f"models: {{m1: {{artifacts: [{{{OWN}}}]}}}}").model("m1")
    assert [(one.npu_core_num, one.file) for one in model.artifacts_for(standin=False)] == [
        (1, "own.rkllm"),
        (3, "m-3.rkllm"),
    ]
    assert model.title == "M One" and model.aliases == ("em",)


def test_an_own_file_for_another_core_count_is_added(tmp_path: Path) -> None:
    own = OWN.replace("npu_core_num: 1", "npu_core_num: 2")
    model = load(tmp_path, f"models: {{m1: {{artifacts: [{{{own}}}]}}}}").model("m1")
    assert [one.npu_core_num for one in model.artifacts_for(standin=False)] == [1, 2, 3]


def test_what_is_known_of_a_shipped_file_can_be_added_to(tmp_path: Path) -> None:
    own = f"models: {{m1: {{artifacts: [{{{OWN.replace('own', 'm-1').replace('8192', '4096')}, sha256: {OTHER}}}]}}}}"
    (one,) = [one for one in load(tmp_path, own).model("m1").artifacts if one.npu_core_num == 1]
    assert (one.file, one.sha256, one.origin) == ("m-1.rkllm", OTHER, "mine")


def test_an_own_vision_encoder_of_another_resolution_is_added(tmp_path: Path) -> None:
    own = "models: {v1: {artifacts: [{file: w.rknn, role: vision, dtype: FP16, resolution: 896, origin: mine}]}}"
    assert [one.file for one in load(tmp_path, own).model("v1").vision_artifacts] == ["v.rknn", "w.rknn"]


def test_a_whole_new_model_comes_last(tmp_path: Path) -> None:
    catalogue = load(tmp_path, f"models: {{m2: {{title: M Two, kind: llm, artifacts: [{{{OWN}}}]}}}}")
    assert [model.name for model in catalogue.models] == ["m1", "v1", "m2"]
    assert catalogue.model("m two").artifact(1, standin=False).file == "own.rkllm"


@pytest.mark.parametrize(
    ("own", "message"),
    [
        (f"m2: {{kind: llm, artifacts: [{{{OWN}}}]}}", "models.m2.title: is missing; expected a text (line 1)"),
        (f"m1: {{title: Mine, artifacts: [{{{OWN}}}]}}",
         "models.m1.title: 'm1' is described in models.yaml; here it is given artifacts only (line 1)"),
        (f"m2: {{title: EM, kind: llm, artifacts: [{{{OWN}}}]}}",
         "models.m2: 'EM' is a name of 'm1' in models.yaml already (line 1)"),
        (f"m2: {{title: M-0, kind: llm, artifacts: [{{{OWN}}}]}}",
         "models.m2: 'M-0' is a name of 'm1' in models.yaml already (line 1)"),
        (f"m2: {{title: M Two, kind: llm, artifacts: [{{{OWN.replace('own', 'm-3')}}}]}}",
         "models.m2.artifacts[0].file: 'm-3.rkllm' is an artifact of 'm1' in models.yaml already (line 1)"),
        (f"m1: {{artifacts: [{{{OWN.replace('own', 'm-3')}}}]}}",
         "models.m1.artifacts[0].max_context: 8192 here, and 4096 for the same file in models.yaml (line 1)"),
        (f"m1: {{artifacts: [{{{OWN.replace('own', 'm-3')}}}]}}",
         "models.m1.artifacts[0].npu_core_num: 1 here, and 3 for the same file in models.yaml (line 1)"),
        (f"m1: {{artifacts: [{{{OWN}, sha256: {SHA}}}]}}",
         "models.m1.artifacts[0].sha256: this is the sha256 of 'm-3.rkllm' in models.yaml already (line 1)"),
        (f"m1: {{artifacts: [{{{OWN}}}, {{{OWN.replace('own', 'two')}}}]}}",
         "models.m1.artifacts[1].npu_core_num: 'own.rkllm' is for 1 NPU cores already (line 1)"),
        (f"m1: {{artifacts: [{{{OWN.replace('W8A8', 'W4A16')}}}]}}",
         "models.m1.artifacts[0].dtype: 'W4A16' does not run on an RK3588"),
    ],
)  # fmt: skip
def test_a_clash_is_one_message_that_names_the_teams_own_file(
    tmp_path: Path, own: str, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, f"models: {{{own}}}")
    assert f"models.local.yaml: {message}" in str(caught.value)
    assert "models.yaml:" not in str(caught.value)


def test_a_mistake_in_the_shipped_file_is_not_blamed_on_the_teams_own(tmp_path: Path) -> None:
    local = tmp_path / "models.local.yaml"
    local.write_text("models: {}")
    (tmp_path / "models.yaml").write_text("models: {m1: {}}")
    with pytest.raises(ConfigError) as caught:
        load_catalogue(tmp_path / "models.yaml", local)
    assert "models.local.yaml" not in str(caught.value)


def test_the_example_of_the_guide_is_a_model(tmp_path: Path) -> None:
    guide = (Path(__file__).parents[2] / "docs" / "03_model_acquisition.md").read_text(encoding="utf-8")
    (example,) = re.findall(r"```yaml\n(.*?)```", guide, re.DOTALL)
    model = load(tmp_path, example).model("My model")
    assert model.architecture is not None and model.artifact(3, standin=False).file == "my-model-3core.rkllm"
