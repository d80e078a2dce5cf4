"""``invoke import``: a log made by hand, from the command line to the tables, and what is refused on the way."""

from __future__ import annotations

import csv
import json
import shutil

import openpyxl
import pytest

from fleet.evidence import RunFolder
from fleet.run import ArtifactSpec, RunSpec, WorkloadSpec
from tests.e2e.home import virtual

RULER = "I rkllm: " + "-" * 86
WORDS = ["--board-model", "a", "--model", "qwen3-0.6b"]


def log(cores: int = 3, tps: float = 16.0) -> bytes:
    """What a demo of runtime 1.2.3 prints, with numbers that agree with each other."""
    lines = [
        "I rkllm: rkllm-runtime version: 1.2.3, rknpu driver version: 0.9.8, platform: RK3588",
        "I rkllm: loading rkllm model from ./m.rkllm",
        (
            "I rkllm: rkllm-toolkit version: 1.2.3, max_context_limit: 4096, "
            f"npu_core_num: {cores}, target_platform: RK3588, model_dtype: W8A8"
        ),
        "I rkllm: Enabled cpus: [4, 5, 6, 7]",
        "I rkllm: Enabled cpus num: 4",
        "rkllm init success",
        "",
        "user: robot: Tea first, then the news.",
        RULER,
        "I rkllm:  Model init time (ms)  1711.20",
        RULER,
        "I rkllm:  Stage         Total Time (ms)  Tokens    Time per Token (ms)      Tokens per Second",
        RULER,
        "I rkllm:  Prefill       250.00           50        5.00                     200.00",
        f"I rkllm:  Generate      {100_000 / tps:<15.2f}  100       {1000 / tps:<23.2f}  {tps:.2f}",
        RULER,
        "I rkllm:  Peak Memory Usage (GB)",
        "I rkllm:  0.80",
        RULER,
        "",
        "user: ",
    ]
    return "\n".join(lines).encode()


def put_measured_run(home) -> None:
    artifact = ArtifactSpec("m.rkllm", "ab" * 32, 1, 3, "W8A8", None, 4096)
    spec = RunSpec(
        campaign="20260101T000000Z-0001",
        run="000-r1",
        board="a",
        simulated=False,
        model="qwen3-0.6b",
        model_title="Qwen3-0.6B",
        kind="llm",
        npu_cores=3,
        artifact=artifact,
        workload=WorkloadSpec("p", "cd" * 32, "one", 40, 128, 4096),
        prompt="What comes first?",
        repeat=1,
        warmup=False,
        limit_s=60,
        created_utc="2026-01-01T00:00:00Z",
        tool="0",
    )
    with RunFolder(home.collected, spec.campaign, spec.board, spec.run) as folder:
        folder.put("spec.json", spec.to_json())
        folder.put("end.json", b'{"result": "success", "exit_code": 0}')
        folder.append("stdout.log", 0, log(tps=20.0))
        folder.finish()


def test_manual_simulated_and_measured_runs_of_one_model_are_cells_of_their_own(home):
    home.inventory({"a": virtual()})
    home.invoke("bench", "--cores", "3", "--repeats", "1")
    put_measured_run(home)
    (home.folder / "run.log").write_bytes(log(tps=16.0))
    words = ["--cores", "3", "--context", "4096", "--new-tokens", "128", "--format", "json"]
    (cell,) = json.loads(home.invoke("import", "run.log", *WORDS, *words).stdout)
    assert (cell["board"], cell["origin"], cell["outcome"], cell["n"]) == ("a", "manual", "ok", 1)
    assert (cell["generate_tps"], cell["ttft_ms"], cell["npu_cores"]) == (16.0, 250.0, 3)

    rows = list(csv.DictReader((home.folder / "reports" / "summary.csv").read_text("utf-8-sig").splitlines()))
    assert sorted((row["origin"], row["warm-up"]) for row in rows) == [
        ("manual", "no"),
        ("measured", "no"),
        ("simulated", "no"),
        ("simulated", "yes"),
    ]
    sheet = openpyxl.load_workbook(home.folder / "reports" / "summary.xlsx")["Cells"]
    head, *body = sheet.iter_rows(values_only=True)
    cells = {row[head.index("origin")]: dict(zip(head, row, strict=True)) for row in body}
    assert len(body) == 3 and {row["n"] for row in cells.values()} == {1}
    assert cells["manual"]["generate (tok/s)"] == 16.0 and cells["measured"]["generate (tok/s)"] == 20.0
    assert cells["simulated"]["generate (tok/s)"] not in (16.0, 20.0)


def test_a_virtual_boards_log_can_not_become_a_manual_one(home):
    home.inventory({"a": virtual()})
    home.invoke("bench", "--cores", "3", "--repeats", "1")
    before = home.runs()
    shutil.copy(before[0] / "stdout.log", home.folder / "copy.log")
    for path in ("copy.log", str(before[0]), str(before[0] / "stdout.log")):
        assert "origin" in home.invoke("import", path, *WORDS, code=2).stderr
    assert home.runs() == before


def test_the_same_again_adds_nothing_and_says_so(home):
    home.inventory({})
    (home.folder / "run.log").write_bytes(log())
    first = home.invoke("import", "run.log", *WORDS)
    before = {path: path.stat().st_mtime_ns for path in home.collected.rglob("*")}
    again = home.invoke("import", "run.log", *WORDS)
    assert "nothing added" in again.stderr and again.stdout == first.stdout
    assert before == {path: path.stat().st_mtime_ns for path in home.collected.rglob("*")}


def test_what_the_log_contradicts_is_shown_with_both_values(home):
    home.inventory({})
    (home.folder / "run.log").write_bytes(log(cores=1) + b"\nwrapper: demo exit code=3\n")
    words = ["--cores", "3", "--runtime", "1.2.1", "--driver", "0.9.6", "--exit-code", "0"]
    words += ["--context", "8192", "--new-tokens", "64", "--format", "json"]
    (cell,) = json.loads(home.invoke("import", "run.log", *WORDS, *words).stdout)
    (reason,) = cell["reasons"]
    assert (cell["outcome"], cell["n"], cell["npu_cores"]) == ("tainted", 0, 3)
    for said in (
        "npu_cores_as_planned: npu_core_num 1 in the banner, expected 3",
        "runtime_as_planned: 1.2.3, expected 1.2.1",
        "driver_as_stated: 0.9.8, expected 0.9.6",
        "exit_code_as_stated: exit code 3 in stdout.log, expected 0",
        "context_as_stated: max_context_limit 4096 in the banner, expected at least 8192",
        "new_tokens_as_stated: 100 tokens generated, expected at most 64",
    ):
        assert said in reason["reason"]
    (run,) = home.runs()
    assert json.loads((run / "spec.json").read_text())["stated"]["runtime"] == "1.2.1"


def test_two_logs_without_a_word_on_cores_go_where_their_banners_say(home):
    home.inventory({})
    (home.folder / "logs").mkdir()
    for cores in (1, 3):
        (home.folder / "logs" / f"{cores}.log").write_bytes(log(cores, 10.0 + cores))
    cells = json.loads(home.invoke("import", "logs", *WORDS, "--format", "json").stdout)
    assert [(cell["npu_cores"], cell["outcome"], cell["n"]) for cell in cells] == [(1, "ok", 1), (3, "ok", 1)]


def test_the_streams_of_one_run_are_read_together(home):
    home.inventory({})
    (home.folder / "logs").mkdir()
    (home.folder / "logs" / "stdout.txt").write_bytes(log())
    (home.folder / "logs" / "stderr.txt").write_bytes(b"E RKNN: [09:08:07.006] failed to submit!, op id: 3\n")
    (cell,) = json.loads(home.invoke("import", "logs", *WORDS, "--format", "json").stdout)
    assert cell["outcome"] == "tainted" and "npu_submit_failed" in cell["reasons"][0]["reason"]


def test_the_table_says_manual(home):
    home.inventory({})
    (home.folder / "run.log").write_bytes(log())
    done = home.invoke("import", "run.log", *WORDS, "--note", "=cmd|' /C calc'!A0 \\")
    assert "manual" in done.stdout and "(manual)" in done.stderr


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["nowhere.log", *WORDS], "nowhere.log"),
        (["run.log", "--model", "m"], "--board-model"),
        (["run.log", "--board-model", "b"], "--model"),
        (["run.log", *WORDS, "--cores", "1,2"], "--cores"),
        (["run.log", *WORDS, "--date", "soon"], "--date"),
        (["run.log", *WORDS, "--format", "pdf"], "--format"),
        (["empty", *WORDS], "holds no *.log"),
        (["loop", *WORDS], "leads back to itself"),
    ],
)
def test_what_can_not_be_imported_is_one_message_and_writes_nothing(home, words, says):
    home.inventory({})
    (home.folder / "run.log").write_bytes(log())
    (home.folder / "empty").mkdir()
    (home.folder / "loop").symlink_to("loop")
    done = home.invoke("import", *words, code=2)
    assert says in done.stderr and len(done.stderr.strip().splitlines()) <= 2
    assert not home.collected.exists() and not (home.folder / "reports").exists()
