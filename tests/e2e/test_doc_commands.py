"""What README and docs/ tell a person to type, typed: in a fresh folder, on virtual boards, page after page.

The folder has what a clone has (the inventory that ships, its boards made faster) and, for pages that begin with a log
in the reader's hand, the good log of the guide. One folder and one pair of boards serve all pages, as they serve a
reader.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.doc_pages import PROJECT, TYPED, fences, shell_fences
from tests.e2e.home import LIMIT_S, Home

GUIDE = PROJECT / "docs" / "06_benchmark_guide.md"
LOGS = ("run.log", "stdout.log")  # as the pages call a log that the reader has
SHIPPED_SCALE, SCALE = "time_scale: 20", "time_scale: 400"


def newcomer(home: Home) -> dict[str, str]:
    """A folder as after `make demo`'s setup, and the environment in which `invoke` and `python` are the project's."""
    inventory = (PROJECT / "inventory.yaml").read_text(encoding="utf-8")
    assert inventory.count(SHIPPED_SCALE) == 2  # once in words, once for the boards that ship
    (home.folder / "inventory.yaml").write_text(inventory.replace(SHIPPED_SCALE, SCALE), encoding="utf-8")
    (good,) = (fence.text for fence in fences(GUIDE) if fence.tag == "log good")
    for name in LOGS:
        (home.folder / name).write_text(good, encoding="utf-8")
    programs = home.folder / "bin"
    programs.mkdir()
    for name, words in (("invoke", f"-m invoke --search-root '{PROJECT}'"), ("python", "")):
        (programs / name).write_text(f"#!/bin/sh\nexec '{sys.executable}' {words} \"$@\"\n")
        (programs / name).chmod(0o755)
    return {**home.environment, "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}", "PYTHONPATH": str(PROJECT)}


def test_every_command_of_the_pages_works_in_the_order_of_the_pages(home: Home) -> None:
    environment = newcomer(home)
    typed = [fence for fence in shell_fences() if fence.tag == TYPED]
    assert {fence.page.name[:2] for fence in typed} >= {"RE", "01", "02", "03", "04", "05", "06", "07", "ni"}
    for fence in typed:
        done = subprocess.run(
            ["sh", "-ex"],
            input=fence.text,
            cwd=home.folder,
            env=environment,
            text=True,
            capture_output=True,
            timeout=LIMIT_S,
        )
        said = f"{fence} ended with {done.returncode}\n{done.stdout[-2000:]}\n{done.stderr[-4000:]}"
        assert done.returncode == 0, said
        assert "Traceback" not in done.stderr, said
    left = {path.name for path in (home.folder / "reports").iterdir()}
    assert {"summary.csv", "results.sqlite", "report.html"} <= left
    assert not _outside(home.folder)


def _outside(folder: Path) -> list[Path]:
    """What the pages' commands left in the project itself, where nothing of a reader's folder belongs."""
    here = {path.name for path in (folder / "collected").iterdir()}
    return [path for path in (PROJECT / "collected").iterdir() if path.name in here]
