"""One machine for all the tests of a module: booting is expensive, a fresh home on it is not."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.home import Home
from tests.vm import image
from tests.vm.machine import Machine, running


@pytest.fixture(scope="session")
def machine_image() -> Path:
    """The image; tests that can not have one fail, since nobody runs them by accident."""
    reason = image.missing()
    assert not reason, reason
    return image.image()


@pytest.fixture(scope="module")
def machine(machine_image: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    """A machine that is on; a test that cuts or freezes it leaves it on and awake."""
    with running(tmp_path_factory.mktemp("vm"), "vm") as (one,):
        yield one


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """A folder with an inventory; unlike that of tests/e2e it has no virtual boards to end."""
    return Home(tmp_path)
