"""From runs, references and predictions to claims. Pure: the order of what comes in changes nothing.

For each place (model, cores, encoder's cores, context, workload) there is a claim for each board that was measured
there, and one for any board of the class, whose value is the median of the boards' medians, with the boards named.
Runs enter one statistic only when their origin and their condition fingerprint are the same. Of what is known of a
subject, this is preferred, in this order:

1. the basis: 3 valid repeats or more, fewer, a model fitted to the board, a publication, the generic models
2. measured before manual
3. clocks that were pinned before those that were not
4. for the class: what more boards have in common
5. the newest

Whatever is not taken stands in ``replaced``. What physics does not allow, what a reference's keeper doubts, and runs
of which nobody knows whether a board made them, are in ``quarantined``. A model that nobody measured has a claim, too,
from references and predictions, with no workload.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import median

from analysis.cells import outcome_summary
from analysis.claims import Basis, Claim, Other, Subject
from analysis.metrics import CLAIMED, GIB
from analysis.order_statistics import Stat, stat_of
from analysis.outcome import Outcome
from analysis.physics import gated
from analysis.predictions import Asked, Generic, KnownModel, Predictor
from analysis.published import Published, conditions_of, published
from analysis.references import Reference
from analysis.runs import MANUAL, MEASURED, SIMULATED, Run, Workload

ENOUGH = 3  # valid repeats for a measurement; fewer are provisional
STEADY_N, STEADY_CV = 5, 0.03  # a number that may be called stable
CONTEXT = 4096  # tokens, of what nobody measured: what the artifacts are converted for

# The witnesses of memory: the first that saw enough runs is believed.
_WITNESSES = {
    "memory_available_drop_bytes": "what MemAvailable fell by",
    "memory_vmhwm_bytes": "VmHWM of the process",
    "memory_rkllm_bytes": "RKLLM's own figure, VmHWM",
}
_BASES = {basis: place for place, basis in enumerate(Basis)}
_ORIGINS = {MEASURED: 0, MANUAL: 1, SIMULATED: 2}

Group = Mapping[str, Sequence[Run]]  # by board: runs of one origin and one condition


@dataclass(frozen=True)
class _Place:
    """A subject without its metric."""

    model: str
    npu_cores: int | None
    vision_cores: int | None
    context: int | None
    workload: str
    board: str | None
    simulated: bool

    def subject(self, metric: str) -> Subject:
        return Subject(
            self.model,
            self.npu_cores,
            metric,
            self.board,
            self.vision_cores,
            self.context,
            self.workload or None,
            self.simulated,
        )


@dataclass(frozen=True)
class _Candidate:
    """One thing that could be claimed; the lowest rank is."""

    rank: tuple[int, ...]
    claim: Claim

    def as_other(self, value: float) -> Other:
        mine = self.claim
        differs = value / mine.value - 1 if mine.value else None
        return Other(mine.basis, mine.value, mine.source, differs, mine.conditions)


def claims(
    runs: Iterable[Run],
    references: Iterable[Reference] = (),
    models: Mapping[str, KnownModel] | None = None,
    *,
    predictors: Sequence[Predictor] | None = None,
    boards: Iterable[str] = (),
    context: int = CONTEXT,
) -> tuple[Claim, ...]:
    """Every claim, sorted by subject. ``models`` by their name in models.yaml; ``boards`` get claims for models that
    were not measured there, too. ``predictors``: default the generic models; give a fitted one beside them."""
    maker = _Maker(models or {}, references, predictors)
    places: defaultdict[_Place, defaultdict[tuple[str, str], dict[str, list[Run]]]]
    places = defaultdict(lambda: defaultdict(dict))
    sentences: dict[Workload, str] = {}
    for run in gated(runs, maker.architectures):
        if run.model is None:
            continue
        if (sentence := sentences.get(run.workload)) is None:
            sentence = sentences[run.workload] = run.workload.sentence
        at = (run.model, run.npu_cores, run.vision_cores, run.workload.max_context_len, sentence)
        for board in (run.board, None):
            groups = places[_Place(*at, board, run.simulated)]
            groups[(run.origin, run.condition or "")].setdefault(run.board, []).append(run)
    made = [claim for place, groups in places.items() for claim in maker.of_place(place, list(groups.values()))]
    measured = {_short(one.subject) for one in made if one.n}
    for name, model in maker.models.items():
        for board in (None, *sorted(set(boards))):
            for cores in model.cores:
                for metric in CLAIMED:
                    if Subject(name, cores, metric, board) not in measured:
                        made += maker.unmeasured(Subject(name, cores, metric, board, context=context))
    return tuple(sorted(made, key=_sortable))


def headlines(made: Iterable[Claim]) -> dict[Subject, Claim]:
    """For each model, cores, metric and board the one claim that a short table has, by a subject without the rest.

    The best basis, then the most repeats, then the longest context. Simulated claims keep a subject of their own.
    """
    best: dict[Subject, Claim] = {}
    for one in sorted(made, key=_sortable):
        short = _short(one.subject)
        there = best.get(short)
        if there is None or _headline_rank(one) < _headline_rank(there):
            best[short] = one
    return best


def _short(subject: Subject) -> Subject:
    return replace(subject, vision_cores=None, context=None, workload=None)


def _headline_rank(one: Claim) -> tuple[int, int, int, int]:
    return (_BASES[one.basis], -int(one.stable), -one.n, -(one.subject.context or 0))


class _Maker:
    """What is known beside the runs."""

    def __init__(
        self,
        models: Mapping[str, KnownModel],
        references: Iterable[Reference],
        predictors: Sequence[Predictor] | None,
    ) -> None:
        self.models = dict(sorted(models.items()))
        self.architectures = {name: one.architecture for name, one in models.items() if one.architecture is not None}
        self._predictors = (Generic(models),) if predictors is None else tuple(predictors)
        self._rows: defaultdict[str, list[Reference]] = defaultdict(list)
        for row in references:
            self._rows[row.model].append(row)

    def of_place(self, place: _Place, groups: Sequence[Group]) -> list[Claim]:
        """The claims of one place; ``groups`` are its runs by origin and condition."""
        # Newest first, and by condition where two are as new: all later sorting keeps that order.
        newest = {id(group): max(run.created_utc or "" for runs in group.values() for run in runs) for group in groups}
        ordered = sorted(groups, key=lambda group: (_any_run(group).origin, _any_run(group).condition or ""))
        ordered.sort(key=lambda group: newest[id(group)], reverse=True)
        known = [group for group in ordered if _any_run(group).origin in _ORIGINS]
        asked = _asked(known)
        found = []
        for metric in CLAIMED:
            subject = place.subject(metric)
            candidates = [one for group in known if (one := _measured(subject, group)) is not None]
            doubted = [other for group in ordered for other in _quarantined(metric, group)]
            claim = self._claim(subject, candidates, doubted, asked)
            if claim is None or (place.simulated and not claim.n):
                continue
            if not claim.n:
                every = [run for group in known for runs in group.values() for run in runs]
                claim = replace(claim, note=_also(claim.note, f"of the runs: {outcome_summary(every)}"))
            found.append(claim)
        return found

    def unmeasured(self, subject: Subject) -> list[Claim]:
        """What is claimed of a subject without any run."""
        claim = self._claim(subject, [], [], Asked())
        return [] if claim is None else [claim]

    def _claim(
        self, subject: Subject, candidates: Sequence[_Candidate], doubted: Sequence[Other], asked: Asked
    ) -> Claim | None:
        candidates, doubted = list(candidates), list(doubted)
        for place, row in enumerate(self._published(subject)):
            if row.wrong is None:
                candidates.append(_reference(subject, place, row))
            else:
                doubted.append(_doubted(row))
        candidates += [one for predictor in self._predictors if (one := _predicted(subject, predictor, asked))]
        candidates.sort(key=lambda one: one.rank)
        if not candidates:
            return None
        first, *rest = candidates
        value = first.claim.value
        return replace(
            first.claim,
            replaced=tuple(one.as_other(value) for one in rest),
            quarantined=tuple(replace(one, differs=value / one.value - 1 if one.value else None) for one in doubted),
        )

    def _published(self, subject: Subject) -> list[Published]:
        model = self.models.get(subject.model)
        if model is None:
            return []
        return published(self._rows[model.title], subject, model.architecture, model.runtime)


def _measured(subject: Subject, group: Group) -> _Candidate | None:
    """The statistic of one group; None when no run of it has the number."""
    witness = _witness(group) if subject.metric == "peak_memory_bytes" else subject.metric
    valid = {board: [run for run in runs if run.counts] for board, runs in sorted(group.items())}
    stats = {board: stat for board, runs in valid.items() if (stat := stat_of(run.believed(witness) for run in runs))}
    if not stats:
        return None
    # A board with too few repeats does not pull the median of those that have enough.
    enough = {board: stat for board, stat in stats.items() if stat.n >= ENOUGH}
    basis, used = (Basis.MEASURED, enough) if enough else (Basis.PROVISIONAL, stats)
    behind = [run for board in used for run in valid[board] if run.believed(witness) is not None]
    tainted = any(run.outcome is Outcome.TAINTED and not run.warmup for board in used for run in group[board])
    # Runs come in any order; what is told of them does not.
    behind.sort(key=lambda run: run.key)
    one, stat = behind[0], _across(used)
    cvs = [each.cv for each in used.values() if each.cv is not None]
    pinned = (one.clocks or "").startswith("pinned")
    claim = Claim(
        subject=subject,
        basis=basis,
        value=stat.median,
        low=stat.low if stat.n > 1 else None,
        high=stat.high if stat.n > 1 else None,
        n=sum(each.n for each in used.values()),
        origin=one.origin,
        source=_source(behind, tuple(used)),
        evidence=tuple(run.log for run in behind if run.log),
        condition=one.condition,
        stable=not tainted and all(each.n >= STEADY_N and (each.cv or 0) <= STEADY_CV for each in used.values()),
        cv=max(cvs, default=None),
        coverage=stat.coverage if stat.n > 1 else None,
        conditions=_conditions(one),
        note=_memory_note(witness, behind) if subject.metric == "peak_memory_bytes" else "",
    )
    return _Candidate((_BASES[basis], _ORIGINS[one.origin], int(not pinned), -len(used)), claim)


def _across(stats: Mapping[str, Stat]) -> Stat:
    """Of one board its own; of several the statistic of their medians."""
    if len(stats) == 1:
        return next(iter(stats.values()))
    across = stat_of(stat.median for stat in stats.values())
    assert across is not None
    return across


def _witness(group: Group) -> str:
    """The witness of memory that is believed here."""
    seen = {
        name: sum(run.counts and run.believed(name) is not None for runs in group.values() for run in runs)
        for name in _WITNESSES
    }
    enough = [name for name, n in seen.items() if n >= ENOUGH]
    some = [name for name, n in seen.items() if n]
    return next(iter(enough or some or _WITNESSES))


def _memory_note(witness: str, runs: Sequence[Run]) -> str:
    others = {
        words: median(values)
        for name, words in _WITNESSES.items()
        if name != witness and (values := [value for run in runs if (value := run.believed(name)) is not None])
    }
    told = "".join(f"; {words}: {value / GIB:.2f} GiB" for words, value in others.items())
    return f"{_WITNESSES[witness]}{told}"


def _quarantined(metric: str, group: Group) -> list[Other]:
    """What is not believed of a group: a line for each board."""
    names = tuple(_WITNESSES) if metric == "peak_memory_bytes" else (metric,)
    found = []
    for board, runs in sorted(group.items()):
        valid = sorted((run for run in runs if run.counts), key=lambda run: run.key)
        doubted = [
            (value, reason)
            for run in valid
            for wrong, reason in run.quarantined
            if wrong in names and (value := run.metric(wrong)) is not None
        ]
        if valid and valid[0].origin not in _ORIGINS:
            values = [value for name in names for run in valid if (value := run.metric(name)) is not None]
            doubted = [(value, "the evidence does not say whether a real board made it") for value in values]
        if not doubted:
            continue
        value = median(value for value, _ in doubted)
        reasons = list(dict.fromkeys(reason for _, reason in doubted))
        more = f" (and {len(reasons) - 1} like it)" if len(reasons) > 1 else ""
        basis = Basis.MEASURED if len(doubted) >= ENOUGH else Basis.PROVISIONAL
        source = f"{len(doubted)} of {len(valid)} runs on {board}"
        found.append(Other(basis, value, source, None, _conditions(valid[0]), reasons[0] + more))
    return found


def _reference(subject: Subject, place: int, row: Published) -> _Candidate:
    claim = Claim(
        subject,
        Basis.REFERENCE,
        row.value,
        low=None,
        high=None,
        n=0,
        origin="",
        source=row.source,
        conditions=conditions_of(row.reference),
    )
    return _Candidate((_BASES[Basis.REFERENCE], place), claim)


def _doubted(row: Published) -> Other:
    return Other(Basis.REFERENCE, row.value, row.source, None, conditions_of(row.reference), row.wrong or "")


def _predicted(subject: Subject, predictor: Predictor, asked: Asked) -> _Candidate | None:
    found = predictor.predict(subject, asked)
    if found is None:
        return None
    claim = Claim(subject, predictor.basis, found.value, found.low, found.high, n=0, origin="", source=predictor.source)
    return _Candidate((_BASES[predictor.basis],), claim)


def _asked(groups: Sequence[Group]) -> Asked:
    """How the newest runs were, for predictions to be of the same."""
    runs = [run for group in groups[:1] for some in group.values() for run in some if run.counts]
    prompt = [run.prefill_tokens for run in runs if run.prefill_tokens]
    new = [run.generate_tokens for run in runs if run.generate_tokens]
    return Asked(
        prompt_tokens=round(median(prompt)) if prompt else None,
        new_tokens=round(median(new)) if new else None,
        pinned=bool(runs) and all((run.clocks or "").startswith("pinned") for run in runs),
    )


def _any_run(group: Group) -> Run:
    return next(run for runs in group.values() for run in runs)


def _conditions(run: Run) -> str:
    told = (("runtime", run.runtime), ("driver", run.driver), ("clocks", run.clocks))
    made = [] if run.origin == MEASURED else [run.origin]
    return ", ".join([*made, *(f"{name} {value}" for name, value in told if value)])


def _source(runs: Sequence[Run], boards: tuple[str, ...]) -> str:
    campaigns = sorted({run.campaign for run in runs})
    when = campaigns[0] if len(campaigns) == 1 else f"{len(campaigns)} campaigns, {campaigns[0]} to {campaigns[-1]}"
    how_many = f"{len(runs)} run{'s' * (len(runs) > 1)}"
    return f"{how_many} on {', '.join(boards)}: {when}"


def _also(note: str, more: str) -> str:
    return f"{note}; {more}" if note else more


def _sortable(one: Claim) -> tuple[object, ...]:
    at = one.subject
    parts = (at.npu_cores, at.vision_cores, at.context, at.workload, at.board)
    place = tuple(CLAIMED).index(at.metric)
    return (at.simulated, at.model, place, *((part is not None, part) for part in parts))
