"""Speed, core scaling and the fleet, as rows: each number with its basis, ratios only between like and like."""

from __future__ import annotations

import statistics
from collections import defaultdict
from collections.abc import Mapping

from analysis.claims import Basis, Claim
from analysis.metrics import CLAIMED
from analysis.references import Reference
from analysis.report.choose import OBSERVED, as_value, of_reference, origin_of
from analysis.report.given import MEMORY, Given
from analysis.report.model import CoresRow, FleetRow, Origin, SpeedRow, Value
from analysis.report.roofline import comparable, roofline_tps

SCALED = ("generate_tps", "prefill_tps", "ttft_ms", "vision_ttft_ms", "image_encode_ms")
FLEET = ("generate_tps", "ttft_ms", "vision_ttft_ms", MEMORY)
_VENDOR = "benchmark.md"
# A ratio of predictions is one of constants; two references are of two boards, if not from one publication.
_NO_RATIO = (Basis.PREDICTION, Basis.OWN_PREDICTION, Basis.REFERENCE)

_Subject = tuple[str, str | None, int | None, int | None, int | None, str | None, str]


def speed_rows(given: Given) -> tuple[SpeedRow, ...]:
    """One row for each subject that anything is claimed of; catalogue order, then boards, cores, contexts."""
    groups: defaultdict[_Subject, dict[str, Value]] = defaultdict(dict)
    for claim in given.claims:
        value = as_value(claim, given.virtual)
        groups[_subject(claim, value.origin)][claim.subject.metric] = value
    return tuple(_speed_row(given, key, groups[key]) for key in sorted(groups, key=lambda key: _order(given, key)))


def _subject(claim: Claim, origin: Origin) -> _Subject:
    one = claim.subject
    side = "simulated" if origin is Origin.SIMULATED else "real"
    return (one.model, one.board, one.npu_cores, one.vision_cores, one.context, one.workload, side)


def _order(given: Given, key: _Subject) -> tuple[object, ...]:
    names = [model.name for model in given.models]
    place = names.index(key[0]) if key[0] in names else len(names)
    return (place, key[0], *((part is not None, part) for part in key[1:]))


def _speed_row(given: Given, key: _Subject, found: Mapping[str, Value]) -> SpeedRow:
    model, board, cores, vision_cores, context, workload, _ = key
    entry = given.model(model)
    speed = found.get("generate_tps")
    share = roofline = None
    source = ""
    if speed is not None and entry is not None:
        reference = vendor_reference(given, entry.title, cores, "generate_tps")
        if reference is not None and reference.generate_tps and comparable(speed.basis):
            share, source = speed.value / reference.generate_tps, reference.title
        if entry.architecture is not None and comparable(speed.basis):
            top_hz = next((one.dram_top_hz for one in given.boards if one.name == board), None)
            most = roofline_tps(entry.architecture, entry.dtype, 0, top_hz)
            roofline = None if most is None else speed.value / most
    return SpeedRow(
        model=model,
        title=entry.title if entry else model,
        board=board,
        npu_cores=cores,
        vision_cores=vision_cores,
        context=context,
        workload=workload,
        values={name: found[name] for name in CLAIMED if name in found},
        of_reference=share,
        reference=source,
        of_roofline=roofline,
    )


def vendor_reference(given: Given, title: str, cores: int | None, field: str) -> Reference | None:
    """What speeds are compared with: the vendor's own figure for the class' runtime, else any that is believed."""
    found = [
        one
        for one in given.references
        if one.model == title and one.npu_cores == cores and getattr(one, field) is not None and not one.suspect
    ]
    runtime = given.board_class.runtime
    # The vendor pins every clock; whoever is slower than that learns by how much.
    found.sort(key=lambda one: (_VENDOR not in one.title, one.clocks != "pinned", one.runtime != runtime))
    return found[0] if found else None


def cores_rows(given: Given) -> tuple[CoresRow, ...]:
    """Each number that ran, or that one publication has, at two core counts or more."""
    groups: defaultdict[tuple[object, ...], dict[int, Value]] = defaultdict(dict)
    about: dict[tuple[object, ...], Claim] = {}
    for claim in given.claims:
        subject = claim.subject
        if subject.metric not in SCALED or subject.npu_cores is None or claim.basis in _NO_RATIO:
            continue
        origin = origin_of(claim, given.virtual)
        asked = (subject.vision_cores, subject.context, subject.workload)
        group: tuple[object, ...] = (subject.model, subject.board, subject.metric, *asked, origin)
        about.setdefault(group, claim)
        groups[group][subject.npu_cores] = as_value(claim, given.virtual)
    rows = []
    for group, by_cores in groups.items():
        if len(by_cores) < 2:
            continue
        subject = about[group].subject
        found = {cores: by_cores[cores] for cores in sorted(by_cores)}
        metric = CLAIMED[subject.metric]
        up = _speed_up(found, faster_is_more=metric.better == "up")
        entry = given.model(subject.model)
        rows.append(
            CoresRow(
                model=subject.model,
                title=entry.title if entry else subject.model,
                board=subject.board,
                metric=metric,
                values=found,
                speed_up=up,
                efficiency={cores: ratio / cores for cores, ratio in up.items()},
                context=subject.context,
                workload=subject.workload,
            )
        )
    rows += _published_cores(given)
    names = [model.name for model in given.models]
    return tuple(
        sorted(
            rows,
            key=lambda row: (
                names.index(row.model) if row.model in names else len(names),
                row.model,
                SCALED.index(row.metric.name),
                row.board or "",
                row.context or 0,
                row.workload or "",
                next(iter(row.values.values())).origin,
                next(iter(row.values.values())).source,
            ),
        )
    )


def _published_cores(given: Given) -> list[CoresRow]:
    """The speeds that one publication has of one model at two core counts or more."""
    metric = CLAIMED["generate_tps"]
    rows = []
    for model in given.models:
        by_title: defaultdict[str, dict[int, Value]] = defaultdict(dict)
        for one in given.references:
            if one.model == model.title and one.generate_tps is not None and not one.suspect:
                (value,) = of_reference(one, "generate_tps")
                by_title[value.source].setdefault(one.npu_cores, value)
        for found in by_title.values():
            if len(found) > 1:
                up = _speed_up(found, faster_is_more=True)
                shares = {cores: ratio / cores for cores, ratio in up.items()}
                found = {cores: found[cores] for cores in sorted(found)}
                rows.append(CoresRow(model.name, model.title, None, metric, found, up, shares))
    return rows


def _speed_up(found: Mapping[int, Value], *, faster_is_more: bool) -> dict[int, float]:
    one = found.get(1)
    if one is None or not one.value:
        return {}
    return {
        cores: value.value / one.value if faster_is_more else one.value / value.value
        for cores, value in found.items()
        if value.value
    }


def fleet_rows(given: Given) -> tuple[FleetRow, ...]:
    """Each number that two boards or more have measured under the same conditions; simulated ones apart."""
    groups: defaultdict[tuple[object, ...], dict[str, Value]] = defaultdict(dict)
    about: dict[tuple[object, ...], tuple[Claim, Origin]] = {}
    for claim in given.claims:
        subject = claim.subject
        if subject.metric not in FLEET or claim.basis not in OBSERVED or subject.board is None:
            continue
        origin = origin_of(claim, given.virtual)
        asked = (subject.vision_cores, subject.context, subject.workload, claim.condition)
        group: tuple[object, ...] = (subject.model, subject.npu_cores, subject.metric, *asked, origin)
        about.setdefault(group, (claim, origin))
        groups[group][subject.board] = as_value(claim, given.virtual)
    rows = []
    for group, by_board in groups.items():
        if len(by_board) < 2:
            continue
        claim, origin = about[group]
        metric = CLAIMED[claim.subject.metric]
        middle = statistics.median(value.value for value in by_board.values())
        entry = given.model(claim.subject.model)
        rows.append(
            FleetRow(
                model=claim.subject.model,
                title=entry.title if entry else claim.subject.model,
                npu_cores=claim.subject.npu_cores,
                metric=metric,
                origin=origin,
                values={board: by_board[board] for board in sorted(by_board)},
                median=middle,
                deviation={board: by_board[board].value / middle - 1 for board in sorted(by_board) if middle},
                context=claim.subject.context,
                workload=claim.subject.workload,
            )
        )
    names = [model.name for model in given.models]
    return tuple(
        sorted(
            rows,
            key=lambda row: (
                names.index(row.model) if row.model in names else len(names),
                row.model,
                FLEET.index(row.metric.name),
                row.npu_cores or 0,
                row.context or 0,
                row.workload or "",
                row.origin,
            ),
        )
    )
