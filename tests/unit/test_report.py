"""The reports that people hand over: every row of the two hand-made ones, nothing simulated that looks real."""

from __future__ import annotations

import inspect
import random
import re
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from invoke import Task

import tasks
from analysis.claiming import claims
from analysis.feasibility import Verdict
from analysis.metrics import GIB, METRICS
from analysis.outcome import Outcome
from analysis.predictions import KnownModel
from analysis.report.build import build_report
from analysis.report.given import ArtifactEntry, BoardFacts, Given
from analysis.report.glossary import ZH
from analysis.report.model import LANGUAGES, Kind, Lang, Origin, Report, Table, Value
from analysis.runs import MEASURED, SIMULATED, Run, Workload
from analysis.writers.report_markdown import page, write_pages
from fleet.session import Session
from verbs.report import given as given_by
from verbs.report import spoken

PROJECT = Path(__file__).parents[2]
PAGES = ("final_report", "feasibility_report", "benchmark_log")


@pytest.fixture
def nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Given:
    """The shipped catalogue and references, and no evidence at all."""
    shutil.copy(PROJECT / "inventory.yaml", tmp_path)
    monkeypatch.chdir(tmp_path)
    return given_by(Session.open(PROJECT))


def run(n: int = 0, board: str = "a", origin: str = MEASURED, **more: object) -> Run:
    """One good run of Qwen3-0.6B on three cores."""
    told: dict[str, object] = {
        "campaign": "c1",
        "board": board,
        "run": f"{n:03d}",
        "outcome": Outcome.OK,
        "origin": origin,
        "model": "qwen3-0.6b",
        "model_title": "Qwen3-0.6B",
        "kind": "llm",
        "npu_cores": 3,
        "workload": Workload(prompt_set="p.txt", prompt_id="q", max_new_tokens=128, max_context_len=4096),
        "runtime": "1.2.3",
        "driver": "0.9.8",
        "dtype": "W8A8",
        "clocks": "pinned",
        "condition": "f" * 12,
        "created_utc": f"2026-01-02T03:04:{n % 60:02d}Z",
        "generate_tps": 30.0 + n / 100,
        "ttft_ms": 200.0 + n,
        "memory_vmhwm_bytes": round(1.2 * GIB) + n,
        "log": f"collected/c1/{board}/{n:03d}/stdout.log",
    }
    return Run(**(told | more))  # type: ignore[arg-type]


def with_runs(given: Given, *runs: Run) -> Given:
    runtime = given.board_class.runtime
    known = {one.name: KnownModel(one.title, one.architecture, one.dtype, runtime) for one in given.models}
    made = claims(runs, given.references, known, context=given.board_class.context)
    return replace(given, runs=tuple(runs), claims=made)


def table(report: Report, document: str, key: str) -> Table:
    return next(one for one in report.document(document).tables if one.key == key)


def row_text(report: Report, document: str, key: str, model: str) -> str:
    """The row of a model as the page has it."""
    there = table(report, document, key)
    place = [row.key for row in there.rows].index(model)
    lines = page(report.document(document), report).splitlines()
    heading = f"| {' | '.join(column.heading for column in there.columns)} |"
    starts = [n for n, line in enumerate(lines) if line == heading]
    found = [lines[start + 2 + place] for start in starts if lines[start + 2 + place].startswith("| ")]
    title = next(span for span in there.rows[place].cells[0].words if isinstance(span, str))
    return next(line for line in found if line.startswith(f"| {title} |"))


# The two hand-made reports, retyped: the headings of each table, and the models that have a row in it.
TEXT = ("Qwen3-0.6B", "Qwen3-1.7B", "Qwen3-4B")
SEEING = ("Qwen3-VL-2B", "Qwen3-VL-4B", "InternVL3.5-1B", "InternVL3.5-2B", "InternVL3.5-4B")
TOO_LARGE = ("Qwen3-8B", "InternVL3.5-8B", "Qwen3-14B", "Qwen3-32B", "Qwen3-VL-8B", "Qwen3-VL-32B")
TOO_LARGE += ("Qwen3-VL-30B-A3B", "InternVL3.5-14B", "InternVL3.5-30B-A3B")
ASKED = ("参数量", "RKLLM 支持", "量化方式", "预估 RAM", "可行性", "说明")
TABLES: tuple[tuple[str, str, tuple[str, ...], tuple[str, ...]], ...] = (
    ("final_report", "can_run", ("模型", "类型", "实测情况"), TEXT + SEEING),
    ("final_report", "can_not_run", ("模型", "原因"), TOO_LARGE),
    ("final_report", "text", ("模型", "峰值 DRAM", "Generate TPS", "备注"), (*TEXT, "Qwen3-8B", "单核 TPS")),
    ("final_report", "vision", ("模型", "峰值 DRAM", "Generate TPS", "图像处理 (s)", "备注"), SEEING),
    (
        "feasibility_report",
        "hardware",
        ("项目", "规格"),
        ("SoC", "DRAM", "NPU", "OS", "RKLLM Runtime", "RKNPU Driver"),
    ),
    (
        "feasibility_report",
        "models_1",
        ("模型", *ASKED),
        tuple(f"InternVL3.5-{size}" for size in ("1B", "2B", "4B", "8B", "14B", "30B-A3B")),
    ),
    (
        "feasibility_report",
        "models_2",
        ("模型", *ASKED),
        tuple(f"Qwen3-{size}" for size in ("0.6B", "1.7B", "4B", "8B", "14B", "32B")),
    ),
    (
        "feasibility_report",
        "models_3",
        ("模型", *ASKED),
        tuple(f"Qwen3-VL-{size}" for size in ("2B", "4B", "8B", "32B", "30B-A3B")),
    ),
    ("feasibility_report", "can", ("#", "模型", "类型", "RAM"), (*TEXT, "Qwen3-VL-2B", *SEEING[2:4])),
    ("feasibility_report", "limit", ("#", "模型", "类型", "RAM", "风险"), ("Qwen3-VL-4B",)),
    ("feasibility_report", "can_not", ("#", "模型", "原因"), TOO_LARGE),
    ("feasibility_report", "published_text", ("模型", "量化", "TTFT (ms)", "Tokens/s", "RAM"), ("Qwen3-0.6B",)),
    (
        "feasibility_report",
        "published_vision",
        ("模型", "量化", "Vision Encoder 耗时", "Decode Tokens/s", "RAM", "备注"),
        ("Qwen3-VL-2B", "InternVL3.5-1B", "InternVL3.5-2B", "InternVL3.5-4B", "InternVL3.5-8B"),
    ),
)
HEADINGS = {
    "final_report": "1. 执行摘要|2. 可行性结论|2.1 可跑|2.2 不可跑|3. Benchmark 汇总|纯文本 LLM|多模态 VLM|"
    "4. 依赖与复现|5. 建议后续动作",
    "feasibility_report": "硬件约束|1. |1.1 InternVL3.5 系列|1.2 Qwen3 纯文本系列|1.3 Qwen3-VL 多模态系列|"
    "2. 可行性汇总|可以跑|极限测试|不可行|3. 参考性能数据|纯文本 LLM|多模态 VLM",
}


@pytest.mark.parametrize(("document", "key", "columns", "rows"), TABLES, ids=[one[1] for one in TABLES])
def test_every_row_and_column_of_the_hand_made_reports_is_found_again(
    nothing: Given, document: str, key: str, columns: tuple[str, ...], rows: tuple[str, ...]
) -> None:
    report = build_report(nothing, "zh")
    text = page(report.document(document), report)
    there = table(report, document, key)
    headings = [column.heading for column in there.columns]
    for column in columns:
        assert any(heading.startswith(column) for heading in headings), column
    assert f"| {' | '.join(headings)} |" in text
    for row in rows:
        first = [[span for cell in one.cells[:2] for span in cell.words] for one in there.rows]
        assert any(row in names or any(str(name).startswith(f"{row} (") for name in names) for names in first), row


@pytest.mark.parametrize("document", HEADINGS)
def test_every_chapter_of_the_hand_made_reports_is_there_in_its_order(nothing: Given, document: str) -> None:
    report = build_report(nothing, "zh")
    found = [section.heading for section in report.document(document).sections]
    asked = HEADINGS[document].split("|")
    places = [next(n for n, heading in enumerate(found) if heading.startswith(start)) for start in asked]
    assert places == sorted(places)


def test_both_languages_have_the_same_tables_rows_and_numbers(nothing: Given) -> None:
    given = with_runs(nothing, *(run(n) for n in range(5)), *(run(n, "v", SIMULATED) for n in range(3)))
    zh, en = (build_report(given, lang) for lang in LANGUAGES)
    for name in PAGES:
        assert [one.key for one in zh.document(name).tables] == [one.key for one in en.document(name).tables]
        for left, right in zip(zh.document(name).tables, en.document(name).tables, strict=True):
            assert [row.key for row in left.rows] == [row.key for row in right.rows]
            for one, other in zip(left.rows, right.rows, strict=True):
                assert [cell.values for cell in one.cells] == [cell.values for cell in other.cells]
    assert not re.search(r"[\u4e00-\u9fff]", page(en.document("final_report"), en))


def test_what_does_not_run_keeps_its_row_with_computed_numbers(nothing: Given) -> None:
    report = build_report(nothing, "en")
    row = row_text(report, "final_report", "can_not_run", "qwen3-8b")
    assert "needs 7.80 GiB (7.33 to 8.43)" in row and "5.36 GiB are there" in row


def test_a_cell_that_nobody_measured_says_on_what_it_rests(nothing: Given) -> None:
    report = build_report(nothing, "en")
    text, vision = (
        row_text(report, "final_report", *key) for key in (("text", "qwen3-0.6b"), ("vision", "qwen2-vl-2b"))
    )
    assert "| 32.16 R |" in text
    assert re.search(r"\| 3\.08 \(2\.89–3\.32\) P \|", vision)
    for one in report.speed:
        for value in one.values.values():
            assert value.origin in (Origin.REFERENCE, Origin.PREDICTED) and not value.n


def test_a_measurement_takes_the_place_of_a_reference(nothing: Given) -> None:
    report = build_report(with_runs(nothing, *(run(n) for n in range(5))), "en")
    row = row_text(report, "final_report", "text", "qwen3-0.6b")
    assert "| 30.02 (30.00–30.04) n=5 |" in row and " R" not in row
    assert "measured, stable" in row
    replaced = page(report.document("benchmark_log"), report)
    assert re.search(r"\| 30\.02 \(measured\) \| replaced \| 32\.16 R \| -7% \|", replaced)


def test_fewer_than_three_repeats_are_provisional_and_asked_for_again(nothing: Given) -> None:
    report = build_report(with_runs(nothing, run(0), run(1)), "en")
    assert "n=2 provisional" in row_text(report, "final_report", "text", "qwen3-0.6b")
    assert [action.models for action in report.actions if action.kind is Kind.REPEAT] == [("qwen3-0.6b",)]


def test_simulated_numbers_are_marked_wherever_they_are_and_replace_nothing(nothing: Given) -> None:
    odd = 77.77  # no other number has these digits
    given = with_runs(nothing, *(run(n, "v", SIMULATED, generate_tps=odd - 50) for n in range(3)))
    report = build_report(given, "en")
    assert report.simulated
    for name in PAGES:
        text = page(report.document(name), report)
        assert "They say nothing about any real board" in text
        shown = [part for line in text.splitlines() for part in line.split(" | ") if "27.77" in part]
        assert shown and all(re.search(r"27\.77 (\(simulated\)|(TPS )?S\b)", part) for part in shown), shown
    ratio = odd - 50
    shares = re.findall(rf"\| {ratio / 32.16:.0%}( S)? ", page(report.document("benchmark_log"), report))
    assert shares and all(shares)
    assert "| 32.16 R; 27.77 S n=3 |" in row_text(report, "final_report", "text", "qwen3-0.6b")
    kinds = [action.kind for action in report.actions if "qwen3-0.6b" in action.models]
    assert Kind.MEASURE in kinds


def test_simulated_memory_decides_no_verdict(nothing: Given) -> None:
    small = {"memory_vmhwm_bytes": round(4.1 * GIB), "model": "qwen3-4b", "model_title": "Qwen3-4B"}
    small |= {"generate_tps": 5.0}  # what is impossible would be left out for that
    given = with_runs(nothing, *(run(n, "v", SIMULATED, **small) for n in range(5)))
    row = next(one for one in build_report(given, "en").feasibility if one.model == "qwen3-4b" and one.board is None)
    assert (row.verdict, row.by) == (Verdict.TIGHT, Origin.PREDICTED)


def test_what_a_real_board_measured_decides_the_verdict(nothing: Given) -> None:
    seen = {"model": "qwen3-vl-4b", "model_title": "Qwen3-VL-4B", "kind": "vlm", "memory_vmhwm_bytes": round(5.2 * GIB)}
    given = with_runs(nothing, *(run(n, **seen) for n in range(5)))
    before, after = (
        next(one for one in build_report(each, "en").feasibility if one.model == "qwen3-vl-4b" and one.board is None)
        for each in (nothing, given)
    )
    assert (before.verdict, before.by) == (Verdict.RISK, Origin.PREDICTED)
    assert (after.verdict, after.by) == (Verdict.TIGHT, Origin.MEASURED)
    assert "measured 5.20 GiB" in after.reason


def test_a_run_out_of_memory_is_told_in_the_row_of_its_model(nothing: Given) -> None:
    lost = run(0, model="qwen3-vl-4b", outcome=Outcome.OOM, generate_tps=None, memory_vmhwm_bytes=None)
    report = build_report(with_runs(nothing, lost), "en")
    assert "out of memory in 1 run;" in row_text(report, "final_report", "can_run", "qwen3-vl-4b")
    assert "out of memory in 1 run" in next(one for one in report.verdicts if one.model == "qwen3-vl-4b").flags


def test_a_board_is_judged_by_its_own_memory(nothing: Given) -> None:
    board = BoardFacts("big", simulated=False, total_bytes=16 * GIB, available_bytes=15 * GIB, runtime="1.2.3")
    report = build_report(replace(nothing, boards=(board,)), "en")
    verdicts = {(row.model, row.board): row.verdict for row in report.feasibility}
    assert (verdicts["qwen3-8b", None], verdicts["qwen3-8b", "big"]) == (Verdict.NO, Verdict.FITS)
    assert "big" in row_text(report, "feasibility_report", "boards_differ", "qwen3-8b")


def test_doubtful_published_numbers_carry_their_reason(nothing: Given) -> None:
    report = build_report(nothing, "en")
    vision = table(report, "final_report", "vision")
    notes = ["".join(getattr(span, "text", span) for span in note) for note in vision.notes]
    assert any("Qwen3-VL-4B 8.70 GiB" in note and "62 % over" in note for note in notes)
    assert any("0.90 s" in note and "load time" in note for note in notes)
    assert "| 8.70 R † |" in page(report.document("feasibility_report"), report)
    assert "11.83 R †" in page(report.document("feasibility_report"), report)


def test_cores_are_compared_on_one_basis_only(nothing: Given) -> None:
    runs = [run(n, npu_cores=cores, generate_tps=10.0 * cores) for cores in (1, 2) for n in range(3)]
    report = build_report(with_runs(nothing, *runs, *(run(n, "v", SIMULATED) for n in range(3))), "en")
    mine = [row for row in report.cores if row.model == "qwen3-0.6b"]
    for row in mine:
        assert len({value.origin for value in row.values.values()}) == 1
    measured = next(row for row in mine if row.board == "a" and row.metric.name == "generate_tps")
    assert (measured.speed_up[2], measured.efficiency[2]) == (2.0, 1.0) and set(measured.values) == {1, 2}
    told = next(row for row in mine if row.values[3].origin is Origin.REFERENCE and 1 in row.values)
    assert told.speed_up[3] == pytest.approx(26.78 / 13.87)


def test_the_fleet_is_compared_with_its_median_and_virtual_boards_apart(nothing: Given) -> None:
    runs = [run(n, board, generate_tps=tps) for board, tps in (("a", 20.0), ("b", 30.0), ("c", 31.0)) for n in range(3)]
    runs += [run(n, "d", condition="e" * 12) for n in range(3)]
    report = build_report(with_runs(nothing, *runs, *(run(n, "v", SIMULATED) for n in range(3))), "en")
    (row,) = (one for one in report.fleet if one.metric.name == "generate_tps")
    assert row.median == 30.0 and row.deviation["a"] == pytest.approx(-1 / 3) and not {"d", "v"} & set(row.values)


def test_the_first_suggestion_is_the_run_that_settles_most(nothing: Given) -> None:
    settling = [action for action in build_report(nothing, "en").actions if action.kind is Kind.SETTLE]
    assert settling[0].models == ("qwen3-vl-4b",)
    assert settling[0].command.endswith(" --probe")  # bench skips what may not fit unless told so
    assert settling[0].settles == max(action.settles for action in settling)


def test_a_missing_model_file_is_suggested_until_it_is_here(nothing: Given) -> None:
    def lacking(given: Given) -> set[str]:
        return {name for one in build_report(given, "en").actions if one.kind is Kind.CONVERT for name in one.models}

    here = tuple(ArtifactEntry(f"m{n}.rkllm", n, "W8A8", 4096, here=True) for n in (1, 2, 3))
    models = tuple(replace(one, artifacts=here) if one.name == "qwen3-0.6b" else one for one in nothing.models)
    assert "qwen3-0.6b" in lacking(nothing) and "qwen3-8b" not in lacking(nothing)
    assert "qwen3-0.6b" not in lacking(replace(nothing, models=models))


def test_suggested_commands_can_be_typed(nothing: Given) -> None:
    verbs = {task.name: task for task in vars(tasks).values() if isinstance(task, Task)}
    commands = [action.command for action in build_report(nothing, "en").actions if action.command]
    assert commands
    for command in commands:
        program, verb, *words = command.split()
        options = {f"--{name.replace('_', '-')}" for name in inspect.signature(verbs[verb].body).parameters}
        assert program == "invoke" and {word for word in words if word.startswith("--")} <= options


def test_nothing_that_a_board_says_makes_a_column_a_link_or_html(nothing: Given) -> None:
    bad = "x|y <b>&amp; [l](http://e) `c` *s* _u_ ~~d~~ www.e.org\n# h\x1b[31m"
    lost = run(0, bad, outcome=Outcome.FAILED, reason=bad, model=bad, log=f"collected/c1/{bad}/000/stdout.log")
    facts = BoardFacts(bad, simulated=False, model=bad, available_bytes=6 * GIB, os=bad, kernel=bad, machine=bad)
    given = replace(with_runs(nothing, lost, *(run(n, bad) for n in range(3))), boards=(facts,))
    for lang in LANGUAGES:
        report = build_report(given, lang)
        for name in PAGES:
            text = page(report.document(name), report)
            assert "<b>" not in text.replace("\\<", "") and "\x1b" not in text and "(http://e)" not in text
            width = None
            for line in text.splitlines():
                cells = len(re.findall(r"(?<!\\)\|", line)) if line.startswith("|") else None
                assert width is None or cells is None or cells == width, line
                width = cells
            assert "\n# h" not in text


def test_the_same_evidence_makes_the_same_bytes_in_whatever_order(nothing: Given, tmp_path: Path) -> None:
    origins = {"a": MEASURED, "b": MEASURED, "v": SIMULATED}
    runs = [run(n, board, origins[board]) for board in origins for n in range(4)]

    def pages(shuffled: Callable[[list[Run]], None], where: str) -> list[bytes]:
        some = list(runs)
        shuffled(some)
        given = with_runs(nothing, *some)
        made = list(given.claims)
        random.Random(1).shuffle(made)
        report = build_report(replace(given, claims=tuple(made)), "zh")
        assert [one.key for one in report.runs] == sorted(one.key for one in some)
        written = write_pages(report, tmp_path / where)
        return [path.read_bytes() for path in written]

    assert pages(lambda some: None, "one") == pages(random.Random(7).shuffle, "two")


def test_evidence_is_linked_from_where_the_pages_lie(nothing: Given) -> None:
    report = build_report(with_runs(nothing, *(run(n) for n in range(3))), "en")
    links = re.findall(r"\]\(([^)]*)\)", page(report.document("benchmark_log"), report))
    assert "../collected/c1/a/000/stdout.log" in links
    assert all(link.startswith("../collected/") for link in links)


def test_every_metric_is_explained_in_both_languages(nothing: Given) -> None:
    assert set(ZH) == {metric.name for metric in METRICS}
    for lang in LANGUAGES:
        told = build_report(nothing, lang).definitions
        assert len({one.name for one in told}) == len(told) and all(one.means for one in told)


def test_the_log_is_one_file_in_whatever_language(nothing: Given, tmp_path: Path) -> None:
    written = [path.name for lang in LANGUAGES for path in write_pages(build_report(nothing, lang), tmp_path)]
    assert sorted(set(written)) == [
        "benchmark_log.md",
        "feasibility_report.en.md",
        "feasibility_report.zh.md",
        "final_report.en.md",
        "final_report.zh.md",
    ]


def test_rows_of_the_log_that_only_the_workload_tells_apart_name_it(nothing: Given) -> None:
    short = Workload(prompt_set="p.txt", prompt_id="q", max_new_tokens=32, max_context_len=4096)
    one = [run(n) for n in range(3)]
    both = one + [run(n, workload=short) for n in range(3, 6)]
    alone = page(build_report(with_runs(nothing, *one), "en").document("benchmark_log"), build_report(nothing, "en"))
    assert "| Qwen3-0.6B | a | 3 | 4096 |" in alone
    report = build_report(with_runs(nothing, *both), "en")
    told = page(report.document("benchmark_log"), report)
    assert "128 new, ctx 4096 |" in told and "32 new, ctx 4096 |" in told
    assert "| Qwen3-0.6B | a | 3 | 4096 |" not in told


def every_value(report: Report) -> Iterator[Value]:
    for document in report.documents:
        for one in document.tables:
            for row in one.rows:
                for cell in row.cells:
                    yield from cell.values


@pytest.mark.parametrize("lang", LANGUAGES)
def test_every_number_has_basis_source_and_metric(nothing: Given, lang: Lang) -> None:
    report = build_report(with_runs(nothing, *(run(n) for n in range(3))), lang)
    values = list(every_value(report))
    assert values and all(value.source and value.basis and value.origin for value in values)
    assert all(value.evidence for value in values if value.n)
    for document in report.documents:
        for one in document.tables:
            assert all(len(row.cells) == len(one.columns) for row in one.rows), one.key
            assert all(cell.metric for row in one.rows for cell in row.cells if cell.values)


@pytest.mark.parametrize(
    ("environ", "lang"),
    [
        ({}, "en"),
        ({"LANG": "zh_CN.UTF-8"}, "zh"),
        ({"LANG": "zh_TW.UTF-8", "LC_ALL": "C.UTF-8"}, "en"),
        ({"LANG": "de_DE.UTF-8", "LC_MESSAGES": "zh_CN"}, "zh"),
        ({"LANG": "zh_CN", "LC_ALL": ""}, "zh"),
    ],
)
def test_the_locale_says_the_language_where_nobody_does(environ: dict[str, str], lang: str) -> None:
    assert spoken(environ) == lang
