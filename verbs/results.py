"""Results: bring them here, read them, write them down."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from invoke import Context

from verbs.evidence import claims_of, held_against_physics, store_of, through_store
from verbs.kit import BOARD, FORMAT, headline, leave, open_session, verb, width

if TYPE_CHECKING:
    from fleet.session import Session


@verb(
    help={
        "board": BOARD,
        "prune": "then remove from the boards the runs whose evidence is proven to be here",
        "rebuild": "read all evidence again and make reports/results.sqlite anew",
    },
    iterable=["board"],
)
def collect(_c: Context, board: Sequence[str] | None = None, prune: bool = False, rebuild: bool = False) -> None:
    """Pull what is not here yet, verify it, write spreadsheets and store.

    invoke collect
    invoke collect --board '@lab1' --prune
    invoke collect --rebuild
    """
    session = open_session()
    session.check_folders()
    code = pull(session, board)
    for path in summaries(session, rebuild=rebuild):
        print(path)
    if prune:
        from fleet.errors import ExitCode, worst

        code = int(worst([ExitCode(code), ExitCode(make_room(session, board))]))
    leave(code)


@verb(help={"path": "a log, a run's folder, or a folder of them", "format": "json, or table"}, positional=["path"])
def parse(_c: Context, path: str | None = None, format: str = "table") -> None:
    """Read a log, or a run with all its logs, and say what it holds.

    invoke parse collected/CAMPAIGN/rk3588-a/RUN
    invoke parse stdout.log --format json
    """
    from analysis.reading import read_path

    print(read_path(Path(path or "."), format, width()))


@verb(
    name="import",
    help={
        "path": "a log (stdout of one run), or a folder with the logs of one run or of several",
        "board-model": "the board it was made on, in your words: 'Orange Pi 5 Plus 8GB'",
        "model": "a model of models.yaml, or any other name",
        "kind": "llm or vlm, for a model that models.yaml does not know",
        "cores": "NPU cores that were meant; default: what the banner says",
        "context": "max_context_len that was asked for",
        "new-tokens": "max_new_tokens that was asked for",
        "runtime": "version of the RKLLM runtime, such as 1.2.3",
        "driver": "version of the rknpu driver, such as 0.9.8",
        "date": "when it was measured, ISO 8601",
        "exit-code": "of the demo, where somebody saw it",
        "note": "anything else about it",
        "format": FORMAT,
    },
    positional=["path"],
)
def import_(
    _c: Context,
    path: str | None = None,
    board_model: str = "",
    model: str = "",
    kind: str = "",
    cores: str = "",
    context: str = "",
    new_tokens: str = "",
    runtime: str = "",
    driver: str = "",
    date: str = "",
    exit_code: str = "",
    note: str = "",
    format: str = "table",
) -> None:
    """Take logs made by hand into the evidence, as manual.

    invoke import run.log --board-model 'Orange Pi 5 Plus 8GB' --model qwen3-0.6b --cores 3
    invoke import logs/tuesday --board-model 'ROCK 5B 16GB' --model qwen3-0.6b --context 4096 --note 'open case, no fan'
    """
    from analysis.cells import cells
    from analysis.listing import check_format
    from analysis.reading import run_files
    from analysis.runs import read_run
    from analysis.writers import bench as bench_table
    from fleet.manual import import_logs
    from fleet.stated import Stated

    check_format(format)
    stated = Stated.typed(
        board_model=board_model,
        model=model,
        kind=kind,
        cores=cores,
        context=context,
        new_tokens=new_tokens,
        runtime=runtime,
        driver=driver,
        date=date,
        exit_code=exit_code,
        note=note,
    )
    session = open_session()
    session.check_folders()
    done = import_logs(
        path or "", stated, collected=session.collected, catalogue=session.catalogue(), tool=session.version
    )
    for remark in done.remarks:
        print(remark, file=sys.stderr)
    for folder in done.known:
        print(f"here already, nothing added: {session.shown(folder)}", file=sys.stderr)
    for folder in done.added:
        print(f"{session.shown(folder)}: {headline(folder)}", file=sys.stderr)
    if done.added:
        for written in summaries(session):
            print(f"wrote {written}", file=sys.stderr)
    runs = held_against_physics(session, (read_run(run_files(folder)) for folder in [*done.known, *done.added]))
    print(bench_table(cells(runs), format, width()))


def pull(session: Session, board: Sequence[str] | None) -> int:
    """Collect, say what came from where, and return the exit code."""
    from fleet.campaign import unfinished
    from fleet.collect import collect as bring
    from fleet.errors import worst

    answers = bring(session.select(board), session.collected, session.connect)
    for answer in answers:
        counted = f"{len(answer.pulled)} new, {answer.here} here before"
        going = f", {len(answer.running)} still going" if answer.running else ""
        print(f"{answer.board}: {counted}{going}", file=sys.stderr)
        for error in answer.errors:
            print(error.message(), file=sys.stderr)
    for record in unfinished(session.collected):
        left = sum(map(len, record.missing(session.collected).values()))
        name = record.campaign
        print(f"campaign {name}: {left} runs have no evidence; go on: invoke bench --campaign {name}", file=sys.stderr)
    return int(worst(error.exit_code for answer in answers for error in answer.errors))


def make_room(session: Session, board: Sequence[str] | None) -> int:
    """Prune what is here, say what went and what stays, and return the exit code."""
    from fleet.errors import worst
    from fleet.prune import prune

    answers = prune(session.select(board), session.collected, session.connect)
    for answer in answers:
        if answer.error is not None:
            print(answer.error.message(), file=sys.stderr)
            continue
        freed = f", {answer.freed_bytes / 2**20:.1f} MiB" if answer.runs else ""
        print(f"{answer.board}: {answer.runs} runs pruned{freed}", file=sys.stderr)
        for run, reason in answer.kept:
            print(f"  stays: {run}: {reason}", file=sys.stderr)
    return int(worst(answer.error.exit_code for answer in answers if answer.error is not None))


def summaries(session: Session, *, rebuild: bool = False) -> list[str]:
    """Write reports/summary.csv, .xlsx and results.sqlite from everything collected; returns their paths.

    A store that can not be written costs the spreadsheets nothing: it is said when they are there. Raises CannotWrite.
    """
    from analysis.cells import cells
    from analysis.references import REFERENCES, load_references
    from analysis.store import save_derived
    from analysis.writers import csv, xlsx

    runs, trouble = through_store(session, rebuild=rebuild)
    paths = [session.reports / "summary.csv", session.reports / "summary.xlsx", store_of(session)]
    csv.write_summary(runs, paths[0])
    xlsx.write_summary(runs, cells(runs), paths[1])
    if trouble is not None:
        raise trouble
    references = load_references(session.file(str(REFERENCES)))
    save_derived(store_of(session), runs, references, claims_of(session, runs, references))
    return [session.shown(path) for path in paths]
