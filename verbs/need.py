"""What a run needs on a board with these facts: the decision that ``bench`` takes from ``analysis``.

A model whose numbers the catalogue does not have is run as it was before there were predictions.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from analysis.architecture import Architecture
    from fleet.cell import Cell
    from fleet.config.catalogue import Model
    from fleet.config.inventory import BoardEntry
    from fleet.facts import Facts
    from fleet.need import Again, Need
    from fleet.plan import PlannedRun
    from fleet.session import Session

FIRST_CORE_COUNT = (1, 2, 1)  # release whose multimodal demo was the first to take one for the encoder
PROBE_HINT = "; --probe runs it guarded"
TEMPLATE_TOKENS = 32  # what a chat template adds to a prompt, with room


def need(entry: BoardEntry, facts: Facts, planned: PlannedRun, *, probe: bool = False) -> Need:
    """Why the run can not be, or how long and with how much memory it may go on; ``probe``: what is borderline runs,
    guarded."""
    from analysis.constants import CONTEXT_LIMIT
    from analysis.feasibility import Verdict, feasibility
    from analysis.memory_model import predict_memory
    from analysis.quantization import dtype_of
    from analysis.speed_model import predict_speed
    from fleet import defaults
    from fleet.need import Need
    from verbs.fit import ground_of

    cell, artifact = planned.cell, planned.artifact
    lacking = planned.lacking.what if planned.lacking else None
    numbers = _numbers(cell.model)
    if numbers is None:
        return Need(skip=lacking)
    dtype = artifact.dtype if artifact else cell.model.dtypes[0]
    on, context = ground_of(entry, facts), cell.max_context_len
    guarded = False
    if on.available_bytes is not None:
        judged = feasibility(
            numbers,
            dtype,
            context,
            on.available_bytes,
            on.runtime,
            first_runtime=cell.model.runtime.since if cell.model.runtime else None,
            context_limit=artifact.max_context if artifact else CONTEXT_LIMIT,
        )
        if judged.verdict in (Verdict.RISK, Verdict.NO):
            if not (probe and judged.borderline):  # there may be no file either, and no file would help
                return Need(
                    skip=judged.reason + (PROBE_HINT if judged.borderline else ""),
                    expected_bytes=judged.memory.total if judged.memory else None,
                )
            guarded = True
    if dtype_of(dtype) is None:
        return Need(skip=lacking)
    lacking = lacking or _no_core_count(entry, on.runtime, cell)
    image_tokens = cell.model.vision.image_tokens if cell.image and cell.model.vision else 0
    speed = predict_speed(
        numbers,
        dtype,
        cell.npu_cores,
        on.runtime,
        # A letter is a token, at most.
        prompt_tokens=min(len(cell.prompt.text) + TEMPLATE_TOKENS + image_tokens, context),
        new_tokens=cell.max_new_tokens,
        rknn_core_num=cell.vision_cores or defaults.VISION_CORES,
    )
    memory = predict_memory(numbers, dtype, context, on.runtime)
    return Need(
        limit_s=max(defaults.LEAST_LIMIT_S, math.ceil(speed.run_s.high * defaults.LIMIT_SHARE)),
        memory_bytes=math.ceil(memory.high * defaults.MEMORY_SHARE),
        tripwire_bytes=defaults.TRIPWIRE_BYTES if guarded else None,
        skip=lacking,
        expected_s=speed.run_s.value,
        expected_bytes=memory.total,
    )


def _no_core_count(entry: BoardEntry, runtime: str | None, cell: Cell) -> str | None:
    """Why the encoder can not be run on so many cores: the vendor's first demos took no such argument."""
    from analysis.release import release_of
    from fleet import defaults

    demo = entry.paths.vlm_version or runtime
    release = release_of(demo)
    if cell.vision_cores in (None, defaults.VISION_CORES) or release is None or release >= FIRST_CORE_COUNT:
        return None
    return f"the multimodal demo of {demo} takes no core count for the vision encoder; 1.2.1 is the first that does"


def again(session: Session, campaign: str) -> Callable[[str], Again]:
    """By board, what says whether a cell of this campaign calls for another repeat, after what is collected."""

    def of_board(board: str) -> Again:
        from analysis.reading import read_campaign
        from analysis.repeats import unsettled

        runs = [run for run in read_campaign(session.collected, campaign) if run.board == board]
        open_cells = unsettled(runs)

        def judge(planned: PlannedRun) -> bool:
            return planned.cell.told in open_cells

        return judge

    return of_board


def _numbers(model: Model) -> Architecture | None:
    from analysis.architecture import architecture_of
    from verbs.fit import numbers_of

    if model.architecture is None:
        return None
    try:
        return architecture_of(numbers_of(model))
    except ValueError:
        return None  # `invoke models` says what is wrong with them
