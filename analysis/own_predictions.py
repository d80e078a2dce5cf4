"""Predictions by models that were fitted to this fleet's own measurements, in the form that claims are made from.

Speed: the two constants of one board (``analysis.board_fit``), for generate on that board and no other. Memory: the
constants of one runtime (``analysis.memory_fit``), for every board, since they are of the runtime. Only what real
boards measured is fitted: a fit to simulated numbers would say nothing about any of them. The interval is the worst
that any measured model was missed by when it was left out; a fit of too few models to leave one out predicts nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from analysis.board_fit import BoardFit, board_points, fit_board
from analysis.claims import Basis, Subject
from analysis.interval import Interval
from analysis.memory_fit import WITNESSES, MemoryFit, fits_of
from analysis.memory_model import predict_memory
from analysis.prediction_errors import VENDOR_NEW, VENDOR_PROMPT
from analysis.predictions import Asked, KnownModel, Predictor
from analysis.roofline import bytes_per_token
from analysis.runs import MEASURED, Run


@dataclass(frozen=True)
class BoardSpeed:
    """``generate_tps`` of any model on one board at one core count."""

    board: str
    npu_cores: int
    fit: BoardFit
    models: Mapping[str, KnownModel]
    basis: Basis = Basis.OWN_PREDICTION

    @property
    def source(self) -> str:
        """The model in words, with its error."""
        return f"fitted to {self.board}, {self.npu_cores} cores: {self.fit.sentence}"

    def predict(self, subject: Subject, asked: Asked) -> Interval | None:
        """Stored units; None of another board, metric or core count."""
        model = self.models.get(subject.model)
        about = (subject.board, subject.npu_cores, subject.metric, subject.simulated)
        if about != (self.board, self.npu_cores, "generate_tps", False) or model is None or model.architecture is None:
            return None
        arch = model.architecture
        image = 0 if arch.vision is None else arch.vision.image_tokens
        depth = (asked.prompt_tokens or VENDOR_PROMPT + image) + (asked.new_tokens or VENDOR_NEW) / 2
        seconds = self.fit.token_s(arch.layers, bytes_per_token(arch, model.dtype, depth))
        return _round(1 / seconds, max(map(abs, self.fit.left_out))) if seconds > 0 else None


@dataclass(frozen=True)
class RuntimeMemory:
    """``peak_memory_bytes`` of any model under one runtime."""

    fit: MemoryFit
    models: Mapping[str, KnownModel]
    basis: Basis = Basis.OWN_PREDICTION

    @property
    def source(self) -> str:
        """The model in words, with its error."""
        return f"memory model, {self.fit.sentence}"

    def predict(self, subject: Subject, asked: Asked) -> Interval | None:
        """Stored units; None of another metric, of a simulated subject, or without a context."""
        model = self.models.get(subject.model)
        if subject.metric != "peak_memory_bytes" or subject.simulated or subject.context is None:
            return None
        if model is None or model.architecture is None:
            return None
        arch = model.architecture
        parts = predict_memory(arch, model.dtype, subject.context, self.fit.runtime).parts
        tensors = sum(parts.values()) - parts["kv_cache"] - parts["runtime"]
        return _round(self.fit.predict(tensors, arch.vocab, parts["kv_cache"]), self.fit.worst)


def own_predictors(runs: Sequence[Run], models: Mapping[str, KnownModel], runtime: str | None) -> tuple[Predictor, ...]:
    """One for each board and core count with three models or more, and the memory of ``runtime`` with four or more."""
    real = [run for run in runs if run.origin == MEASURED]
    architectures = {name: one.architecture for name, one in models.items() if one.architecture is not None}
    found: list[Predictor] = []
    for (board, _, cores), points in sorted(board_points(real, architectures).items()):
        fit = fit_board(points)
        if fit is not None and fit.left_out:
            found.append(BoardSpeed(board, cores, fit, models))
    memory = fits_of(real, architectures, WITNESSES[0])
    return (*found, *(RuntimeMemory(fit, models) for fit in memory if fit.runtime == runtime))


def _round(value: float, error: float) -> Interval:
    return Interval(value, value * max(0.0, 1 - error), value * (1 + error))
