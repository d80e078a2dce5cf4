"""``invoke bench`` of a vision model on virtual boards: both files, the image, every demo's own arguments and words."""

from __future__ import annotations

import csv
import hashlib
import json

import pytest

from fleet.config.images import load_image
from tests.e2e.home import PROJECT, virtual

HOUSE = load_image(PROJECT / "suites" / "images" / "house.png")
MODEL = {"1.1.4": "qwen2-vl-2b", "1.2.1": "qwen2-vl-2b", "1.2.3": "qwen3-vl-4b", "1.3.0": "internvl3.5-2b"}


@pytest.mark.parametrize("runtime", MODEL)
def test_the_numbers_of_a_vision_run_are_those_that_the_board_really_made(home, runtime):
    slow = {"time_scale": 10} if runtime == "1.1.4" else {}  # so that samples are taken while it runs
    home.inventory({"a": virtual(runtime=runtime, **slow)})
    words = ("bench", "--model", MODEL[runtime], "--cores", "3", "--repeats", "1", "--clocks", "as-is")
    (cell,) = json.loads(home.invoke(*words, "--format", "json").stdout)
    assert (cell["outcome"], cell["n"], cell["npu_cores"], cell["vision_cores"]) == ("ok", 1, 3, 3), cell["reasons"]
    assert (cell["workload"]["image"], cell["workload"]["image_sha256"]) == ("house", HOUSE.sha256)
    truth = [line for line in home.truth("a") if line["event"] == "turn"][-1]
    for name in ("image_encode_ms", "imgenc_load_ms", "llm_load_ms"):
        assert cell[name] == pytest.approx(truth[name], abs=0.06)
    assert cell["vision_ttft_ms"] == pytest.approx(truth["image_encode_ms"] + truth["prefill_ms"], abs=0.06)
    assert cell["generate_tps"] == pytest.approx(1000 * truth["generate_tokens"] / truth["generate_ms"], abs=0.006)
    assert cell["prefill_tokens"] == truth["prefill_tokens"] > truth["image_tokens"]
    assert cell["ttft_ms"] is None
    if runtime == "1.1.4":  # whose table has no memory
        assert truth["peak_bytes"] * 0.9 < cell["memory_vmhwm_bytes"] < truth["peak_bytes"] * 1.001  # the encoder in it
    else:
        assert cell["memory_rkllm_bytes"] == pytest.approx(truth["peak_bytes"], abs=0.006 * 2**30)


def test_the_encoder_s_cores_are_a_column_of_their_own_and_the_files_lie_on_the_board_once(home):
    home.inventory({"a": virtual()})
    words = ("--model", "qwen3-0.6b,qwen3-vl-2b", "--cores", "3", "--vision-cores", "1,3", "--repeats", "1")
    text, one, three = json.loads(home.invoke("bench", *words, "--format", "json").stdout)
    assert [cell["vision_cores"] for cell in (text, one, three)] == [None, 1, 3]
    assert text["image_encode_ms"] is None and text["workload"]["image"] is None
    assert one["image_encode_ms"] > 2 * three["image_encode_ms"]
    assert one["generate_tps"] == pytest.approx(three["generate_tps"], rel=0.1)
    models = home.folder / ".virtual/a/root/root/rkfleet/models"
    sent = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in models.iterdir() if path.is_file()}
    assert sent[HOUSE.file] == HOUSE.sha256 and sum(name.endswith(".rknn") for name in sent) == 1
    home.invoke("collect")
    rows = list(csv.DictReader((home.folder / "reports/summary.csv").open()))
    seen = {(row["vision cores"], row["vision cores in log"], row["resolution"], row["image"]) for row in rows}
    assert seen == {("", "", "", ""), ("1", "1", "448x448", "house"), ("3", "3", "448x448", "house")}
    again = home.invoke(
        "bench", "--model", "qwen3-0.6b,qwen3-vl-2b", *words[2:4], "--repeats", "1"
    )  # the second time nothing is sent
    assert "pushed" not in again.stderr
    shown = again.stdout.splitlines()[0]
    assert "TTFT ms" in shown and "image encode ms" in shown and "vision cores" in shown


def test_a_table_of_text_runs_knows_nothing_of_images(home):
    home.inventory({"a": virtual()})
    shown = home.invoke("bench", "--cores", "3", "--repeats", "1").stdout
    home.invoke("collect")
    headings = (home.folder / "reports/summary.csv").read_text().splitlines()[0]
    assert not any(word in text for text in (shown, headings) for word in ("image", "vision", "encoder", "resolution"))


def test_vlm_npu_is_measured_without_an_encode_time(home):
    home.inventory({"a": {**virtual(), "paths": {"vlm_kind": "vlm_npu"}}})
    words = ("bench", "--model", "internvl3.5-1b", "--cores", "3", "--vision-cores", "1,3", "--repeats", "1")
    one, three = json.loads(home.invoke(*words, "--format", "json").stdout)
    assert one["outcome"] == "skipped" and "takes no core count" in json.dumps(one["reasons"])
    assert (three["outcome"], three["image_encode_ms"], three["vision_ttft_ms"]) == ("ok", None, None), three["reasons"]
    assert three["prefill_tokens"] > 256 and three["generate_tps"] > 0


def test_a_missing_encoder_is_skipped_as_a_missing_model_is(home):
    home.inventory({"a": virtual()})
    home.catalogue_without_encoder("qwen3-vl-2b")
    words = ("bench", "--model", "qwen3-0.6b,qwen3-vl-2b", "--cores", "3", "--repeats", "1", "--format", "json")
    text, seeing = json.loads(home.invoke(*words).stdout)
    assert (text["outcome"], seeing["outcome"]) == ("ok", "skipped")
    assert "no vision encoder" in json.dumps(seeing["reasons"])


def test_what_does_not_fit_with_its_encoder_is_skipped_and_nothing_is_sent(home):
    home.inventory({"a": virtual()})
    words = ("bench", "--model", "qwen3-vl-8b,internvl3.5-8b", "--cores", "3", "--repeats", "1", "--format", "json")
    cells = json.loads(home.invoke(*words).stdout)
    assert [cell["outcome"] for cell in cells] == ["skipped", "skipped"]
    assert all("too large even at the low end" in json.dumps(cell["reasons"]) for cell in cells)
    assert "demo_started" not in {line["event"] for line in home.truth("a")}


def test_a_campaign_goes_on_with_the_image_that_it_was_begun_with(home):
    home.inventory({"a": virtual()})
    mine = home.folder / "mine.png"
    mine.write_bytes(HOUSE.path.read_bytes())
    words = ("bench", "--model", "qwen3-vl-2b", "--cores", "3", "--repeats", "1", "--campaign", "one")
    home.invoke(*words, "--image", str(mine))
    mine.unlink()
    spec = json.loads((home.runs()[-1] / "spec.json").read_text())
    assert (spec["workload"]["image"], spec["workload"]["image_sha256"]) == ("mine", HOUSE.sha256)
    assert "nothing is running" not in home.invoke("bench", "--campaign", "one").stderr
    assert (home.collected / "one" / HOUSE.file).read_bytes() == HOUSE.path.read_bytes()


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--model", "qwen3-0.6b", "--vision-cores", "1"), "takes no image"),
        (("--model", "qwen3-0.6b", "--image", "x.png"), "takes no image"),
        (("--model", "qwen3-vl-2b", "--vision-cores", "4"), "'4' is no list of NPU core counts"),
        (("--model", "qwen3-vl-2b", "--image", "x.png"), "can not be read"),
        (("--model", "qwen3-vl-2b", "--prompts", "suites/prompts/default.txt"), "<image> is in no prompt"),
        (("--model", "qwen3-0.6b", "--prompts", "suites/prompts/vision.txt"), "is a text model"),
    ],
)
def test_what_can_not_be_asked_is_said_before_anything_is_touched(home, words, says):
    home.inventory({"a": virtual()})
    done = home.invoke("bench", *words, code=2)
    assert says in done.stderr and not (home.folder / ".virtual").exists()


def test_the_plan_shows_what_a_vision_run_should_take(home):
    home.inventory({"a": virtual()})
    rows = json.loads(
        home.invoke("bench", "--model", "qwen3-vl-4b", "--cores", "3", "--dry-run", "--format", "json").stdout
    )
    assert [(row["vision cores"], row["image"]) for row in rows] == [(3, "house")]
    assert rows[0]["memory GiB"] == pytest.approx(5.37, abs=0.05)


def test_a_board_is_checked_for_the_demo_that_will_be_run(home):
    home.inventory({"a": {**virtual(), "paths": {"vlm_demo": "/opt/nothing/demo"}}})
    done = home.invoke("bench", "--model", "qwen3-vl-2b", "--cores", "3", "--repeats", "1", code=3)
    assert "demo: vlm_demo /opt/nothing/demo is not there" in done.stderr
    words = ("check", "--board", "a", "--format", "json", "--model")
    (seeing,) = [row for row in json.loads(home.invoke(*words, "qwen3-vl-2b", code=3).stdout) if row["check"] == "demo"]
    mixed = ("bench", "--model", "qwen3-0.6b,qwen3-vl-2b", "--cores", "3", "--repeats", "1")
    assert "demo: vlm_demo /opt/nothing/demo is not there" in home.invoke(*mixed, code=3).stderr
    (text,) = [row for row in json.loads(home.invoke(*words, "qwen3-0.6b").stdout) if row["check"] == "demo"]
    assert (seeing["verdict"], text["verdict"]) == ("fail", "ok")
