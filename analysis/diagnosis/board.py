"""Every model of a board in one line each: its speed as shares of the bus, the prediction and the reference."""

from __future__ import annotations

import statistics
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

from analysis.architecture import Architecture
from analysis.diagnosis.expected import expect, nearest_reference
from analysis.diagnosis.explanation import Speed
from analysis.references import Reference
from analysis.roofline import share_of_peak
from analysis.runs import Run


def board_speeds(
    runs: Iterable[Run], architectures: Mapping[str, Architecture], references: Sequence[Reference]
) -> tuple[tuple[str, int, Speed], ...]:
    """Model, cores and generate speed; medians of the runs that count."""
    groups: defaultdict[tuple[str, int], list[Run]] = defaultdict(list)
    for run in runs:
        if run.counts and run.generate_tps and run.npu_cores in (1, 2, 3) and run.model and run.npu_cores is not None:
            groups[(run.model, run.npu_cores)].append(run)
    found = []
    for (model, cores), some in sorted(groups.items()):
        tps = statistics.median(run.generate_tps for run in some if run.generate_tps)
        one, arch = some[0], architectures.get(model)
        title = str(one.model_title or model)
        reference = nearest_reference(references, title, cores, one.runtime)
        predicted = of_bus = None
        if arch is not None:
            usual = expect(
                arch,
                one.dtype,
                cores,
                one.runtime,
                prompt_tokens=one.prefill_tokens,
                new_tokens=one.generate_tokens,
            )
            predicted, of_bus = 1 / usual.token_s, share_of_peak(tps, usual.bytes_a_token)
        speed = Speed(
            "generate_tps",
            tps,
            predicted=predicted,
            reference=reference.generate_tps if reference else None,
            source=reference.title if reference else None,
            of_bus=of_bus,
        )
        found.append((title, cores, speed))
    return tuple(found)
