"""A model file becomes an entry of models.local.yaml: what is taken from where, what is refused, what stays."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import pytest

from fleet.add_artifact import Added, Told, add_artifact
from fleet.config.catalogue import Catalogue, load_catalogue
from fleet.errors import ConfigError
from fleet.model_files import MEMO, Digests, Lies, lies_here

SHIPPED = Path(__file__).parents[2] / "models.yaml"
CONTENT = b"RKLLM model" * 1000


class Home:
    """A team's folder; ``add`` takes a file in as the verb does."""

    def __init__(self, folder: Path) -> None:
        self.local = folder / "models.local.yaml"
        self.models = folder / "models"
        self.models.mkdir()

    def file(self, name: str, content: bytes = CONTENT) -> Path:
        path = self.models / name
        path.write_bytes(content)
        return path

    def catalogue(self) -> Catalogue:
        return load_catalogue(SHIPPED, self.local)

    def add(self, path: Path, **told: Any) -> Added:
        return add_artifact(path, Told(**told), catalogue=self.catalogue(), local=self.local, models=self.models)


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path)


@pytest.mark.parametrize(
    ("name", "told", "expected"),
    [
        ("Qwen3-0.6B_W8A8_RK3588_3core.rkllm", {}, ("qwen3-0.6b", 3, "W8A8", None, 4096)),
        ("Qwen3-1.7B-rk3588-w8a8_g128-npu2-1.2.1b1-ctx8k.rkllm", {}, ("qwen3-1.7b", 2, "W8A8_G128", "1.2.1b1", 8192)),
        ("internvl3_5-1b_w8a8_rk3588.rkllm", {"cores": 1}, ("internvl3.5-1b", 1, "W8A8", None, 4096)),
        ("Qwen3-VL-2B-Instruct_1core.rkllm", {"toolkit": "1.2.3"}, ("qwen3-vl-2b", 1, "W8A8", "1.2.3", 4096)),
        ("mine.rkllm", {"model": "Qwen3-1B", "cores": 3, "context": 16384}, ("qwen3-1.7b", 3, "W8A8", None, 16384)),
    ],
)
def test_what_is_told_wins_over_the_name_and_the_name_over_the_usual(
    home: Home, name: str, told: dict[str, Any], expected: tuple[str, int, str, str | None, int]
) -> None:
    added = home.add(home.file(name), **told)
    model, cores, dtype, toolkit, context = expected
    assert (added.model, added.new, added.sha256) == (model, True, hashlib.sha256(CONTENT).hexdigest())
    one = home.catalogue().model(model).artifact(cores, standin=False)
    assert (one.file, one.dtype, one.toolkit, one.max_context) == (name, dtype, toolkit, context)
    assert (one.size_bytes, one.sha256) == (len(CONTENT), added.sha256)
    assert any("banner" in remark for remark in added.remarks) == ("W8A8_RK3588" not in name)  # models.yaml has that


def test_of_two_models_in_a_name_the_longer_is_meant(home: Home) -> None:
    own = home.local
    own.write_text("models: {qwen3-4b-ours: {title: Ours, kind: llm, artifacts: []}}")
    with pytest.raises(ConfigError, match=r"models\.qwen3-4b-ours\.artifacts is written in a way"):
        home.add(home.file("Qwen3-4B-ours-1core.rkllm"))


def test_a_vision_encoder_has_no_core_count(home: Home) -> None:
    home.add(home.file("Qwen3-VL-2B_vision_448_FP16_RK3588.rknn"))
    (one,) = [one for one in home.catalogue().model("qwen3-vl-2b").vision_artifacts if not one.standin]
    assert (one.dtype, one.resolution, one.size_bytes) == ("FP16", 448, len(CONTENT))


def test_the_same_file_again_changes_nothing(home: Home) -> None:
    path = home.file("Qwen3-4B-3core.rkllm")
    home.add(path)
    before = home.local.read_text()
    assert not home.add(path).new
    assert home.local.read_text() == before


@pytest.mark.parametrize(
    "text",
    [
        "",
        "# ours\n",
        "models:\n",
        "# a\nmodels:   # b\n  # c\n",
        ("models:\n  qwen3-0.6b:\n    artifacts:\n    - file: x.rkllm   # no indent\n      npu_core_num: 1\n"
        "      dtype: W8A8\n      max_context: 4096\n      origin: mine\n# the end"),
        ("models:\n  Qwen3-0.6B:  # capitals\n    artifacts:\n      - {file: x.rkllm, npu_core_num: 1, dtype: W8A8,\n"
        "         max_context: 4096, origin: mine}\n\n      # of ours\n"),
        ("models:\n  qwen3-0.6b:\n    artifacts:\n      - {file: x.rkllm, npu_core_num: 1, dtype: W8A8,\n"
         "         max_context: 64, origin: o}\n  qwen3-4b:\n    artifacts: []\n"),
        "models:\n    own:\n        title: Own\n        kind: llm\n        artifacts: []\n\n# tail\n",
    ],
)  # fmt: skip
def test_every_line_that_was_there_stays(home: Home, text: str) -> None:
    home.local.write_text(text)
    catalogue = load_catalogue(SHIPPED)
    path = home.file("Qwen3-0.6B-3core.rkllm")
    add_artifact(path, Told(), catalogue=catalogue, local=home.local, models=home.models)
    new = home.local.read_text().splitlines()
    kept = iter(new)
    assert all(line in kept for line in text.splitlines())
    assert home.catalogue().model("qwen3-0.6b").artifact(3, standin=False).file == path.name


@pytest.mark.parametrize(
    ("name", "content", "told", "says"),
    [
        ("Qwen3-0.6B-1core.rkllm", b"", {}, "is empty"),
        ("Qwen3-0.6B-1core.rkllm", b"version https://git-lfs.github.com/spec/v1\noid", {}, "is a pointer of git-lfs"),
        ("Qwen3-0.6B-1core.rkllm", b"\n<!DOCTYPE html>", {}, "is a web page"),
        ("Qwen3-0.6B-1core.rkllm", b"RKLLM-STANDIN 1 {}", {}, "is a stand-in for virtual boards"),
        ("Qwen3-0.6B-1core.gguf", CONTENT, {}, "ends neither in .rkllm nor in .rknn"),
        ("Qwen3-0.6B.rkllm", CONTENT, {}, "the NPU core count of Qwen3-0.6B.rkllm is not known"),
        ("Llama-1core.rkllm", CONTENT, {}, "no model's name is in 'Llama-1core.rkllm'"),
        ("x-1core.rkllm", CONTENT, {"model": "llama"}, "'llama' is no model of"),
        ("Qwen3-0.6B 1core.rkllm", CONTENT, {}, "is not a file name of letters"),
        ("Qwen3-0.6B-1core-w4a16.rkllm", CONTENT, {}, "'W4A16' does not run on an RK3588"),
        ("Qwen3-0.6B_W8A8_RK3588_3core.rkllm", CONTENT, {"cores": 2}, "2 here, and 3 for the same file in"),
        ("Qwen3-0.6B-vision.rknn", CONTENT, {}, "a model of kind llm has no vision encoder"),
    ],
)
def test_what_can_not_be_is_refused_and_nothing_is_written(
    home: Home, name: str, content: bytes, told: dict[str, Any], says: str
) -> None:
    with pytest.raises(ConfigError, match=says):
        home.add(home.file(name, content), **told)
    assert not home.local.exists() and not (home.models / MEMO).exists()


def test_another_file_for_the_same_cores_is_refused_before_it_is_read(home: Home) -> None:
    home.add(home.file("Qwen3-0.6B-a-3core.rkllm"))
    (home.models / MEMO).unlink()
    with pytest.raises(ConfigError, match=r"'Qwen3-0\.6B-a-3core\.rkllm' is for 3 NPU cores already"):
        home.add(home.file("Qwen3-0.6B-b-3core.rkllm", b"other"))
    assert not (home.models / MEMO).exists()


@pytest.mark.parametrize("text", ["models: {}\n", "models: {qwen3-0.6b: {artifacts: []}}\n"])
def test_a_file_written_another_way_is_not_touched_and_the_entry_is_shown(home: Home, text: str) -> None:
    home.local.write_text(text)
    with pytest.raises(ConfigError, match=r'write by hand:\n +- file: "Qwen3-0.6B-3core.rkllm"'):
        home.add(home.file("Qwen3-0.6B-3core.rkllm"))
    assert home.local.read_text() == text


def test_a_file_is_read_once_until_it_changes(home: Home) -> None:
    path = home.file("m.rkllm")
    read: list[int] = []
    first = Digests(home.models).of(path, lambda done, _total: read.append(done))
    assert read == [len(CONTENT)] and first == hashlib.sha256(CONTENT).hexdigest()
    assert Digests(home.models).of(path, lambda done, _total: read.append(done)) == first and len(read) == 1
    path.write_bytes(CONTENT[::-1])
    assert Digests(home.models).known(path) is None
    assert Digests(home.models).of(path) == hashlib.sha256(CONTENT[::-1]).hexdigest()


@pytest.mark.parametrize("memo", [b"", b"[]", b"{}", b'{"m.rkllm": {}}', b'{"m.rkllm": 1}', b"\xff"])
def test_a_damaged_memo_remembers_nothing(home: Home, memo: bytes) -> None:
    path = home.file("m.rkllm")
    (home.models / MEMO).write_bytes(memo)
    assert Digests(home.models).known(path) is None
    assert Digests(home.models).of(path) == Digests(home.models).known(path)


def test_a_file_lies_as_the_catalogue_says_or_otherwise(home: Home) -> None:
    path = home.file("Qwen3-0.6B-3core.rkllm")

    def lies(*, verify: bool = False) -> Lies:
        files = home.catalogue().model("qwen3-0.6b").files_for(standin=False)
        return lies_here(home.models, files, verify=verify, moved=lambda _r, _t: None).get(path.name, Lies.MISSING)

    assert lies() == Lies.MISSING
    home.add(path)
    assert lies() == Lies.VERIFIED
    (home.models / MEMO).unlink()
    assert (lies(), lies(verify=True), lies()) == (Lies.UNVERIFIED, Lies.VERIFIED, Lies.VERIFIED)
    path.write_bytes(CONTENT[::-1])
    assert (lies(), lies(verify=True)) == (Lies.UNVERIFIED, Lies.OTHER)
    path.write_bytes(b"short")
    assert lies() == Lies.OTHER
    path.unlink()
    assert lies() == Lies.MISSING
    home.file("Qwen3-0.6B_W8A8_RK3588_1core.rkllm")
    files = home.catalogue().model("qwen3-0.6b").files_for(standin=False)
    here = lies_here(home.models, files, verify=True, moved=lambda _r, _t: None)
    assert here["Qwen3-0.6B_W8A8_RK3588_1core.rkllm"] == Lies.THERE
