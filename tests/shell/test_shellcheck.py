"""The board scripts are POSIX sh, and shellcheck has nothing to say about them."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.shell.kit import SCRIPTS

SHELLCHECK = shutil.which("shellcheck", path=str(Path(sys.executable).parent)) or shutil.which("shellcheck")


# A part of a script is checked with the whole (-a): alone, it would use what it does not have.
WHOLE = sorted(path.name for path in SCRIPTS.glob("*.sh") if "; a part of " not in path.read_text().split("set -eu")[0])


@pytest.mark.skipif(SHELLCHECK is None, reason="shellcheck is not installed")
@pytest.mark.parametrize("script", WHOLE)
def test_shellcheck_has_nothing_to_say(script: str) -> None:
    assert SHELLCHECK is not None
    options = ["-x", "-a", "-s", "sh", "-o", "check-set-e-suppressed,add-default-case"]
    done = subprocess.run([SHELLCHECK, *options, script], cwd=SCRIPTS, capture_output=True, text=True, check=False)
    assert done.stdout == ""


@pytest.mark.parametrize("script", sorted(path.name for path in SCRIPTS.glob("*.sh")))
def test_a_script_says_at_its_top_what_it_is_for(script: str) -> None:
    lines = (SCRIPTS / script).read_text().splitlines()
    assert lines[0] == "#!/bin/sh"
    assert lines[1].startswith(f"# {script} ")
