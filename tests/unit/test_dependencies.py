"""docs/02_dependencies.md says what the playbooks do, and nothing else. (Its files: tests/e2e/test_provision.py.)"""

from __future__ import annotations

import re
from pathlib import Path

from fleet.playbook import Step, load_playbook
from fleet.provisioning.allowed import PYINFRA, allowed
from fleet.provisioning.operations import models

PROJECT = Path(__file__).parents[2]
PAGE = (PROJECT / "docs" / "02_dependencies.md").read_text(encoding="utf-8")
SENT = [*(PROJECT / "board_scripts").glob("*.sh"), PROJECT / "fleet" / "scripts.py"]
SCRIPTS = "\n".join(path.read_text(encoding="utf-8") for path in SENT)


def table(section: str) -> list[list[str]]:
    """The cells of a section's table, without its head."""
    text = PAGE.split(f"## {section}\n")[1].split("\n## ")[0]
    rows = [line.strip("|").split(" | ") for line in text.splitlines() if line.startswith("| ")]
    return [[cell.strip().strip("`") for cell in row] for row in rows[1:]]


def steps(name: str) -> list[Step]:
    """The steps that stand in this file."""
    path = PROJECT / "playbooks" / name
    return [step for step in load_playbook(path, allowed()).steps if step.document.file.endswith(name)]


def test_the_steps_are_those_of_the_shipped_playbooks_in_their_order() -> None:
    names = ["base.yaml", "benchmark.yaml", "restore.yaml"]
    assert sorted(path.name for path in (PROJECT / "playbooks").glob("*.yaml")) == names
    there = [[name, step.title, step.operation] for name in names for step in steps(name)]
    assert [row[:3] for row in table("Steps")] == there


def test_the_packages_are_those_that_are_installed_and_have_what_the_scripts_use() -> None:
    installed = [step.arguments["packages"] for step in steps("base.yaml") if step.operation == "debian.packages"]
    described = {row[0]: re.findall(r"[a-z0-9]+", row[1]) for row in table("Packages")}
    assert [list(described)] == installed
    for programs in described.values():
        assert all(re.search(rf"\b{program}\b", SCRIPTS) for program in programs)


def test_the_folders_of_the_store_and_the_modules_are_named() -> None:
    text = PAGE.replace("\n", " ")
    assert all(
        f"`{folder}`" in text.split("And the folders")[1].split("in `{{ store }}`")[0] for folder in models.FOLDERS
    )
    assert f"(modules {', '.join(f'`{name}`' for name in PYINFRA)})" in text


def test_every_example_on_the_page_is_a_playbook_that_can_be_read(tmp_path: Path) -> None:
    for number, text in enumerate(re.findall(r"^```yaml\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)):
        (tmp_path / "base.yaml").write_text((PROJECT / "playbooks/base.yaml").read_text())
        (tmp_path / "benchmark.yaml").write_text((PROJECT / "playbooks/benchmark.yaml").read_text())
        (tmp_path / f"{number}.yaml").write_text(text)
        assert len(load_playbook(tmp_path / f"{number}.yaml", allowed()).steps) == 10
