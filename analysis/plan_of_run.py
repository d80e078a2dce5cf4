"""What ``spec.json`` says was planned for a run, as the other readers of its evidence ask for it."""

from __future__ import annotations

from analysis.evidence import Record, RunFiles, Unreadable
from analysis.parse import Planned


def spec_problem(files: RunFiles, record: Record | Unreadable | None) -> str | None:
    """Why this run's plan can not be believed; None when it can."""
    if record is None:
        return "there is no spec.json: nobody knows what was asked"
    if isinstance(record, Unreadable):
        return f"spec.json {record.why}"
    for key, folder in (("campaign", files.campaign), ("board", files.board), ("run", files.run)):
        if record.get(key) != folder:
            return f"spec.json is of {key} {record.get(key)!r:.80}, its folder is {folder!r:.80}"
    if record.text("model") is None:
        return f"spec.json: model is {record.get('model')!r:.80}, not a name"
    may_be_open = record.text("origin") == "manual" and record.get("npu_cores") is None
    if record.whole("npu_cores") is None and not may_be_open:
        return f"spec.json: npu_cores is {record.get('npu_cores')!r:.80}, not a whole number"
    return None


def missed_gates(spec: Record) -> tuple[str, ...]:
    """The gates that were closed when the run started all the same: its numbers are of another board."""
    waited_s = spec.number("gate.waited_s") or 0.0
    return tuple(
        f"started at {why} after {waited_s:.0f} s"
        if " K above " in why
        else f"started although {why}, for {waited_s:.0f} s"
        for why in spec.texts("gate.missed")
    )


def planned(spec: Record) -> Planned:
    kind = spec.text("kind")
    return Planned(
        npu_core_num=spec.whole("npu_cores"),
        max_new_tokens=spec.whole("workload.max_new_tokens"),
        max_context_len=spec.whole("workload.max_context_len"),
        prompt_chars=spec.whole("workload.prompt_chars"),
        runtime=spec.text("stated.runtime"),
        is_vision=None if kind is None else kind == "vlm",
        vision_cores=spec.whole("vision_cores"),
        image_tokens=spec.whole("encoder.image_tokens"),
        resolution=spec.whole("encoder.resolution"),
    )
