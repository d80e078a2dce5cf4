"""The suites that ship: each is one, names models and files that there are, and says what it is for."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from fleet import defaults
from fleet.cell import Cell
from fleet.config.catalogue import Kind
from fleet.config.inventory import BoardEntry, Paths
from fleet.config.suite import SuitePart, load_suite
from fleet.errors import ConfigError
from fleet.options import Bench, named_suite
from fleet.plan import Request, plan_board
from fleet.session import Session
from verbs.need import need

PROJECT = Path(__file__).parents[2]
SUITES = sorted((PROJECT / "suites").glob("*.yaml"))
BOARD = BoardEntry(name="a", address="192.0.2.1", paths=Paths(llm_demo="/opt/llm_demo", vlm_demo="/opt/demo"))
REPORTED = (
    *("qwen3-0.6b", "qwen3-1.7b", "qwen3-4b", "qwen3-8b", "qwen3-14b", "qwen3-32b"),
    *("qwen3-vl-2b", "qwen3-vl-4b", "qwen3-vl-8b", "qwen3-vl-32b", "qwen3-vl-30b-a3b"),
    *("internvl3.5-1b", "internvl3.5-2b", "internvl3.5-4b", "internvl3.5-8b", "internvl3.5-14b", "internvl3.5-30b-a3b"),
)  # every model that the two reports name, by its row in models.yaml


@pytest.fixture
def session(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Session:
    (tmp_path / "inventory.yaml").write_text("boards: {a: {address: 192.0.2.1}}")
    monkeypatch.chdir(tmp_path)
    return Session.open(PROJECT)


def asked(session: Session, name: str) -> Request:
    return Bench().request(session, (BOARD,), named_suite(session, name))


def test_a_suite_that_there_is_not_names_those_that_there_are(session: Session) -> None:
    for name, said in (("nosuch", "there are: context, cores, nightly, "), ("smoke1", "nearest is 'smoke'")):
        with pytest.raises(ConfigError, match=said):
            named_suite(session, name)


def minutes(name: str, session: Session) -> float:
    """By prediction, on a board with 8 GB and without a desktop."""
    seconds = 0.0
    facts = {
        "memory": {"available_bytes": 7 * 2**30},
        "runtime": {"rkllm": [{"version": defaults.NOMINAL_RUNTIME}]},
    }
    request = asked(session, name)
    for planned in plan_board(request, BOARD):
        needs = need(BOARD, facts, planned, probe=request.probe)
        seconds += 0 if needs.skip else needs.expected_s or 0
    return seconds / 60


def places(request: Request) -> set[tuple[str, int, int | None, int, str]]:
    return {_place(cell) for cell in request.cells}


def _place(cell: Cell) -> tuple[str, int, int | None, int, str]:
    return (cell.model.name, cell.npu_cores, cell.vision_cores, cell.max_context_len, cell.clocks)


def test_these_ship() -> None:
    assert [path.stem for path in SUITES] == ["context", "cores", "nightly", "reports", "settle", "smoke"]


@pytest.mark.parametrize("path", SUITES, ids=lambda path: path.stem)
def test_a_suite_asks_for_what_there_is_and_says_for_what_and_for_how_long(path: Path, session: Session) -> None:
    assert asked(session, path.stem).cells
    header = path.read_text(encoding="utf-8").split("\n\n")[0]
    told = re.search(r"(\d+) minutes? of runs", header)
    assert header.startswith("# ") and told, header
    assert int(told[1]) == pytest.approx(minutes(path.stem, session), rel=0.2, abs=1)


def test_the_reports_are_every_model_that_they_name_at_each_core_count(session: Session) -> None:
    rows = {(cell.model.name, cell.npu_cores) for cell in asked(session, "reports").cells}
    assert rows == {(name, cores) for name in REPORTED for cores in (1, 2, 3)}


def test_a_smoke_test_is_one_run_and_its_warm_up(session: Session) -> None:
    request = asked(session, "smoke")
    assert (len(request.cells), request.repeats) == (1, 1)


def test_the_cores_are_those_of_the_language_model_and_then_those_of_the_encoder(session: Session) -> None:
    cells = asked(session, "cores").cells
    text = {(cell.model.name, cell.npu_cores) for cell in cells if cell.model.kind is Kind.LLM}
    assert text == {(name, cores) for name in ("qwen3-0.6b", "qwen3-1.7b", "qwen3-4b") for cores in (1, 2, 3)}
    seeing = {(cell.npu_cores, cell.vision_cores) for cell in cells if cell.model.kind is Kind.VLM}
    assert seeing == {(3, 1), (3, 2), (3, 3)}


def test_what_is_to_be_settled_is_context_the_dram_and_the_4b_vision_model(session: Session) -> None:
    assert places(asked(session, "settle")) == {
        ("qwen3-0.6b", 3, None, 512, "pinned"),
        ("qwen3-0.6b", 3, None, 4096, "pinned"),
        ("qwen3-0.6b", 3, None, 4096, "no_dmc"),
        ("qwen3-vl-4b", 3, 3, 4096, "pinned"),
    }


def test_what_is_at_the_limit_is_probed_where_it_is_the_question_and_not_by_night(session: Session) -> None:
    probed = {path.stem for path in SUITES if asked(session, path.stem).probe}
    assert probed == {"reports", "settle"}


def test_each_prompt_of_the_context_suite_fits_its_context(session: Session) -> None:
    cells = asked(session, "context").cells
    assert len({cell.max_context_len for cell in cells}) > 2 and len({len(cell.prompt.text) for cell in cells}) > 2
    for cell in cells:  # English text is some four letters a token, never fewer than three
        assert len(cell.prompt.text) / 3 + cell.max_new_tokens < cell.max_context_len, _place(cell)


def test_what_a_part_does_not_say_is_as_the_suite_says(tmp_path: Path) -> None:
    path = tmp_path / "two.yaml"
    path.write_text("cores: [3]\nclocks: as-is\nparts: [{contexts: [512]}, {cores: [1, 2], clocks: pinned}]")
    first, second = load_suite(path).matrices
    assert first == SuitePart(cores=(3,), contexts=(512,), clocks="as-is")
    assert second == SuitePart(cores=(1, 2), clocks="pinned")


def test_a_suite_without_parts_is_one(tmp_path: Path) -> None:
    path = tmp_path / "one.yaml"
    path.write_text("cores: [3]")
    (only,) = load_suite(path).matrices
    assert only.cores == (3,)


def test_a_part_says_no_more_than_a_matrix(tmp_path: Path) -> None:
    path = tmp_path / "wrong.yaml"
    path.write_text("parts: [{repeats: 3}]")
    with pytest.raises(ConfigError, match="repeats"):
        load_suite(path)


def test_what_is_typed_wins_over_every_part(session: Session) -> None:
    request = Bench(cores="1", clocks="as-is").request(session, (BOARD,), named_suite(session, "settle"))
    assert {(cell.npu_cores, cell.clocks) for cell in request.cells} == {(1, "as_is")}
    assert len(request.cells) == 3  # what differed in its clocks alone is one cell now
