"""models.yaml: models, their artifacts, and what is said when one is missing."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fleet.config.catalogue import Catalogue, Kind, load_catalogue
from fleet.config.yaml_file import name_of
from fleet.errors import ConfigError, ExitCode
from virtual.artifacts import write_artifacts

SHIPPED = Path(__file__).parents[2] / "models.yaml"
SHA = "a" * 64

ARTIFACT = "{file: m-1.rkllm, npu_core_num: 1, dtype: W8A8, max_context: 4096, origin: mine}"
MODEL = f"{{title: M One, kind: llm, artifacts: [{ARTIFACT}]}}"


def load(tmp_path: Path, text: str | bytes) -> Catalogue:
    path = tmp_path / "models.yaml"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return load_catalogue(path)


def changed(old: str, new: str) -> str:
    """A catalogue of one model, with one thing changed."""
    assert old in MODEL
    return f"models:\n  m1: {MODEL.replace(old, new)}\n"


def test_the_shipped_model_has_a_real_and_a_stand_in_artifact_for_each_core_count() -> None:
    model = load_catalogue(SHIPPED).model("qwen3-0.6b")
    assert (model.name, model.title, model.kind) == ("qwen3-0.6b", "Qwen3-0.6B", Kind.LLM)
    for cores in (1, 2, 3):
        real, standin = model.artifact(cores, standin=False), model.artifact(cores, standin=True)
        assert (real.npu_core_num, real.standin, real.sha256, real.size_bytes) == (cores, False, None, None)
        assert (standin.npu_core_num, standin.standin) == (cores, True)


def test_the_stand_ins_are_the_files_that_are_made_for_virtual_boards(tmp_path: Path) -> None:
    for model in load_catalogue(SHIPPED).models:
        listed = {
            (one.file, one.npu_core_num, one.size_bytes, one.sha256, one.dtype, one.toolkit, one.max_context)
            for one in model.artifacts
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


@pytest.mark.parametrize("name", ["qwen3-0.6", "qwen3-06b", "Qwen3-0.6B-Instruct", "qwen3-1.7b"])
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
        (changed("npu_core_num: 1", "npu_cores: 1"), "models.m1.artifacts[0].npu_core_num: is missing; expected 1"),
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


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=st.binary(max_size=120) | st.text(alphabet="models: {}[]-\n12a.rkllm'", max_size=60))
def test_any_bytes_are_a_catalogue_or_a_config_error(tmp_path: Path, content: bytes | str) -> None:
    try:
        assert isinstance(load(tmp_path, content), Catalogue)
    except ConfigError as error:
        assert str(error).startswith(str(tmp_path / "models.yaml") + ": ")
