"""What the models say of a subject, in the form that claims are made from.

A predictor is anything with a basis, a name, and an answer for a subject. The generic one is here: the memory and
speed models with the constants of the vendor's table. One that is fitted to a board's own measurements has the same
shape, the basis ``OWN_PREDICTION``, and answers for its board only.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from analysis.architecture import Architecture
from analysis.claims import Basis, Subject
from analysis.interval import Interval
from analysis.memory_model import predict_memory
from analysis.prediction_errors import VENDOR_NEW, VENDOR_PROMPT
from analysis.speed_model import ALL_CORES, Clocks, predict_speed


@dataclass(frozen=True)
class KnownModel:
    """A model as predictions and references know it."""

    title: str  # as references call it: Qwen3-0.6B
    architecture: Architecture | None = None
    dtype: str = "w8a8"
    runtime: str | None = None  # that predictions are for; None is the most used one
    cores: tuple[int, ...] = (1, 2, 3)


@dataclass(frozen=True)
class Asked:
    """How a subject was, or would be, run. None is the vendor's: 128 tokens in, 64 out."""

    prompt_tokens: int | None = None
    new_tokens: int | None = None
    pinned: bool = False


class Predictor(Protocol):
    """Anything that predicts."""

    @property
    def basis(self) -> Basis:
        """OWN_PREDICTION or PREDICTION."""

    @property
    def source(self) -> str:
        """The model in words, with its error."""

    def predict(self, subject: Subject, asked: Asked) -> Interval | None:
        """Stored units; None where it has nothing to say."""


@dataclass(frozen=True)
class Generic:
    """The memory and speed models with constants of the vendor's table."""

    models: Mapping[str, KnownModel]
    basis: Basis = Basis.PREDICTION
    source: str = "memory and speed models, constants of the vendor's table"

    def predict(self, subject: Subject, asked: Asked) -> Interval | None:
        """Stored units; None where it has nothing to say."""
        model = self.models.get(subject.model)
        if model is None or model.architecture is None or subject.npu_cores not in (1, 2, 3):
            return None
        arch = model.architecture
        if subject.metric == "peak_memory_bytes":
            if subject.context is None:
                return None
            need = predict_memory(arch, model.dtype, subject.context, model.runtime)
            return Interval(need.total, need.low, need.high)
        speed = predict_speed(
            arch,
            model.dtype,
            subject.npu_cores,
            model.runtime,
            prompt_tokens=max(1, asked.prompt_tokens or VENDOR_PROMPT + _image_tokens(arch)),
            new_tokens=max(1, asked.new_tokens or VENDOR_NEW),
            clocks=Clocks.PINNED if asked.pinned else Clocks.UNKNOWN,
            rknn_core_num=subject.vision_cores if subject.vision_cores in (1, 2, 3) else ALL_CORES,
        )
        seeing = speed.encode_ms
        found: dict[str, Interval | None] = {
            "ttft_ms": speed.ttft_ms if seeing is None else None,
            "prefill_tps": speed.prefill_tps,
            "generate_tps": speed.generate_tps,
            "image_encode_ms": seeing,
            "vision_ttft_ms": None if seeing is None else speed.ttft_ms + seeing,
            # From a file in the page cache; the high end is from a disk.
            "init_ms": Interval(
                speed.load_warm_s.value * 1000,
                speed.load_warm_s.low * 1000,
                max(speed.load_warm_s.high, speed.load_cold_s.high) * 1000,
            ),
        }
        return found.get(subject.metric)


def _image_tokens(arch: Architecture) -> int:
    return 0 if arch.vision is None else arch.vision.image_tokens
