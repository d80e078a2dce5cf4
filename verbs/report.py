"""The reports that people hand over, from what is collected, published and predicted."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING

from invoke import Context

from verbs.kit import open_session, verb

if TYPE_CHECKING:
    from pathlib import Path

    from analysis.report.given import Given, ModelEntry
    from analysis.report.model import Report
    from fleet.config.catalogue import Model
    from fleet.model_files import Lies
    from fleet.session import Session


@verb(help={"lang": "zh or en; default: zh where the locale is Chinese, else en"})
def report(_c: Context, lang: str = "") -> None:
    """Write the final and the feasibility report, log, workbook and page.

    invoke report
    invoke report --lang en
    """
    session = open_session()
    session.check_folders()
    for path in write_report(session, lang):
        print(session.shown(path))


def write_report(session: Session, lang: str = "") -> tuple[Path, ...]:
    """Every form of the report; returns the files. Raises ConfigError, CannotRead, CannotWrite."""
    from analysis.writers.html import write_html
    from analysis.writers.report_markdown import write_pages
    from analysis.writers.workbook import write_workbook

    report, folder = made(session, lang), session.reports
    pages = write_pages(report, folder)
    return (*pages, write_workbook(report, folder), write_html(report, session.collected, folder))


def made(session: Session, lang: str) -> Report:
    """The report as data, for any writer. Raises ConfigError for a language that there is not."""
    lang = lang or spoken(os.environ)
    from analysis.report.build import build_report
    from analysis.report.model import LANGUAGES
    from fleet.errors import ConfigError

    for known in LANGUAGES:
        if lang.casefold() == known:
            return build_report(given(session), known)
    what = f"{lang!r:.40} is none of {', '.join(LANGUAGES)}"
    raise ConfigError(what, key="--lang", hint="invoke report --lang en")


def spoken(environ: Mapping[str, str]) -> str:
    """The language of messages by the locale, as POSIX has it: the first of the three that is set says it."""
    told = next((environ[name] for name in ("LC_ALL", "LC_MESSAGES", "LANG") if environ.get(name)), "")
    return "zh" if told.casefold().startswith("zh") else "en"


def given(session: Session) -> Given:
    """All that is known: claims of what is collected, published and predicted, and what they are about."""
    from analysis.constants import RESERVE_BYTES
    from analysis.references import REFERENCES, load_references
    from analysis.report.boards import read_boards
    from analysis.report.given import BoardClass, Given
    from fleet import defaults
    from fleet.model_files import lies_here
    from verbs.evidence import claims_of, read_through_store

    catalogue = session.catalogue()
    files = [one for model in catalogue.models for one in model.files_for(standin=False)]
    here = lies_here(session.models, files, verify=False, moved=lambda *_: None)
    models = tuple(_entry(model, here) for model in catalogue.models)
    runs = read_through_store(session)
    references = load_references(session.project / REFERENCES)
    board_class = BoardClass(
        total_bytes=defaults.NOMINAL_TOTAL_BYTES,
        available_bytes=defaults.NOMINAL_AVAILABLE_BYTES,
        reserve_bytes=RESERVE_BYTES,
        runtime=defaults.NOMINAL_RUNTIME,
        driver=".".join(map(str, defaults.GOOD_DRIVER)),
        context=defaults.MAX_CONTEXT_LEN,
    )
    return Given(
        claims=claims_of(session, runs, references),
        models=models,
        board_class=board_class,
        boards=read_boards(session.collected, runs),
        runs=runs,
        references=references,
        date=max((run.created_utc or "" for run in runs), default=""),
        version=session.version,
    )


def _entry(model: Model, here: Mapping[str, Lies]) -> ModelEntry:
    """A model of the catalogue as plain data; stand-ins are nobody's model files."""
    from analysis.architecture import architecture_of
    from analysis.report.given import ArtifactEntry, ModelEntry
    from verbs.fit import numbers_of

    artifacts = model.artifacts_for(standin=False)
    encoders = [one for one in model.vision_artifacts if not one.standin]
    try:
        architecture = architecture_of(numbers_of(model)) if model.architecture is not None else None
    except ValueError:  # `invoke models` says what is wrong with its numbers
        architecture = None

    def lies(file: str) -> bool:
        return str(here.get(file)) in ("there", "unverified", "verified")

    return ModelEntry(
        name=model.name,
        title=model.title,
        kind=str(model.kind),
        parameters=model.parameters,
        active_parameters=model.active_parameters,
        since=model.runtime.since if model.runtime else None,
        support=model.runtime.source if model.runtime else "",
        dtype=artifacts[-1].dtype if artifacts else model.dtypes[0],
        architecture=architecture,
        artifacts=(
            *(
                ArtifactEntry(one.file, one.npu_core_num, one.dtype, one.max_context, lies(one.file))
                for one in artifacts
            ),
            *(ArtifactEntry(one.file, None, one.dtype, None, lies(one.file)) for one in encoders),
        ),
        instead_of=dict(model.instead_of),
    )
