"""A published row as evidence for a claim: which number of it answers a subject, and how near its conditions are."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from analysis.architecture import Architecture
from analysis.claims import Subject
from analysis.physics import check_reference
from analysis.references import Reference
from analysis.release import release_of

# The field of a reference that a claim's metric is, where it is simply one.
_FIELDS = {
    "generate_tps": "generate_tps",
    "image_encode_ms": "encode_ms",
    "peak_memory_bytes": "memory_bytes",
}


@dataclass(frozen=True)
class Published:
    """One number of one row; ``wrong`` says why it is not believed."""

    reference: Reference
    value: float
    wrong: str | None

    @property
    def source(self) -> str:
        """Title and revision."""
        return f"{self.reference.title} ({self.reference.revision})"


def published(
    references: Iterable[Reference], subject: Subject, arch: Architecture | None, runtime: str | None
) -> list[Published]:
    """The rows (all of the subject's model) that answer, nearest conditions first: for memory the context, else clocks
    that were pinned; then the runtime, the newest up to the one asked for."""
    found = []
    for one in references:
        value = _value(one, subject.metric, vision=arch is not None and arch.vision is not None)
        if value is None or (one.npu_cores != subject.npu_cores and subject.npu_cores is not None):
            continue
        physics = {}
        if arch is not None:
            physics = {wrong.metric: wrong.reason for wrong in check_reference(one, arch)}
        field = _FIELDS.get(subject.metric, "ttft_ms")
        wrong = physics.get(field)
        if one.suspect and one.suspect_of in (None, field.removesuffix("_bytes")):
            wrong = f"{one.suspect}; {wrong}" if wrong else one.suspect
        found.append(Published(one, value, wrong))
    return sorted(found, key=lambda answer: _distance(answer.reference, subject, runtime))


def conditions_of(one: Reference) -> str:
    """What the publication says of how it was measured."""
    told = (
        ("runtime", one.runtime),
        ("context", one.context),
        ("prompt tokens", one.prompt_tokens),
        ("new tokens", one.new_tokens),
        ("clocks", one.clocks),
        ("memory of the", one.memory_of if one.memory_bytes is not None else None),
    )
    return ", ".join(f"{name} {value}" for name, value in told if value is not None)


def _value(one: Reference, metric: str, *, vision: bool) -> float | None:
    if metric in _FIELDS:
        value: float | None = getattr(one, _FIELDS[metric])
        return value
    if one.ttft_ms is None:
        return None
    if metric == "ttft_ms":
        return None if vision else one.ttft_ms
    if metric == "vision_ttft_ms":
        return None if one.encode_ms is None else one.ttft_ms + one.encode_ms
    if metric == "prefill_tps" and one.prompt_tokens is not None:
        return one.prompt_tokens * 1000 / one.ttft_ms
    return None


def _distance(one: Reference, subject: Subject, runtime: str | None) -> tuple[object, ...]:
    touched = one.context or (one.prompt_tokens or 0) + (one.new_tokens or 0)
    away = abs(touched - subject.context) if subject.metric == "peak_memory_bytes" and subject.context else 0
    has, wanted = release_of(one.runtime) or (0, 0, 0), release_of(runtime)
    later = wanted is not None and has > wanted
    return (away, one.clocks != "pinned", later, tuple(-part for part in has), one.title)
