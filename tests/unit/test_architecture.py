"""The data flows one way: tasks, verbs -> fleet -> board_scripts, and verbs -> analysis. The imports say so."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[2]
NETWORK = {"fabric", "paramiko", "invoke", "socket", "subprocess", "asyncssh", "asyncio"}
FORBIDDEN = {
    "analysis": {"fleet", "virtual", "verbs", "tasks", *NETWORK},
    "fleet": {"analysis", "virtual", "verbs", "tasks"},
    "virtual": {"fleet", "analysis", "verbs", "tasks", "fabric", "paramiko", "invoke"},
    "verbs": {"virtual", "tasks", *NETWORK} - {"invoke"},
}


def imports(path: Path) -> set[str]:
    """The top-level names that a module imports, wherever in it."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: write the whole name of the module"
            found.add(str(node.module).split(".")[0])
    return found


def modules(package: str) -> list[Path]:
    return sorted((PROJECT / package).rglob("*.py"))


@pytest.mark.parametrize("package", FORBIDDEN)
def test_a_package_imports_nothing_against_the_flow(package):
    assert modules(package)
    wrong = {
        f"{path.relative_to(PROJECT)}: {name}"
        for path in modules(package)
        for name in imports(path) & FORBIDDEN[package]
    }
    assert not wrong


@pytest.mark.parametrize("path", [PROJECT / "tasks.py", *modules("verbs")], ids=lambda path: path.name)
def test_the_command_line_imports_nothing_heavy_at_the_top(path):
    top = {
        (node.module if isinstance(node, ast.ImportFrom) else node.names[0].name).split(".")[0]
        for node in ast.parse(path.read_text(encoding="utf-8")).body
        if isinstance(node, ast.Import | ast.ImportFrom)
    }
    assert top <= {
        "__future__",
        "functools",
        "math",
        "os",
        "signal",
        "sys",
        "collections",
        "pathlib",
        "typing",
        "invoke",
        "verbs",
    }


@pytest.mark.parametrize("package", FORBIDDEN)
def test_a_module_holds_one_idea(package):
    long = {
        str(path.relative_to(PROJECT)): n
        for path in modules(package)
        if (n := len(path.read_text(encoding="utf-8").splitlines())) > 400
    }
    assert not long


def test_the_scripts_know_nothing_of_python():
    for path in (PROJECT / "board_scripts").glob("*.sh"):
        assert "python" not in path.read_text(encoding="utf-8").lower(), path.name
