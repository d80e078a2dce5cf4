"""What the judgement of nights finds, how often it cries wolf, and what the verdicts of ``compare`` are worth.

Series of 60 nights with five repeats each, made by a seeded generator: nights scatter by 0.8 or 1.5 % (SD), repeats
within a night by 0.6 %, three nights in a hundred are 6 % down for once, and from night 45 on the series is 5 or 3 %
slower. They go through ``analysis.nights`` and ``analysis.compare`` as they are. False alarms are counted on nights 15
to 44, per 100 nights of a series; ``found by 1/3/7`` is the share of shifts with an alarm on the first night, by the
third, and by the seventh. A second measurement draws a night of its own and is never a one-off.

The published numbers beside ours are those of a simulation of the same rules with the same parameters, made before this
code and by other code; they stand in ``PUBLISHED``. Not shown: real boards. Their nights are neither normal nor
independent, and a warm week moves all of them.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence

from analysis.compare import Verdict, judge_ratio
from analysis.nights.fast import State, judge_segment
from analysis.nights.segments import segments
from analysis.nights.slow import slow_changes
from analysis.nights.values import NightValue, Series, night_value
from analysis.ratio import Ratio, ratio_of_medians
from benchmarks.report import Row

ROUNDS = 120  # series of each kind; 120 x 30 nights know a rate of 3 % to 0.3
NIGHTS, REPEATS, SHIFT = 60, 5, 45
FIRST_JUDGED = 15
WITHIN = 0.006
ONE_OFF, ONE_OFF_DROP = 0.03, 0.06
SIGMAS = (0.008, 0.015)
DROPS = (0.05, 0.03)
DAYS = (1, 3, 7)
METRIC = "generate_tps"
SEED = 2026

# False alarms per 100 series-nights, and shifts found by night 1, 3 and 7 in percent; by sigma and drop
PUBLISHED: dict[str, dict[float, tuple[float, dict[float, tuple[int, ...]]]]] = {
    "limit alone": {
        0.008: (3.1, {0.05: (97, 99, 99), 0.03: (47, 74, 78)}),
        0.015: (3.1, {0.05: (60, 78, 81)}),
    },
    "limit and second measurement": {
        0.008: (0.0, {0.05: (93, 97, 97), 0.03: (21, 41, 46)}),
        0.015: (0.05, {0.05: (42, 56, 58)}),
    },
}
OUT = (State.FLAKY, State.REGRESSION, State.STILL)
ALARM = (State.REGRESSION, State.STILL)


def run(rounds: int, big: bool) -> list[Row]:
    """The fast tier with and without its second measurement, the slow tier, and compare."""
    return [*_fast(rounds), *_slow(rounds), *_compare(rounds * 5)]


def night(drawn: random.Random, sigma: float, level: float, *, one_offs: bool = True) -> list[float]:
    """Five repeats of one night."""
    off = 1 - ONE_OFF_DROP if one_offs and drawn.random() < ONE_OFF else 1.0
    middle = 20.0 * level * off * drawn.gauss(1, sigma)
    return [middle * drawn.gauss(1, WITHIN) for _ in range(REPEATS)]


def history(drawn: random.Random, sigma: float, drop: float) -> list[NightValue]:
    """Sixty nights, each with what a second measurement would have given."""
    found = []
    for number in range(1, NIGHTS + 1):
        level = 1 - drop if number >= SHIFT else 1.0
        repeats, again = night(drawn, sigma, level), night(drawn, sigma, level, one_offs=False)
        found.append(night_value(f"{number:02d}", repeats, of=REPEATS, conditions={"runtime": "1.2.3"}, again=again))
    return found


def _fast(rounds: int) -> Iterator[Row]:
    for sigma in SIGMAS:
        for drop in DROPS:
            drawn = random.Random(SEED)
            states = [_states(history(drawn, sigma, drop)) for _ in range(rounds)]
            for rule, alarmed in (("limit alone", OUT), ("limit and second measurement", ALARM)):
                yield from _rates(rule, sigma, drop, states, alarmed)


def _states(nights: Sequence[NightValue]) -> list[State]:
    (segment,) = segments(nights)
    return [judged.state for judged in judge_segment(METRIC, segment)]


def _rates(
    rule: str, sigma: float, drop: float, states: Sequence[Sequence[State]], alarmed: Sequence[State]
) -> Iterator[Row]:
    before = [state for series in states for state in series[FIRST_JUDGED - 1 : SHIFT - 1]]
    # A night that is still down belongs to the alarm of its first night.
    false = 100 * sum(state in alarmed and state is not State.STILL for state in before) / len(before)
    by_day = [
        round(
            100 * sum(any(s in alarmed for s in series[SHIFT - 1 : SHIFT - 1 + day]) for series in states) / len(states)
        )
        for day in DAYS
    ]
    published_false, published = PUBLISHED[rule][sigma]
    what = f"{rule}, nights scatter {sigma:.1%}"
    if drop == DROPS[0]:
        yield Row("nights", f"{what}: false alarms per 100", f"{false:.2f}", f"published: {published_false:g}")
    theirs = published.get(drop)
    told = f"published: {_percent(theirs)}" if theirs else ""
    asked = theirs is not None and rule != "limit alone"
    yield Row(
        "nights",
        f"{what}, {drop:.0%} slower: found by 1/3/7",
        _percent(by_day),
        told,
        by_day[-1] / theirs[-1] if theirs else None,
        0.9 if asked else None,
        at_least=True,
    )


def _percent(shares: Sequence[int]) -> str:
    return "/".join(map(str, shares)) + " %"


def _slow(rounds: int) -> Iterator[Row]:
    """Fleets of 100 series on the seventh night after ten of them became 3 % slower."""
    for sigma in SIGMAS:
        drawn = random.Random(SEED)
        found = false = 0
        fleets = max(1, rounds // 100)
        for _ in range(fleets):
            fleet = {
                Series(f"{number:03d}", METRIC, "simulated", "board"): history(
                    drawn, sigma, 0.03 if number < 10 else 0.0
                )[: SHIFT + 6]
                for number in range(100)
            }
            noted = [int(note.series.cell) for note in slow_changes(fleet)]
            found += sum(number < 10 for number in noted)
            false += sum(number >= 10 for number in noted)
        yield Row(
            "nights",
            f"the last week's note, nights scatter {sigma:.1%}: 10 of 100 series 3 % slower for 7 nights",
            f"{100 * found / (10 * fleets):.0f} % of them found",
            f"{100 * false / max(1, found + false):.0f} % of the notes false",
        )


def _compare(rounds: int) -> Iterator[Row]:
    """Two sides that are alike, and two that are 5 % apart: which verdicts, and how often the interval is right."""
    kinds: tuple[tuple[str, int, int, int], ...] = (
        ("3 runs a side", 1, 3, rounds),
        ("5 runs a side", 1, 5, rounds),
        ("5 nights of 5 a side", 5, 5, max(1, rounds // 10)),
        ("14 nights of 5 a side", 14, 5, max(1, rounds // 20)),
    )
    for sigma in SIGMAS:
        for what, nights, repeats, times in kinds:
            drawn = random.Random(SEED)
            alike = [_ratio(drawn, sigma, nights, repeats, 1.0) for _ in range(times)]
            apart = [_ratio(drawn, sigma, nights, repeats, 0.95) for _ in range(times)]
            yield Row(
                "compare",
                f"{what}, nights scatter {sigma:.1%}: two that are alike",
                f"{_share(alike, _is_wrong):.1f} % called faster or slower",
                f"{_share(alike, _is_same):.0f} % called the same",
            )
            yield Row(
                "compare",
                f"{what}, nights scatter {sigma:.1%}: one 5 % slower",
                f"{_share(apart, lambda ratio: _verdict(ratio) is Verdict.WORSE):.0f} % called slower",
                f"the interval holds 0.95 in {_share(apart, lambda ratio: _holds(ratio, 0.95)):.0f} %",
            )


def _ratio(drawn: random.Random, sigma: float, nights: int, repeats: int, level: float) -> Ratio:
    a, b = ([night(drawn, sigma, of_side, one_offs=False)[:repeats] for _ in range(nights)] for of_side in (1.0, level))
    ratio = ratio_of_medians(a, b)
    assert ratio is not None
    return ratio


def _share(ratios: Sequence[Ratio], is_so: Callable[[Ratio], bool]) -> float:
    return 100 * sum(map(is_so, ratios)) / len(ratios)


def _verdict(ratio: Ratio) -> Verdict:
    return judge_ratio(METRIC, ratio)[0]


def _is_wrong(ratio: Ratio) -> bool:
    return _verdict(ratio) in (Verdict.BETTER, Verdict.WORSE)


def _is_same(ratio: Ratio) -> bool:
    return _verdict(ratio) is Verdict.SAME


def _holds(ratio: Ratio, truth: float) -> bool:
    return ratio.low is not None and ratio.high is not None and ratio.low <= truth <= ratio.high
