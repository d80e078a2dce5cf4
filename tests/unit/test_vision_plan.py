"""Vision runs as they are planned: which cells there are, what a board must have for one, and how the demo is told."""

from __future__ import annotations

import zlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from dev import draw_image
from fleet.cell import Matrix, Ordering, Workload
from fleet.config.catalogue import load_catalogue
from fleet.config.images import load_image
from fleet.config.inventory import BoardEntry, Paths, VlmDemo, load_inventory
from fleet.config.prompts import Prompt, PromptSet
from fleet.errors import ConfigError
from fleet.need import Need
from fleet.plan import PlannedRun, Request, check, model_folders, plan_board, program, spec_of
from fleet.scripts import Store
from verbs.need import need

PROJECT = Path(__file__).parents[2]
CATALOGUE = load_catalogue(PROJECT / "models.yaml", PROJECT / "none")
(VIRTUAL, *_) = load_inventory(PROJECT / "inventory.yaml").boards
REAL = BoardEntry(
    name="real", address="192.0.2.1", paths=Paths(llm_demo="/opt/llm/llm_demo", vlm_demo="vlm/demo", libraries=("/l",))
)
TEXT = PromptSet("text", "1" * 64, (Prompt("why", "Why?"),))
SEEN = PromptSet("seen", "2" * 64, (Prompt("what", "<image>What is it?"),))
HOUSE = load_image(PROJECT / "suites" / "images" / "house.png")
STORE = Store("/home/u", "/home/u/rkfleet", "/home/u/rkfleet/scripts/0")
GIB = 2**30


def request(*models: str, board: BoardEntry = VIRTUAL, **more: Any) -> Request:
    named = tuple(CATALOGUE.model(name) for name in models or ("qwen3-vl-2b",))
    part = Matrix(named, (3,), (4096,), (Workload(TEXT, 64), Workload(SEEN, 64, HOUSE)))
    of_part = {key: more.pop(key) for key in Matrix.__dataclass_fields__ if key in more}
    return replace(Request((board,), (replace(part, **of_part),), 1, 1, Ordering.LISTED, 0, None), **more)


def first(asked: Request) -> PlannedRun:
    return plan_board(asked, asked.boards[0])[0]


def facts(available_gib: float = 6.9, runtime: str = "1.2.3") -> dict[str, Any]:
    return {"memory": {"available_bytes": int(available_gib * GIB)}, "runtime": {"rkllm": [{"version": runtime}]}}


def test_each_kind_of_model_gets_its_own_workloads_and_only_vision_models_the_cores_of_an_encoder() -> None:
    cells = request("qwen3-0.6b", "qwen3-vl-2b", vision_cores=(1, 3)).cells
    said = [(one.model.name, one.vision_cores, one.image, one.prompts.name) for one in cells]
    assert said == [
        ("qwen3-0.6b", None, None, "text"),
        ("qwen3-vl-2b", 1, HOUSE, "seen"),
        ("qwen3-vl-2b", 3, HOUSE, "seen"),
    ]


def test_a_run_is_named_by_image_and_encoder_cores_where_they_differ() -> None:
    assert first(request()).run == "001-qwen3-vl-2b-3core-warmup"
    other = replace(HOUSE, name="street", sha256="0" * 64)
    workloads = (Workload(SEEN, 64, HOUSE), Workload(SEEN, 64, other))
    labels = request(vision_cores=(1, 3), workloads=workloads).labels
    assert labels == tuple(f"qwen3-vl-2b-3core-{n}vis-{image}" for n in (1, 3) for image in ("house", "street"))


def test_a_board_must_have_both_files_and_the_image() -> None:
    planned = first(request("qwen3-vl-4b", board=REAL))
    assert [one.file for one in planned.files] == [
        "Qwen3-VL-4B_W8A8_RK3588_3core.rkllm",
        "Qwen3-VL-4B_vision_448_FP16_RK3588.rknn",
        HOUSE.file,
    ]
    assert model_folders(REAL, STORE) == [STORE.models, "/opt/llm", "/home/u/vlm"]


def test_the_spec_says_what_is_measured() -> None:
    planned = first(request(vision_cores=(2,)))
    placed = {one.file: (str(at) * 64, at) for at, one in enumerate(planned.files, start=1)}
    about = {"campaign": "c", "board": "a", "simulated": True, "created_utc": "", "tool": ""}
    spec = spec_of(request(), planned, need=Need(), placed=placed, **about)  # type: ignore[arg-type]
    assert spec.artifact and spec.encoder
    assert (spec.kind, spec.vision_cores, spec.npu_cores) == ("vlm", 2, 3)
    assert (spec.artifact.sha256, spec.encoder.sha256, spec.encoder.size_bytes) == ("1" * 64, "2" * 64, 2)
    assert (spec.encoder.resolution, spec.encoder.image_tokens) == (448, 196)
    assert (spec.workload.image, spec.workload.image_sha256) == ("house", HOUSE.sha256)


def test_the_demo_is_told_everything_it_may_need_and_the_script_takes_its_version_s_share() -> None:
    planned = first(request("internvl3.5-1b", board=REAL, vision_cores=(1,)))
    paths = {one.file: f"/there/{one.file}" for one in planned.files}
    words = program(planned, store=STORE, entry=REAL, paths=paths, limit_s=60)
    assert words[:2] == ["sh", STORE.script("run_vlm_benchmark.sh")]
    told = dict(zip(words[2::2], words[3::2], strict=True))
    assert told == {
        "--demo": "/home/u/vlm/demo",
        "--model": "/there/InternVL3.5-1B_W8A8_RK3588_3core.rkllm",
        "--encoder": "/there/InternVL3.5-1B_vision_448_FP16_RK3588.rknn",
        "--image": f"/there/{HOUSE.file}",
        "--vision-cores": "1",
        "--kind": "official",
        "--image-start": "<img>",
        "--image-end": "</img>",
        "--image-content": "<IMG_CONTEXT>",
        "--max-new-tokens": "64",
        "--max-context": "4096",
        "--prompt": "<image>What is it?",
        "--limit": "60",
        "--lib": "/l",
    }
    versioned = REAL.model_copy(update={"paths": REAL.paths.model_copy(update={"vlm_version": "1.3.0"})})
    words = program(planned, store=STORE, entry=versioned, paths=paths, limit_s=60)
    assert words[words.index("--demo-version") + 1] == "1.3.0"


def test_a_board_without_a_multimodal_demo_is_an_error_that_names_the_key() -> None:
    without = REAL.model_copy(update={"paths": Paths(llm_demo="/opt/llm/llm_demo")})
    with pytest.raises(ConfigError, match=r"boards\.real\.paths\.vlm_demo: the path of the multimodal demo"):
        check(request(board=without))
    check(request("qwen3-0.6b", board=without))
    with pytest.raises(ConfigError, match=r"paths\.llm_demo: the path of the demo"):
        check(request("qwen3-0.6b", board=REAL.model_copy(update={"paths": Paths(vlm_demo="/opt/demo")})))


def test_vlm_npu_is_measured_on_three_cores_only() -> None:
    npu = VIRTUAL.model_copy(update={"paths": VIRTUAL.paths.model_copy(update={"vlm_kind": VlmDemo.VLM_NPU})})
    runs = plan_board(request(board=npu, vision_cores=(1, 3)), npu)
    lacking = {one.cell.vision_cores: one.lacking and one.lacking.what for one in runs}
    assert lacking[3] is None and "takes no core count" in str(lacking[1])


def test_a_model_without_an_encoder_file_keeps_its_place_with_the_reason() -> None:
    model = CATALOGUE.model("qwen3-vl-2b").model_copy(update={"vision_artifacts": ()})
    with pytest.raises(ConfigError, match="no vision encoder"):
        check(request(models=(model,)))


def test_a_virtual_board_has_the_demo_of_the_kind_it_is_said_to_have(tmp_path: Path) -> None:
    (tmp_path / "inventory.yaml").write_text("boards: {a: {virtual: true, paths: {vlm_kind: vlm_npu}}}")
    (entry,) = load_inventory(tmp_path / "inventory.yaml").boards
    assert (entry.paths.vlm_demo, entry.paths.vlm_kind) == ("/opt/rkllm/VLM_NPU", VlmDemo.VLM_NPU)


def test_what_does_not_fit_with_its_encoder_is_skipped() -> None:
    said = need(VIRTUAL, facts(), first(request("qwen3-vl-8b"))).skip
    assert said is not None and "too large even at the low end" in said
    assert need(VIRTUAL, facts(), first(request("qwen3-vl-4b"))).skip is None


def test_memory_and_time_are_predicted_with_encoder_image_and_its_cores() -> None:
    text, seeing = (need(VIRTUAL, facts(), first(request(name))) for name in ("qwen3-4b", "qwen3-vl-4b"))
    assert text.expected_bytes and seeing.expected_bytes and text.expected_s and seeing.expected_s
    assert 0.8 * GIB < seeing.expected_bytes - text.expected_bytes < 0.95 * GIB  # its weights, and the RKNN runtime
    assert seeing.expected_s > text.expected_s + 2 + 196 / 100  # the encode, and 196 tokens more in the prompt
    slow = need(VIRTUAL, facts(), first(request("qwen3-vl-4b", vision_cores=(1,))))
    assert slow.expected_s and slow.expected_s == pytest.approx(seeing.expected_s + 2 * 2.2, abs=1)


@pytest.mark.parametrize(("runtime", "cores", "runs"), [("1.2.0", 1, False), ("1.2.0", 3, True), ("1.2.1", 1, True)])
def test_the_first_demos_took_no_core_count(runtime: str, cores: int, runs: bool) -> None:
    said = need(VIRTUAL, facts(runtime=runtime), first(request("qwen2-vl-2b", vision_cores=(cores,)))).skip
    assert (said is None) == runs
    assert runs or "takes no core count" in str(said)


def test_the_shipped_image_is_the_one_that_is_drawn() -> None:
    data = HOUSE.path.read_bytes()
    at, pixels = 8, b""
    while at < len(data):
        size, kind = int.from_bytes(data[at : at + 4]), data[at + 4 : at + 8]
        pixels += data[at + 8 : at + 8 + size] if kind == b"IDAT" else b""
        at += 12 + size
    assert zlib.decompress(pixels) == b"".join(b"\0" + row for row in draw_image.rows())


@pytest.mark.parametrize(
    ("name", "data", "says"),
    [
        ("a.png", b"GIF89a", "neither a PNG nor a JPEG"),
        ("a.png", None, "can not be read"),
        ("$(x).png", b"\x89PNG\r\n\x1a\n", "is not a name"),
        ("a.jpg", b"\xff\xd8\xff" + bytes(32 * 2**20), "larger than 32 MiB"),
    ],
)
def test_what_is_no_image_is_refused(tmp_path: Path, name: str, data: bytes | None, says: str) -> None:
    if data is not None:
        (tmp_path / name).write_bytes(data)
    with pytest.raises(ConfigError, match=says):
        load_image(tmp_path / name)


def test_an_image_is_known_by_its_content_and_not_by_its_name(tmp_path: Path) -> None:
    for name in ("one.jpg", "two.png"):
        (tmp_path / name).write_bytes(b"\xff\xd8\xff 1")
    one, two = (load_image(tmp_path / name) for name in ("one.jpg", "two.png"))
    assert one.file == two.file == f"image-{one.sha256[:16]}.jpg"
