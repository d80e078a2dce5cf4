"""A log made by hand beside what a person said of it: nobody planned that run, and nobody watched it end.

What was stated stands in for a plan and, where it names an exit code, for the end record. It fills only what the log
leaves open; where the log says otherwise both values are kept, and the run is not to be believed.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from analysis.evidence import Record
from analysis.outcome import End, Judgement, Outcome
from analysis.parse import Check, ParsedRun, Planned
from analysis.parse.integrity import checks_of_plan

FIELDS = (
    *("board_model", "model", "kind", "cores", "context", "new_tokens"),
    *("runtime", "driver", "date", "exit_code", "note"),
)


def stated_end(spec: Record) -> End | None:
    """How it ended, where a person said so."""
    code = spec.whole("stated.exit_code")
    return None if code is None else End(result="success" if code == 0 else "exit-code", exit_code=code)


def stated_text(spec: Record) -> str | None:
    """All that was said, on one line; None where nothing was."""
    said = ((name, spec.text(f"stated.{name}") or spec.whole(f"stated.{name}")) for name in FIELDS)
    return ", ".join(f"{name} {value}" for name, value in said if value is not None) or None


def checks_of_stated(spec: Record, parsed: ParsedRun) -> Iterator[Check]:
    """The log's word beside the person's, also where there is no table; what either leaves open is not compared."""
    log = parsed.log
    planned = Planned(npu_core_num=spec.whole("npu_cores"), runtime=spec.text("stated.runtime"))
    yield from checks_of_plan(replace(log, turns=()), planned)
    driver = spec.text("stated.driver")
    if driver and log.driver:
        yield Check("driver_as_stated", log.driver, driver, driver == log.driver)
    code = spec.whole("stated.exit_code")
    for name, stream in parsed.streams.items():
        if code is not None and stream.exit_code is not None:
            seen = f"exit code {stream.exit_code} in {name}.log"
            yield Check("exit_code_as_stated", seen, f"{code}", stream.exit_code == code)
    context, limit = spec.whole("workload.max_context_len"), log.max_context_limit
    if log.turns and context is not None and limit is not None:  # without a table it is a failure of its own
        yield Check(
            "context_as_stated", f"max_context_limit {limit} in the banner", f"at least {context}", context <= limit
        )
    new_tokens = spec.whole("workload.max_new_tokens")
    if log.turns and new_tokens is not None:
        most = max(turn.generate.tokens for turn in log.turns)
        yield Check("new_tokens_as_stated", f"{most} tokens generated", f"at most {new_tokens}", most <= new_tokens)


def contradicted(judgement: Judgement, checks: Iterator[Check]) -> Judgement:
    """The judgement with each contradiction named; what was ok is tainted, what was worse stays what it is."""
    known = judgement.reason or ""
    found = [check.sentence for check in checks if not check.ok and check.sentence not in known]
    if not found:
        return judgement
    outcome = Outcome.TAINTED if judgement.outcome is Outcome.OK else judgement.outcome
    reason = "; ".join(part for part in (known, *found) if part)
    return Judgement(outcome, reason, judgement.advice)
