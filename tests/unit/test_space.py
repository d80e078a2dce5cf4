"""What a board's script says of a full disk, as an error with numbers."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleet.space import no_space


def test_the_words_of_the_scripts_become_bytes_and_a_path() -> None:
    said = "job.sh: no space: a run needs 16777216 bytes, /data/my store has 1048576 bytes free"
    error = no_space(said, board="rk", doing="start r1")
    assert error is not None and (error.need_bytes, error.free_bytes, error.path) == (2**24, 2**20, "/data/my store")
    assert error.message().startswith("rk: start r1: needs 16.0 MiB, /data/my store has 1.0 MiB free\nTry: ")


@pytest.mark.parametrize("said", ["", "can not write /x: No space left on device", "no space: a run needs many bytes"])
def test_anything_else_is_not_about_numbers(said: str) -> None:
    assert no_space(said, board="rk", doing="") is None


@given(st.text())
def test_any_text_is_read(said: str) -> None:
    no_space(f"no space: {said}", board="rk", doing="")
