"""Which cells of a campaign call for another repeat: those whose repeats differ too much, or do not all count.

The coefficient of variation is that of a sample (n - 1). Above 2.5 % in TTFT or generate, five repeats leave an
interval too wide to tell two runtimes apart. A cell whose runs fail is not repeated: what fails will fail.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence

from analysis.order_statistics import coefficient_of_variation
from analysis.outcome import Outcome
from analysis.runs import Run

STEADY = ("ttft_ms", "vision_ttft_ms", "generate_tps")
MOST_VARIATION = 0.025

Key = tuple[str | None, int | None, int | None, str | None, str | None, int | None, str | None, int | None, str | None]


def place_of(run: Run) -> Key:
    """Model, cores, context, prompts' sha256, prompt, new tokens, image's sha256, encoder's cores, clocks' profile."""
    asked = run.workload
    key = (run.model, run.npu_cores, asked.max_context_len, asked.prompt_set_sha256, asked.prompt_id)
    return (*key, asked.max_new_tokens, asked.image_sha256, run.vision_cores, run.clock_profile)


def unsettled(runs: Iterable[Run]) -> frozenset[Key]:
    """The places that call for another repeat. ``runs``: of one board and campaign."""
    cells: defaultdict[Key, list[Run]] = defaultdict(list)
    for run in runs:
        cells[place_of(run)].append(run)
    return frozenset(key for key, some in cells.items() if _is_unsettled(some))


def _is_unsettled(runs: Sequence[Run]) -> bool:
    valid = [run for run in runs if run.counts]
    if any(run.outcome is Outcome.TAINTED for run in runs if not run.warmup):
        return True
    return any(variation([run.metric(name) for run in valid]) > MOST_VARIATION for name in STEADY)


def variation(values: Iterable[float | None]) -> float:
    """Coefficient of variation of a sample; 0 of fewer than two values."""
    return coefficient_of_variation(values) or 0.0
