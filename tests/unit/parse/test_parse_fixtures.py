"""Each log beside its expected reading; what is not named there must be null."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from analysis.parse import FAILURE_CLASSES, parse_log

LOGS = Path(__file__).parents[2] / "logs"
NAMES = sorted(path.stem for path in LOGS.glob("*.log"))
ONLY_FROM_A_RUN = {"program_missing"}  # an exit code that means too many things in a log


def expected(name: str) -> dict[str, object]:
    sidecar = json.loads((LOGS / f"{name}.json").read_text(encoding="utf-8"))
    assert set(sidecar) == {"what", "expect"}
    return sidecar["expect"]


@pytest.mark.parametrize("name", NAMES)
def test_a_log_is_read_exactly_as_its_sidecar_says(name: str) -> None:
    answer = parse_log((LOGS / f"{name}.log").read_bytes()).as_dict()
    want = expected(name)
    assert set(want) <= set(answer), "the sidecar names a field that no reading has"
    assert {key: value for key, value in answer.items() if value is not None} == want


def test_every_log_has_a_sidecar_and_every_sidecar_a_log() -> None:
    assert {path.stem for path in LOGS.glob("*.json")} == set(NAMES)
    assert len(NAMES) > 50


def test_every_failure_class_has_a_log() -> None:
    shown: set[str] = set()
    for name in NAMES:
        want = expected(name)
        shown |= {str(want.get("failure")), *map(str, want.get("also", []))}  # type: ignore[call-overload]
    assert set(FAILURE_CLASSES) - shown == ONLY_FROM_A_RUN


def test_every_file_has_the_same_keys_in_the_same_order() -> None:
    keys = [tuple(parse_log((LOGS / f"{name}.log").read_bytes()).as_dict()) for name in NAMES]
    assert set(keys) == {tuple(parse_log(b"").as_dict())}
