"""How verbs get their runs: from the store, held against physics, and from the evidence where there can be no store."""

from __future__ import annotations

import sqlite3
from dataclasses import replace
from pathlib import Path

import pytest

from analysis.errors import CannotWrite
from analysis.evidence import RunFiles
from analysis.runs import read_runs
from fleet.session import Session
from tests.unit.architectures import PROJECT
from tests.unit.collected import BANNER, TABLE, evidence
from verbs.evidence import known_models, read_through_store, store_of
from verbs.results import summaries


@pytest.fixture
def session(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Session:
    (tmp_path / "inventory.yaml").write_text("boards: {a: {address: 192.0.2.1}}\n")
    monkeypatch.chdir(tmp_path)
    return Session.open(PROJECT)


# The log of these tests says 1.50 GiB, which is twice what Qwen3-0.6B takes at 1024 tokens.
def test_an_impossible_number_is_quarantined_by_the_catalogues_own_architecture(session: Session) -> None:
    faster = TABLE.replace("50.00                    20.00", "2.00                    500.00")
    evidence(session.collected, stdout=(BANNER + faster.replace("3150.00", "126.00")).encode())
    (run,) = read_through_store(session)
    assert run.metric("generate_tps") == 500.0 and run.believed("generate_tps") is None
    assert {metric for metric, _ in run.quarantined} == {"generate_tps", "memory_rkllm_bytes", "memory_vmhwm_bytes"}


def test_a_second_look_reads_nothing_and_a_rebuild_everything(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    evidence(session.collected)
    first = summaries(session)
    assert first == ["reports/summary.csv", "reports/summary.xlsx", "reports/results.sqlite"]
    before = {name: (session.home / name).read_bytes() for name in first}
    read: list[str] = []
    real = RunFiles.telemetry
    monkeypatch.setattr(RunFiles, "telemetry", lambda files: (read.append(files.run), real(files))[1])
    summaries(session)
    assert read == [] and before == {name: (session.home / name).read_bytes() for name in first}
    summaries(session, rebuild=True)
    assert len(read) == 1
    connection = sqlite3.connect(store_of(session))
    assert connection.execute("SELECT count(*) FROM claims WHERE n = 1").fetchone()[0] > 0
    connection.close()


def test_a_table_is_not_lost_where_the_store_can_not_be_written(
    session: Session, capsys: pytest.CaptureFixture[str]
) -> None:
    evidence(session.collected)
    no_store_can_be_made(session)
    (run,), (plain,) = read_through_store(session, "c1"), read_runs(session.collected)
    assert run == replace(plain, quarantined=run.quarantined)
    assert "can not be written" in capsys.readouterr().err


def test_a_store_that_can_not_be_written_is_said_once_and_costs_no_spreadsheet(
    session: Session, capsys: pytest.CaptureFixture[str]
) -> None:
    evidence(session.collected)
    no_store_can_be_made(session)
    with pytest.raises(CannotWrite, match="can not be written"):
        summaries(session)
    assert "can not be written" not in capsys.readouterr().err  # the verb says what is raised
    assert {path.name for path in session.reports.iterdir()} >= {"summary.csv", "summary.xlsx"}


def no_store_can_be_made(session: Session) -> None:
    """Neither by root: what lies there can not be moved aside."""
    (session.reports / "results.sqlite.broken").mkdir(parents=True)
    store_of(session).write_text("no database" * 1000)


def test_every_model_of_the_catalogue_is_known_by_its_title(session: Session) -> None:
    known = known_models(session)
    assert known["qwen3-0.6b"].title == "Qwen3-0.6B"
    assert all(one.architecture is not None for one in known.values())
