"""Nothing that taints or ends a run is untried from end to end: a new check or outcome needs a test that provokes it.

That a check fires at all is for unit tests; here it is asked whether some board, log or catalogue in ``tests/e2e``
brings it about on the real path, and whether the table then says so.
"""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from analysis import plan_of_run, stated
from analysis.clocks import Clock, Clocks
from analysis.outcome import Outcome
from analysis.parse import integrity, run
from analysis.telemetry import Telemetry
from fleet import gates
from tests.unit.test_guide import PROJECT, check_names, own, rows
from virtual.config import FAULTS, TRAITS

DOCUMENTED = (ast.Module, ast.ClassDef, ast.FunctionDef)


def texts() -> Iterator[str]:
    """Every string that the end-to-end tests expect or make, and not what they say of themselves."""
    for path in sorted((PROJECT / "tests" / "e2e").glob("*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        docstrings = {ast.get_docstring(node, clean=False) for node in ast.walk(tree) if isinstance(node, DOCUMENTED)}
        for node in ast.walk(tree):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value not in docstrings:
                yield node.value


TEXTS = frozenset(texts())


@pytest.mark.parametrize("name", sorted(check_names(integrity, run, stated) - set(rows(own("Observations")))))
def test_each_check_that_taints_a_run_is_provoked_from_end_to_end(name: str) -> None:
    assert any(text.startswith(f"{name}: ") for text in TEXTS)


@pytest.mark.parametrize("outcome", Outcome)
def test_each_outcome_is_provoked_from_end_to_end(outcome: Outcome) -> None:
    assert outcome in TEXTS


@pytest.mark.parametrize("trouble", sorted(FAULTS | TRAITS))
def test_each_trouble_of_a_virtual_board_is_met_by_a_test(trouble: str) -> None:
    assert trouble in TEXTS


SAYING: tuple[Callable[..., Any] | None, ...] = (  # what makes sentences that taint a run, or keep it from starting
    gates.look,
    plan_of_run.missed_gates,
    Telemetry.refutes.fget,  # type: ignore[attr-defined]
    Clock.broken,
    Clocks.broken.fget,  # type: ignore[attr-defined]
)
LEAST = 10  # characters of a sentence by which it is known again


def sentences() -> Iterator[tuple[str, ...]]:
    """Of each sentence the parts that are always the same."""
    for function in SAYING:
        assert function is not None
        tree = ast.parse(textwrap.dedent(inspect.getsource(function)))
        pieces = {part for node in ast.walk(tree) if isinstance(node, ast.Assign) for part in ast.walk(node)}
        for node in ast.walk(tree):
            if isinstance(node, ast.JoinedStr) and node not in pieces:
                fixed = (str(part.value).strip(" :(°C") for part in node.values if isinstance(part, ast.Constant))
                if parts := tuple(part for part in fixed if len(part) >= LEAST):
                    yield parts


@pytest.mark.parametrize("parts", sorted(set(sentences())), ids=" … ".join)
def test_each_condition_that_taints_a_run_or_keeps_it_waiting_is_provoked_from_end_to_end(parts: tuple[str]) -> None:
    assert all(any(part in text for text in TEXTS) for part in parts)
