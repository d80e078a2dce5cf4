"""What the evidence here adds to the published constants: refitted predictions, each with its leave-one-out error."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from analysis.architecture import Architecture
    from analysis.board_fit import BoardFit
    from analysis.memory_fit import MemoryFit
    from fleet.session import Session

DEPTH = 160  # tokens before the middle of an answer of 64 to a prompt of 128, as the vendor measures


class Refit(NamedTuple):
    """The fits of one archive: memory by origin and runtime, speed by board, origin and cores."""

    memory: Mapping[tuple[str, str | None], MemoryFit]
    boards: Mapping[tuple[str, str, int], BoardFit]

    def memory_text(self, origin: str, runtime: str | None, arch: Architecture, dtype: str, context: int) -> str | None:
        """``1.22 +- 3.1 %`` GiB; None without a fit of this runtime."""
        from analysis.memory_model import predict_memory

        fit = self.memory.get((origin, runtime))
        if fit is None:
            return None
        parts = predict_memory(arch, dtype, context, runtime).parts
        tensors = sum(parts.values()) - parts["kv_cache"] - parts["runtime"]
        return f"{fit.predict(tensors, arch.vocab, parts['kv_cache']) / 2**30:.2f} ± {fit.left_out:.1%}"

    def speed_text(self, board: str, origin: str, arch: Architecture, dtype: str) -> str | None:
        """``31.2 +- 4.0 %`` tok/s on the most cores that have a fit; None without one."""
        from analysis.roofline import bytes_per_token

        fits = {cores: fit for (name, of, cores), fit in self.boards.items() if (name, of) == (board, origin)}
        if not fits:
            return None
        cores = max(fits)
        fit = fits[cores]
        seconds = fit.token_s(arch.layers, bytes_per_token(arch, dtype, DEPTH))
        error = "error unknown" if fit.error is None else f"± {fit.error:.1%}"
        return f"{1 / seconds:.1f} {error} ({cores} cores)" if seconds > 0 else None

    @property
    def sentences(self) -> tuple[str, ...]:
        """One for each fit."""
        told = [f"memory of {origin} runs, {fit.sentence}" for (origin, _), fit in self.memory.items()]
        told += [
            f"{board}, {cores} cores ({origin}): {fit.sentence}" for (board, origin, cores), fit in self.boards.items()
        ]
        return tuple(told)


def refit(session: Session, boards: Sequence[str]) -> Refit:
    """From everything collected; of the whole board's memory, which is what decides whether a model fits."""
    from analysis.board_fit import board_points, fit_board
    from analysis.memory_fit import WITNESSES, fits_of
    from verbs.evidence import known_models, read_through_store

    runs = read_through_store(session)
    known = known_models(session)
    architectures = {name: one.architecture for name, one in known.items() if one.architecture is not None}
    memory = {(fit.origin, fit.runtime): fit for fit in fits_of(runs, architectures, WITNESSES[0])}
    points = board_points((run for run in runs if run.board in boards), architectures)
    fits = {key: fit for key, some in sorted(points.items()) if (fit := fit_board(some)) is not None}
    return Refit(memory, fits)
