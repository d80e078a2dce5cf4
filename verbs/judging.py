"""What the logs of a night mean: the judgements that ``fleet.nightly`` takes from ``analysis``."""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from analysis.architecture import Architecture
    from analysis.nights import NightVerdict, Series
    from analysis.runs import Run
    from fleet.nightly.night import Finding, Nights
    from fleet.nightly.stages import Canary
    from fleet.plan import Request
    from fleet.session import Session


# Twice what the judge is sure to call worse: a canary that stopped a board for a slower library would hide it from him.
CANARY_WIDTH = 0.10


class Archive:
    """The runs of nights by campaign. Each is read once: evidence does not change."""

    def __init__(self, session: Session, nights: Nights, tonight: str) -> None:
        self.nights = nights
        self.tonight = tonight
        self._session = session
        self._read: dict[tuple[str, str, str], Run] = {}

    @property
    def names(self) -> list[str]:
        """The latest nights up to this one, the oldest first."""
        from fleet import defaults

        names = [night.name for night in self.nights.load() if night.name < self.tonight]
        return [*names[-defaults.NIGHT_HISTORY :], self.tonight]

    def runs(self, campaign: str) -> tuple[Run, ...]:
        """Of one campaign; none where there is none."""
        from analysis.evidence import find_runs
        from analysis.physics import gated
        from analysis.runs import read_run

        found = []
        for files in find_runs(self._session.collected, campaign):
            key = (files.campaign, files.board, files.run)
            if key not in self._read:
                self._read[key] = gated([read_run(files)], self._architectures)[0]
            found.append(self._read[key])
        return tuple(found)

    @functools.cached_property
    def _architectures(self) -> Mapping[str, Architecture]:
        from verbs.evidence import known_models

        known = known_models(self._session)
        return {name: one.architecture for name, one in known.items() if one.architecture is not None}


def judge(archive: Archive) -> Callable[[str, str | None], Sequence[Finding]]:
    """What became worse in a night, by the nights before it; the second argument of the answer is the campaign of its
    second measurements, None as long as there is none."""

    def of_night(name: str, again: str | None) -> Sequence[Finding]:
        from analysis.nights import again_name, judge_night, read_nights

        tonight = archive.runs(name)
        if not any(run.counts for run in tonight):
            return ()
        before = [night for night in archive.names if night != name]
        runs = [run for night in before for one in (night, again_name(night)) for run in archive.runs(one)]
        runs += [*tonight, *(archive.runs(again) if again else ())]
        return tuple(_findings(judge_night(read_nights(runs)), tonight))

    return of_night


def _findings(verdict: NightVerdict, tonight: Sequence[Run]) -> list[Finding]:
    from analysis.metrics import BY_NAME
    from analysis.tolerance import words
    from fleet.nightly.night import Finding

    def of_series(kind: str, series: Series, sentence: str, since: str = "", again: tuple[str, ...] = ()) -> Finding:
        return Finding(kind, series.board, series.cell, BY_NAME[series.metric].title, sentence, since, again=again)

    def off(series: Series) -> str:
        judged = verdict.states[series]
        return f"{abs(judged.worse_by or 0.0):.1%} {words(series.metric)[0]}, {judged.limit or 0.0:.1%} is the limit"

    found = [
        Finding(
            "regression" if one.new else "still worse",
            ", ".join(one.boards),
            one.cell,
            BY_NAME[one.metric].title,
            f"{one.sentence}; {one.command}",
            since=one.first_bad,
            alarm=True,
        )
        for one in verdict.alarms
    ]
    for series in verdict.suspects:
        runs = tuple(run.run for run in tonight if _in_cell(run, series) and not run.warmup)
        found.append(of_series("suspect", series, f"{off(series)}; not measured again", again=runs))
    found += [of_series("flaky", one, f"{off(one)}; fine when measured again") for one in verdict.flaky]
    for card in verdict.cards:
        by = "" if card.ratio is None else f": {card.ratio.value - 1:+.1%}"
        found.append(of_series("conditions", card.series, f"{'; '.join(card.changed)}{by}, no alarm"))
    for note in verdict.notes:
        by = f"{abs(note.worse_by):.1%} {words(note.series.metric)[note.worse_by < 0]}"
        found.append(of_series("slowly", note.series, f"the last week is {by} than the weeks before", note.began))
    there = {run.board for run in tonight}  # of a board that is not, everybody knows that it has no numbers
    for kind, some in (("no number", verdict.unknown), ("doubtful", verdict.doubtful)):
        counted = Counter((series.board, why) for series, why in some if series.board in there)
        found += [
            Finding(kind, board, "", f"{n} of its numbers", why, news=kind != "doubtful")
            for (board, why), n in counted.items()
        ]
    return found


def _in_cell(run: Run, series: Series) -> bool:
    from analysis.nights.values import cell_of

    return (run.board, cell_of(run)) == (series.board, series.cell)


def canary(archive: Archive, bands: Mapping[str, tuple[float, float]]) -> Callable[[str, str], Canary]:
    """Is a board's canary where it should be: in the suite's band, else in that of its own good nights under the same
    conditions. Nights that are too few for a band hold nobody back."""

    def of_board(campaign: str, board: str) -> Canary:
        from analysis.metrics import BY_NAME
        from analysis.nights.band import Band, band_of
        from analysis.repeats import STEADY
        from fleet.nightly.stages import Canary

        runs = [run for run in archive.runs(campaign) if run.board == board and not run.warmup]
        valid = [run for run in runs if run.counts]
        if not valid:
            why = next((f"{run.outcome}: {run.reason}" for run in runs if run.reason), "there is none")
            return Canary(f"no canary run ended well: {why}")
        history = _accepted(archive, board)
        seen, wrong = [], []
        for name in dict.fromkeys((*STEADY, *bands)):
            metric, value = BY_NAME[name], _median(valid, name)
            if value is None:
                continue
            before = [
                found
                for some in history
                if some[-1].condition == valid[-1].condition and (found := _median(some, name)) is not None
            ]
            band = Band(*bands[name]) if name in bands else band_of(before, width=CANARY_WIDTH)
            told = f"{metric.title} {metric.text(value)} {metric.unit}"
            if band is None:
                seen.append(f"{told} (no band yet)")
                continue
            expected = f"{metric.text(band.low)} to {metric.text(band.high)}"
            seen.append(f"{told} ({expected})")
            if not band.holds(value):
                wrong.append(f"{told}, expected {expected}")
        return Canary("; ".join(wrong) or None, "; ".join(seen))

    return of_board


def _accepted(archive: Archive, board: str) -> list[list[Run]]:
    """The valid runs of this board's canaries that were accepted, night by night."""
    from fleet.nightly.night import Stage, Status
    from fleet.nightly.stages import canaries_of

    found = []
    for night in archive.nights.load():
        if night.name not in archive.names[:-1]:
            continue
        done = night.done(Stage.CANARY, board)
        if done is None or done.status is not Status.OK:
            continue
        for campaign in reversed(canaries_of(night.name)):  # the second is there when the first was not good
            valid = [run for run in archive.runs(campaign) if run.board == board and run.counts]
            if valid:
                found.append(valid)
                break
    return found


def due(archive: Archive, request: Request) -> Request:
    """The same request, on each board those cells first whose last good measurement is the oldest."""
    from dataclasses import replace

    from analysis.repeats import place_of

    last: dict[tuple[object, ...], str] = {}
    for night in archive.names:
        for run in archive.runs(night):
            if run.counts:
                key = (run.board, *place_of(run))
                last[key] = max(last.get(key, ""), run.created_utc or "")
    cells = request.cells

    def order(board: str) -> tuple[int, ...]:
        return tuple(sorted(range(len(cells)), key=lambda number: last.get((board, *cells[number].told), "")))

    return replace(request, due={entry.name: order(entry.name) for entry in request.boards})


def _median(runs: Sequence[Run], metric: str) -> float | None:
    import statistics

    values = [value for run in runs if (value := run.metric(metric)) is not None]
    return statistics.median(values) if values else None
