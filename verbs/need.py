"""What a run needs on a board with these facts: the decision that ``bench`` takes from ``analysis``.

A model whose numbers the catalogue does not have is run as it was before there were predictions.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from analysis.architecture import Architecture
    from fleet.config.catalogue import Model
    from fleet.config.inventory import BoardEntry
    from fleet.facts import Facts
    from fleet.need import Need
    from fleet.plan import PlannedRun, Request

TEMPLATE_TOKENS = 32  # what a chat template adds to a prompt, with room


def need(entry: BoardEntry, facts: Facts, request: Request, planned: PlannedRun) -> Need:
    """Why the run can not be, or how long and with how much memory it may go on."""
    from analysis.constants import CONTEXT_LIMIT
    from analysis.feasibility import Verdict, feasibility
    from analysis.memory_model import predict_memory
    from analysis.quantization import dtype_of
    from analysis.speed_model import predict_speed
    from fleet import defaults
    from fleet.need import Need
    from verbs.fit import ground_of

    numbers = _numbers(request.model)
    if numbers is None:
        return Need()
    on, artifact, context = ground_of(entry, facts), planned.artifact, request.max_context_len
    if on.available_bytes is not None:
        judged = feasibility(
            numbers,
            artifact.dtype,
            context,
            on.available_bytes,
            on.runtime,
            first_runtime=request.model.runtime.since if request.model.runtime else None,
            context_limit=artifact.max_context or CONTEXT_LIMIT,
        )
        if judged.verdict is Verdict.NO:
            return Need(skip=judged.reason)
    if dtype_of(artifact.dtype) is None:
        return Need()
    speed = predict_speed(
        numbers,
        artifact.dtype,
        planned.npu_cores,
        on.runtime,
        prompt_tokens=min(len(planned.prompt.text) + TEMPLATE_TOKENS, context),  # a letter is a token, at most
        new_tokens=request.max_new_tokens,
    )
    memory = predict_memory(numbers, artifact.dtype, context, on.runtime)
    return Need(
        limit_s=max(defaults.LEAST_LIMIT_S, math.ceil(speed.run_s.high * defaults.LIMIT_SHARE)),
        memory_bytes=math.ceil(memory.high * defaults.MEMORY_SHARE),
    )


def _numbers(model: Model) -> Architecture | None:
    from analysis.architecture import architecture_of
    from verbs.fit import numbers_of

    if model.architecture is None:
        return None
    try:
        return architecture_of(numbers_of(model))
    except ValueError:
        return None  # `invoke models` says what is wrong with them
