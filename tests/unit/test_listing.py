"""Tables of any rows: as wide as they get in a pipe, no wider than the terminal elsewhere, and nothing is lost."""

from __future__ import annotations

import unicodedata
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.listing import listing

WHY = "needs 8.97 GiB (8.44 to 9.69) at 4096 tokens of context, 7.07 GiB are there: too large even at the low end"


def model(name: str, **more: Any) -> dict[str, Any]:
    speeds = {f"tok/s {cores} cores": (cores + len(name)) * 5.5 for cores in (1, 2, 3)}
    row = {"model": name, "kind": "llm", "max context": 4096, "verdict": "FITS", "memory GiB": 1.18, "reason": None}
    return row | speeds | {"facts": "simulated"} | more


ROWS = [model("Qwen3-0.6B"), model("Qwen3-VL-30B-A3B", verdict="NO", reason=WHY), model("x", kind="vlm")]

texts = st.one_of(st.none(), st.integers(0, 10**6), st.text("ab c-/\x1b\n板子é\u0301ｗ🔥", max_size=90))
tables = st.integers(1, 12).flatmap(
    lambda columns: st.lists(st.lists(texts, min_size=columns, max_size=columns), min_size=1, max_size=5)
)


def columns_of(line: str) -> int:
    """Of a terminal: two for what Unicode calls wide, none for what stands above the character before it."""
    return sum(0 if unicodedata.combining(c) else 1 + (unicodedata.east_asian_width(c) in "WF") for c in line)


@settings(max_examples=100, deadline=None)
@given(tables, st.integers(40, 130))
def test_no_line_is_wider_than_the_terminal_and_no_number_is_lost(values: list[list[Any]], width: int) -> None:
    rows = [{f"column {at}": value for at, value in enumerate(row)} for row in values]
    drawn = listing(rows, width=width)
    assert all(columns_of(line) <= width for line in drawn.splitlines())
    assert not any(c != "\n" and not c.isprintable() for c in drawn)
    for value in (value for row in values for value in row if isinstance(value, int)):
        assert str(value) in drawn


def test_a_pipe_gets_each_row_on_one_line() -> None:
    lines = listing(ROWS).splitlines()
    assert len(lines) == 2 + len(ROWS) and max(map(len, lines)) > 200
    assert WHY in lines[3]


def test_a_wide_terminal_gets_all_columns_and_a_narrower_one_is_told_once_what_is_alike() -> None:
    wide, narrower = (listing(ROWS, width=width).splitlines() for width in (240, 180))
    assert wide[0].split()[-1] == "facts" and not any("every row" in line for line in wide)
    assert narrower[-1].startswith("every row: max context 4096") and narrower[-1].endswith("facts simulated")


def test_a_sentence_that_would_be_broken_to_shreds_is_told_below_its_row() -> None:
    lines = listing(ROWS, width=64).splitlines()
    (at,) = (at for at, line in enumerate(lines) if line.startswith("Qwen3-VL-30B-A3B"))
    assert "NO" in lines[at].split() and lines[at + 1].startswith("  reason: needs 8.97 GiB")
    assert lines[at + 2].startswith("    ") and lines[at + 3].split()[0] == "x"


def test_a_command_to_paste_is_not_broken_within_a_word() -> None:
    command = "invoke provision --board rk3588-with-a-long-name --playbook benchmark --dry-run"
    rows = [{"board": "a", "seen": "word " * 30, "next action": command}]
    words = set(listing(rows, width=80).split())
    assert {"--playbook", "--dry-run", "rk3588-with-a-long-name"} <= words


@pytest.mark.parametrize("width", [1, 20])
def test_a_terminal_of_no_width_to_speak_of_gets_a_table(width: int) -> None:
    assert "Qwen3-0.6B" in listing(ROWS, width=width)
