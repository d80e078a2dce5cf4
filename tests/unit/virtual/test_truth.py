"""The log of what really happened."""

from __future__ import annotations

from pathlib import Path

from virtual.truth import Truth, events


def test_who_reads_while_a_line_is_being_written_gets_the_lines_before_it(tmp_path: Path) -> None:
    log = tmp_path / "truth.jsonl"
    assert events(log) == []
    truth = Truth(log, clock=lambda: 1.5)
    truth.record("boot", boot_id="a\u2028b")
    first = log.stat().st_size
    truth.record("power", to="on")
    whole = log.read_bytes()
    for size in range(first, len(whole)):
        log.write_bytes(whole[:size])
        assert [one["event"] for one in events(log)] == ["boot"]
    log.write_bytes(whole)
    assert events(log, since=first) == [{"t_s": 1.5, "event": "power", "to": "on"}]
    truth.close()
