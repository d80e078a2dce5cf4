"""Findings of one run, and of several together, by what each would explain of the number. Pure.

An effect is the share of a token's or of the prompt's time that would go with the cause, whichever is larger. It is
bounded by how much slower the run is than predicted, with room for the prediction's own error: a low clock that a
number does not miss is no reason for anything. What decides whether there is a number at all stands before all.
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass, replace

from analysis.diagnosis.finding import Cost, Finding, Left, State
from analysis.diagnosis.observed import Observed
from analysis.diagnosis.registry import DIRECT, INCLUDED, NOTES, RESIDUAL

TOKEN_SLACK, PROMPT_SLACK = 0.05, 0.09  # of the predicted time: the model's mean errors are 2.6 and 9 %


WORTH_SAYING = 0.03  # of the time; below that a cause is listed and not named in the sentence
REST = "unexplained"


@dataclass(frozen=True)
class Ranked:
    """A finding with its effect: shares of the time of a token and of the prompt, None where there is no time."""

    finding: Finding
    token_share: float | None = None
    prompt_share: float | None = None
    runs: int = 1
    of_runs: int = 1

    @property
    def effect(self) -> float:
        """What it is ranked by."""
        return max(self.token_share or 0.0, self.prompt_share or 0.0)


def examine(seen: Observed) -> tuple[Ranked, ...]:
    """Every check of one run, in the order of the registry."""
    direct = [check(seen) for check in DIRECT]
    names = {one.check for one in direct if one.state is State.FOUND}
    doubled = {part for whole, parts in INCLUDED.items() if whole in names for part in parts}
    if doubled and not _cost_of(direct, "throttle"):
        doubled = set()
    direct = [replace(one, cost=Cost()) if one.check in doubled else one for one in direct]
    spent = sum((one.cost for one in direct), Cost())
    expected = seen.expected
    token = prompt = 0.0
    if expected is not None and seen.token_s is not None:
        token = max(0.0, seen.token_s - expected.token_s - spent.token_s)
    if expected is not None and seen.prompt_s is not None and expected.prompt_s is not None:
        prompt = max(0.0, seen.prompt_s - expected.prompt_s - spent.prompt_s)
    residual = []
    for check in RESIDUAL:
        one = check(seen, Left(token, prompt))
        token, prompt = max(0.0, token - one.cost.token_s), max(0.0, prompt - one.cost.prompt_s)
        residual.append(one)
    return tuple(_with_effect(one, seen) for one in [*direct, *residual])


def rank(examined: Sequence[Sequence[Ranked]]) -> tuple[tuple[Ranked, ...], tuple[Finding, ...], tuple[Finding, ...]]:
    """What was found in at least half of the runs, the largest effect first; what is fine; what nobody recorded.

    Each of ``examined`` has the same checks in the same order.
    """
    ranked, good, open_ = [], [], []
    for answers in zip(*examined, strict=True):
        found = [one for one in answers if one.finding.state is State.FOUND]
        if found and 2 * len(found) >= len(answers):
            ranked.append(_together(found, len(answers)))
            continue
        fine = [one.finding for one in answers if one.finding.state is State.FINE]
        if fine:
            good.append(fine[0])
        else:
            open_.append(answers[0].finding)
    ranked.sort(key=_place)  # stable: the registry's order decides between equals
    return tuple(ranked), tuple(good), tuple(open_)


def _place(one: Ranked) -> tuple[bool, float, bool]:
    if one.finding.decides:
        return (False, 0.0, False)
    # The rest is no cause: it stands behind every cause that is worth a word, however large it is.
    effect = min(one.effect, WORTH_SAYING) if one.finding.check == REST else one.effect
    return (True, -round(effect, 2), one.finding.check in NOTES or one.finding.check == REST)


def _together(found: Sequence[Ranked], of_runs: int) -> Ranked:
    """The run in the middle speaks for all, with the medians."""
    middle = sorted(found, key=lambda one: one.effect)[len(found) // 2]

    def median(values: list[float | None]) -> float | None:
        seen = [value for value in values if value is not None]
        return statistics.median(seen) if seen else None

    return Ranked(
        middle.finding,
        median([one.token_share for one in found]),
        median([one.prompt_share for one in found]),
        len(found),
        of_runs,
    )


def _with_effect(one: Finding, seen: Observed) -> Ranked:
    expected = seen.expected
    if one.state is not State.FOUND or expected is None:
        return Ranked(one)
    return Ranked(
        one,
        _share(one.cost.token_s, seen.token_s, expected.token_s, TOKEN_SLACK),
        _share(one.cost.prompt_s, seen.prompt_s, expected.prompt_s, PROMPT_SLACK),
    )


def _share(cost_s: float, seen_s: float | None, expected_s: float | None, slack: float) -> float | None:
    if seen_s is None or expected_s is None:
        return None
    return min(cost_s, max(0.0, seen_s - (1 - slack) * expected_s)) / seen_s


def _cost_of(findings: Sequence[Finding], check: str) -> float:
    return sum(one.cost.token_s + one.cost.prompt_s for one in findings if one.check == check)
