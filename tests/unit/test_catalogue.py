"""models.yaml: models, their artifacts, and what is said when one is missing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fleet.config.catalogue import Catalogue, Kind, Model, load_catalogue
from fleet.config.yaml_file import name_of
from fleet.errors import ConfigError, ExitCode
from virtual.artifacts import write_artifacts

SHIPPED = Path(__file__).parents[2] / "models.yaml"
SHA = "a" * 64

ARTIFACT = "{file: m-1.rkllm, npu_core_num: 1, dtype: W8A8, max_context: 4096, origin: mine}"
ENCODER = "{file: v.rknn, role: vision, dtype: FP16, resolution: 448, origin: mine}"
MODEL = f"{{title: M One, kind: llm, artifacts: [{ARTIFACT}]}}"


def load(tmp_path: Path, text: str | bytes) -> Catalogue:
    path = tmp_path / "models.yaml"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return load_catalogue(path)


def changed(old: str, new: str) -> str:
    """A catalogue of one model, with one thing changed."""
    assert old in MODEL
    return f"models:\n  m1: {MODEL.replace(old, new)}\n"


def of_a_vlm(old: str, new: str) -> str:
    """A catalogue of one VLM, with one thing changed in its vision encoder."""
    assert old in ENCODER
    return changed(ARTIFACT, f"{ARTIFACT}, {ENCODER.replace(old, new)}").replace("kind: llm", "kind: vlm")


def test_the_shipped_model_has_a_real_and_a_stand_in_artifact_for_each_core_count() -> None:
    model = load_catalogue(SHIPPED).model("qwen3-0.6b")
    assert (model.name, model.title, model.kind) == ("qwen3-0.6b", "Qwen3-0.6B", Kind.LLM)
    for cores in (1, 2, 3):
        real, standin = model.artifact(cores, standin=False), model.artifact(cores, standin=True)
        assert (real.npu_core_num, real.standin, real.sha256, real.size_bytes) == (cores, False, None, None)
        assert (standin.npu_core_num, standin.standin) == (cores, True)


def test_the_stand_ins_are_the_files_that_are_made_for_virtual_boards(tmp_path: Path) -> None:
    standing_in = [model for model in load_catalogue(SHIPPED).models if model.artifacts_for(standin=True)]
    assert "qwen3-0.6b" in {model.name for model in standing_in}
    for model in standing_in:
        listed = {
            (one.file, one.npu_core_num, one.size_bytes, one.sha256, one.dtype, one.toolkit, one.max_context)
            for one in model.artifacts
            if one.standin
        } | {
            (one.file, None, one.size_bytes, one.sha256, one.dtype, one.toolkit, None)
            for one in model.vision_artifacts
            if one.standin
        }
        made = {
            (one.file, one.npu_core_num, one.size_bytes, one.sha256, one.dtype, one.toolkit, one.max_context)
            for one in write_artifacts(tmp_path, model.name)
        }
        assert listed == made


def test_a_model_answers_to_its_name_title_and_aliases_in_any_capitals(tmp_path: Path) -> None:
    catalogue = load(tmp_path, changed("kind: llm", "kind: llm, aliases: [em-one]"))
    for name in ("m1", "M1", "m one", "M ONE", "Em-One"):
        assert catalogue.model(name).name == "m1"


@pytest.mark.parametrize("name", ["qwen3-0.6", "qwen3-06b", "Qwen3-0.6B-Chat"])
def test_an_unknown_model_is_a_config_error_with_the_nearest_name(name: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load_catalogue(SHIPPED).model(name)
    assert str(caught.value) == f"--model: '{name}' is no model of {name_of(SHIPPED)}; nearest is 'qwen3-0.6b'"
    assert caught.value.exit_code == ExitCode.USAGE


def test_a_core_count_without_an_artifact_says_which_there_are_and_why(tmp_path: Path) -> None:
    model = load(tmp_path, f"models:\n  m1: {MODEL}\n").model("m1")
    with pytest.raises(ConfigError) as caught:
        model.artifact(3, standin=False)
    assert str(caught.value) == (
        "--cores: M One has no artifact for 3 NPU cores on a real board; there is one for 1. "
        "The core count of an LLM is fixed when it is converted (num_npu_core)"
    )
    assert caught.value.hint == "--cores 1"
    with pytest.raises(
        ConfigError, match="no stand-in artifact for 1 NPU core on a virtual board; there is none at all"
    ):
        model.artifact(1, standin=True)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (changed("kind: llm", "kind: lmm"), "models.m1.kind: 'lmm' is not llm or vlm (line 2)"),
        (changed("title: M One, ", ""), "models.m1.title: is missing; expected a text (line 2)"),
        (changed("npu_core_num: 1", "npu_core_num: 4"), "models.m1.artifacts[0].npu_core_num: 4 is not 1, 2 or 3"),
        (changed("npu_core_num: 1", "npu_cores: 1"), "models.m1.artifacts[0].npu_cores: there is no such key; nearest"),
        (changed("npu_core_num: 1, ", ""), "models.m1.artifacts[0].npu_core_num: is missing; expected 1, 2 or 3"),
        (changed("max_context: 4096, ", ""), "models.m1.artifacts[0].max_context: is missing; expected a whole number"),
        (changed("W8A8", "W4A16"), "models.m1.artifacts[0].dtype: 'W4A16' does not run on an RK3588, whose dtypes are"),
        (changed("m-1.rkllm", "m.rknn"), "models.m1.artifacts[0].file: 'm.rknn' does not end in .rkllm; a vision enc"),
        (changed(ARTIFACT, f"{ARTIFACT}, {ENCODER}"), "models.m1.artifacts[1].role: a model of kind llm has no vision"),
        (of_a_vlm("resolution: 448", "npu_core_num: 3"), "models.m1.artifacts[1].npu_core_num: a vision encoder is no"),
        (of_a_vlm("resolution: 448", "max_context: 4096"), "models.m1.artifacts[1].max_context: a vision encoder has "),
        (of_a_vlm("v.rknn", "v.rkllm"), "models.m1.artifacts[1].file: 'v.rkllm' does not end in .rknn, as a vision en"),
        (of_a_vlm(ENCODER, f"{ENCODER}, {ENCODER.replace('v.', 'w.')}"),
         "models.m1.artifacts[2].resolution: 'v.rknn' is the vision encoder of that resolution already (line 2)"),
        (changed("m-1.rkllm", "../m.rkllm"), "models.m1.artifacts[0].file: '../m.rkllm' is not a file name of letters"),
        (changed("m-1.rkllm", "'1; touch pwned #.rkllm'"), "models.m1.artifacts[0].file: '1; touch pwned #.rkllm' "),
        (changed("m-1.rkllm", "-m.rkllm"), "models.m1.artifacts[0].file: '-m.rkllm' is not a file name of letters"),
        (changed("m-1.rkllm", "m.gguf"), "models.m1.artifacts[0].file: 'm.gguf' is not a file name of letters"),
        (changed("origin: mine", "origin: mine, sha256: abc"), "models.m1.artifacts[0].sha256: 'abc' is not a sha256"),
        (changed("origin: mine", "origin: mine, size_bytes: 0"), "models.m1.artifacts[0].size_bytes: 0 is not a whole"),
        (changed("origin: mine", f"origin: mine, standin: true, sha256: {SHA}"),
         "models.m1.artifacts[0].size_bytes: is missing; a stand-in has size_bytes and sha256 (line 2)"),
        (changed("origin: mine", "origin: mine, toolkit: 1.2"), "models.m1.artifacts[0].toolkit: 1.2 is not a version"),
        ("models: {'1; touch pwned #': " + MODEL + "}\n", "models.'1; touch pwned #': '1; touch pwned #' is not a "),
        (f"models:\n  m1: {MODEL}\n  M1: {MODEL.replace('m-1', 'm-2')}\n", "models.M1: 'M1' is a name of 'm1' already"),
        (changed(ARTIFACT, f"{ARTIFACT}, {ARTIFACT.replace('num: 1', 'num: 2')}"),
         "models.m1.artifacts[1].file: 'm-1.rkllm' is an artifact of 'm1' already (line 2)"),
        (changed(ARTIFACT, f"{ARTIFACT}, {ARTIFACT.replace('m-1', 'm-2')}"),
         "models.m1.artifacts[1].npu_core_num: 'm-1.rkllm' is for 1 NPU cores already (line 2)"),
        (changed(ARTIFACT, ", ".join(
            ARTIFACT.replace("m-1", f"m-{n}").replace("num: 1", f"num: {n}, sha256: {SHA}") for n in (1, 2))),
         "models.m1.artifacts[1].sha256: this is the sha256 of 'm-1.rkllm' already (line 2)"),
        ("model: {}\n", "model: there is no such key; nearest is 'models' (line 1)"),
    ],
)  # fmt: skip
def test_a_mistake_names_file_key_and_what_was_expected(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, text)
    assert f"{tmp_path / 'models.yaml'}: {message}" in str(caught.value)


# Every name of a model in the two hand-made reports that this project replaces
REPORTED = [
    *(f"Qwen3-{size}" for size in ("0.6B", "1B", "1.7B", "4B", "8B", "14B", "32B")),
    *(f"Qwen3-VL-{size}" for size in ("2B", "4B", "8B", "32B", "30B-A3B")),
    *(f"InternVL3.5-{size}" for size in ("1B", "2B", "4B", "8B", "14B", "30B-A3B")),
]


@pytest.mark.parametrize("name", REPORTED)
def test_a_model_of_the_reports_is_described_in_full(name: str) -> None:
    model = load_catalogue(SHIPPED).model(name)
    assert (model.title == name) != (name == "Qwen3-1B")
    assert (model.kind == Kind.VLM) == ("VL" in name) == (model.vision is not None)
    assert model.architecture and model.architecture.source and model.parameters and model.weights and model.license
    assert model.runtime and model.runtime.source and (model.runtime.since is None) == ("A3B" in name)
    assert (model.active_parameters is not None) == (model.architecture.experts is not None) == ("A3B" in name)
    real = [one.npu_core_num for one in model.artifacts_for(standin=False)]
    assert real == ([] if model.note else [1, 2, 3])
    for standin in (False, True):
        encoders = [one for one in model.vision_artifacts if one.standin == standin]
        assert len(encoders) == (1 if model.vision and model.artifacts_for(standin=standin) else 0)


def test_a_name_that_does_not_exist_finds_a_model_and_says_why() -> None:
    catalogue = load_catalogue(SHIPPED)
    assert catalogue.model("qwen3-1b").name == "qwen3-1.7b"
    assert "there is no Qwen3-1B" in str(catalogue.remark("qwen3-1b"))
    assert [catalogue.remark(name) for name in ("qwen3-1.7b", "Qwen3-1.7B", "nothing")] == [None] * 3


def decoder_parameters(numbers: Any, experts: int | None, qwen2: bool = False) -> int:
    """Every tensor of a Qwen3 decoder: attention with its two head norms, feed-forward or experts and their router.

    Qwen2 has biases in attention where Qwen3 has the head norms."""
    n = numbers
    small = n.head_dim * (n.heads + 2 * n.kv_heads) if qwen2 else 2 * n.head_dim
    attention = 2 * n.hidden * n.head_dim * (n.heads + n.kv_heads) + small + 2 * n.hidden
    mixed = experts and 3 * n.hidden * n.expert_ffn * experts + n.hidden * n.experts
    tables = n.vocab * n.hidden * (1 if n.tied else 2)
    return n.layers * (attention + (mixed or 3 * n.hidden * n.ffn)) + tables + n.hidden


def encoder_parameters(vision: Any, hidden: int) -> int:
    """A ViT with biases, and what brings its output to the decoder's width: InternVL's projector, Qwen's mergers."""
    v = vision
    layer = 4 * v.hidden**2 + 4 * v.hidden + 2 * v.hidden * v.ffn + v.ffn + v.hidden + 4 * v.hidden
    wide = v.merge**2 * v.hidden
    if "InternViT" in v.encoder:
        places = (v.resolution // v.patch) ** 2 + 1
        stem = 3 * v.patch**2 * v.hidden + v.hidden + places * v.hidden + v.hidden
        return v.layers * (layer + 2 * v.hidden) + stem + 2 * wide + wide * hidden + hidden + hidden**2 + hidden
    table = 0 if "Qwen2" in v.encoder else v.hidden + 48**2 * v.hidden  # and a bias
    stem = 2 * 3 * v.patch**2 * v.hidden + table
    merger = wide**2 + wide + wide * hidden + hidden
    return v.layers * layer + stem + 2 * v.hidden + merger + (v.outputs - 1) * (2 * wide + merger)


@pytest.mark.parametrize("model", load_catalogue(SHIPPED).models, ids=lambda model: model.name)
def test_the_parameters_are_those_of_the_architecture_to_the_last_one(model: Model) -> None:
    numbers, vision = model.architecture, model.vision
    assert numbers is not None
    seeing = encoder_parameters(vision, numbers.hidden) if vision else 0
    assert seeing == (vision.parameters if vision else 0)
    assert decoder_parameters(numbers, numbers.experts, "qwen2" in model.name) + seeing == model.parameters
    if numbers.experts:
        assert decoder_parameters(numbers, numbers.active_experts) + seeing == model.active_parameters
        assert numbers.ffn == (numbers.active_experts or 0) * (numbers.expert_ffn or 0)
    if vision:
        assert vision.image_tokens == (vision.resolution // vision.patch // vision.merge) ** 2


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(content=st.binary(max_size=120) | st.text(alphabet="models: {}[]-\n12a.rkllm'", max_size=60))
def test_any_bytes_are_a_catalogue_or_a_config_error(tmp_path: Path, content: bytes | str) -> None:
    try:
        assert isinstance(load(tmp_path, content), Catalogue)
    except ConfigError as error:
        assert str(error).startswith(str(tmp_path / "models.yaml") + ": ")
