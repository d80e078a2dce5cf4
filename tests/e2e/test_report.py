"""`invoke report` as a person types it."""

from __future__ import annotations

from tests.e2e.home import Home


def test_without_any_evidence_the_reports_stand_on_what_is_published_and_predicted(home: Home) -> None:
    home.inventory({})
    done = home.invoke("report", "--lang", "en")
    assert done.stdout.split() == [
        "reports/final_report.en.md",
        "reports/feasibility_report.en.md",
        "reports/benchmark_log.md",
        "reports/report.xlsx",
        "reports/report.html",
    ]
    text = (home.folder / "reports" / "final_report.en.md").read_text(encoding="utf-8")
    assert "measured on a real board: none" in text and "They say nothing about any real board" not in text


def test_a_language_that_there_is_not_is_refused_before_anything_is_written(home: Home) -> None:
    home.inventory({})
    done = home.invoke("report", "--lang", "de", code=2)
    assert "'de' is none of zh, en" in done.stderr and "Try: invoke report --lang en" in done.stderr
    assert not (home.folder / "reports").exists()
