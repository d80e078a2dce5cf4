"""How a run ended, as it was written down: by the board in ``end.json``, by the workstation in ``outcome.json``."""

from __future__ import annotations

from analysis.evidence import Record, Unreadable
from analysis.outcome import End, Judgement, Outcome


def end_of(record: Record | Unreadable | None) -> End | None:
    """A broken ``end.json`` is an end too, of which nothing is known."""
    if record is None:
        return None
    end = record if isinstance(record, Record) else Record({})
    return End(
        result=end.text("result"),
        exit_code=end.whole("exit_code"),
        signal=end.whole("signal"),
        duration_s=end.number("duration_s"),
        limit_s=end.number("limit_s"),
        boot_id=end.text("boot_id"),
    )


def told_of(record: Record | Unreadable | None) -> Judgement | None:
    """What the workstation wrote about a run that never came back from its board."""
    if record is None:
        return None
    told = record if isinstance(record, Record) else Record({})
    word, reason = told.text("outcome"), told.text("reason")
    if word not in set(Outcome) or word == Outcome.OK:  # ok needs a board's end.json
        return Judgement(Outcome.FAILED, f"outcome.json says {word!r:.80}, which is no outcome of such a run")
    return Judgement(Outcome(word), reason or "outcome.json gives no reason", told.text("advice"))
