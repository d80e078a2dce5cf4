"""Runs as every verb reads them: through the store, so that none is read twice, and held against physics."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from analysis.claims import Claim
    from analysis.errors import CannotWrite
    from analysis.predictions import KnownModel
    from analysis.references import Reference
    from analysis.runs import Run
    from fleet.session import Session


def store_of(session: Session) -> Path:
    """Where the store lies."""
    from analysis.store import FILE

    return session.reports / FILE


def read_through_store(session: Session, campaign: str | None = None) -> tuple[Run, ...]:
    """All runs, or those of one campaign. Raises CannotRead, ConfigError.

    Where the store can not be written, that is said, and they are read from the evidence: a table is not lost for it.
    """
    runs, trouble = through_store(session, campaign)
    if trouble is not None:
        print(trouble.message(), file=sys.stderr)
    return runs


def through_store(
    session: Session, campaign: str | None = None, *, rebuild: bool = False
) -> tuple[tuple[Run, ...], CannotWrite | None]:
    """The same, and why the store can not be written, which nobody was told yet. Raises CannotRead, ConfigError."""
    from analysis.errors import CannotWrite
    from analysis.evidence import find_runs
    from analysis.runs import read_run
    from analysis.store import load_runs, take_in

    path, trouble = store_of(session), None
    try:
        taken = take_in(session.collected, path, campaign=campaign, rebuild=rebuild)
        if taken.told:
            print(taken.told, file=sys.stderr)
        runs = load_runs(path, session.collected, campaign)
    except CannotWrite as error:
        trouble = error
        runs = tuple(read_run(files) for files in find_runs(session.collected, campaign))
    return held_against_physics(session, runs), trouble


def held_against_physics(session: Session, runs: Iterable[Run]) -> tuple[Run, ...]:
    """The same runs, with what of their numbers can not be by the catalogue's architectures."""
    from analysis.physics import gated

    models = known_models(session)
    return gated(runs, {name: one.architecture for name, one in models.items() if one.architecture is not None})


def claims_of(session: Session, runs: Sequence[Run], references: Sequence[Reference]) -> tuple[Claim, ...]:
    """Everything that is claimed, for every model of the catalogue and on every real board with measurements."""
    from analysis.claiming import claims
    from analysis.own_predictions import own_predictors
    from analysis.predictions import Generic
    from analysis.runs import MEASURED
    from fleet import defaults

    models = known_models(session)
    own = own_predictors(runs, models, defaults.NOMINAL_RUNTIME)
    boards = {run.board for run in runs if run.origin == MEASURED}
    context = defaults.MAX_CONTEXT_LEN
    return claims(runs, references, models, predictors=(*own, Generic(models)), boards=boards, context=context)


def known_models(session: Session) -> dict[str, KnownModel]:
    """The catalogue as predictions and references know it. A model without usable numbers has no architecture."""
    from analysis.architecture import architecture_of
    from analysis.predictions import KnownModel
    from fleet import defaults
    from verbs.fit import numbers_of

    found = {}
    for model in session.catalogue().models:
        architecture = None
        if model.architecture is not None:
            try:
                architecture = architecture_of(numbers_of(model))
            except ValueError:  # `invoke models` says what is wrong with them
                architecture = None
        dtype = model.dtypes[0] if model.dtypes else KnownModel.dtype
        found[model.name] = KnownModel(model.title, architecture, dtype, defaults.NOMINAL_RUNTIME)
    return found
