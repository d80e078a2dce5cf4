"""The command line: one thin Invoke task per verb. ``invoke --list`` is its table of contents.

A task parses its options, calls one function and hands the result to a writer. Everything heavy is imported inside,
so that ``--list`` and ``--help`` are instant. Results go to stdout, progress and messages to stderr. Exit codes:
0 good, 1 the work failed, 2 usage or configuration, 3 verdict, 4 unreachable, 130 interrupted.
"""

from __future__ import annotations

import functools
import os
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from invoke import Context, Exit, task

if TYPE_CHECKING:
    from fleet.errors import FleetError
    from fleet.session import Session

PROJECT = Path(__file__).resolve().parent
INTERRUPTED = 130  # what a shell says of a program that Ctrl-C ended

BOARD = "names, patterns 'rk3588-[a-d]', '@group', '!exclusion'; repeatable or comma separated; default all"
FORMAT = "table, json, csv or md"


def verb(help: dict[str, str] | None = None, positional: Sequence[str] = (), **options: Any) -> Callable[[Any], Any]:
    """An Invoke task whose errors are a message and an exit code; a traceback is a bug of ours."""

    def wrap(body: Callable[..., None]) -> Any:
        @functools.wraps(body)
        def guarded(*args: Any, **kwargs: Any) -> None:
            from analysis.errors import AnalysisError
            from fleet.errors import FleetError

            try:
                body(*args, **kwargs)
            except (FleetError, AnalysisError) as error:
                raise Exit(error.message(), code=int(error.exit_code)) from None
            except KeyboardInterrupt:
                raise Exit("interrupted", code=INTERRUPTED) from None
            except (
                BrokenPipeError
            ):  # `invoke parse … | head`: nobody listens any more, and Python would say so at its end
                os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
                raise Exit(code=0) from None

        return task(auto_shortflags=False, help=help or {}, positional=list(positional), **options)(guarded)

    return wrap


@verb(help={"board": BOARD, "format": FORMAT}, iterable=["board"])
def boards(_c: Context, board: Sequence[str] | None = None, format: str = "table") -> None:
    """List the boards and how each of them stands now.

    invoke boards
    invoke boards --board '@lab1,!rk3588-c' --format json
    """
    from analysis.listing import check_format, listing
    from fleet.boards import read_states
    from fleet.rows import board_row

    check_format(format)
    session = _session()
    states = read_states(session.select(board), session.connect)
    print(listing([board_row(state) for state in states], format))
    _finish(state.error for state in states)


@verb(
    help={
        "address": "host name or IP address of the board",
        "name": "what to call it; default: rk3588-a, -b, …",
        "user": "who logs in; default: root",
        "port": "of its SSH server; default: 22",
        "fingerprint": "SHA256:… of its host key, where nobody can be asked",
        "llm-demo": "path of the llm_demo program on the board",
    },
    positional=["address"],
)
def add(
    _c: Context,
    address: str | None = None,
    name: str = "",
    user: str = "root",
    port: str = "",
    fingerprint: str = "",
    llm_demo: str = "",
) -> None:
    """Take a board from its bare address into the inventory.

    invoke add 192.0.2.17
    invoke add 192.0.2.17 --name rk3588-c --user linaro --llm-demo /home/linaro/llm_demo
    """
    from fleet import terminal
    from fleet.add import Newcomer, add_board
    from fleet.options import whole_number

    newcomer = Newcomer(address or "", name, user, whole_number(port, "--port", 1, 65535, 22), llm_demo)
    say = functools.partial(print, file=sys.stderr)
    print(add_board(_session(), newcomer, fingerprint=fingerprint, ask=terminal.ask(), say=say))


@verb(
    help={
        "board": BOARD,
        "rotate": "replace the keys that were trusted until now",
        "fingerprint": "SHA256:… to trust without being asked",
    },
    iterable=["board"],
)
def trust(_c: Context, board: Sequence[str] | None = None, rotate: bool = False, fingerprint: str = "") -> None:
    """Show a board's host key and trust it.

    invoke trust --board rk3588-c
    invoke trust --board rk3588-c --rotate --fingerprint SHA256:…
    """
    from fleet import terminal
    from fleet.trust import accept

    session = _session()
    for entry in session.select(board):
        if entry.virtual is None:
            offer = session.offer(entry)
            print(accept(offer, session.keys, fingerprint=fingerprint, rotate=rotate, ask=terminal.ask()))


@verb(
    help={
        "board": BOARD,
        "model": "a model of models.yaml; may be left out when there is one",
        "cores": "NPU core counts, each is an artifact of its own; default 1,2,3",
        "repeats": "measured runs of each cell, on top of a warm-up; default 3",
        "prompts": "file of prompts, one 'id: text' a line; default suites/prompts/default.txt",
        "new-tokens": "longest answer in tokens; default 128",
        "context": "max_context_len of the run; default 4096",
        "limit": "seconds after which a run is stopped; default 600",
        "format": FORMAT,
    },
    iterable=["board"],
)
def bench(
    _c: Context,
    board: Sequence[str] | None = None,
    model: str = "",
    cores: str = "1,2,3",
    repeats: str = "",
    prompts: str = "",
    new_tokens: str = "",
    context: str = "",
    limit: str = "",
    format: str = "table",
) -> None:
    """Measure a model on boards: run, follow, collect, print the table.

    invoke bench --board rk3588-a --model qwen3-0.6b --cores 1,2,3 --repeats 3
    invoke bench --board @lab1 --cores 3 --format csv
    """
    from analysis.listing import check_format
    from fleet.options import Bench

    check_format(format)
    session = _session()
    wanted = Bench(model, cores, repeats, prompts, new_tokens, context, limit)
    campaign, code = _measure(session, wanted, board)
    print(_table(session, format, campaign))
    _exit(code)


@verb(help={"board": BOARD, "format": FORMAT}, iterable=["board"])
def status(_c: Context, board: Sequence[str] | None = None, format: str = "table") -> None:
    """List the runs that lie on boards, going or ended.

    invoke status
    invoke status --board rk3588-a --format json
    """
    from analysis.listing import check_format, listing
    from fleet.board_runs import status as read_status
    from fleet.errors import FleetError
    from fleet.rows import run_row

    check_format(format)
    session = _session()
    answers = read_status(session.select(board), session.collected, session.connect)
    rows = [run_row(run) for answer in answers if not isinstance(answer, FleetError) for run in answer]
    print(listing(rows, format, empty="no runs on these boards"))
    _finish(answer for answer in answers if isinstance(answer, FleetError))


@verb(help={"board": BOARD}, iterable=["board"])
def attach(_c: Context, board: Sequence[str] | None = None) -> None:
    """Follow the runs that are going on boards, and collect them.

    invoke attach --board rk3588-a
    """
    from fleet.board_runs import attach as follow
    from fleet.live import PlainLines

    session = _session()
    listener = PlainLines(_stderr(), _headline)
    _finish(follow(session.select(board), session.collected, session.connect, listener))


@verb(help={"board": "which boards; must be named"}, iterable=["board"])
def cancel(_c: Context, board: Sequence[str] | None = None) -> None:
    """Stop the runs that are going on boards, for certain.

    invoke cancel --board rk3588-a
    """
    from fleet.board_runs import cancel as stop
    from fleet.errors import ConfigError, FleetError

    session = _session()
    if not board:
        raise ConfigError("say which boards: this stops runs", key="--board", hint="invoke cancel --board rk3588-a")
    answers = stop(session.select(board), session.collected, session.connect)
    ended = [told for answer in answers if not isinstance(answer, FleetError) for told in answer]
    for run, gone, reason in ended:
        print(f"{run.board}: {run.campaign}/{run.run} {'cancelled' if gone else f'not cancelled: {reason}'}")
    if not ended:
        print("nothing was running")
    _finish((answer for answer in answers if isinstance(answer, FleetError)), failed=any(not told[1] for told in ended))


@verb(help={"board": BOARD}, iterable=["board"])
def collect(_c: Context, board: Sequence[str] | None = None) -> None:
    """Pull what is not here yet, verify it, write the spreadsheets.

    invoke collect
    invoke collect --board '@lab1'
    """
    session = _session()
    code = _collect(session, board)
    for path in _summaries(session):
        print(path)
    _exit(code)


@verb(help={"path": "a log, a run's folder, or a folder of them", "format": "json, or table"}, positional=["path"])
def parse(_c: Context, path: str | None = None, format: str = "table") -> None:
    """Read a log, or a run with all its logs, and say what it holds.

    invoke parse collected/CAMPAIGN/rk3588-a/RUN
    invoke parse stdout.log --format json
    """
    from analysis.reading import read_path

    print(read_path(Path(path or "."), format))


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
    session = _session()
    done = import_logs(
        path or "", stated, collected=session.collected, catalogue=session.catalogue(), tool=session.version
    )
    for remark in done.remarks:
        print(remark, file=sys.stderr)
    for folder in done.known:
        print(f"here already, nothing added: {session.shown(folder)}", file=sys.stderr)
    for folder in done.added:
        print(f"{session.shown(folder)}: {_headline(folder)}", file=sys.stderr)
    if done.added:
        for written in _summaries(session):
            print(f"wrote {written}", file=sys.stderr)
    runs = [read_run(run_files(folder)) for folder in [*done.known, *done.added]]
    print(bench_table(cells(runs), format))


@verb(help={"format": FORMAT})
def demo(_c: Context, format: str = "table") -> None:
    """Run the whole pipeline on the virtual boards of the inventory.

    invoke demo
    """
    from fleet import virtual_boards
    from fleet.errors import ConfigError
    from fleet.options import Bench

    session = _session()
    names = [entry.name for entry in session.inventory.boards if entry.virtual is not None]
    if not names:
        raise ConfigError("there is no virtual board", file="inventory.yaml", hint="give a board `virtual: true`")
    try:
        campaign, code = _measure(session, Bench(), names)
        code = max(code, _collect(session, names))
        print(_table(session, format, campaign))
        for path in _summaries(session):
            print(f"wrote {path}", file=sys.stderr)
        print(f"raw logs in {session.shown(session.collected / campaign)}", file=sys.stderr)
    finally:
        virtual_boards.stop(names, session.virtual_state)
    _exit(code)


def _measure(session: Session, wanted: Any, board: Sequence[str] | None) -> tuple[str, int]:
    """One campaign, followed live; returns its id and the exit code that it has so far."""
    from contextlib import nullcontext

    from fleet import bench as campaigns
    from fleet.listener import Listeners
    from fleet.live import LiveTable, PlainLines

    request = wanted.request(session, session.select(board))
    console = _stderr()
    names = [entry.name for entry in request.boards]
    live = LiveTable(console, _headline, names) if console.is_terminal else None
    with live or nullcontext():
        listener = Listeners([live or PlainLines(console, _headline)])
        result = campaigns.start(session, request, listener)
    for line in campaigns.epilogue(result):
        print(line, file=sys.stderr)
    if result.interrupted:
        raise Exit(code=INTERRUPTED)
    from analysis.reading import read_campaign

    outcomes = [str(run.outcome) for run in read_campaign(session.collected, result.campaign)]
    return result.campaign, int(campaigns.exit_code(result, outcomes))


def _collect(session: Session, board: Sequence[str] | None) -> int:
    from fleet.collect import collect as pull
    from fleet.errors import worst

    answers = pull(session.select(board), session.collected, session.connect)
    for answer in answers:
        counted = f"{len(answer.pulled)} new, {answer.here} here before"
        going = f", {len(answer.running)} still going" if answer.running else ""
        print(f"{answer.board}: {counted}{going}", file=sys.stderr)
        for error in answer.errors:
            print(error.message(), file=sys.stderr)
    return int(worst(error.exit_code for answer in answers for error in answer.errors))


def _table(session: Session, format: str, campaign: str) -> str:
    from analysis.cells import cells
    from analysis.reading import read_campaign
    from analysis.writers import bench as bench_table

    return bench_table(cells(read_campaign(session.collected, campaign)), format)


def _summaries(session: Session) -> list[str]:
    """Write reports/summary.csv and .xlsx from everything collected; returns their paths."""
    from analysis.cells import cells
    from analysis.runs import read_runs
    from analysis.writers import csv, xlsx

    runs = read_runs(session.collected)
    paths = [session.reports / "summary.csv", session.reports / "summary.xlsx"]
    csv.write_summary(runs, paths[0])
    xlsx.write_summary(runs, cells(runs), paths[1])
    return [session.shown(path) for path in paths]


def _headline(folder: Path) -> str:
    """What an ended run gave, in a few words."""
    from analysis.reading import headline

    return headline(folder)


def _session() -> Session:
    from fleet.session import Session

    return Session.open(PROJECT)


def _stderr() -> Any:
    from rich.console import Console

    return Console(stderr=True)


def _finish(errors: Iterable[FleetError | None], failed: bool = False) -> None:
    """Say what went wrong where, then leave with the worst of it."""
    from fleet.errors import ExitCode, worst

    found = [error for error in errors if error is not None]
    for error in found:
        print(error.message(), file=sys.stderr)
    _exit(int(worst([error.exit_code for error in found] + ([ExitCode.FAILED] if failed else []))))


def _exit(code: int) -> None:
    if code:
        raise Exit(code=code)
