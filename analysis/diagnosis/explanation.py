"""The answer for one cell or one log: a sentence, the ranked causes, what is fine, and what can not be told."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from analysis.diagnosis.finding import Finding
from analysis.diagnosis.observed import Observed
from analysis.diagnosis.ranking import WORTH_SAYING, Ranked, examine, rank
from analysis.memory_model import predict_memory
from analysis.metrics import GIB
from analysis.quantization import dtype_of
from analysis.roofline import share_of_peak

_SIDES = ("dram_clock", "cpu_clock", "npu_clock")


@dataclass(frozen=True)
class Speed:
    """One number of the cell and what it is held against; stored units, None is nothing to hold it against."""

    metric: str
    value: float
    predicted: float | None = None  # on the vendor's board, this prompt and answer
    reference: float | None = None
    source: str | None = None
    of_bus: float | None = None

    @property
    def of_predicted(self) -> float | None:
        """1 is as fast as predicted; of a time, too."""
        return None if not self.predicted else _good(self.metric, self.value, self.predicted)

    @property
    def of_reference(self) -> float | None:
        """The same of the published number."""
        return None if not self.reference else _good(self.metric, self.value, self.reference)


@dataclass(frozen=True)
class Explanation:
    """``title`` says of what; ``causes`` are in the order of their effect."""

    title: str
    sentence: str
    speeds: tuple[Speed, ...]
    causes: tuple[Ranked, ...]
    fine: tuple[Finding, ...]
    unknown: tuple[Finding, ...]
    runs: int
    origin: str | None = None
    campaign: str | None = None


def explain(
    title: str, observed: Sequence[Observed], origin: str | None = None, campaign: str | None = None
) -> Explanation:
    """Of one cell's runs, one or more of them."""
    causes, fine, unknown = rank([examine(one) for one in observed])
    speeds = speeds_of(observed)
    sentence = _sentence(speeds, causes, fine, observed)
    return Explanation(title, sentence, speeds, causes, fine, unknown, len(observed), origin, campaign)


def speeds_of(observed: Sequence[Observed]) -> tuple[Speed, ...]:
    """Medians over the runs."""

    def median(values: Sequence[float | None]) -> float | None:
        seen = [value for value in values if value is not None]
        return statistics.median(seen) if seen else None

    found = []
    tps = median([one.parsed.number("generate.tps") for one in observed])
    expected = [one.expected for one in observed if one.expected is not None]
    reference = next((one.reference for one in observed if one.reference is not None), None)
    if tps is not None:
        found.append(
            Speed(
                "generate_tps",
                tps,
                predicted=median([1 / one.token_s for one in expected]),
                reference=reference.generate_tps if reference else None,
                source=f"{reference.title}, {reference.model}" if reference else None,
                of_bus=median([share_of_peak(tps, one.bytes_a_token, one.dram_top_hz) for one in expected]),
            )
        )
    ttft = median([one.parsed.number("prefill.total_ms") for one in observed])
    if ttft is not None:
        predicted = median([one.prompt_s * 1000 if one.prompt_s else None for one in expected])
        found.append(Speed("ttft_ms", ttft, predicted=predicted))
    memory = median([one.parsed.number("memory_gb") for one in observed])
    if memory is not None:
        found.append(Speed("memory_rkllm_bytes", memory * GIB, predicted=median([_memory(one) for one in observed])))
    return tuple(found)


def _memory(one: Observed) -> float | None:
    """Of the process, which counts the tokens that it touched and no more."""
    tokens = [one.parsed.whole(f"{stage}.tokens") for stage in ("prefill", "generate")]
    if one.arch is None or None in tokens:
        return None
    dtype = one.parsed.text("model_dtype")
    kept = dtype if dtype and dtype_of(dtype) else "w8a8"
    return predict_memory(one.arch, kept, sum(n for n in tokens if n), one.parsed.text("runtime")).total


def _sentence(
    speeds: Sequence[Speed], causes: Sequence[Ranked], fine: Sequence[Finding], observed: Sequence[Observed]
) -> str:
    first = causes[0] if causes else None
    parts = []
    if not speeds or (first is not None and first.finding.decides):
        parts += [_number(speeds)] if speeds else ["there is no speed to explain"]
        if first is not None:
            parts += [first.finding.observed, f"try: {first.finding.action}"]
        elif not speeds:
            parts.append("try: RKLLM_LOG_LEVEL=1, and keep stdout and stderr up to the table")
        return "; ".join(part for part in parts if part)
    parts.append(_number(speeds))
    named = [one for one in causes if one.effect >= WORTH_SAYING]
    if not named:
        if first is not None:
            return "; ".join([*parts, "nothing found costs speed", f"to note: {first.finding.observed}"])
        return "; ".join([*parts, "nothing was found that costs speed"])
    checks = {one.finding.check for one in named}
    sides = {one.check: one.observed for one in fine}
    parts += [sides[name] for name in _SIDES if name in sides and name not in checks][:1]
    parts.append(f"{named[0].finding.observed} ({effect_text(named[0])})")
    return "; ".join([*parts, f"try: {named[0].finding.action}"])


def effect_text(one: Ranked) -> str:
    """What mending it would bring: ``generate x1.45, TTFT x1.10``."""
    said = []
    for name, share in (("generate", one.token_share), ("TTFT", one.prompt_share)):
        if share is not None and share >= WORTH_SAYING / 3:
            said.append(f"{name} x{1 / (1 - min(share, 0.99)):.2f}")
    return ", ".join(said) or "no speed"


def _number(speeds: Sequence[Speed]) -> str:
    one = speeds[0]
    unit = "tok/s" if one.metric.endswith("tps") else "ms to the first token"
    said = f"{one.value:.1f} {unit}"
    held = []
    if one.of_reference is not None:
        held.append(f"{one.of_reference:.0%} of the reference ({one.reference:.1f}, {one.source})")
    if one.of_predicted is not None:
        held.append(f"{one.of_predicted:.0%} of what is predicted for the vendor's board")
    if one.of_bus is not None:
        held.append(f"{one.of_bus:.0%} of the bus")
    return f"{said} is {', '.join(held)}" if held else f"{said}; nothing is known to hold it against"


def _good(metric: str, value: float, other: float) -> float:
    return other / value if metric.endswith("_ms") else value / other
