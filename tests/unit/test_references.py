"""Published numbers: what is in the project's own files, and what a wrong file says."""

from __future__ import annotations

from pathlib import Path

import pytest

from analysis.constants import MIB
from analysis.errors import CannotRead
from analysis.references import load_architectures, load_references
from tests.unit.architectures import KNOWN, PUBLISHED

GOOD = """\
tables:
  - title: a table
    source: https://example.org
    revision: abc
    conditions: {runtime: "1.2.3", dtype: w8a8, npu_cores: 3, memory_unit: MiB, memory_of: process}
    rows:
      - {model: M, generate_tps: 10.5, memory: 2}
      - {model: M, npu_cores: 1, suspect: because}
"""


def test_every_published_row_has_a_source_a_revision_and_conditions() -> None:
    assert len(PUBLISHED) > 90
    for one in PUBLISHED:
        assert one.title and one.source and one.revision and one.npu_cores in (1, 2, 3), one
        assert one.memory_bytes is None or one.memory_of in ("process", "machine"), one
        assert one.generate_tps or one.memory_bytes or one.encode_ms, one


def test_the_vendors_table_is_there_release_by_release() -> None:
    rows = [one for one in PUBLISHED if "benchmark.md" in one.title]
    assert len(rows) == 59
    by_release = {one.runtime: one for one in rows if one.model == "Qwen3-0.6B"}
    assert {release: one.generate_tps for release, one in by_release.items()} == {
        "1.2.1": 29.52,
        "1.2.2": 32.16,
        "1.2.3": 32.16,
        "1.3.0": 32.91,
    }
    assert by_release["1.2.3"].memory_bytes == round(773.77 * MIB)
    assert by_release["1.3.0"].revision == "878f936"


def test_nothing_is_believed_of_a_suspect_row_and_it_stays() -> None:
    published_8_7 = [one for one in PUBLISHED if one.model == "Qwen3-VL-4B" and one.generate_tps == 5.7]
    assert len(published_8_7) == 1
    assert published_8_7[0].suspect


def test_every_model_of_the_two_reports_has_an_architecture() -> None:
    sizes = {"Qwen3-": "0.6B 1.7B 4B 8B 14B 32B", "Qwen3-VL-": "2B 4B 8B 32B 30B-A3B"}
    sizes["InternVL3.5-"] = "1B 2B 4B 8B 14B 30B-A3B"
    assert not {family + size for family, list_ in sizes.items() for size in list_.split()} - KNOWN.keys()


def test_conditions_hold_for_every_row_that_says_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "one.yaml").write_text(GOOD, encoding="utf-8")
    first, second = load_references(tmp_path)
    assert (first.npu_cores, first.memory_bytes, first.suspect) == (3, 2 * MIB, None)
    assert (second.npu_cores, second.memory_bytes, second.suspect) == (1, None, "because")


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("source: https://example.org", "source:", "tables.0 has no source in words"),
        ("revision: abc", "revision: 12", "tables.0 has no revision in words"),
        ("generate_tps: 10.5", "tokens_per_s: 10.5", "a table: row 1: tokens_per_s"),
        ("generate_tps: 10.5", "generate_tps: -1", "a table: row 1: generate_tps: -1"),
        ("generate_tps: 10.5", "generate_tps: .inf", "generate_tps: inf"),
        ("generate_tps: 10.5", "generate_tps: true", "generate_tps: True"),
        ("memory_unit: MiB", "memory_unit: MB", "a memory_unit of MiB or GiB"),
        ("npu_cores: 3, ", "", "needs model, npu_cores"),
        ("    rows:", "    lines:", "a table: rows: is not a list"),
        ("tables:", "tables: [", "is not YAML: "),
        ("tables:", "!!python/object:os.system tables:", "is not YAML: "),
        ("tables:", "\0tables:", "is not YAML: "),
    ],
)
def test_a_wrong_file_is_named_with_the_place(tmp_path: Path, old: str, new: str, says: str) -> None:
    file = tmp_path / "one.yaml"
    file.write_text(GOOD.replace(old, new), encoding="utf-8")
    with pytest.raises(CannotRead) as caught:
        load_references(tmp_path)
    assert says in str(caught.value)
    assert str(file) in str(caught.value)
    assert len(caught.value.message().splitlines()) == 1
    assert caught.value.exit_code == 2  # what a person wrote is wrong, and no work failed


def test_a_folder_without_references_and_a_wrong_architecture_are_named(tmp_path: Path) -> None:
    with pytest.raises(CannotRead, match="no file with published numbers"):
        load_references(tmp_path)
    (tmp_path / "architectures.yaml").write_text("models: {M: {layers: 3}}", encoding="utf-8")
    with pytest.raises(CannotRead, match="M: numbers are missing"):
        load_architectures(tmp_path)


def test_what_the_two_reports_quote_and_nobody_should_believe_is_there_with_its_reason() -> None:
    doubted = {(one.model, one.encode_ms) for one in PUBLISHED if one.encode_ms and one.suspect}
    assert doubted >= {("Qwen3-VL-2B", 900), ("Qwen3-VL-4B", 1100), ("InternVL3.5-1B", 800), ("InternVL3.5-8B", 5800)}
    backwards = [one for one in PUBLISHED if one.suspect and "reversed" in one.suspect]
    assert sorted(one.model[-2:] for one in backwards) == ["1B", "1B", "2B", "2B", "4B", "4B", "8B", "8B"]
