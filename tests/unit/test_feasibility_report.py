"""docs/07_feasibility_report.md: what is predicted, how wrong it was, where the reports differ. Held to the code."""

from __future__ import annotations

import re

import pytest

from analysis import constants
from analysis.constants import GIB, MIB
from analysis.feasibility import Verdict, feasibility
from analysis.memory_model import PARTS, predict_memory
from analysis.prediction_errors import compare, errors_of
from tests.unit.architectures import KNOWN, PROJECT, PUBLISHED

PAGE = (PROJECT / "docs" / "07_feasibility_report.md").read_text(encoding="utf-8")
NAMES = {"memory_bytes": "memory", "generate_tps": "generate", "ttft_ms": "TTFT", "encode_ms": "image"}
# label in the page, what the titles of the tables contain, a mixture of experts, NPU cores
GROUPS = (
    ("vendor, 1.2.1", "release 1.2.1", False, 3),
    ("vendor, 1.2.2", "release 1.2.2", False, 3),
    ("vendor, 1.2.3", "release 1.2.3", False, 3),
    ("vendor, 1.3.0", "release 1.3.0", False, 3),
    ("vendor, mixture of experts", "benchmark.md", True, 3),
    ("the team's own board", "the team's own board", False, 3),
    ("one and three cores: three", "one and three cores", False, 3),
    ("one and three cores: one", "one and three cores", False, 1),
    ("Qengineering", "Qengineering", False, 3),
    ("logs of Qwen3-VL-4B", "logs of", False, 3),
)
_ROW = r"^\| (Qwen3\S*|InternVL\S*) \| (.*?) \| (\S+) \((\S+) to (\S+)\) \| (\w+) \| (\w+) \| .* \|$"
REPORTS = list(re.finditer(_ROW, PAGE, re.M))


def error_rows() -> list[str]:
    """The page's table of errors, as the code would write it."""
    rows = []
    compared = list(compare(PUBLISHED, KNOWN))
    for label, title, moe, cores in GROUPS:
        for metric, name in NAMES.items():
            these = [
                one
                for one in compared
                if title in one.reference.title and one.metric == metric
                if KNOWN[one.reference.model].moe == moe and one.reference.npu_cores == cores
            ]
            if these:
                errors = errors_of(these)
                numbers = f"{errors.mean:.1%} | {errors.worst:+.1%} | {errors.inside} of {errors.n}"
                rows.append(f"| {label} | {name} | {numbers} |")
    return rows


def test_the_errors_in_the_page_are_those_of_the_code() -> None:
    start = PAGE.index("| published | number |")
    table = PAGE[start : PAGE.index("\n\n", start)].splitlines()[2:]
    assert table == error_rows()


@pytest.mark.parametrize("row", REPORTS, ids=lambda row: row[1])
def test_a_verdict_in_the_page_is_that_of_the_code(row: re.Match[str]) -> None:
    need = predict_memory(KNOWN[row[1]], "w8a8", 4096, "1.2.3")
    assert (row[3], row[4], row[5]) == tuple(f"{number / GIB:.2f}" for number in (need.total, need.low, need.high))
    for available_gib, said in ((5.5, row[6]), (7.2, row[7])):
        assert feasibility(KNOWN[row[1]], "w8a8", 4096, available_gib * GIB, "1.2.3").verdict == said


def test_every_model_of_the_two_reports_has_its_row() -> None:
    named = [row[1] for row in REPORTS]
    sizes = {"Qwen3-": "0.6B 1.7B 4B 8B 14B 32B", "Qwen3-VL-": "2B 4B 8B 32B 30B-A3B"}
    sizes["InternVL3.5-"] = "1B 2B 4B 8B 14B 30B-A3B"
    assert sorted(named) == sorted(family + size for family, list_ in sizes.items() for size in list_.split())


def test_the_page_names_every_part_every_verdict_and_the_numbers_that_decide() -> None:
    for name in (*PARTS, *Verdict):
        assert f"`{name}`" in PAGE, name
    assert f"{constants.RESERVE_BYTES // MIB} MiB" in PAGE
    for release in constants.RUNTIMES.values():
        assert f"{release.layer_s * 1000:.2f} ms" in PAGE
        assert f"{release.bus_bytes_per_s / 1e9} GB/s" in PAGE
    for number in (constants.CORE_SHARE[1], constants.CORE_SHARE[2], constants.CONTEXT_STEP):
        assert f" {number} " in PAGE.replace(",", " ")
    for number in (constants.MEMORY_LOW, constants.MEMORY_HIGH, constants.FITS_SHARE):
        assert f"{number:.2f}" in PAGE


def test_the_page_shows_each_part_of_a_prediction() -> None:
    parts = predict_memory(KNOWN["Qwen3-VL-4B"], "w8a8", 4096, "1.2.3").parts
    for name, number in parts.items():
        assert re.search(rf"^\| `{name}` \| .* \| {number / MIB:.0f} \|$", PAGE, re.M), name


def test_eight_billion_fit_where_there_is_memory() -> None:
    for model in ("Qwen3-8B", "Qwen3-VL-8B", "InternVL3.5-8B"):
        assert feasibility(KNOWN[model], "w8a8", 4096, 14 * GIB, "1.2.3").verdict is Verdict.FITS
