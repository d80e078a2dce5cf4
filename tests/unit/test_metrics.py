"""The registry: units, rounding, and that every column of every file is declared there."""

from __future__ import annotations

from dataclasses import fields

import pytest

from analysis.metrics import BY_NAME, CELL_COLUMNS, METRICS, RUN_COLUMNS, TABLE_METRICS, Metric
from analysis.runs import Run, Workload


@pytest.mark.parametrize(
    ("name", "stored", "shown", "text"),
    [
        ("ttft_ms", 149.89, 149.9, "149.9"),
        ("generate_tps", 15.3, 15.3, "15.30"),
        ("prefill_tokens", 34, 34, "34"),
        ("memory_rkllm_bytes", 1_900_523_028, 1.77, "1.77"),
        ("memory_rkllm_bytes", None, None, ""),
        ("duration_s", 0.0, 0.0, "0.0"),
    ],
)
def test_a_number_is_shown_in_its_unit_and_rounded(
    name: str, stored: float | None, shown: float | None, text: str
) -> None:
    assert BY_NAME[name].shown(stored) == shown
    assert BY_NAME[name].text(stored) == text


def test_a_metric_of_no_decimals_is_shown_as_a_whole_number() -> None:
    assert isinstance(BY_NAME["prefill_tokens"].shown(34.0), int)


def test_a_heading_names_the_unit() -> None:
    assert BY_NAME["generate_tps"].heading == "generate (tok/s)"
    assert BY_NAME["memory_rkllm_bytes"].heading == "peak memory (GiB)"


def test_every_metric_is_a_field_of_a_run_and_a_column_of_both_sheets() -> None:
    run_fields = {field.name for field in fields(Run)}
    for metric in METRICS:
        assert metric.name in run_fields
        assert metric in RUN_COLUMNS
        assert metric in CELL_COLUMNS


def test_every_label_of_a_run_is_a_field_of_it_or_of_its_workload() -> None:
    known = {field.name for field in (*fields(Run), *fields(Workload))}
    assert {column.name for column in RUN_COLUMNS} <= known


@pytest.mark.parametrize("columns", [RUN_COLUMNS, CELL_COLUMNS])
def test_no_two_columns_have_the_same_heading_and_each_is_explained(columns: tuple[Metric, ...]) -> None:
    headings = [column.heading.lower() for column in columns]
    assert len(set(headings)) == len(headings)  # Excel refuses a table that has one twice
    assert all(column.means for column in columns)


def test_the_table_on_the_screen_shows_what_was_asked_for() -> None:
    assert [metric.heading for metric in TABLE_METRICS] == [
        "TTFT (ms)",
        "prefill (tok/s)",
        "generate (tok/s)",
        "peak memory (GiB)",
    ]
