"""The folder in which an end-to-end test lives, and the end of every board that it started."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.home import LIMIT_S, PROJECT, Home


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    yield Home(tmp_path)
    down = [sys.executable, "-m", "virtual", "down", "--all", "--state", str(tmp_path / ".virtual")]
    subprocess.run(down, cwd=PROJECT, check=True, capture_output=True, timeout=LIMIT_S)
