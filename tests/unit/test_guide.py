"""The guide describes everything that a person can meet in a log or a table, and nothing that there is not."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import invoke
import pytest

import tasks
from analysis import stated
from analysis.evidence import COLLECTED
from analysis.metrics import METRICS
from analysis.outcome import Outcome
from analysis.parse import FAILURE_CLASSES, integrity, parse_log, parse_run, run
from analysis.parse.finding import _WARNINGS
from analysis.reboot import SIGNS
from analysis.runs import MANUAL, MEASURED, SIMULATED, UNKNOWN
from fleet.config.suite import load_suite
from fleet.evidence import FILES, OURS

PROJECT = Path(__file__).parents[2]
GUIDE = (PROJECT / "docs" / "06_benchmark_guide.md").read_text(encoding="utf-8")
PAGES = [PROJECT / "README.md", *sorted((PROJECT / "docs").glob("0[0-9]_*.md"))]
VERBS = [verb.name for verb in vars(tasks).values() if isinstance(verb, invoke.Task)]


def section(title: str) -> str:
    """From a heading to the next one of its own or a higher level."""
    found = re.search(rf"^(#+) (?:\d+\. )?{re.escape(title)}$", GUIDE, re.MULTILINE)
    assert found, f"no section {title!r}"
    rest = GUIDE[found.end() :]
    end = re.search(rf"^#{{1,{len(found[1])}}} ", rest, re.MULTILINE)
    return rest[: end.start()] if end else rest


def own(title: str) -> str:
    """A section without the sections in it."""
    return re.split(r"^#+ ", section(title), maxsplit=1, flags=re.MULTILINE)[0]


def rows(text: str) -> dict[str, list[str]]:
    """The tables' rows: the name in the first column, then the other columns."""
    found: dict[str, list[str]] = {}
    for line in text.splitlines():
        if matched := re.match(r"\| `([^`]+)` \| (.*) \|$", line):
            assert matched[1] not in found, f"{matched[1]} is described twice"
            found[matched[1]] = [cell.strip() for cell in matched[2].split(" | ")]
    return found


def excerpt(name: str) -> bytes:
    found = re.search(rf"^```log {name}\n(.*?)^```", GUIDE, re.MULTILINE | re.DOTALL)
    assert found
    return found[1].encode()


def check_names(*modules: object) -> set[str]:
    """The names that checks are made with; one that is put together comes from the good log."""
    names: set[str] = set()
    made = {check.name for check in good_run().checks}
    for module in modules:
        for node in ast.walk(ast.parse(Path(str(module.__file__)).read_text(encoding="utf-8"))):
            if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "Check"):
                continue
            name = node.args[0]
            if isinstance(name, ast.Constant):
                names.add(str(name.value))
            else:
                assert isinstance(name, ast.JoinedStr)
                literal = "".join(str(part.value) for part in name.values if isinstance(part, ast.Constant))
                parts = {seen for seen in made if literal in seen}
                assert parts, f"the good log makes no check *{literal}"
                names |= parts
    return names


def good_run() -> run.ParsedRun:
    return parse_run(stdout=excerpt("good"), stderr=b"", dmesg=b"", exit_code=0, result="success")


def keys(value: object) -> set[str]:
    """The keys of a JSON value, at every depth."""
    if isinstance(value, dict):
        return {str(key) for key in value} | {key for part in value.values() for key in keys(part)}
    return {key for part in value for key in keys(part)} if isinstance(value, list) else set()


OF_A_LOG = {"file"} | keys(parse_log(excerpt("good")).as_dict())
OF_A_RUN = keys(good_run().as_dict()) - OF_A_LOG


@pytest.mark.parametrize(
    ("described", "there"),
    [
        pytest.param(rows(own("Metrics")), {metric.name for metric in METRICS}, id="metrics"),
        pytest.param(rows(own("Why a board started anew")), {sign.name for sign in SIGNS}, id="signs of a reboot"),
        pytest.param(rows(own("Outcomes")), {str(outcome) for outcome in Outcome}, id="outcomes"),
        pytest.param(rows(own("Failure classes")), set(FAILURE_CLASSES), id="failure classes"),
        pytest.param(rows(own("Warnings")), {name for name, _ in _WARNINGS}, id="warnings"),
        pytest.param(rows(own("Where a number comes from")), {MEASURED, SIMULATED, MANUAL, UNKNOWN}, id="origins"),
        pytest.param(
            rows(own("The files of a run")), {*FILES, *COLLECTED, *OURS, "manifest.json"}, id="evidence files"
        ),
        pytest.param(rows(own("Of a whole run")), OF_A_RUN, id="keys of a run"),
        pytest.param(
            {
                key: cells
                for title in (
                    "Versions and the model",
                    "Times",
                    "The table",
                    "What went wrong",
                    "The board, where somebody pasted it",
                )
                for key, cells in rows(own(title)).items()
            },
            OF_A_LOG,
            id="keys of a log",
        ),
        pytest.param(
            {**rows(own("Integrity checks")), **rows(own("Observations"))},
            check_names(integrity, run, stated),
            id="checks and observations",
        ),
    ],
)
def test_what_there_is_is_described_and_what_is_described_is_there(
    described: dict[str, list[str]], there: set[str]
) -> None:
    assert set(described) == there
    assert all(cell for cells in described.values() for cell in cells)


def test_what_is_told_of_a_clock_is_described_in_its_row() -> None:
    logs = [parse_log(path.read_bytes()).as_dict() for path in sorted((PROJECT / "tests" / "logs").glob("*.log"))]
    told = {key for log in logs for node in (log["devfreq"] or {}).values() for key in node}
    assert {"governor", "cur_mhz"} <= told
    assert told <= set(re.findall(r"`(\w+)`", rows(section("The fields of a log"))["devfreq"][0]))


def test_checks_and_observations_are_not_confused() -> None:
    taint = {check.name for check in good_run().checks}
    assert taint <= set(rows(own("Integrity checks")))
    assert not taint & set(rows(own("Observations")))


def test_the_failure_classes_stand_in_the_order_that_decides() -> None:
    assert list(rows(own("Failure classes"))) == list(FAILURE_CLASSES)


def test_metrics_are_given_in_the_unit_that_tables_show() -> None:
    assert {name: cells[0] for name, cells in rows(own("Metrics")).items()} == {m.name: m.unit for m in METRICS}


def test_the_good_log_says_what_the_guide_says_of_it() -> None:
    log = parse_log(excerpt("good"))
    assert (log.runtime, log.driver, log.npu_core_num, log.memory_bytes) == ("1.2.3", "0.9.8", 2, round(0.92 * 2**30))
    assert log.prefill is not None and log.generate is not None
    assert (log.prefill.total_ms, log.generate.tps) == (300.0, 15.0)
    assert (log.failure, log.tainted, good_run().tainted) == (None, None, False)
    for said in ("runtime 1.2.3", "driver 0.9.8", "2 NPU cores", "300 ms", "15.00 tok/s", "0.92 GiB"):
        assert said in GUIDE.replace("\n", " ")


def test_the_lost_log_is_refuted_by_itself_and_by_its_table_alone() -> None:
    data = excerpt("lost")
    assert (parse_log(data).failure, parse_log(data).tainted) == ("npu_submit_failed", True)
    alone = b"\n".join(line for line in data.splitlines() if b"failed to submit" not in line)
    assert (parse_log(alone).failure, parse_log(alone).tainted) == (None, True)


def test_every_link_within_the_guide_leads_to_a_heading() -> None:
    headings = {
        re.sub(r"[^\w -]", "", title).strip().lower().replace(" ", "-")
        for title in re.findall(r"^#+ (.+)$", GUIDE, re.MULTILINE)
    }
    assert set(re.findall(r"\]\(#([^)]+)\)", GUIDE)) <= headings


def test_sections_are_numbered_and_the_reports_find_the_vision_steps_in_the_sixth() -> None:
    titles = re.findall(r"^## (.+)$", GUIDE, re.MULTILINE)
    assert [title.partition(". ")[0] for title in titles] == [str(number) for number in range(1, len(titles) + 1)]
    sixth = "Vision models, step by step"
    assert titles[5] == f"6. {sixth}" and "run_vlm_benchmark.sh" in own(sixth)


def test_every_suite_that_ships_is_described() -> None:
    assert set(rows(own("What is measured: a suite"))) == {path.stem for path in (PROJECT / "suites").glob("*.yaml")}


def test_the_suite_in_the_guide_is_one(tmp_path: Path) -> None:
    found = re.search(r"^```yaml\n(.*?)^```", own("What is measured: a suite"), re.MULTILINE | re.DOTALL)
    assert found
    path = tmp_path / "guide.yaml"
    path.write_text(found[1], encoding="utf-8")
    assert len(load_suite(path).matrices) == 2


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_is_named_in_the_readme_or_a_guide(verb: str) -> None:
    text = "\n".join(page.read_text(encoding="utf-8") for page in PAGES if page.exists())
    assert re.search(rf"\binvoke {verb}\b|`{verb}`", text), f"`invoke {verb}` is in no guide"


def test_the_options_of_import_in_the_guide_are_those_that_there_are() -> None:
    options = tasks.import_.argspec(tasks.import_.body).parameters  # not its help: Invoke takes that apart as it reads
    there = {f"--{option.replace('_', '-')}" for option in options} - {"---c", "--path", "--format"}
    named = set(re.findall(r"--[a-z][a-z-]+", section("Logs made by hand")))
    assert named == there
