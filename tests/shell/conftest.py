"""One board for each shell; whatever a test leaves alive on it is killed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.shell.kit import SHELLS, BoardUnderTest, make_board


@pytest.fixture(params=SHELLS)
def board(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[BoardUnderTest]:
    made = make_board(tmp_path / "b", request.param)
    yield made
    made.close()
