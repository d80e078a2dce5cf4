"""A vision run from its evidence to the tables: its own numbers, its own reasons for doubt, columns of its own."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import openpyxl
import pytest

from analysis.cells import cells
from analysis.parse import Planned, parse_run
from analysis.repeats import unsettled
from analysis.runs import Run, Workload
from analysis.writers import bench
from analysis.writers.csv import write_summary as write_csv
from analysis.writers.xlsx import write_summary as write_xlsx
from tests.unit.collected import SPEC, evidence
from tests.unit.ended import GOOD as TEXT

LOGS = Path(__file__).parents[1] / "logs"
LOG = (LOGS / "vision_1.2.3_image_turn.log").read_bytes()  # 3 cores, 448 pixels, 196 image tokens, 221 in the prefill
IMAGE_ROW = b"2800.00          221       12.67                    78.93"
PLANNED = Planned(is_vision=True, vision_cores=3, image_tokens=196, resolution=448)
SEEN: dict[str, Any] = {
    "kind": "vlm",
    "vision_cores": 3,
    "encoder": {"file": "e.rknn", "sha256": "ef" * 32, "resolution": 448, "image_tokens": 196},
    "workload": {**SPEC["workload"], "image": "house", "image_sha256": "12" * 32, "max_new_tokens": 51},
}
SEEING = replace(
    TEXT,
    run="002-r1",
    model="qwen3-vl-4b",
    vision_cores=3,
    vision_core_num=3,
    workload=Workload(prompt_id="scene", max_new_tokens=64, image="house", image_sha256="12" * 32),
    ttft_ms=None,
    image_encode_ms=2200.0,
    vision_ttft_ms=5000.0,
    llm_load_ms=4100.0,
    imgenc_load_ms=770.0,
    resolution="448x448",
    encoder="e.rknn",
    encoder_sha256="ef" * 32,
)
HEADINGS = ("vision cores", "image", "image sha256", "resolution", "encoder", "image encode (ms)", "encoder load (ms)")


def the_run(collected: Path, stdout: bytes = LOG, **spec: Any) -> Run:
    from analysis.runs import read_runs

    evidence(collected, stdout=stdout, spec={**SEEN, **spec})
    (run,) = read_runs(collected)
    return run


def failed(stdout: bytes, planned: Planned = PLANNED) -> list[str]:
    parsed = parse_run(stdout=stdout, stderr=b"", dmesg=b"", exit_code=0, result="success", planned=planned)
    return [check.name for check in parsed.checks if not check.ok]


def test_the_numbers_of_a_vision_run(tmp_path: Path) -> None:
    run = the_run(tmp_path / "collected")
    assert (run.outcome, run.reason) == ("ok", None)
    assert (run.image_encode_ms, run.imgenc_load_ms, run.llm_load_ms) == (2190.75, 771.25, 4102.5)
    assert (run.ttft_ms, run.vision_ttft_ms) == (None, 2190.75 + 2800.0)
    assert (run.vision_cores, run.vision_core_num, run.resolution) == (3, 3, "448x448")
    assert (run.encoder, run.encoder_sha256, run.workload.image) == ("e.rknn", "ef" * 32, "house")


def test_a_load_is_never_an_encode(tmp_path: Path) -> None:
    log = LOG.replace(b"main: ImgEnc Model inference took  2190.75 ms\n", b"")
    run = the_run(tmp_path / "collected", log)
    assert (run.image_encode_ms, run.vision_ttft_ms, run.imgenc_load_ms) == (None, None, 771.25)
    assert run.outcome == "tainted" and "no time of an encode" in str(run.reason)


def test_a_demo_that_prints_no_times_at_all_is_believed() -> None:
    assert failed((LOGS / "vision_vlm_npu.log").read_bytes(), Planned(is_vision=True, vision_cores=3)) == []


@pytest.mark.parametrize(
    ("was", "now", "check"),
    [
        (b"main: ImgEnc Model inference", b"run_imgenc fail! ret=-1\nmain: ImgEnc Model inference", "image_encoded"),
        (b"===the core num is 3===", b"===the core num is 1===", "vision_cores_as_planned"),
        (
            b"===the core num is 3===\n",
            b"===the core num is 3===\nE RKNN: [08:00:00.229] rknn_set_core_mask: unavailable core mask found\n",
            "vision_cores_as_planned",
        ),
        (b"height=448, width=448", b"height=392, width=392", "resolution_as_planned"),
        (b"dims=[196,", b"dims=[256,", "image_tokens_as_planned"),
        (IMAGE_ROW, b"300.00           13        23.08                    43.33", "image_in_prompt"),
    ],
)
def test_what_refutes_a_vision_run(was: bytes, now: bytes, check: str) -> None:
    assert LOG.count(was) and failed(LOG) == []
    assert check in failed(LOG.replace(was, now))


def test_the_catalogue_s_image_tokens_count_where_the_demo_prints_none() -> None:
    few = b"2800.00          150       18.67                    53.57"
    log = LOG.replace(b"output tensors:", b"outputs:").replace(IMAGE_ROW, few)
    assert failed(log, Planned(is_vision=True, image_tokens=196)) == ["image_in_prompt"]
    assert failed(log, Planned(is_vision=True)) == []  # 64 are the fewest of any model


@pytest.mark.parametrize(
    "other",
    [
        {"vision_cores": 1},
        {"encoder": {**SEEN["encoder"], "sha256": "0" * 64}},
        {"workload": {**SEEN["workload"], "image_sha256": "0" * 64}},
    ],
)
def test_runs_of_another_encoder_its_cores_or_image_are_of_another_condition(
    tmp_path: Path, other: dict[str, Any]
) -> None:
    first, same, another = (
        the_run(tmp_path / name / "collected", **spec) for name, spec in (("a", {}), ("b", {}), ("c", other))
    )
    assert first.condition == same.condition != another.condition


def test_cells_are_kept_apart_by_the_encoder_s_cores_and_by_the_image() -> None:
    other = replace(SEEING.workload, image_sha256="34" * 32)
    found = cells([TEXT, SEEING, replace(SEEING, vision_cores=1), replace(SEEING, workload=other)])
    assert [(one.vision_cores, one.workload.image_sha256) for one in found] == [
        (None, None),
        (1, "12" * 32),
        (3, "12" * 32),
        (3, "34" * 32),
    ]


def test_repeats_are_asked_for_where_the_encode_differs() -> None:
    runs = [replace(SEEING, run=str(ms), vision_ttft_ms=ms) for ms in (5000.0, 5000.0, 5600.0)]
    (key,) = unsettled(runs)
    assert key[-3:-1] == ("12" * 32, 3)
    assert not unsettled(runs[:2])


def test_a_table_has_the_columns_that_its_rows_fill() -> None:
    def headings(*runs: Run) -> list[str]:
        return next(csv.reader(io.StringIO(bench(cells(runs), "csv"))))

    assert not {"vision cores", "image encode ms", "encode + prefill ms"} & set(headings(TEXT))
    seeing = headings(SEEING)
    assert {"vision cores", "image encode ms", "encode + prefill ms"} < set(seeing) and "TTFT ms" not in seeing
    assert {"TTFT ms", "image encode ms"} < set(headings(TEXT, SEEING))
    npu = headings(replace(SEEING, image_encode_ms=None, vision_ttft_ms=None))
    assert "vision cores" in npu and "image encode ms" not in npu


def test_programs_get_all_of_it_always() -> None:
    text, seeing = json.loads(bench(cells([TEXT, SEEING]), "json"))
    assert (text["vision_cores"], text["image_encode_ms"], text["workload"]["image"]) == (None, None, None)
    assert (seeing["vision_cores"], seeing["image_encode_ms"], seeing["encoders"]) == (3, 2200.0, ["ef" * 32])


def test_spreadsheets_of_text_runs_have_no_empty_columns_of_vision(tmp_path: Path) -> None:
    for name, runs in (("text", [TEXT]), ("both", [TEXT, SEEING])):
        write_csv(runs, tmp_path / f"{name}.csv")
        write_xlsx(runs, cells(runs), tmp_path / f"{name}.xlsx")
        rows = list(csv.DictReader((tmp_path / f"{name}.csv").open()))
        book = openpyxl.load_workbook(tmp_path / f"{name}.xlsx")
        seen = [{cell.value for cell in book[sheet][1]} for sheet in ("Runs", "Cells")]
        explained = {row[1].value for row in book["Columns"].iter_rows()}
        for heading in HEADINGS:
            assert (heading in rows[0]) == (heading in seen[0]) == (name == "both"), heading
        assert ("vision cores" in seen[1]) == ("image encode min (ms)" in seen[1]) == (name == "both")
        assert ("encode + prefill" in explained) == (name == "both")
    assert (rows[0]["image encode (ms)"], rows[1]["image encode (ms)"]) == ("", "2200.0")
    assert [cell.value for cell in book["Cells"]["D"]] == ["vision cores", None, 3]
