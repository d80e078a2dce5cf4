"""One night of the whole fleet: alarms with their cause, flaky cells, what is not known, A/B cards and slow notes.

The boards vote on the cause: of three or more that measure the same cell, one that is down alone has a fault of its own
(heat, card, supply), and all of them at once have their software in common. Fewer boards can not tell.

What changed on a board between its last good and its first bad night is told with each alarm. That it changed then is
all that is known of it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from analysis.environment import changes
from analysis.metrics import BY_NAME
from analysis.nights.fast import DOWN, LEAST_NIGHTS, Judged, State, judge_segment
from analysis.nights.segments import Card, Segment, card, segments
from analysis.nights.slow import Note, slow_changes
from analysis.nights.values import Night, NightValue, Series
from analysis.tolerance import words

LEAST_BOARDS = 3


class Cause(StrEnum):
    """Whose fault it looks like."""

    BOARD = "board"  # it alone is down
    SOFTWARE = "software"  # every board is down
    SEVERAL = "several"  # some are: what do they share
    OPEN = "open"  # fewer than three boards measured this


_CAUSES = {
    Cause.BOARD: "its peers are as ever: look at its cooling, its card and its power supply",
    Cause.SOFTWARE: "every board that measured it is down: look at what was installed or changed for all of them",
    Cause.SEVERAL: "some boards are down and some are not: look at what the former share",
    Cause.OPEN: f"fewer than {LEAST_BOARDS} boards measured it, so board and software can not be told apart",
}


@dataclass(frozen=True)
class Alarm:
    """One cell and metric that became worse, on one board or on several. ``new`` is False from the second night on."""

    cell: str
    metric: str
    origin: str
    boards: tuple[str, ...]
    cause: Cause
    new: bool
    last_good: str
    first_bad: str
    judged: tuple[Judged, ...]  # of each board, in the order of ``boards``
    changed: tuple[str, ...]  # between those two nights, on every one of these boards
    command: str  # that shows the evidence

    @property
    def sentence(self) -> str:
        """For a mail: what, by how much, where, since when, what changed."""
        word = words(self.metric)[0]
        sizes = ", ".join(_size(board, one, word) for board, one in zip(self.boards, self.judged, strict=True))
        changed = "; ".join(self.changed) or "nothing that the facts show"
        return (
            f"{self.cell}: {BY_NAME[self.metric].title}: {sizes}; first bad night {self.first_bad}, last good one "
            f"{self.last_good}; changed between them: {changed}; {_CAUSES[self.cause]}"
        )


@dataclass(frozen=True)
class NightVerdict:
    """All that is to be said of one night."""

    night: str
    alarms: tuple[Alarm, ...] = ()
    suspects: tuple[Series, ...] = ()  # out of their limit and not measured again
    flaky: tuple[Series, ...] = ()
    unknown: tuple[tuple[Series, str], ...] = ()  # of tonight or the night before, and without a value; why
    doubtful: tuple[tuple[Series, str], ...] = ()  # repeats further apart than they should be
    cards: tuple[Card, ...] = ()
    notes: tuple[Note, ...] = ()
    states: dict[Series, Judged] = field(default_factory=dict)

    @property
    def regressed(self) -> bool:
        """Is anything worse than it was; the exit code 3 of a nightly."""
        return bool(self.alarms)


def suspects(nights: Sequence[Night]) -> tuple[Series, ...]:
    """What the last night has to measure once more, after cooling down."""
    return judge_night(nights).suspects


def judge_night(nights: Sequence[Night]) -> NightVerdict:
    """The last of these nights by all that were before it. Raises ValueError without any night."""
    if not nights:
        raise ValueError("there is no night to judge")
    tonight = nights[-1]
    parts = {series: segments(values) for series, values in _histories(nights).items()}
    states = {
        series: judged
        for series, of_series in parts.items()
        if (judged := judge_segment(series.metric, of_series[-1])[-1]).night.night == tonight.name
    }
    alarms = tuple(_alarms(states, [night.name for night in nights]))
    alarmed = {(board, alarm.cell, alarm.metric, alarm.origin) for alarm in alarms for board in alarm.boards}
    steady = {
        series: of_series[-1].nights
        for series, of_series in parts.items()
        if (series.board, series.cell, series.metric, series.origin) not in alarmed and series in states
    }
    return NightVerdict(
        night=tonight.name,
        alarms=alarms,
        suspects=_in(states, State.SUSPECT),
        flaky=_in(states, State.FLAKY),
        unknown=_unknown(nights, states),
        doubtful=tuple((series, one.night.doubt) for series, one in sorted(states.items()) if one.night.doubt),
        cards=tuple(_cards(parts, tonight.name)),
        notes=slow_changes(steady),
        states=states,
    )


def _histories(nights: Iterable[Night]) -> dict[Series, list[NightValue]]:
    found: defaultdict[Series, list[NightValue]] = defaultdict(list)
    for night in nights:
        for series, value in night.values.items():
            found[series].append(value)
    return dict(found)


def _in(states: dict[Series, Judged], wanted: State) -> tuple[Series, ...]:
    return tuple(series for series, judged in sorted(states.items()) if judged.state is wanted)


def _unknown(nights: Sequence[Night], states: dict[Series, Judged]) -> tuple[tuple[Series, str], ...]:
    absent = {series: "not measured" for series in nights[-2].values if series not in states} if nights[1:] else {}
    without = {series: judged.night.why for series, judged in states.items() if judged.state is State.NO_VALUE}
    return tuple(sorted((absent | without).items()))


def _cards(parts: dict[Series, tuple[Segment, ...]], tonight: str) -> Iterable[Card]:
    """From the first night under new conditions until there are enough of them for the fast tier."""
    for series, of_series in sorted(parts.items()):
        now = of_series[-1]
        if len(of_series) < 2 or now.nights[-1].night != tonight or len(now.valued) > LEAST_NIGHTS:
            continue
        if found := card(series, of_series[-2], now):
            yield found


def _alarms(states: dict[Series, Judged], order: Sequence[str]) -> Iterable[Alarm]:
    peers: defaultdict[tuple[str, str, str], dict[str, Judged]] = defaultdict(dict)
    for series, judged in sorted(states.items()):
        if judged.limit is not None:
            peers[(series.cell, series.metric, series.origin)][series.board] = judged
    for (cell, metric, origin), boards in peers.items():
        down = {board: judged for board, judged in boards.items() if judged.state in DOWN}
        # Nobody has looked a second time at a suspect: it does not vote.
        voting = {board for board, judged in boards.items() if judged.state is not State.SUSPECT}
        if down:
            yield _alarm(cell, metric, origin, down, _cause(len(down), len(voting)), order)


def _cause(down: int, voting: int) -> Cause:
    if voting < LEAST_BOARDS:
        return Cause.OPEN
    if down == voting:
        return Cause.SOFTWARE
    return Cause.BOARD if down == 1 else Cause.SEVERAL


def _alarm(cell: str, metric: str, origin: str, down: dict[str, Judged], cause: Cause, order: Sequence[str]) -> Alarm:
    boards = tuple(sorted(down))
    judged = tuple(down[board] for board in boards)
    good, bad = (
        [night for one in judged if (night := getattr(one, name)) is not None] for name in ("last_good", "first_bad")
    )
    # Boards that went down on different nights: the evidence is shown of the earliest, which is the first to explain.
    at = min(range(len(bad)), key=lambda place: order.index(bad[place].night))
    return Alarm(
        cell=cell,
        metric=metric,
        origin=origin,
        boards=boards,
        cause=cause,
        new=any(one.state is State.REGRESSION for one in judged),
        last_good=good[at].night,
        first_bad=bad[at].night,
        judged=judged,
        changed=_common(changes(was.environment, now.environment) for was, now in zip(good, bad, strict=True)),
        command=f"invoke compare campaign={good[at].night} campaign={bad[at].night} --board {','.join(boards)}",
    )


def _common(changed: Iterable[tuple[str, ...]]) -> tuple[str, ...]:
    """What changed on every board, in the order of the first."""
    every = list(changed)
    return tuple(one for one in every[0] if all(one in other for other in every[1:]))


def _size(board: str, judged: Judged, word: str) -> str:
    size = judged.size
    if size is None or size.low is None or size.high is None:
        return f"{board} {word}"
    return f"{board} {abs(size.value - 1):.1%} {word} ({size.low - 1:+.1%} to {size.high - 1:+.1%})"
